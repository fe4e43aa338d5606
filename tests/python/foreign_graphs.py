"""Writes graphs that emucell's programs cannot hold, or that nobody should run, into a folder."""

import pathlib
import sys

import numpy
import onnx
from onnx import TensorProto, helper, numpy_helper

folder = pathlib.Path(sys.argv[1])


def tensor(name, shape, kind=TensorProto.FLOAT):
    return helper.make_tensor_value_info(name, kind, shape)


def write(name, nodes, inputs, outputs, constants=()):
    initializers = [numpy_helper.from_array(numpy.asarray(v), n) for n, v in constants]
    graph = helper.make_graph(nodes, name, inputs, outputs, initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)])
    model.ir_version = 9
    onnx.save(model, folder / f"{name}.onnx")


node = helper.make_node
x, y = tensor("x", ["cells", 3]), tensor("y", ["cells", 3])
sine = [node("Sin", ["x"], ["y"], name="wave")]

# y = sin(x): no program has the operator.
write("sine", sine, [x], [y])
# (t, state, g) -> (u', w'): u' = u + g sin(t), w' = g w, each variable or group a tensor of its own.
write(
    "parts",
    [
        node("Sin", ["t"], ["s"]),
        node("Mul", ["g", "s"], ["gs"]),
        node("Unsqueeze", ["gs", "axis"], ["change"]),
        node("Unsqueeze", ["g", "axis"], ["column"]),
        node("Slice", ["state", "zero", "one", "axis"], ["u"]),
        node("Slice", ["state", "one", "two", "axis"], ["w"]),
        node("Add", ["u", "change"], ["next_u"]),
        node("Mul", ["w", "column"], ["scaled"]),
        node("Squeeze", ["scaled", "axis"], ["next_w"]),
    ],
    [tensor("t", ["cells"]), tensor("state", ["cells", 2]), tensor("g", ["cells"])],
    [tensor("next_u", ["cells", 1]), tensor("next_w", ["cells"])],
    [(name, numpy.array([value], numpy.int64)) for name, value in [("axis", 1), ("zero", 0), ("one", 1), ("two", 2)]],
)
# The file does not tell the number of columns of y.
write("untold", sine, [x], [tensor("y", ["cells", "columns"])])
write("any_rank", sine, [tensor("x", None)], [tensor("y", None)])
write("one_cell", sine, [tensor("x", [1, 3])], [tensor("y", [1, 3])])
write("three_dimensions", sine, [tensor("x", ["cells", 3, 1])], [tensor("y", ["cells", 3, 1])])
write("doubles", sine, [tensor("x", ["cells", 3], TensorProto.DOUBLE)], [tensor("y", ["cells", 3], TensorProto.DOUBLE)])
# One row whatever the number of cells.
write("mixing", [node("ReduceMean", ["x", "axes"], ["y"])], [x], [y], [("axes", numpy.array([0], numpy.int64))])
write("unknown_operator", [node("Wavelet", ["x"], ["y"], name="strange")], [x], [y])
