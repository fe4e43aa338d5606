"""Runs MonoAlg3D on a sheet or a cable, and reads what measure.c measured."""

import hashlib
import re
import subprocess
from pathlib import Path

INI = """[main]
num_threads={threads}
dt_pde={dt_pde}
simulation_time={time}
abort_on_no_activity=false
use_adaptivity={adaptive}
[alg]
refinement_bound=0.11
derefinement_bound=0.10
refine_each=1
derefine_each=1
[update_monodomain]
main_function=update_monodomain_default
[save_result]
print_rate=1
output_dir={folder}
library_file={measure}
main_function=measure
init_function=init_measure
end_function=end_measure
events={folder}/events
up_threshold={up}
down_threshold={down}
[assembly_matrix]
sigma_x={sigma}
sigma_y={sigma}
sigma_z={sigma}
{assembly}
[linear_system_solver]
tolerance=1e-16
use_preconditioner=no
use_gpu=no
max_iterations=200
library_file=shared_libs/libdefault_linear_system_solver.so
main_function=conjugate_gradient
init_function=init_conjugate_gradient
end_function=end_conjugate_gradient
[domain]
name=Tissue
start_dx={dx}
start_dy={dx}
start_dz={dx}
{domain}
[ode_solver]
dt={dt_ode}
use_gpu=no
{ode}
"""

ASSEMBLY = """library_file=shared_libs/libdefault_matrix_assembly.so
main_function=homogeneous_sigma_assembly_matrix
init_function=set_initial_conditions_fvm"""

# A fibre of 2 cm that ends in the tissue, and what couples the two.
COUPLED_ASSEMBLY = """sigma_purkinje=0.0004
library_file=shared_libs/libpurkinje_coupling_matrix_assembly.so
main_function=purkinje_coupling_assembly_matrix
init_function=set_initial_conditions_coupling_fvm"""

FIBRE = """[purkinje]
name=Fibre
dx=100
rpmj=1000
pmj_scale=1
nmin_pmj=10
nmax_pmj=50
asymm_ratio=1
retro_propagation=false
library_file=shared_libs/libdefault_purkinje.so
main_function=initialize_purkinje_coupling_with_custom_mesh
network_file=networks/simple_cable_2cm.vtk
[purkinje_linear_system_solver]
tolerance=1e-16
use_preconditioner=no
max_iterations=200
library_file=shared_libs/libdefault_linear_system_solver.so
main_function=conjugate_gradient
[purkinje_stim_his]
start=0
duration=2
current={current}
id_limit=25
main_function=stim_if_id_less_than
[purkinje_ode_solver]
dt={dt_ode}
use_gpu=no
{ode}
"""

SAVE = """[save_state]
save_rate={steps}
output_dir={folder}/state
main_function=save_simulation_state
library_file=shared_libs/libdefault_save_state.so
"""

RESTORE = """[restore_state]
input_dir={folder}/state
main_function=restore_simulation_state
library_file=shared_libs/libdefault_restore_state.so
"""

STIMULUS = """[stim_s{number}]
start={start}
duration=2
current={current}
min_x={box[0]}
max_x={box[1]}
min_y={box[2]}
max_y={box[3]}
main_function=stim_x_y_limits
"""


class Run:
    """A finished run: times of every cell's upstrokes and recoveries, V at the end (of a Purkinje network behind that of the
    tissue), what the simulator printed."""

    def __init__(self, folder):
        self.folder = folder
        self.log = (folder / "log").read_text()
        self.v = (folder / "events.v").read_bytes()
        self.cells = []
        for line in (folder / "events").read_text().splitlines():
            x, y, *events = line.split()
            up = [float(e[1:]) for e in events if e[0] == "U"]
            down = [float(e[1:]) for e in events if e[0] == "D"]
            self.cells.append((float(x), float(y), up, down))
        self.cells.sort()

    def mesh_changes(self):
        return len(set(re.findall(r"Number of Cells:(\d+)", self.log))) > 1

    def seconds(self, what):
        return int(re.search(what + r": (\d+)", self.log)[1]) * 1e-6

    def ode(self):
        return self.seconds("ODE Total Time")

    def whole(self):
        return self.seconds("Resolution Time")

    def plugin_ns(self):
        """Nanoseconds of the plug-in a cell and step."""
        found = re.search(r"\[emucell\] \w+: .* steps, ([\d.]+) ns each", self.log)
        return float(found[1]) if found else None


