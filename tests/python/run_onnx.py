"""Checks every NAME.onnx of a folder and runs it with ONNX Runtime: NAME.x (float32, cells x inputs) gives NAME.y."""

import pathlib
import sys

import numpy
import onnx
import onnxruntime

for path in sorted(pathlib.Path(sys.argv[1]).glob("*.onnx")):
    onnx.checker.check_model(onnx.load(path), full_check=True)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (model_input,) = session.get_inputs()
    x = numpy.fromfile(path.with_suffix(".x"), dtype="<f4").reshape(-1, model_input.shape[1])
    (y,) = session.run(["y"], {model_input.name: x})
    assert y.dtype == numpy.float32 and len(y) == len(x), (path, y.dtype, y.shape)
    y.tofile(path.with_suffix(".y"))
