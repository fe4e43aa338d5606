"""PyTorch's optimisers, and Levenberg-Marquardt with a Jacobian by torch.func, on the problem of
tests/train_methods.rs: prints the loss before and after each step."""

import json
import sys

import torch

given = json.loads(sys.argv[1])
torch.set_default_dtype(torch.float64)
torch.set_num_threads(1)
width = given["width"]
x = torch.tensor(given["x"]).view(-1, 2)
y = torch.tensor(given["y"]).view(-1, 2)
shapes = [(width, 2), (width,), (width, width), (width,), (2, width), (2,)]
flat = torch.tensor(given["parameters"])


def residuals(flat):
    parts, start = [], 0
    for shape in shapes:
        n = torch.Size(shape).numel()
        parts.append(flat[start:start + n].view(shape))
        start += n
    h = torch.tanh(x @ parts[0].T + parts[1])
    h = torch.tanh(h @ parts[2].T + parts[3])
    return (h @ parts[4].T + parts[5] - y).flatten()


def loss(flat):
    return residuals(flat).square().mean()


losses = [loss(flat).item()]
if given["method"] == "levenberg_marquardt":
    n = y.numel()
    damping, growth = None, 2.0
    for _ in range(given["steps"]):
        r = residuals(flat) / n**0.5
        jacobian = torch.func.jacfwd(residuals)(flat) / n**0.5
        normal, gradient = jacobian.T @ jacobian, jacobian.T @ r
        damping = damping or 1e-3 * normal.diagonal().max().item()
        while True:
            step = torch.linalg.solve(normal + damping * torch.eye(len(flat)), -gradient)
            if loss(flat + step) < loss(flat):
                break
            damping, growth = damping * growth, growth * 2.0
        # The predicted decrease of the damped model, as Nielsen defines it.
        predicted = step @ (damping * step - gradient)
        ratio = ((loss(flat) - loss(flat + step)) / predicted).item()
        damping, growth = damping * max(1.0 / 3.0, 1.0 - (2.0 * ratio - 1.0) ** 3), 2.0
        flat = flat + step
        losses.append(loss(flat).item())
else:
    flat.requires_grad_(True)
    if given["method"] == "adamw":
        optimizer = torch.optim.AdamW([flat], lr=1e-2, weight_decay=0.3)
    else:
        optimizer = torch.optim.LBFGS([flat], lr=1, max_iter=1, history_size=10, line_search_fn="strong_wolfe",
                                      tolerance_grad=0, tolerance_change=0)

    def closure():
        optimizer.zero_grad()
        value = loss(flat)
        value.backward()
        return value

    for _ in range(given["steps"]):
        optimizer.step(closure)
        losses.append(loss(flat).item())
print(" ".join(f"{value:.17g}" for value in losses))
