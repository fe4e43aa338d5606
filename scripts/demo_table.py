"""The table with which `make demo` ends: what was trained, how good it is, what it costs. Usage: demo_table.py FOLDER"""

import json
import pathlib
import sys

folder = pathlib.Path(sys.argv[1])


def load(name):
    return json.loads((folder / name).read_text())


def row(what, *cells):
    print(f"  {what:<46}" + "".join(f"{cell:>22}" for cell in cells))


def number(x):
    return f"{x:.2e}" if x < 0.01 else f"{x:.3g}"


def percent(x):
    return f"{100 * x:.3g} %"


reports = [load("report_c/report.json"), load("report_d/report.json")]
tissue = load("tissue.json")
evaluations = [report["surrogate"]["provenance"]["evaluation"] for report in reports]
speeds = [report["speed"] for report in reports]

print()
row("held-out cells, against the exact solution", "solution map C", "step map D to 50 ms")
row("network, multiply-adds", *(report["surrogate"]["multiply_adds"] for report in reports))
row("training (s)", *(f"{report['training']['seconds']:.0f}" for report in reports))
for what, key, form in [
    ("mean absolute error", "mean_absolute", number),
    ("largest error", "maximum", number),
    ("relative L2 of a cell, mean", "relative_l2_mean", percent),
    ("relative L2 of a cell, 99th percentile", "relative_l2_p99", percent),
    ("first excursion wrong, of all cells", "excitation_wrong", percent),
]:
    row(what, *(form(evaluation["exact"][key]) for evaluation in evaluations))
row(
    "mean absolute error against Euler 0.01 ms",
    *(number(evaluation["euler"]["mean_absolute"]) for evaluation in evaluations),
)
print()
row("speed, one thread, float", *(speed["backend"].split(",")[0] for speed in speeds))
row("million evaluations/s", *(f"{speed['evaluations_per_second'] / 1e6:.1f}" for speed in speeds))
row("forward Euler, million steps/s", *(f"{speed['euler']['steps_per_second'] / 1e6:.0f}" for speed in speeds))
row("Euler steps an evaluation must replace to pay", *(f"{speed['euler']['break_even_steps']:.0f}" for speed in speeds))
row(
    "Euler steps of 0.01 ms that it replaces",
    f"{reports[0]['surrogate']['inputs'][0]['range'][1] / 0.01:.0f} (all 20 ms at once)",
    f"{speeds[1]['euler']['replaced_steps']:.0f}",
)
print()
row(f"tissue, {tissue['nx']} x {tissue['ny']} cells, {tissue['t_end_ms']} ms", "solver", "surrogate")
for what, key in [
    ("conduction velocity (mm/ms)", "conduction_velocity_mm_per_ms"),
    ("action potential duration, APD90 (ms)", "apd90_ms"),
    ("time in cells (s)", "cells_s"),
    ("time in diffusion (s)", "diffusion_s"),
    ("cells (ns a cell and step)", "ns_per_cell_and_step"),
]:
    row(what, *(f"{tissue[run][key]:.4g}" for run in ("solver", "surrogate")))
row("difference of conduction velocities", "", percent(tissue["conduction_velocity_relative_difference"]))
row("difference of activation times, RMS (ms)", "", number(tissue["activation_rms_difference_ms"]))
print()
ratio = tissue["cells_time_ratio"]
if ratio > 1:
    print(f"  In this tissue the surrogate loses: it takes {ratio:.1f} times as long as the solver. FitzHugh-Nagumo is so")
    print("  small that it is a test of exactness, not of speed; surrogates pay where a cell's equations cost more.")
else:
    print(f"  In this tissue the surrogate is {1 / ratio:.1f} times faster than the solver.")
print()
