"""Writes networks and data as PyTorch does: NAME.pth with the outputs NAME.y for the inputs in `x`, and data as NAME.pt."""

import collections
import pathlib
import sys
import warnings

import numpy
import torch
from torch import nn

warnings.filterwarnings("ignore")
folder = pathlib.Path(sys.argv[1])
x = torch.from_numpy(numpy.fromfile(folder / "x", dtype="<f4").reshape(-1, 4))
torch.manual_seed(0)


def save(name, network, content=None, **options):
    network.eval()
    torch.save(network if content is None else content, folder / f"{name}.pth", **options)
    with torch.no_grad():
        network(x.to(next(network.parameters()).dtype)).float().numpy().tofile(folder / f"{name}.y")


def plain(*activations, dtype=torch.float32, bias=True):
    widths = [4, 16, 9]
    layers = []
    for n, m, activation in zip(widths, widths[1:], activations):
        layers += [nn.Linear(n, m, bias=bias), activation]
    return nn.Sequential(*layers, nn.Linear(widths[-1], 2, bias=bias)).to(dtype)


def gated(**options):
    return nn.Sequential(nn.Linear(4, 16), nn.GLU(**options), nn.Linear(8, 9), nn.RReLU(0.2, 0.4), nn.Linear(9, 2))


class Papers(nn.Module):
    """As the papers' class: layers and activations in one list."""

    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(4, 16), nn.SiLU(), nn.Linear(16, 9), nn.Tanh(), nn.Linear(9, 2)])

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
        return x


class Functional(nn.Module):
    """Activations in its code, where no file can show them."""

    def __init__(self):
        super().__init__()
        self.first, self.second, self.last = nn.Linear(4, 16), nn.Linear(16, 9), nn.Linear(9, 2)

    def forward(self, x):
        return self.last(torch.tanh(self.second(torch.tanh(self.first(x)))))


class Scaled(Papers):
    def __init__(self):
        super().__init__()
        self.register_buffer("scale", torch.tensor([2.0]))

    def forward(self, x):
        return super().forward(x) * self.scale


class Evil:
    """Runs code in everything that unpickles it."""

    def __reduce__(self):
        return print, ("an unpickler ran me", )


activations = {
    "relu": nn.ReLU(),
    "leaky_relu": nn.LeakyReLU(0.2),
    "elu": nn.ELU(0.5),
    "selu": nn.SELU(),
    "celu": nn.CELU(1.7),
    "tanh": nn.Tanh(),
    "sigmoid": nn.Sigmoid(),
    "softplus": nn.Softplus(),
    "silu": nn.SiLU(),
    "gelu": nn.GELU(),
    "gelu_tanh": nn.GELU(approximate="tanh"),
    "rrelu": nn.RReLU(),
}
for name, activation in activations.items():
    save(f"module_{name}", plain(activation, activation))

save("module_glu", gated())
save("module_glu_1", gated(dim=1))
save("gated_state", network := gated(), network.state_dict())

network = plain(nn.SiLU(), nn.Tanh())
for protocol in (2, 3, 4, 5):
    save(f"module_protocol{protocol}", network, pickle_protocol=protocol)
    save(f"state_protocol{protocol}", network, network.state_dict(), pickle_protocol=protocol)
optimizer = torch.optim.Adam(network.parameters())
network(x).sum().backward()
optimizer.step()
save("state_checkpoint", network, {
    "epoch": 3,
    "optimizer_state_dict": optimizer.state_dict(),
    "model_state_dict": network.state_dict(),
    "loss": torch.tensor(0.5),
    "history": [1.0, 2.0],
})
save("state_lightning", network, {"state_dict": network.state_dict(), "pytorch-lightning_version": "2.0"})
save("state_own_name", network, {"epoch": 3, "surrogate": network.state_dict()})
save("module_checkpoint", network, {"model": network, "epoch": 3})
wrapped = nn.DataParallel(network)
save("state_parallel", network, wrapped.state_dict())
save("state_plain_dict", network, dict(network.state_dict()))
save("state_with_code", network, {"model_state_dict": network.state_dict(), "callback": Evil()})
for dtype, name in ((torch.float64, "double"), (torch.float16, "half"), (torch.bfloat16, "bfloat16")):
    other = plain(nn.SiLU(), nn.Tanh(), dtype=dtype)
    save(f"state_{name}", other, other.state_dict())
    # The yardstick is single precision with the file's numbers.
    other = other.float()
    with torch.no_grad():
        other(x).numpy().tofile(folder / f"state_{name}.y")
