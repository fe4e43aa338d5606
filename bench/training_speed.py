"""Training in emucell beside the same training in PyTorch: iterations a second, one and two threads, one run.

Usage: .python/bin/python bench/training_speed.py EMUCELL [ROUNDS [SECONDS [THREADS ...]]] > record.md

EMUCELL is the program, usually target/release/emucell built with `--features cli,train`. Both sides have the same network,
batch, rows and optimiser (Adam), on the same libtorch. PyTorch runs eagerly, as well as it is easily written: rows are scaled
and shuffled beforehand, a batch is a view, Adam is the faster one of the plain and the fused. emucell runs `emucell train`
with all that it does beside (reading losses, looking for divergence). Rounds alternate between the two; the table has medians,
and the range of the ratio over the rounds. On a machine that others use, clock times say as much about the others: the
processor's time an iteration, which counts what this training computes, is given beside them.
"""

import json
import math
import os
import pathlib
import resource
import statistics
import subprocess
import sys
import tempfile
import time

import numpy
import torch
from torch import nn

# Problem C: t, u0, w0, k.
RANGES = [(0.0, 20.0), (-0.1, 0.81), (0.0, 0.12), (0.0, 1.0)]
N_ROWS = 100_000
ACTIVATIONS = {"tanh": nn.Tanh, "silu": nn.SiLU}
CASES = [
    ("data", "silu", [128, 128, 64], 1024),
    ("data", "tanh", [64, 64, 64], 1024),
    ("data", "tanh", [32, 32], 1024),
    ("data", "tanh", [32, 32], 128),
    ("residual", "tanh", [128, 128, 64], 1024),
    ("residual", "tanh", [32, 32], 1024),
    ("residual", "tanh", [32, 32], 128),
]


def rows(folder):
    random = numpy.random.default_rng(0)
    x = numpy.column_stack([random.uniform(low, high, N_ROWS) for low, high in RANGES])
    # Any smooth function: what is learnt does not change what an iteration costs.
    y = numpy.column_stack([numpy.sin(x[:, 0] + x[:, 1]), 0.1 * numpy.cos(x[:, 0] * x[:, 3] + x[:, 2])])
    table = numpy.column_stack([x, y])
    numpy.savetxt(folder / "rows.csv", table, delimiter=",", header="t,u0,w0,k,u,w", comments="", fmt="%.9g")
    return torch.from_numpy(x).float(), torch.from_numpy(y).float()


def recipe(kind, activation, widths, batch, iterations):
    hidden = ", ".join(f'["{activation}", {width}]' for width in widths)
    data = '[data]\ntraining_file = "rows.csv"\n' if kind == "data" else ""
    return f"""
[surrogate]
kind = "solution_map"
problem = "c"
{data}
[network]
hidden = [{hidden}]
[scaling]
inputs = "range"
outputs = "none"
[[loss]]
kind = "{kind}"
criterion = "mse"
batch = {batch}
[optimizer]
method = "adam"
rate = 1e-3
[schedule]
kind = "constant"
[stop]
iterations = {iterations}
validate_every = {iterations}
[evaluation]
cells = 1
"""


def of_emucell(program, folder, case, threads, iterations):
    path = folder / "recipe.toml"
    path.write_text(recipe(*case, iterations))
    command = [program, "train", path, "--out", folder / "out", "--force", "--json", "--threads", str(threads)]
    environment = os.environ | {"OMP_NUM_THREADS": str(threads)}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    output = subprocess.run(command, check=True, capture_output=True, env=environment).stdout
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    trained = json.loads(output)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return trained["iterations"] / trained["seconds"], cpu


class Batches:
    def __init__(self, batch, *tables):
        self.tables, self.batch, self.at = tables, batch, 0
        self.shuffle()

    def shuffle(self):
        order = torch.randperm(N_ROWS)
        self.shuffled, self.at = [table[order] for table in self.tables], 0

    def next(self):
        if self.at + self.batch > N_ROWS:
            self.shuffle()
        views = [table[self.at : self.at + self.batch] for table in self.shuffled]
        self.at += self.batch
        return views


