//! Trajectories of many cells at common times.

use std::collections::BTreeMap;
use std::path::Path;
use std::thread;

use ndarray::{Array1, Array2, Array3, Axis};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::table::read_metadata;
use super::{Problem, Table};
use crate::cell_model::euler::{Euler, PerCell};
use crate::cell_model::{CellModel, reference};
use crate::error::{Error, Result};
use crate::format::arrays::{Conversion, npz};
use crate::view::{Layout, View, ViewMut};

/// The integrator that makes the data.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "solver")]
pub enum SolverChoice {
    /// Forward Euler with step `dt`, in double precision.
    Euler {
        /// Step in milliseconds.
        dt: f64,
    },
    /// The solution to nearly machine precision.
    Reference,
}

impl SolverChoice {
    /// States (cells × times × states) of cells that start in `initial` (cells × states) with a
    /// constant `stimulus` each, at `times` in milliseconds, on up to `n_threads` threads.
    ///
    /// # Errors
    /// Arrays that do not fit each other or the model, times that descend or that are no
    /// multiples of Euler's step, a failing integration.
    pub fn solve(
        self,
        model: &CellModel,
        initial: &Array2<f64>,
        stimulus: &Array1<f64>,
        times: &[f64],
        n_threads: usize,
    ) -> Result<Array3<f64>> {
        let (n_cells, n_states) = initial.dim();
        if n_states != model.states().len() || stimulus.len() != n_cells {
            return Err(Error::invalid(format!(
                "initial states {n_cells} × {n_states} and {} stimuli for {}",
                stimulus.len(),
                model.name()
            )));
        }
        let mut states = Array3::zeros((n_cells, times.len(), n_states));
        match self {
            Self::Euler { dt } => {
                let solver = Euler::new(model, dt)?.with_threads(n_threads);
                let at_steps = times.iter().map(|&t| whole_steps(t, dt)).collect::<Result<Vec<_>>>()?;
                let initial = initial.as_standard_layout();
                let initial = initial.as_slice().expect("standard layout");
                let stimulus = stimulus.to_vec();
                let per_cell =
                    PerCell { stimulus: Some(View::array_of_structures(&stimulus, 1)?), parameters: None };
                let layout = Layout::array_of_structures(n_cells, times.len() * n_states);
                let mut samples = ViewMut::new(states.as_slice_mut().expect("standard layout"), layout)?;
                let initial = View::array_of_structures(initial, n_states)?;
                solver.sample(&initial, per_cell, &at_steps, &mut samples)?;
            }
            Self::Reference => {
                let share = n_cells.div_ceil(n_threads.max(1)).max(1);
                thread::scope(|scope| {
                    let parts = states
                        .axis_chunks_iter_mut(Axis(0), share)
                        .zip(initial.axis_chunks_iter(Axis(0), share))
                        .zip(stimulus.axis_chunks_iter(Axis(0), share));
                    let threads: Vec<_> = parts
                        .map(|((mut states, initial), stimulus)| {
                            scope.spawn(move || -> Result<()> {
                                let cells = states.outer_iter_mut().zip(initial.outer_iter()).zip(stimulus);
                                for ((mut states, initial), &stimulus) in cells {
                                    let own = reference::solve(model, &initial.to_vec(), stimulus, times)?;
                                    for (to, from) in states.iter_mut().zip(own) {
                                        *to = from;
                                    }
                                }
                                Ok(())
                            })
                        })
                        .collect();
                    threads.into_iter().try_for_each(|t| t.join().expect("the solver does not panic"))
                })?;
            }
        }
        if let Some(((cell, time, _), value)) = states.indexed_iter().find(|(_, x)| !x.is_finite()) {
            return Err(Error::numeric(format!("{} became {value}", model.name()))
                .at(format!("cell {cell} at {} ms", times[time]))
                .remedy("take a smaller step or a smaller box of starts"));
        }
        Ok(states)
    }
}

fn whole_steps(time: f64, dt: f64) -> Result<u64> {
    let steps = (time / dt).round();
    if !((0.0..1e15).contains(&steps) && (steps * dt - time).abs() <= 1e-6 * dt) {
        return Err(Error::invalid(format!("time {time} ms is no multiple of Euler's step {dt} ms"))
            .remedy("choose times that are"));
    }
    Ok(steps as u64)
}

/// Trajectories of many cells at common times.
#[derive(Clone, Debug, PartialEq)]
pub struct Trajectories {
    /// The cell model.
    pub model: CellModel,
    /// Milliseconds since the start, ascending.
    pub times: Array1<f64>,
    /// Where cells start, cells × states.
    pub initial: Array2<f64>,
    /// Names of the columns of `parameters`.
    pub parameter_names: Vec<String>,
    /// What differs from cell to cell, cells × parameters, for example `k`.
    pub parameters: Array2<f64>,
    /// Stimulus of each cell, which follows from its parameters.
    pub stimulus: Array1<f64>,
    /// Cells × times × states.
    pub states: Array3<f64>,
    /// How the data came to be.
    pub provenance: Map<String, Value>,
}

/// What `metadata.json` holds beside the arrays.
#[derive(Serialize, Deserialize)]
struct Metadata {
    content: String,
    cell_model: String,
    cell_parameters: BTreeMap<String, f64>,
    states: Vec<String>,
    parameters: Vec<String>,
    #[serde(default)]
    provenance: Map<String, Value>,
}

const CONTENT: &str = "emucell trajectories";

