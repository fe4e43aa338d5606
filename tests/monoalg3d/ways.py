"""Ways through the plug-in that must not change a run, or not by more than the surrogate does."""

import array
import json

# Where cells are stimulated.
EDGE = (0, 0.06, -1, 2)
CORNER = (0, 0.5, -1, 0.5)


def nowhere(path, folder):
    """The surrogate with a domain that no cell is in."""
    import onnx  # nothing else needs it

    out = folder / f"nowhere_{path.parent.name}_{path.stem}.onnx"
    graph = onnx.load(path)
    for entry in graph.metadata_props:
        if entry.key == "emucell.inputs":
            inputs = json.loads(entry.value)
            inputs[0]["range"] = [1e6, 1e6 + 1]
            entry.value = json.dumps(inputs)
    onnx.save(graph, out)
    return out


def bits(simulator, model, surrogate, dt_pde, folder):
    """Ways of running the original through the plug-in; each must give V of the stock library to the last bit."""
    current = model.current / round(dt_pde / model.dt_ode)
    stimuli = [(0, current, EDGE), (20, current, CORNER)]
    ways = {
        "hybrid, no cell in the domain": simulator.plug_in(model, "hybrid", surrogate=nowhere(surrogate, folder)),
        "shadow": simulator.plug_in(model, "shadow", surrogate=surrogate),
        "record": simulator.plug_in(model, "record", record=folder / "bits.npz"),
    }
    for adaptive in (False, True):
        runs = {name: simulator.run(model, ode, n=16 if adaptive else 64, sheet=True, stimuli=stimuli, time=40, dt_pde=dt_pde,
                                    adaptive=adaptive)
                for name, ode in {"stock": simulator.stock(model), **ways}.items()}
        if adaptive and not runs["stock"].mesh_changes():
            raise SystemExit("the mesh did not adapt")
        for name in ways:
            yield f"{name}{', adaptive mesh' if adaptive else ''}", runs[name].v == runs["stock"].v


def continued(simulator, model, surrogate, dt_pde):
    """Whether a run with the surrogate that is continued from a checkpoint ends with V of the run without, to the last bit."""
    ode = simulator.plug_in(model, "surrogate", surrogate=surrogate)
    settings = {"n": 64, "sheet": True, "stimuli": [(0, model.current / round(dt_pde / model.dt_ode), EDGE)], "dt_pde": dt_pde}
    steps = round(20 / dt_pde)
    whole = simulator.run(model, ode, time=40, **settings)
    first = simulator.run(model, ode, time=22, save=steps, **settings)
    return simulator.run(model, ode, time=40, restore=first, **settings).v == whole.v


def with_fibre(simulator, model, surrogate):
    """A Purkinje fibre that excites a sheet, a surrogate in both: largest difference of V from the stock run's after 40 ms,
    in parts of the range that V has there, and how much of that range the sheet itself has."""
    ode = {"stock": simulator.stock(model), "surrogate": simulator.plug_in(model, "surrogate", surrogate=surrogate)}
    stock, new = (array.array("d", simulator.run(model, ode[name], n=20, sheet=True, stimuli=[], time=40, dt_pde=model.dt_ode,
                                                 fibre=ode[name]).v) for name in ("stock", "surrogate"))
    spread = max(stock) - min(stock)
    sheet = stock[:400]
    return max(abs(a - b) for a, b in zip(stock, new)) / spread, (max(sheet) - min(sheet)) / spread, len(stock) - 400