def of_torch(tables, case, fused, threads, iterations=None, seconds=None):
    kind, activation, widths, batch = case
    torch.manual_seed(0)
    torch.set_num_threads(threads)
    low, high = torch.tensor(RANGES).float().T
    centre, half = (low + high) / 2, (high - low) / 2
    layers = []
    for n_inputs, n_outputs in zip([4, *widths], widths):
        layers += [nn.Linear(n_inputs, n_outputs), ACTIVATIONS[activation]()]
    model = nn.Sequential(*layers, nn.Linear(widths[-1], 2))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, fused=fused)
    x, y = tables
    batches = Batches(batch, (x - centre) / half, y)

    def data():
        inputs, targets = batches.next()
        return nn.functional.mse_loss(model(inputs), targets)

    def residual():
        points = low + (high - low) * torch.rand(batch, 4)
        t = points[:, :1].requires_grad_()
        points = torch.cat([t, points[:, 1:]], 1)
        state = model((points - centre) / half)
        u, w = state[:, :1], state[:, 1:]
        du, = torch.autograd.grad(u.sum(), t, create_graph=True)
        dw, = torch.autograd.grad(w.sum(), t, create_graph=True)
        s = 0.04 * points[:, 3:] + 0.08
        left = torch.cat([du - 10 * (u * (u - 0.4) * (1 - u) - w + s), dw - (0.04 * u - 0.16 * w)], 1)
        return left.square().mean()

    loss = {"data": data, "residual": residual}[kind]

    def step():
        optimizer.zero_grad()
        loss().backward()
        optimizer.step()

    for _ in range(20):
        step()
    start, start_cpu, done = time.perf_counter(), time.process_time(), 0
    while done < iterations if iterations else time.perf_counter() - start < seconds:
        step()
        done += 1
    return done / (time.perf_counter() - start), (time.process_time() - start_cpu) / done


def main():
    program = str(pathlib.Path(sys.argv[1]).resolve())
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 5
    seconds = float(sys.argv[3]) if len(sys.argv) > 3 else 2.0
    print(f"PyTorch {torch.__version__}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the start,"
          f" medians of {rounds} rounds of {seconds:g} s\n")
    print("| loss | network | batch | threads | PyTorch, it/s | emucell, it/s | emucell, times faster (range)"
          " | CPU ms an iteration, PyTorch | emucell | ratio |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    ratios, cpu_ratios = [], []
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        tables = rows(folder)
        for threads in [int(n) for n in sys.argv[4:]] or [1, 2]:
            for case in CASES:
                kind, activation, widths, batch = case
                speeds = {fused: of_torch(tables, case, fused, threads, seconds=seconds / 2)[0] for fused in (False, True)}
                fused = max(speeds, key=speeds.get)
                iterations = max(20, math.ceil(speeds[fused] * seconds))
                # What a training costs besides its iterations.
                _, rest = of_emucell(program, folder, case, threads, 1)
                theirs, ours = [], []
                for _ in range(rounds):
                    theirs.append(of_torch(tables, case, fused, threads, iterations=iterations))
                    speed, cpu = of_emucell(program, folder, case, threads, iterations)
                    ours.append((speed, (cpu - rest) / (iterations - 1)))
                each = sorted(a[0] / b[0] for a, b in zip(ours, theirs))
                ratios.append(statistics.median(each))
                (their_speed, their_cpu), (our_speed, our_cpu) = (
                    [statistics.median(values) for values in zip(*side)] for side in (theirs, ours)
                )
                cpu_ratios.append(their_cpu / our_cpu)
                network = "-".join(map(str, [4, *widths, 2]))
                print(
                    f"| {kind} | {network} {activation} | {batch} | {threads} | {their_speed:.0f} | {our_speed:.0f}"
                    f" | {ratios[-1]:.2f} ({each[0]:.2f} – {each[-1]:.2f})"
                    f" | {1e3 * their_cpu:.2f} | {1e3 * our_cpu:.2f} | {cpu_ratios[-1]:.2f} |",
                    flush=True,
                )
    print(f"\nSmallest median ratio {min(ratios):.2f}, geometric mean {statistics.geometric_mean(ratios):.2f};"
          f" of CPU time {min(cpu_ratios):.2f} and {statistics.geometric_mean(cpu_ratios):.2f}.")


main()
