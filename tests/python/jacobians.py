"""Writes networks of PyTorch (NAME.onnx) with their Jacobians by automatic differentiation in double precision
(NAME.jacobian, cells x outputs x inputs) at the inputs in `x`, for the activations that `activations.txt` names."""

import pathlib
import sys
import warnings

import numpy
import torch

from activations import network as make

warnings.filterwarnings("ignore")
folder = pathlib.Path(sys.argv[1])
x = torch.from_numpy(numpy.fromfile(folder / "x", dtype="<f4").reshape(-1, 4))
torch.manual_seed(1)
for name in (folder / "activations.txt").read_text().split():
    for n_outputs in (2, 6):  # fewer and more than inputs: reverse and forward mode
        network = make(name, 4, 32, 9, n_outputs)
        stem = folder / f"{name}_{n_outputs}"
        torch.onnx.export(network, (x[:3],), f"{stem}.onnx", opset_version=20, dynamo=False)
        # Cells do not meet: the derivative of their sum is that of each.
        total = lambda x: network.double()(x).sum(0)
        jacobian = torch.autograd.functional.jacobian(total, x.double()).movedim(0, 1).contiguous()
        jacobian.float().numpy().tofile(f"{stem}.jacobian")
