//! The data of a training: generated from the cell model, or read from files.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use ndarray::{Array2, Axis};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{LossName, Recipe};
use crate::dataset::{Sampling, Table, read_papers_layout};
use crate::error::{Error, Result};
use crate::format::arrays::{self, Format, Matrix, npz};
use crate::surrogate::{Kind, Variable};
use crate::train::Task;

/// Seeds that differ from the recipe's in a way that no other seed of a recipe repeats.
const VALIDATION_SEED: u64 = 0x7661_6c69_6461_7465;

/// What is trained on.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct DataSection {
    /// Cells to draw for a solution map.
    pub cells: Option<usize>,
    /// Random times of each of them.
    pub times: Option<usize>,
    /// Pairs of states to draw for a step map.
    pub pairs: Option<usize>,
    /// Consecutive pairs of a trajectory. If not given: as many as a rollout loss follows, else 1, which puts all pairs
    /// anywhere in the domain.
    pub along: Option<usize>,
    /// Cells, or pairs, drawn for validation; a tenth of the training's if not given.
    pub validation: Option<usize>,
    /// Part of a solution map's cells that start near a threshold: between neighbours whose solutions part.
    pub near_threshold: Option<f64>,
    /// How cells are drawn.
    #[serde(default)]
    pub sampling: SamplingName,
    /// A file (`.npz`, `.csv`, `.pt`) with a column or array for each input and output, instead; one matrix without
    /// names (`.npy`, a tensor alone in a `.pt` file) has the inputs' columns and then the outputs'. Or a folder in the
    /// papers' layout: `T`, `U`, `V`, `K`, `SOLs`, `SOLw`, one `.npy` file each. A `.npz` table of recorded steps needs
    /// no cell model: it says itself what the states are.
    pub training_file: Option<PathBuf>,
    /// The same for validation; a tenth of the rows of the training file if not given.
    pub validation_file: Option<PathBuf>,
}

/// Names of [`Sampling`](crate::dataset::Sampling).
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum SamplingName {
    /// Independently.
    Uniform,
    /// One in each of n slices of every side.
    #[default]
    LatinHypercube,
    /// On a regular grid, with as many points as fit.
    Grid,
}

/// Inputs and targets.
pub(super) type Rows = (Array2<f64>, Array2<f64>);

/// Data of a training.
pub(super) struct Data {
    pub training: Rows,
    pub validation: Option<Rows>,
    pub description: Map<String, Value>,
}

