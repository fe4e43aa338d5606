"""Runs the state dicts NAME.pth of a folder in PyTorch, NAME being an activation and the widths 4, 16, 8, 2: NAME.x gives
NAME.y."""

import pathlib
import sys

import numpy
import torch

from activations import network

for path in sorted(pathlib.Path(sys.argv[1]).glob("*.pth")):
    layers = network(path.stem, 4, 16, 8, 2)
    layers.load_state_dict({key.removeprefix("layers."): value for key, value in torch.load(path).items()})
    x = torch.from_numpy(numpy.fromfile(path.with_suffix(".x"), dtype="<f4").reshape(-1, 4))
    with torch.no_grad():
        layers(x).numpy().tofile(path.with_suffix(".torch"))
