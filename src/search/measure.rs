//! How fast trained surrogates are, measured when no trial trains.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::trial::{Ending, Trial};
use crate::dataset::Sampling;
use crate::error::Result;
use crate::format::{atomic, onnx};
use crate::report::evaluate;

/// Cells, drawn in the domain, that are evaluated again and again.
const CELLS: usize = 1024;
const FILE: &str = "speeds.json";

/// What surrogates of one speed have in common: their layers, and how many operations and multiply-adds they have. Where
/// only the numbers in the weights differ, the fastest measurement counts for all, as the others were disturbed.
type Shape = (String, Option<(usize, usize)>);

/// Speeds measured one after the other, so that they can be compared.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Speeds {
    /// The processor, as the system names it.
    pub processor: String,
    /// False for a program built without optimisation, whose speeds mean nothing.
    pub optimized: bool,
    /// Nanoseconds that one evaluation (of a step map: one step) of a cell takes, by the trial's name: native session,
    /// one thread, single precision, many cells a call.
    pub nanoseconds: BTreeMap<String, f64>,
}

impl Speeds {
    pub(super) fn read(folder: &Path) -> Self {
        let text = std::fs::read_to_string(folder.join(FILE)).unwrap_or_default();
        serde_json::from_str(&text).unwrap_or_default()
    }
}

/// Measures all trained surrogates of a search, unless an earlier run has measured just these. Nothing else should run
/// on the machine meanwhile, no trial above all.
///
/// # Errors
/// A surrogate that cannot be read or run.
pub fn measure(trials: &[Trial], folder: &Path) -> Result<()> {
    let trained = |t: &&Trial| matches!(t.ending(folder), Some(Ending::Trained(_)));
    let trained: Vec<&Trial> = trials.iter().filter(trained).collect();
    let known = Speeds::read(folder);
    if trained.iter().all(|t| known.nanoseconds.contains_key(&t.name)) {
        return Ok(());
    }
    let mut speeds = Speeds::default();
    let mut fastest: BTreeMap<Shape, f64> = BTreeMap::new();
    let mut shapes = Vec::with_capacity(trained.len());
    for trial in &trained {
        let surrogate = Arc::new(onnx::load(&trial.surrogate(folder))?);
        let ranges: Vec<[f64; 2]> =
            surrogate.inputs().iter().map(|v| v.range.unwrap_or([-1.0, 1.0])).collect();
        let cells = Sampling::Uniform.sample(&ranges, CELLS, 0)?;
        let speed = evaluate::measure(&surrogate, None, &cells)?;
        (speeds.processor, speeds.optimized) = (speed.processor, speed.optimized);
        let program = surrogate.program().ok();
        let shape = (trial.architecture.clone(), program.map(|p| (p.operations().len(), p.multiply_adds())));
        let known = fastest.entry(shape.clone()).or_insert(f64::INFINITY);
        *known = known.min(1e9 / speed.evaluations_per_second);
        shapes.push(shape);
    }
    let measured = trained.iter().zip(&shapes).map(|(trial, shape)| (trial.name.clone(), fastest[shape]));
    speeds.nanoseconds = measured.collect();
    let text = serde_json::to_string_pretty(&speeds).expect("plain data");
    atomic::write(&folder.join(FILE), text.as_bytes())
}