impl Recipe {
    /// The data, generated or read, if any loss wants them.
    pub(super) fn data(&self, task: &Task, n_threads: usize) -> Result<Option<Data>> {
        let wanted = [LossName::Data, LossName::Rollout];
        if !self.loss.iter().any(|loss| wanted.contains(&loss.kind)) {
            return Ok(None);
        }
        let section = &self.data;
        if let Some(file) = &section.training_file {
            return self.files(task, file).map(Some);
        }
        let sampling = match section.sampling {
            SamplingName::Uniform => Sampling::Uniform,
            SamplingName::LatinHypercube => Sampling::LatinHypercube,
            SamplingName::Grid => Sampling::Grid,
        };
        let count = |value: Option<usize>, key: &str| match value {
            Some(n) if n > 0 => Ok(n),
            _ => Err(self.fault("no data", key, "give a positive number, or a training_file")),
        };
        let validation_seed = self.seed ^ VALIDATION_SEED;
        let (training, validation) = match task.kind() {
            Kind::SolutionMap | Kind::Derivative => {
                let cells = count(section.cells, "data.cells")?;
                let times = match task.times() {
                    [] => count(section.times, "data.times")?,
                    own if section.times.is_none() => own.len(),
                    _ => {
                        let remedy = "remove it: the outputs' own times are taken";
                        return Err(self.fault("times of outputs at given times", "data.times", remedy));
                    }
                };
                let n_validation = section.validation.unwrap_or(cells.div_ceil(10));
                let draw = |n, seed| task.trajectories(n, times, sampling, seed, n_threads);
                let varies = task.inputs().len() > 1 || !task.times().is_empty();
                // One trajectory has no other cells to validate on, only other times.
                let validation = match varies {
                    true => Some(draw(n_validation, validation_seed)?),
                    false => None,
                };
                let n_near = self.n_near_threshold(task, cells)?;
                let training = match n_near {
                    0 => draw(cells, self.seed)?,
                    n => task.with_starts_near_threshold(
                        draw(cells - n, self.seed)?,
                        n,
                        times,
                        self.seed,
                        n_threads,
                    )?,
                };
                (training, validation)
            }
            Kind::StepMap { .. } => {
                let pairs = count(section.pairs, "data.pairs")?;
                let along = count(section.along.or(Some(self.longest_rollout())), "data.along")?;
                let n_validation = section.validation.unwrap_or(pairs.div_ceil(10));
                let draw = |n, seed| task.pairs(n, along, sampling, seed, n_threads);
                (draw(pairs, self.seed)?, Some(draw(n_validation, validation_seed)?))
            }
        };
        let description = json!({
            "generated": section,
            "solver": "reference",
            "seed": self.seed,
            "training_rows": training.0.nrows(),
            "validation_rows": validation.as_ref().map(|v| v.0.nrows()),
        });
        Ok(Some(Data { training, validation, description: object(description) }))
    }

    /// Cells that are to start near a threshold.
    fn n_near_threshold(&self, task: &Task, cells: usize) -> Result<usize> {
        let Some(part) = self.data.near_threshold else { return Ok(0) };
        let key = "data.near_threshold";
        if !(0.0..1.0).contains(&part) {
            return Err(self.fault(format!("the part {part}"), key, "give a number from 0 to less than 1"));
        }
        if task.inputs().len() < 2 && task.times().is_empty() {
            return Err(self.fault("a threshold among starts that do not vary", key, "remove it"));
        }
        let n = (part * cells as f64).round() as usize;
        match cells - n {
            2.. => Ok(n),
            _ => Err(self.fault(format!("{} other cells", cells - n), key, "give more cells")),
        }
    }

