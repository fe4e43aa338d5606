"""The activations by the names that emucell has for them."""

from torch import nn

ACTIVATIONS = {
    "linear": nn.Identity,
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "elu": nn.ELU,
    "selu": nn.SELU,
    "celu": nn.CELU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "softplus": nn.Softplus,
    "silu": nn.SiLU,
    "gelu": nn.GELU,
    "gelu_tanh": lambda: nn.GELU(approximate="tanh"),
    "rrelu": nn.RReLU,
    "glu": nn.GLU,
    # Of no program.
    "hardswish": nn.Hardswish,
}


def network(name, *widths):
    """Linear layers of these widths with the activation between them, as at inference."""
    layers, n_inputs = [], widths[0]
    for width in widths[1:-1]:
        # GLU halves an even width.
        width += width % 2 if name == "glu" else 0
        layers += [nn.Linear(n_inputs, width), ACTIVATIONS[name]()]
        n_inputs = width // 2 if name == "glu" else width
    return nn.Sequential(*layers, nn.Linear(n_inputs, widths[-1])).eval()
