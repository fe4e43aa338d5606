//! A training from recipe to surrogate file.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use serde::Serialize;
use serde_json::{Map, Value, json};
use tch::Device;

use super::Recipe;
use super::date::today;
use crate::error::{Error, ErrorKind, Result};
use crate::format::onnx;
use crate::surrogate::{CellModelDescription, Surrogate};
use crate::train::{Evaluation, Model, OnProgress, Outcome, StimulusSource, Task, evaluate};

/// How to run a recipe.
pub struct Options {
    /// Folder for all files.
    pub folder: PathBuf,
    /// Where to compute.
    pub device: Device,
    /// Threads that solve for data; training itself uses libtorch's.
    pub n_threads: usize,
    /// Starts anew, whatever the folder holds.
    pub force: bool,
    /// Ends cleanly, with a checkpoint, once set.
    pub interrupt: Option<Arc<AtomicBool>>,
    /// Called about five times a second.
    pub on_progress: Option<OnProgress>,
}

/// A finished training.
#[derive(Clone, Debug, Serialize)]
pub struct Trained {
    /// The surrogate's file.
    pub surrogate: PathBuf,
    /// Why training ended.
    pub reason: String,
    /// Iterations done.
    pub iterations: u64,
    /// Lowest validation error, in units of the losses.
    pub best_validation: f64,
    /// Seconds of training, over all resumptions.
    pub seconds: f64,
    /// True when the folder held this training finished, and nothing was done.
    pub was_finished: bool,
    /// Errors on fresh cells; none where only recorded steps of the cell model are known.
    pub evaluation: Option<Evaluation>,
}

/// Trains what `recipe` says, evaluates it on fresh cells and writes `surrogate.onnx` beside the
/// trainer's files. Goes on from the folder's checkpoint; a finished training is not repeated.
///
/// # Errors
/// A recipe that makes no sense, data that cannot be had, and those of
/// [`Trainer::train`](crate::train::Trainer::train).
pub fn run(recipe: &Recipe, options: Options) -> Result<Trained> {
    let Options { folder, device, n_threads, force, interrupt, on_progress } = options;
    recipe.check()?;
    let task = recipe.task()?;
    let cells = recipe.cells(&task, n_threads)?;
    if force {
        remove(&folder.join("checkpoint"))?;
        remove(&folder.join("surrogate.onnx"))?;
    }
    let path = folder.join("surrogate.onnx");
    let identity = identity(recipe);
    if let Some(trained) = finished(&path, &folder, &identity)? {
        return Ok(trained);
    }
    let data = recipe.data(&task, n_threads)?;
    let description = data.as_ref().map_or_else(Map::new, |d| d.description.clone());
    let model = recipe.model(&task, data.as_ref(), device)?;
    let mut trainer = recipe.trainer(&task, data, model, &folder)?;
    if let Some(rollout) = recipe.rollout(&task, n_threads)? {
        trainer.validate_by_rollout(rollout);
    }
    trainer.resume(&identity);
    if let Some(flag) = interrupt {
        trainer.interrupt_by(flag);
    }
    if let Some(f) = on_progress {
        trainer.on_progress(f);
    }
    let outcome = trainer.train(recipe.stop.iterations).map_err(|e| match e.kind() {
        ErrorKind::InvalidArgument => e.in_file(&recipe.path),
        _ => e,
    })?;
    let model = trainer.model();
    let evaluation = cells.map(|cells| evaluate(model, &task, &cells)).transpose()?;
    let provenance = provenance(recipe, &outcome, evaluation.as_ref(), description);
    onnx::save(&path, &surrogate(&task, model, provenance)?)?;
    Ok(trained(path, &outcome, evaluation))
}

/// What tells this training from others: everything in the recipe but comments and layout.
fn identity(recipe: &Recipe) -> String {
    serde_json::to_string(recipe).expect("a recipe is plain data")
}

fn remove(path: &Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(Error::io("remove", path, e)),
        _ => Ok(()),
    }
}

