"""What a tissue of surrogates does and costs beside the stock model, in MonoAlg3D itself. Called by run.sh.

Prints tables in Markdown. Runs that were made before, with the same settings, are not made again.
"""

import argparse
import math
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path

from simulator import Simulator
from ways import CORNER, EDGE, bits, continued, with_fibre



# What is timed, ms: short, because the least of several runs is that which other programs disturbed least.
TIMED = 4


@dataclass
class Model:
    title: str
    library: str
    up: float  # V of an activation
    down: float  # V at which 90 % of an action potential are over
    sigma: float
    dx: float  # micrometres
    current: float  # in a step of the model
    s2: float  # when half the sheet can be excited again, ms
    apd_time: float  # when an action potential is over, ms
    coupling: list  # intervals between two stimuli for the restitution, ms
    # Another sheet than of this sigma and dx, for a spiral wave to have room in 100 cells.
    sheet_sigma: float = 0
    sheet_dx: float = 0
    sheet_cells: int = 100  # on a side
    dt_ode: float = 0.02
    # Of the stock model's ODE solver: a later dt counts.
    stock_settings: str = ""

    def of_sheet(self):
        return replace(self, sigma=self.sheet_sigma or self.sigma, dx=self.sheet_dx or self.dx)


MODELS = {
    "fhn": Model("FitzHugh-Nagumo", "libfhn_mod.so", 0.5, 0.1, 2e-5, 100, 1.0, 95, 150, [90, 110, 130, 160]),
    "ms": Model("Mitchell-Schaeffer", "libmitchell_shaeffer_2003.so", 0.5, 0.1, 1e-5, 200, 1.0, 380, 700,
                [360, 400, 450, 550]),
    "minimal": Model("minimal model", "libminimal_model.so", 0.7, 0.15, 1e-5, 200, 1.0, 330, 700,
                     [310, 350, 400, 500]),
    "tt3": Model("ten Tusscher 3", "libten_tusscher_3_epi.so", -40, -73, 5.3e-5, 100, -50.0, 440, 500, [330, 380, 450],
                 sheet_sigma=4e-5, sheet_dx=500),
}
for name, title, library, down, current in [
    ("tt06", "ten Tusscher 2006", "libten_tusscher_2006.so", -73, -50.0),
    ("crn", "Courtemanche", "libcourtemanche_ramirez_nattel_1998_RL.so", -71, -4000.0),  # of a whole cell, pA
    ("ord", "O'Hara-Rudy", "libohara_rudy_endo_2011.so", -75, -50.0),
    ("trovato", "Trovato", "libtrovato_2020.so", -74, -50.0),
    ("tord", "ToR-ORd, dynamic chloride", "libToRORd_dynCl_mixed_endo_mid_epi.so", -77, -50.0),
    ("adaptive", "ToR-ORd, stock with its own steps", "libToRORd_fkatp_mixed_endo_mid_epi.so", -77, -50.0),
]:
    MODELS[name] = Model(title, library, -40, down, 5.3e-5, 100, current, 380, 600, [360, 400, 500], sheet_dx=300,
                         sheet_cells=50)
# The stock library chooses its steps, from dt to that of diffusion, as in the simulator's examples.
MODELS["adaptive"].stock_settings = "\ndt=0.0001\nadaptive=true"

RECIPE = """seed = 1
[surrogate]
kind = "step_map"
dt = "0.1 ms"
[data]
training_file = "{name}.npz"
[network]
hidden = [["tanh", {width}], ["tanh", {width}]]
form = "residual"
[[loss]]
kind = "data"
criterion = "huber"
delta = 0.1
batch = {batch}
[optimizer]
method = "soap"
rate = 3e-3
[schedule]
kind = "cosine"
[stop]
iterations = {iterations}
validate_every = 1000
"""


# Width of the two hidden layers, batch, iterations.
TRAINING = {"fhn": (32, 2048, 40000), "ms": (48, 4096, 60000), "minimal": (48, 2048, 40000)}


def record(simulator, name, model, file):
    """Stimuli in many places at many times, so that cells meet each other in many states."""
    boxes = [(0, 0.06, 0, 1), (0, 0.5, 0, 0.5), (0.5, 1, 0.25, 0.75), (0.25, 0.5, 0.6, 1), (0, 1, 0, 0.2),
             (0.4, 0.6, 0.4, 0.6), (0, 0.33, 0, 1)]
    strengths = [1, 1, 0.6, 0.8, 0.4, 1.2, 0.5]
    fast = name == "fhn"
    times = [0, 45, 60, 75, 95, 120, 150] if fast else [0, 330, 360, 420, 480, 700, 800]
    stimuli = [(t, model.current / 5 * s, b) for t, s, b in zip(times, strengths, boxes)]
    ode = simulator.plug_in(model, "record", record=file, record_per_stratum=4000)
    return simulator.run(model, ode, sheet=True, stimuli=stimuli, time=200 if fast else 1000, dt_pde=0.1)


