"""Writes networks of PyTorch as it exports them (NAME.onnx) with their outputs (NAME.y) for the inputs in `x`."""

import pathlib
import sys
import warnings

import numpy
import torch

from activations import network as make

warnings.filterwarnings("ignore")
folder = pathlib.Path(sys.argv[1])
x = torch.from_numpy(numpy.fromfile(folder / "x", dtype="<f4").reshape(-1, 4))
torch.manual_seed(0)
for name in (folder / "activations.txt").read_text().split() + ["hardswish"]:
    network = make(name, 4, 32, 9, 2)
    for opset in (13, 20):
        stem = folder / f"{name}_opset{opset}"
        axes = {"x": {0: "cells"}, "y": {0: "cells"}}
        torch.onnx.export(
            network, (x[:3],), f"{stem}.onnx", opset_version=opset, dynamo=False,
            input_names=["x"], output_names=["y"], dynamic_axes=axes,
        )
        with torch.no_grad():
            network(x).numpy().tofile(f"{stem}.y")