class Simulator:
    def __init__(self, checkout, plugin, measure, folder):
        self.checkout, self.plugin, self.measure, self.folder = Path(checkout), plugin, measure, Path(folder)

    def run(self, model, ode, *, n=100, sheet=False, stimuli, time, dt_pde, threads=1, adaptive=False, again=0,
            fibre=None, save=None, restore=None):
        """stimuli: (start, current, (x0, x1, y0, y1)), the box as parts of the side; fibre: the ODE solver of a Purkinje
        fibre; save: after how many steps; restore: a run that saved. Runs that were made are read."""
        dx, sigma = model.dx, model.sigma
        if adaptive:
            # The one mesh of the simulator's own that may become coarser: a cuboid below 2 cm, from the whole cube.
            sigma *= (500 / dx) ** 2
            dx = 500
        side = n * dx
        if adaptive:
            sides = "\n".join(f"side_length_{axis}={side}" for axis in "xyz")
            domain = (f"start_discretization={dx}\nmaximum_discretization={2 * dx}\n{sides}\n"
                      "main_function=initialize_grid_with_benchmark_mesh")
        elif sheet:
            domain = f"num_layers=1\nside_length={side}\nmain_function=initialize_grid_with_square_mesh"
        else:
            domain = f"cable_length={side}\nmain_function=initialize_grid_with_cable_mesh"
        text = INI.format(threads=threads, dt_pde=dt_pde, time=time, adaptive=str(adaptive).lower(), measure=self.measure,
                          up=model.up, down=model.down, sigma=sigma, dx=dx, domain=domain,
                          assembly=COUPLED_ASSEMBLY if fibre else ASSEMBLY, dt_ode=model.dt_ode, ode=ode, folder="{folder}")
        for number, (start, current, box) in enumerate(stimuli, 1):
            text += STIMULUS.format(number=number, start=start, current=current, box=[part * side for part in box])
        if fibre:
            text += FIBRE.format(current=model.current, dt_ode=model.dt_ode, ode=fibre)
        if save:
            text += SAVE.format(steps=save, folder="{folder}")
        if restore:
            text += RESTORE.format(folder=restore.folder)
        # Another surrogate of the same name is another run.
        files = [Path(f).read_bytes() for f in re.findall(r"emucell_surrogate=(.*)", text)]
        name = hashlib.sha256(b"".join([f"{text}{again}".encode(), *files])).hexdigest()[:16]
        folder = self.folder / name
        if not (folder / "log").exists():
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "run.ini").write_text(text.replace("{folder}", str(folder)))
            done = subprocess.run(["bin/MonoAlg3D", "-c", str(folder / "run.ini")], cwd=self.checkout, text=True,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
            if done.returncode != 0:
                raise SystemExit(f"{folder}/run.ini: {done.stdout[-3000:]}")
            (folder / "log").write_text(done.stdout)
        return Run(folder)

    def stock(self, model):
        return f"library_file=./shared_libs/{model.library}{model.stock_settings}"

    def plug_in(self, model, mode, **settings):
        """The plug-in in the model's place; the original is the model's library."""
        lines = [f"library_file={self.plugin}", f"emucell_mode={mode}"]
        if mode != "surrogate":
            lines.append(f"emucell_original=./shared_libs/{model.library}")
        return "\n".join(lines + [f"emucell_{key}={value}" for key, value in settings.items()])