def trained(simulator, emucell, name, model, folder):
    """A plain network that learned from recorded tissue; a step of it is five of the model's."""
    path = folder / f"trained_{name}" / "surrogate.onnx"
    if not path.exists():
        record(simulator, name, model, folder / f"{name}.npz")
        recipe = folder / f"{name}.toml"
        width, batch, iterations = TRAINING[name]
        recipe.write_text(RECIPE.format(name=name, width=width, batch=batch, iterations=iterations))
        subprocess.run([emucell, "train", recipe, "--out", path.parent, "--force"], check=True)
    return path


def distilled(simulator, emucell, name, model, folder):
    path = folder / f"distilled_{name}.onnx"
    if not path.exists():
        library = simulator.checkout / "shared_libs" / model.library
        done = subprocess.run([emucell, "distill", "--library", library, "--dt", "0.02", "--output", path])
        if not path.exists():
            raise SystemExit(f"emucell distill: {done.returncode}")
    return path


def percent(new, old):
    return "no wave" if math.isnan(new) else f"{100 * (new / old - 1):+.2f} %"


def cable(simulator, model, ode, dt_pde, current):
    """Velocity (mm/ms), APD90 (ms) and the APD90 of a second beat for each coupling interval, at the middle cell."""
    apds = []
    for interval in model.coupling:
        stimuli = [(0, current, EDGE), (interval, current, EDGE)]
        run = simulator.run(model, ode, stimuli=stimuli, time=interval + model.apd_time, dt_pde=dt_pde)
        early, middle, late = run.cells[25], run.cells[50], run.cells[75]
        if not (early[2] and middle[2] and late[2] and middle[3]):
            return None, None, []
        velocity = (late[0] - early[0]) / 1000 / (late[2][0] - early[2][0])
        first = middle[3][0] - middle[2][0]
        second = [d - u for u, d in zip(middle[2][1:], middle[3][1:])]
        apds.append(second[0] if second else None)
    return velocity, first, apds


def activation_error(stock, surrogate):
    """Root of the mean square of the differences of all activation times: of cells that are activated as often in both;
    of all, paired in their order; and how many cells are activated another number of times."""

    def rms(differences):
        return math.sqrt(sum(d * d for d in differences) / len(differences)) if differences else math.nan

    same, every, others = [], [], 0
    for (*_, a, _), (*_, b, _) in zip(stock.cells, surrogate.cells):
        differences = [x - y for x, y in zip(a, b)]
        every += differences
        if len(a) == len(b):
            same += differences
        else:
            others += 1
    return rms(same), rms(every), others


def compare(simulator, model, ode, dt_pde, sheet_time, repeat):
    stock = simulator.stock(model)
    # The simulator multiplies a stimulus by the number of steps between two of diffusion.
    current = model.current / round(dt_pde / model.dt_ode)
    (v, apd, s2), (v_new, apd_new, s2_new) = (cable(simulator, model, o, dt_pde, current) for o in (stock, ode))
    if v is None:
        raise SystemExit(f"{model.title}: no wave of the stock model's crosses the cable; its current is too small")
    # Where no wave arrived there is nothing to compare.
    if v_new is None:
        v_new = apd_new = math.nan
    both = [(a, b) for a, b in zip(s2, s2_new) if a and b]
    restitution = max((abs(b / a - 1) for a, b in both), default=math.nan)
    lost = sum((a is None) != (b is None) for a, b in zip(s2, s2_new)) + len(s2) - len(s2_new)
    stimuli = [(0, current, EDGE), (model.s2, current, CORNER)]
    sheet = model.of_sheet()
    runs = [simulator.run(sheet, o, n=model.sheet_cells, sheet=True, stimuli=stimuli, time=sheet_time, dt_pde=dt_pde)
            for o in (stock, ode)]
    rms, rms_of_all, others = activation_error(*runs)
    # The two stimuli give each cell two activations at most: more are those of a spiral wave.
    spiral = "/".join(str(sum(len(up) > 2 for (*_, up, _) in run.cells)) for run in runs)
    # In turn, so that what else the machine does meets both.
    short = [[simulator.run(sheet, o, n=model.sheet_cells, sheet=True, stimuli=stimuli, time=TIMED, dt_pde=dt_pde, again=k)
              for o in (stock, ode)] for k in range(1, repeat + 1)]
    (ode_stock, all_stock, _), (ode_new, all_new, ns) = (
        (min(r.ode() for r in runs), min(r.whole() for r in runs), min(r.plugin_ns() or 0 for r in runs))
        for runs in zip(*short))
    accuracy = [f"{v:.4f}", percent(v_new, v), f"{apd:.2f}", percent(apd_new, apd),
                f"{100 * restitution:.2f} %" + (f", {lost} beats lost or added" if lost else ""),
                f"{sheet_time:g}", spiral,
                f"{rms:.3f}" + (f" ({others} cells; with these {rms_of_all:.3f})" if others else "")]
    steps = TIMED / dt_pde
    per = 1e9 / model.sheet_cells**2 / steps
    speed = [f"{ode_stock * per:.0f}", f"{ode_new * per:.0f}", f"{ns:.0f}", f"{ode_stock / ode_new:.2f}",
             f"{all_stock * per:.0f}", f"{all_new * per:.0f}", f"{all_stock / all_new:.2f}"]
    return accuracy, speed


