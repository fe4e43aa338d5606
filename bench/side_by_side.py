"""Native evaluation beside ONNX Runtime and PyTorch: the same files, one thread, one run.

Usage: .python/bin/python bench/side_by_side.py EMUCELL [BATCH ...] > record.md

EMUCELL is the program, usually target/release/emucell. Prints a table in Markdown: million evaluations a second, the share of
the core's multiply-adds that the native evaluation reaches (a loop of them in the same run is the whole), the largest
difference from double precision over the batch (its first 2000 cells), and how many times faster the native evaluation is
than the others at the same batch.
"""

import json
import pathlib
import platform
import subprocess
import sys
import tempfile
import time
import warnings

import numpy
import onnxruntime
import torch
from torch import nn

NETWORKS = ["4-128-128-64-2", "4-64-64-32-32-2", "3-32-32-2", "3-16-16-2"]
ACTIVATIONS = {"relu": nn.ReLU, "tanh": nn.Tanh}


def network(widths, activation):
    torch.manual_seed(0)
    layers = []
    for n_inputs, n_outputs in zip(widths, widths[1:]):
        layers += [nn.Linear(n_inputs, n_outputs), ACTIVATIONS[activation]()]
    return nn.Sequential(*layers[:-1])


def median_seconds(call):
    call()
    times, start = [], time.perf_counter()
    while time.perf_counter() - start < 0.5 or len(times) < 5:
        begin = time.perf_counter()
        call()
        times.append(time.perf_counter() - begin)
    return sorted(times)[len(times) // 2]


def error(y, model, x):
    with torch.inference_mode():
        exact = model.double()(torch.from_numpy(x[:2000]).double()).numpy()
        model.float()
    return float(numpy.abs(y[:2000] - exact).max())


def of_onnx_runtime(path, model, x):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    (model_input,), (model_output,) = session.get_inputs(), session.get_outputs()
    y = numpy.empty((len(x), 2), numpy.float32)
    # The caller's own buffers, bound once: no copies are charged to it.
    binding = session.io_binding()
    binding.bind_input(model_input.name, "cpu", 0, numpy.float32, x.shape, x.ctypes.data)
    binding.bind_output(model_output.name, "cpu", 0, numpy.float32, y.shape, y.ctypes.data)
    seconds = median_seconds(lambda: session.run_with_iobinding(binding))
    return seconds, error(y, model, x), None


def of_torch(model, x):
    with torch.inference_mode():
        inputs = torch.from_numpy(x)
        seconds = median_seconds(lambda: model(inputs))
        return seconds, error(model(inputs).numpy(), model, x), None


def of_emucell(program, path, batches):
    arguments = [program, "bench", path, "--json", "--batch", ",".join(map(str, batches))]
    measurements = json.loads(subprocess.run(arguments, check=True, capture_output=True).stdout)
    return {
        (m["backend"], m["batch"]): (m["seconds_median"], m["max_abs_error"], m["share_of_peak"]) for m in measurements
    }


def main():
    warnings.filterwarnings("ignore")
    torch.set_num_threads(1)
    program, batches = sys.argv[1], [int(b) for b in sys.argv[2:]] or [1, 1024, 65536]
    print(f"{platform.processor() or platform.machine()}, ONNX Runtime {onnxruntime.__version__}, PyTorch {torch.__version__}\n")
    print("| network | batch | backend | M evaluations/s | of peak | max error | native, times faster |")
    print("|---|---|---|---|---|---|---|")
    for name in NETWORKS:
        for activation in ACTIVATIONS:
            widths = [int(w) for w in name.split("-")]
            model = network(widths, activation)
            with tempfile.TemporaryDirectory() as folder:
                path = str(pathlib.Path(folder) / "network.onnx")
                axes = {"x": {0: "cells"}, "y": {0: "cells"}}
                torch.onnx.export(
                    model, (torch.zeros(1, widths[0]),), path, input_names=["x"], output_names=["y"],
                    dynamic_axes=axes, dynamo=False,
                )
                native = of_emucell(program, path, batches)
                rows = {}
                for batch in batches:
                    x = numpy.random.default_rng(0).uniform(-1, 1, (batch, widths[0])).astype(numpy.float32)
                    rows["ONNX Runtime", batch] = of_onnx_runtime(path, model, x)
                    rows["PyTorch", batch] = of_torch(model, x)
                rows.update(native)
            best_native = {b: min(s for (_, batch), (s, _, _) in native.items() if batch == b) for b in batches}
            for batch in batches:
                for backend, at in sorted(key for key in rows if key[1] == batch):
                    seconds, difference, share = rows[backend, at]
                    faster = "" if backend.startswith("native") else f"{seconds / best_native[batch]:.1f}"
                    share = "" if share is None else f"{100 * share:.0f} %"
                    print(
                        f"| {name} {activation} | {batch} | {backend} | {1e-6 * batch / seconds:.3g} | {share} |"
                        f" {difference:.1e} | {faster} |",
                        flush=True,
                    )


main()