fn surrogate(task: &Task, model: &Model, mut provenance: Map<String, Value>) -> Result<Surrogate> {
    if let StimulusSource::Constant(stimulus) = task.stimulus() {
        provenance.insert("stimulus".to_owned(), json!(stimulus));
    }
    let program = model.program()?;
    let corners: Vec<f64> = (0..64).flat_map(|i| point(&task.ranges(), i)).collect();
    let corners = ndarray::Array2::from_shape_vec((64, task.inputs().len()), corners).expect("64 rows");
    model.check_program(&program, corners.view())?;
    let mut surrogate =
        Surrogate::new(task.kind(), task.inputs().to_vec(), task.outputs().to_vec(), program)?;
    if !task.times().is_empty() {
        surrogate = surrogate.with_times(task.times().to_vec())?;
    }
    if let Some(start) = task.default_state() {
        surrogate = surrogate.with_initial_state(start.to_vec())?;
    }
    if let Some(model) = task.cell_model() {
        surrogate = surrogate.with_cell_model(CellModelDescription {
            name: model.name().to_owned(),
            parameters: model.parameter_map(),
        });
    }
    Ok(surrogate.with_provenance(provenance))
}

/// The `i`-th point of a set that fills the box evenly (Roberts 2018, the R-sequence).
fn point(ranges: &[[f64; 2]], i: usize) -> Vec<f64> {
    // The positive root of x^(d+1) = x + 1.
    let d = ranges.len() as f64;
    let root = (0..32).fold(2.0_f64, |x, _| (1.0 + x).powf(1.0 / (d + 1.0)));
    let part = |j: usize| (0.5 + (i + 1) as f64 * root.powi(-(j as i32 + 1))).fract();
    ranges.iter().enumerate().map(|(j, [low, high])| low + (high - low) * part(j)).collect()
}

fn provenance(
    recipe: &Recipe,
    outcome: &Outcome,
    evaluation: Option<&Evaluation>,
    data: Map<String, Value>,
) -> Map<String, Value> {
    let value = json!({
        "program": format!("emucell {}", env!("CARGO_PKG_VERSION")),
        "date": today(),
        "recipe": recipe.text,
        "seed": recipe.seed,
        "data": data,
        "training": {
            "seconds": outcome.seconds,
            "iterations": outcome.iterations,
            "ended": outcome.reason,
            "best_iteration": outcome.best_iteration,
            "best_validation": outcome.best_validation,
        },
        "evaluation": evaluation,
    });
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

fn trained(surrogate: PathBuf, outcome: &Outcome, evaluation: Option<Evaluation>) -> Trained {
    Trained {
        surrogate,
        reason: outcome.reason.clone(),
        iterations: outcome.iterations,
        best_validation: outcome.best_validation,
        seconds: outcome.seconds,
        was_finished: outcome.was_finished,
        evaluation,
    }
}

/// The result that the folder holds already, if it is this recipe's and complete.
fn finished(path: &Path, folder: &Path, identity: &str) -> Result<Option<Trained>> {
    let complete = ["surrogate.onnx", "best_model.pth", "losses.csv", "checkpoint"];
    if !complete.iter().all(|name| folder.join(name).exists()) {
        return Ok(None);
    }
    let provenance = onnx::load(path)?.provenance().clone();
    let text = provenance.get("recipe").and_then(Value::as_str).unwrap_or_default();
    let Ok(mut recipe) = Recipe::parse(text) else { return Ok(None) };
    recipe.seed = provenance.get("seed").and_then(Value::as_u64).unwrap_or_default();
    if self::identity(&recipe) != identity {
        return Ok(None);
    }
    let training = &provenance["training"];
    let evaluation = provenance.get("evaluation").cloned().unwrap_or_default();
    let Ok(evaluation) = serde_json::from_value(evaluation) else { return Ok(None) };
    Ok(Some(Trained {
        surrogate: path.to_owned(),
        reason: training["ended"].as_str().unwrap_or_default().to_owned(),
        iterations: training["iterations"].as_u64().unwrap_or_default(),
        best_validation: training["best_validation"].as_f64().unwrap_or(f64::NAN),
        seconds: training["seconds"].as_f64().unwrap_or(f64::NAN),
        was_finished: true,
        evaluation,
    }))
}