    fn files(&self, task: &Task, training: &Path) -> Result<Data> {
        let beside = |file: &Path| self.path.parent().unwrap_or(Path::new("")).join(file);
        let read = |file: &Path| read_rows(task, &beside(file));
        let training_rows = read(training)?;
        let validation = self.data.validation_file.as_deref().map(read).transpose()?;
        let description = json!({
            "training_file": training,
            "validation_file": self.data.validation_file,
            "training_rows": training_rows.0.nrows(),
            "validation_rows": validation.as_ref().map(|v| v.0.nrows()),
        });
        Ok(Data { training: training_rows, validation, description: object(description) })
    }
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

/// Rows of a file or folder, with the columns in the task's order. Targets are called like the states, or `u_next`
/// where states are inputs too.
fn read_rows(task: &Task, path: &Path) -> Result<Rows> {
    let Matrix { names, values } = read_columns(task, path)?;
    let (n_inputs, n_outputs) = (task.inputs().len(), task.outputs().len());
    let unnamed = match Format::of(path) {
        Ok(Format::Npy) => true,
        // A tensor alone in its file.
        Ok(Format::Pt) => names.iter().all(|name| name.starts_with("tensor")),
        _ => false,
    };
    if unnamed && names.len() == n_inputs + n_outputs {
        let (inputs, targets) = values.view().split_at(Axis(1), n_inputs);
        return Ok((inputs.to_owned(), targets.to_owned()));
    }
    let column = |wanted: &str| {
        names.iter().position(|name| name == wanted).ok_or_else(|| {
            Error::format(format!("no column \"{wanted}\"")).in_file(path).remedy(format!(
                "the columns are {}; name them as the recipe's surrogate does",
                names.join(", ")
            ))
        })
    };
    if !task.times().is_empty() && !names.contains(&task.outputs()[0].name) {
        return cells_at_times(task, &column, &values).map_err(|e| e.in_file(path));
    }
    let inputs = task.inputs().iter().map(|v| column(&v.name)).collect::<Result<Vec<_>>>()?;
    let target = |v: &Variable| match task.kind() {
        Kind::StepMap { .. } => column(&format!("{}_next", v.name)),
        Kind::SolutionMap | Kind::Derivative => column(&v.name),
    };
    let targets = task.outputs().iter().map(target).collect::<Result<Vec<_>>>()?;
    Ok((values.select(Axis(1), &inputs), values.select(Axis(1), &targets)))
}

/// Rows of a cell at one time each, brought together to one row a cell with the states at all of the task's times. Rows of
/// other times are left out.
fn cells_at_times(
    task: &Task,
    column: &impl Fn(&str) -> Result<usize>,
    values: &Array2<f64>,
) -> Result<Rows> {
    let time = column("t")?;
    let inputs = task.inputs().iter().map(|v| column(&v.name)).collect::<Result<Vec<_>>>()?;
    let states = task.states().iter().map(|v| column(&v.name)).collect::<Result<Vec<_>>>()?;
    let mut cells: BTreeMap<Vec<u64>, usize> = BTreeMap::new();
    let mut starts: Vec<Vec<f64>> = Vec::new();
    let mut samples: Vec<Vec<Option<usize>>> = Vec::new();
    for (i, row) in values.rows().into_iter().enumerate() {
        let same = |t: &f64| (row[time] - t).abs() <= 1e-6 * t;
        let Some(k) = task.times().iter().position(same) else { continue };
        let start: Vec<f64> = inputs.iter().map(|&c| row[c]).collect();
        let cell = *cells.entry(start.iter().map(|x| x.to_bits()).collect()).or_insert_with(|| {
            starts.push(start);
            samples.push(vec![None; task.times().len()]);
            starts.len() - 1
        });
        samples[cell][k] = Some(i);
    }
    let mut targets = Vec::with_capacity(samples.len() * task.outputs().len());
    for (start, samples) in starts.iter().zip(&samples) {
        for (sample, time) in samples.iter().zip(task.times()) {
            let row = sample.ok_or_else(|| {
                Error::format(format!("no row at t = {time} of the cell that starts at {start:?}"))
                    .remedy("give rows of every cell at all of network.times")
            })?;
            targets.extend(states.iter().map(|&c| values[[row, c]]));
        }
    }
    if starts.is_empty() {
        let what = format!("no rows at the times {:?}", task.times());
        return Err(Error::format(what).remedy("give rows of every cell at all of network.times"));
    }
    let rows = |width, values| Array2::from_shape_vec((starts.len(), width), values).expect("one row a cell");
    Ok((rows(inputs.len(), starts.concat()), rows(task.outputs().len(), targets)))
}

/// The named columns of a table of emucell's, of any file of arrays, or of a folder in the papers' layout.
fn read_columns(task: &Task, path: &Path) -> Result<Matrix> {
    if path.is_dir() {
        let states: Vec<&str> = task.states().iter().map(|v| v.name.as_str()).collect();
        return read_papers_layout(path, &states);
    }
    let is_table = |path: &Path| Ok(npz::Archive::open(path)?.text("metadata.json").is_ok());
    if Format::of(path)? != Format::Npz || !is_table(path)? {
        return arrays::read_matrix(path);
    }
    let table = Table::read(path)?;
    let values = ndarray::concatenate(Axis(1), &[table.inputs.view(), table.targets.view()]);
    Ok(Matrix {
        names: [table.input_names, table.target_names].concat(),
        values: values.map_err(|e| Error::format(e.to_string()).in_file(path))?,
    })
}