def overhead(arguments, surrogate, dt):
    """ns a cell and step of emucell_step() alone and through the plug-in's functions, on the same cells; the least of
    several, since other programs use the machine as well."""
    tools = arguments.folder.parent

    def timed(*command):
        text = subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE).stdout
        return float(text.split("ns a cell and step:")[1].split()[0])

    pairs = []
    for _ in range(12):
        pairs.append((
            timed(tools / "overhead", surrogate, "10000", "10"),
            timed(tools / "host", arguments.plugin, arguments.folder / "states", "emucell_mode=surrogate",
                  f"emucell_surrogate={surrogate}", f"dt={dt}", "cells=10000", "steps=10", "timed=1"),
        ))
    alone, through = (min(column) for column in zip(*pairs))
    return [f"{alone:.1f}", f"{through:.1f}", f"{through - alone:+.1f}"]


def table(head, rows):
    print("| " + " | ".join(head) + " |\n|" + "---|" * len(head))
    for row in rows:
        print("| " + " | ".join(row) + " |")
    print(flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("simulator", type=Path)
    parser.add_argument("plugin", type=Path)
    parser.add_argument("measure", type=Path)
    parser.add_argument("emucell", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--repeat", type=int, default=8)
    parser.add_argument("--sheet-time", type=float, help="ms of the sheets, shorter than usual")
    parser.add_argument("cases", nargs="*", metavar="CASE",
                        help="fhn|ms|minimal:trained, ms|minimal|tt3|tt06|crn|ord|trovato|tord|adaptive:distilled, bits, overhead; all, "
                        "but those from crn to adaptive, whose distillation takes minutes, if none")
    arguments = parser.parse_intermixed_args()
    simulator = Simulator(arguments.simulator, arguments.plugin, arguments.measure, arguments.folder / "runs")
    folder = arguments.folder
    cases = arguments.cases or ["fhn:trained", "ms:trained", "minimal:trained", "ms:distilled", "minimal:distilled",
                                "tt3:distilled", "tt06:distilled", "bits", "overhead"]
    accuracy, speed = [], []
    for case in cases:
        if case in ("bits", "overhead"):
            continue
        name, how = case.split(":")
        model = MODELS[name]
        make, dt_pde = (trained, 0.1) if how == "trained" else (distilled, 0.02)
        surrogate = make(simulator, arguments.emucell, name, model, folder)
        sheet_time = arguments.sheet_time or 1000
        ode = simulator.plug_in(model, "surrogate", surrogate=surrogate)
        a, s = compare(simulator, model, ode, dt_pde, sheet_time, arguments.repeat)
        title = [model.title, f"{how}, {dt_pde} ms"]
        accuracy.append(title + a)
        speed.append(title + s)
    if accuracy:
        table(["model", "surrogate, step", "velocity (mm/ms)", "error", "APD90 (ms)", "error", "restitution, largest error",
               "sheet (ms)", "cells that the spiral wave excites, stock/surrogate",
               "activation times, RMS (ms; cells activated another number of times)"], accuracy)
        table(["model", "surrogate, step", "ODE part, stock (ns a cell and PDE step)", "surrogate",
               "of it in the plug-in", "speed-up", "whole run, stock", "surrogate", "speed-up"], speed)
    if "bits" in cases:
        rows, coupled = [], []
        for name, make, dt_pde in [("fhn", trained, 0.1), ("ms", distilled, 0.02), ("tt3", distilled, 0.02)]:
            model = MODELS[name]
            surrogate = make(simulator, arguments.emucell, name, model, folder)
            ways = [*bits(simulator, model, surrogate, dt_pde, folder),
                    ("surrogate, continued from a checkpoint", continued(simulator, model, surrogate, dt_pde))]
            rows += [[model.title, way, "identical" if same else "DIFFERENT"] for way, same in ways]
            if make is distilled:
                error, sheet, n = with_fibre(simulator, model, surrogate)
                coupled.append([model.title, f"{n} + 400", f"{100 * sheet:.0f} %", f"{100 * error:.4f} %"])
        table(["model", "way through the plug-in", "V at 40 ms"], rows)
        table(["Purkinje fibre and sheet of", "cells", "V of the sheet differs by, of all V's range", "largest error of V at 40 ms"],
              coupled)
    if "overhead" in cases:
        rows = []
        for name, make, dt in [("fhn", trained, 0.1), ("ms", distilled, 0.02), ("tt3", distilled, 0.02)]:
            surrogate = make(simulator, arguments.emucell, name, MODELS[name], folder)
            rows.append([MODELS[name].title] + overhead(arguments, surrogate, dt))
        table(["surrogate of", "emucell_step() alone (ns a cell and step)", "through the plug-in", "difference"], rows)


if __name__ == "__main__":
    main()