unbiased = plain(nn.SiLU(), nn.Tanh(), bias=False)
save("state_unbiased", unbiased, unbiased.state_dict())
# All parameters as views of one storage, transposed and offset.
shared = plain(nn.SiLU(), nn.Tanh())
flat, state, start = torch.zeros(10 + sum(p.numel() for p in shared.parameters())), collections.OrderedDict(), 10
for key, value in shared.state_dict().items():
    view = flat[start:start + value.numel()].view(*reversed(value.shape)).t() if value.dim() == 2 else flat[start:start + value.numel()]
    view.copy_(value)
    state[key] = view
    start += value.numel()
save("state_shared", shared, state)
nested = nn.Sequential(
    nn.Sequential(nn.Linear(4, 16), nn.SiLU(), nn.Dropout(0.3)), nn.Identity(), nn.Linear(16, 9), nn.Tanh(), nn.Linear(9, 2)
)
save("module_nested", nested)
save("module_output_activation", nn.Sequential(nn.Linear(4, 16), nn.Linear(16, 2), nn.Sigmoid()))
save("module_papers", Papers())
save("hidden_functional", Functional())

# What cannot be converted.
torch.save(Functional(), folder / "bad_functional.pth")
torch.save(Scaled(), folder / "bad_scaled.pth")
torch.save(nn.Sequential(nn.Linear(4, 16), nn.Hardswish(), nn.Linear(16, 2)), folder / "bad_hardswish.pth")
torch.save(nn.Sequential(nn.Conv1d(4, 16, 3)), folder / "bad_conv.pth")
torch.save(nn.Sequential(nn.Conv1d(4, 16, 3)).state_dict(), folder / "bad_conv_state.pth")
torch.save(nn.Sequential(nn.Linear(4, 16), nn.BatchNorm1d(16), nn.Linear(16, 2)).state_dict(), folder / "bad_norm_state.pth")
torch.save(nn.Sequential(nn.Linear(4, 16), nn.Tanh(), nn.Linear(15, 2)), folder / "bad_widths.pth")
torch.save(nn.Sequential(nn.utils.weight_norm(nn.Linear(4, 2))), folder / "bad_hook.pth")
torch.save(nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Linear(4, 2))).state_dict(), folder / "bad_parametrized.pth")
torch.save(network.state_dict(), folder / "bad_legacy.pth", _use_new_zipfile_serialization=False)
torch.save(x, folder / "bad_tensor.pth")
torch.save({"a": 1, "b": "text"}, folder / "bad_nothing.pth")
torch.save(gated(dim=0), folder / "bad_glu.pth")
torch.save(nn.Softplus(beta=2.0), folder / "bad_softplus.pth")
torch.jit.script(network).save(folder / "bad_script.pth")

# Data.
u = torch.arange(6, dtype=torch.float64).reshape(3, 2) / 7
columns = {"t": torch.tensor([0.5, 1.5, 2.5]).reshape(-1, 1), "u": u[:, 1], "n": torch.tensor([1, -2, 3])}
torch.save(columns, folder / "dictionary.pt")
torch.save(u.t().contiguous().t(), folder / "tensor.pt")
torch.save([u[:, 0], u[:, 1].half()], folder / "list.pt")
torch.save({"x": {"a": torch.ones(3, dtype=torch.bool)}, "y": torch.ones(3, dtype=torch.bfloat16) * 3}, folder / "nested.pt")
torch.save({"x": torch.ones(3), "name": "text"}, folder / "mixed.pt")
torch.save(torch.ones(1).expand(100_000_000), folder / "expanded.pt")
torch.save(torch.tensor([2**53 + 1]), folder / "long.pt")
torch.save(torch.ones(3, dtype=torch.complex64), folder / "complex.pt")
torch.save(torch.ones(3, 1).to_sparse(), folder / "sparse.pt")
torch.save(torch.tensor([1, 2], dtype=torch.uint16), folder / "uint16.pt")
torch.save(nn.Parameter(torch.ones(3)), folder / "parameter.pt")