impl Trajectories {
    /// Trajectories of `problem` from `starts` (rows of u0, w0, k) at `times`.
    ///
    /// # Errors
    /// As [`SolverChoice::solve`].
    pub fn of_problem(
        problem: Problem,
        starts: &Array2<f64>,
        times: &[f64],
        solver: SolverChoice,
        n_threads: usize,
    ) -> Result<Self> {
        if starts.ncols() != 3 {
            return Err(Error::invalid(format!("{} columns where u0, w0 and k are wanted", starts.ncols())));
        }
        let model = problem.cell_model();
        let initial = starts.slice(ndarray::s![.., ..2]).to_owned();
        let parameters = starts.slice(ndarray::s![.., 2..]).to_owned();
        let stimulus = starts.column(2).mapv(|k| problem.stimulus(k));
        let states = solver.solve(&model, &initial, &stimulus, times, n_threads)?;
        let mut provenance = Map::new();
        provenance.insert("problem".into(), problem.name().into());
        provenance.insert("integrated".into(), json!(solver));
        Ok(Self {
            model,
            times: times.to_vec().into(),
            initial,
            parameter_names: vec!["k".into()],
            parameters,
            stimulus,
            states,
            provenance,
        })
    }

    /// One row for each cell and time. `inputs` chooses the input columns among `t`, the initial
    /// states (`u0`, `w0`), the parameters (`k`) and the stimulus (its name in the model); the
    /// targets are the states.
    ///
    /// # Errors
    /// An unknown column, with the list of known ones.
    pub fn pointwise(&self, inputs: &[&str]) -> Result<Table> {
        let states: Vec<String> = self.model.states().iter().map(|s| s.name.to_owned()).collect();
        let mut known = vec!["t".to_owned()];
        known.extend(states.iter().map(|name| format!("{name}0")));
        known.extend(self.parameter_names.iter().cloned());
        known.push(self.model.stimulus().name.to_owned());
        let mut columns = Vec::new();
        for input in inputs {
            columns.push(known.iter().position(|name| name == input).ok_or_else(|| {
                Error::invalid(format!("unknown input \"{input}\""))
                    .remedy(format!("use some of {}", known.join(", ")))
            })?);
        }
        let (n_cells, n_times, n_states) = self.states.dim();
        let first_parameter = 1 + n_states;
        let stimulus = first_parameter + self.parameter_names.len();
        let rows = Array2::from_shape_fn((n_cells * n_times, inputs.len()), |(row, i)| {
            let (cell, time) = (row / n_times, row % n_times);
            match columns[i] {
                0 => self.times[time],
                column if column < first_parameter => self.initial[[cell, column - 1]],
                column if column < stimulus => self.parameters[[cell, column - first_parameter]],
                _ => self.stimulus[cell],
            }
        });
        let targets = self.states.to_shape((n_cells * n_times, n_states)).expect("same size").to_owned();
        Ok(Table {
            input_names: inputs.iter().map(|&s| s.to_owned()).collect(),
            inputs: rows,
            target_names: states,
            targets,
            provenance: self.provenance.clone(),
        })
    }

    /// Writes a `.npz` file with the arrays `times`, `initial`, `parameters`, `stimulus` and
    /// `states`, and a `metadata.json`.
    ///
    /// # Errors
    /// The system's refusal to write there.
    pub fn write(&self, path: &Path) -> Result<()> {
        let metadata = Metadata {
            content: CONTENT.to_owned(),
            cell_model: self.model.name().to_owned(),
            cell_parameters: self.model.parameter_map(),
            states: self.model.states().iter().map(|s| s.name.to_owned()).collect(),
            parameters: self.parameter_names.clone(),
            provenance: self.provenance.clone(),
        };
        let metadata = serde_json::to_string_pretty(&metadata).expect("plain data");
        npz::write(path, |archive| {
            archive.array("times", &self.times.view())?;
            archive.array("initial", &self.initial.view())?;
            archive.array("parameters", &self.parameters.view())?;
            archive.array("stimulus", &self.stimulus.view())?;
            archive.array("states", &self.states.view())?;
            archive.text("metadata.json", &metadata)
        })
    }

    /// Reads what [`write`](Self::write) wrote.
    ///
    /// # Errors
    /// An unreadable or malformed file, or one whose parts do not fit each other.
    pub fn read(path: &Path) -> Result<Self> {
        let mut archive = npz::Archive::open(path)?;
        let metadata: Metadata = read_metadata(&mut archive, path, CONTENT)?;
        let model = CellModel::from_name(&metadata.cell_model, &metadata.cell_parameters)
            .map_err(|e| e.at("metadata.json").in_file(path))?;
        let trajectories = Self {
            model,
            times: archive.array("times", Conversion::Harmless)?,
            initial: archive.array("initial", Conversion::Harmless)?,
            parameter_names: metadata.parameters,
            parameters: archive.array("parameters", Conversion::Harmless)?,
            stimulus: archive.array("stimulus", Conversion::Harmless)?,
            states: archive.array("states", Conversion::Harmless)?,
            provenance: metadata.provenance,
        };
        trajectories.check().map_err(|e| e.in_file(path))?;
        Ok(trajectories)
    }

    fn check(&self) -> Result<()> {
        let (n_cells, n_times, n_states) = self.states.dim();
        let wrong = [
            ("times", self.times.len() != n_times),
            ("initial", self.initial.dim() != (n_cells, n_states) || n_states != self.model.states().len()),
            ("parameters", self.parameters.dim() != (n_cells, self.parameter_names.len())),
            ("stimulus", self.stimulus.len() != n_cells),
        ];
        if let Some((name, _)) = wrong.into_iter().find(|(_, wrong)| *wrong) {
            return Err(Error::format(format!(
                "array \"{name}\" does not fit states of {n_cells} cells × {n_times} times × {n_states}"
            )));
        }
        Ok(())
    }
}
