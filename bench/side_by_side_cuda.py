"""emucell's kernels for GPUs beside PyTorch and ONNX Runtime: the same files on the same GPU, numbers in its memory.

Usage: python bench/side_by_side_cuda.py EMUCELL [BATCH ...] > record.md

EMUCELL is the program, built with the feature cuda. Prints a table in Markdown: million evaluations a second by CUDA events,
the largest difference from double precision over the batch's first 2000 cells, and how many times faster the native
evaluation is than the others at the same batch, in its fastest numbers of like error. Who is not installed, or does not run,
is named below the table. Without a GPU, or without PyTorch for it, prints a line that says so and ends well.
"""

import json
import pathlib
import subprocess
import sys
import tempfile
import warnings

NETWORKS = ["3-16-16-2", "4-64-64-64-2", "4-128-128-64-2"]
ACTIVATIONS = ["relu", "tanh"]
PRECISIONS = ["f32", "f16", "bf16", "tf32", "auto"]
BATCHES = [1 << 24, 1 << 17, 1024]
# Errors that differ by no more than this factor are like each other, as in emucell's own tables.
LIKE = 10.0
ROUNDING = 1e-6
CHECKED = 2000


def network(torch, widths, activation):
    torch.manual_seed(0)
    layers = []
    for n_inputs, n_outputs in zip(widths, widths[1:]):
        layers += [torch.nn.Linear(n_inputs, n_outputs), {"relu": torch.nn.ReLU, "tanh": torch.nn.Tanh}[activation]()]
    return torch.nn.Sequential(*layers[:-1])


def median_seconds(torch, call):
    """By the GPU's clock, over series long enough for it."""
    for _ in range(5):
        call()
    torch.cuda.synchronize()

    def series(n):
        start, end = [torch.cuda.Event(enable_timing=True) for _ in range(2)]
        start.record()
        for _ in range(n):
            call()
        end.record()
        end.synchronize()
        return start.elapsed_time(end) * 1e-3 / n

    n = max(1, int(2e-3 / max(series(1), 1e-7)))
    return sorted(series(n) for _ in range(21))[10]


def of_torch(torch, model, x, how):
    model = model.cuda()
    kind = torch.float16 if "f16" in how else torch.float32
    torch.backends.cuda.matmul.allow_tf32 = "tf32" in how
    model, inputs = model.to(kind), x.cuda().to(kind)
    call = torch.compile(model, mode="reduce-overhead") if "compile" in how else model
    with torch.inference_mode():
        seconds = median_seconds(torch, lambda: call(inputs))
        y = call(inputs)[:CHECKED].double().cpu()
    return seconds, y


def of_onnx_runtime(torch, path, x, provider):
    import onnxruntime

    if provider not in onnxruntime.get_available_providers():
        raise RuntimeError(f"this ONNX Runtime has no {provider}; install onnxruntime-gpu")
    session = onnxruntime.InferenceSession(path, providers=[(provider, {"use_tf32": "0"})])
    if session.get_providers()[0] != provider:
        raise RuntimeError(f"{provider} does not start here")
    inputs, y = x.cuda(), torch.empty((len(x), 2), device="cuda")
    binding = session.io_binding()
    binding.bind_input("x", "cuda", 0, "float32", tuple(inputs.shape), inputs.data_ptr())
    binding.bind_output("y", "cuda", 0, "float32", tuple(y.shape), y.data_ptr())
    # It works on a stream of its own, for which each call waits: events around calls see their whole time.
    torch.cuda.synchronize()
    seconds = median_seconds(torch, lambda: session.run_with_iobinding(binding))
    return seconds, y[:CHECKED].double().cpu()


def of_emucell(program, path, batches):
    """Seconds, error, share of the limit and who sets it, by precision and batch; and why others are missing."""
    found, missing = {}, []
    for precision in PRECISIONS:
        arguments = [program, "bench", path, "--device", "cuda", "--precision", precision, "--json"]
        arguments += ["--batch", ",".join(map(str, batches))]
        outcome = subprocess.run(arguments, capture_output=True, text=True)
        if outcome.returncode:
            missing.append(f"native {precision}: {outcome.stderr.strip().splitlines()[-1]}")
            continue
        for m in json.loads(outcome.stdout):
            limit = "" if m["share_of_peak"] is None else f"{100 * m['share_of_peak']:.0f} % ({m['limited_by']})"
            found[precision, m["batch"]] = (m["seconds_median"], m["max_abs_error"], limit)
    return found, missing


def rows_of(torch, program, name, activation, batches, missing):
    widths = [int(w) for w in name.split("-")]
    model = network(torch, widths, activation)
    exact_model = network(torch, widths, activation).double()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        path = str(pathlib.Path(folder) / "network.onnx")
        axes = {"x": {0: "cells"}, "y": {0: "cells"}}
        torch.onnx.export(
            model, (torch.zeros(1, widths[0]),), path, input_names=["x"], output_names=["y"], dynamic_axes=axes,
            dynamo=False,
        )
        native, gone = of_emucell(program, path, batches)
        missing.update(gone)
        for (precision, batch), (seconds, error, limit) in native.items():
            rows.append((batch, f"native {precision}", seconds, error, limit))
        for batch in batches:
            x = torch.rand((batch, widths[0])) * 2 - 1
            with torch.inference_mode():
                exact = exact_model(x[:CHECKED].double())
            others = {
                how: (lambda how=how: of_torch(torch, network(torch, widths, activation), x, how))
                for how in ("PyTorch f32", "PyTorch tf32", "PyTorch f16", "torch.compile f32", "torch.compile f16")
            }
            others["ONNX Runtime CUDA f32"] = lambda: of_onnx_runtime(torch, path, x, "CUDAExecutionProvider")
            for how, measure in others.items():
                try:
                    seconds, y = measure()
                except Exception as fault:  # whatever a framework that is half installed throws
                    missing.add(f"{how}: {str(fault).strip().splitlines()[0] if str(fault).strip() else type(fault).__name__}")
                    continue
                rows.append((batch, how, seconds, float((y - exact).abs().max()), ""))
    return rows


def print_rows(name, activation, rows):
    natives = [row for row in rows if row[1].startswith("native")]
    for batch, how, seconds, error, limit in sorted(rows, key=lambda row: (-row[0], row[1])):
        faster = ""
        if not how.startswith("native"):
            like = [n[2] for n in natives if n[0] == batch and max(n[3], ROUNDING) <= LIKE * max(error, ROUNDING)]
            faster = f"{seconds / min(like):.1f}" if like else "≠"
        print(
            f"| {name} {activation} | {batch} | {how} | {1e-6 * batch / seconds:.4g} | {limit} | {error:.1e} | {faster} |",
            flush=True,
        )


def main():
    warnings.filterwarnings("ignore")
    program, batches = sys.argv[1], [int(b) for b in sys.argv[2:]] or BATCHES
    try:
        import torch

        has_gpu = torch.cuda.is_available()
    except ImportError:
        has_gpu, torch = False, None
    if not has_gpu:
        print("Not compared with PyTorch and ONNX Runtime: this Python has no PyTorch that sees a GPU.")
        return
    print(f"{torch.cuda.get_device_name()}, PyTorch {torch.__version__}\n")
    print("| network | batch | backend | M evaluations/s | of the limit | max error | native, times faster |")
    print("|---|---|---|---|---|---|---|")
    missing = set()
    for name in NETWORKS:
        for activation in ACTIVATIONS:
            print_rows(name, activation, rows_of(torch, program, name, activation, batches, missing))
    for line in sorted(missing):
        print(f"\nmissing: {line}")


main()
