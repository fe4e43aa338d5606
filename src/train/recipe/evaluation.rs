//! The cells on which a recipe's result is measured.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Milliseconds, Recipe};
use crate::dataset::Problem;
use crate::error::Result;
use crate::surrogate::{Kind, Role};
use crate::train::{Cells, EULER_DT, StimulusSource, Task};

const EVALUATION_SEED: u64 = 0x6576_616c_7561_7465;

/// The cells on which the result is measured.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct EvaluationSection {
    /// Number of cells; 2000 if not given, or one where nothing but the time varies.
    pub cells: Option<usize>,
    /// Seed of the cells; one that follows from the recipe's if not given.
    pub seed: Option<u64>,
    /// Time evaluated or rolled out; a solution map's horizon or 50 ms if not given.
    pub horizon: Option<Milliseconds>,
    /// The step, of a step map that reads it; the longest if not given.
    pub dt: Option<Milliseconds>,
    /// Time between samples; a 25th of a solution map's horizon or 1 ms if not given.
    pub every: Option<Milliseconds>,
    /// Ranges that differ from the training's; `k` may stand for the stimulus.
    #[serde(default)]
    pub domain: BTreeMap<String, [f64; 2]>,
}

impl Recipe {
    /// Which cells the result is measured on; none where there is no cell model to measure it with.
    pub(super) fn cells(&self, task: &Task, n_threads: usize) -> Result<Option<Cells>> {
        let section = &self.evaluation;
        if task.cell_model().is_none() {
            return Ok(None);
        }
        let seed = section.seed.unwrap_or(self.seed ^ EVALUATION_SEED);
        if seed == self.seed {
            let remedy = "use another seed than the recipe's, or none";
            return Err(self.fault("training cells for evaluation", "evaluation.seed", remedy));
        }
        let step = self.evaluated_step(task)?;
        if !task.times().is_empty() && (section.horizon.is_some() || section.every.is_some()) {
            let remedy = "remove horizon and every: the outputs have times of their own";
            return Err(self.fault("sample times of outputs at given times", "evaluation.every", remedy));
        }
        let (horizon, every) = match (task.kind(), task.times().last()) {
            // One sample; the outputs' own times are taken.
            (_, Some(&last)) => (last, last),
            (Kind::StepMap { .. }, None) => (50.0, step * (1.0 / step).round().max(1.0)),
            (Kind::SolutionMap | Kind::Derivative, None) => (task.ranges()[0][1], task.ranges()[0][1] / 25.0),
        };
        let mut domain: BTreeMap<_, _> = section.domain.clone();
        for (name, &range) in &domain {
            self.check_range(range, &format!("evaluation.domain.{name}"))?;
        }
        let mut ranges = task.ranges();
        for (variable, range) in task.inputs().iter().zip(&mut ranges) {
            // `u0` of a solution map is the state `u`.
            let state = variable.name.strip_suffix('0').unwrap_or(&variable.name).to_owned();
            if let Some(given) = domain.remove(&variable.name).or_else(|| domain.remove(&state)) {
                *range = given;
            } else if let (StimulusSource::Input { factor, offset, .. }, true) =
                (task.stimulus(), variable.role == Role::Stimulus)
                && let Some([low, high]) = domain.remove("k")
            {
                // The stimulus of the papers' problems, as this task's input.
                let input = |k: f64| (Problem::D.stimulus(k) - offset) / factor;
                *range = [input(low), input(high)];
            }
        }
        if let Some(unknown) = domain.keys().next() {
            let key = format!("evaluation.domain.{unknown}");
            return Err(self.fault("an unknown variable", &key, "use the surrogate's inputs"));
        }
        if let Some(time) = task.time_column() {
            ranges[time] = [0.0, 0.0];
        }
        if let Some(column) = task.step_column() {
            ranges[column] = [step, step];
        }
        let cells = if ranges.len() == 1 { 1 } else { section.cells.unwrap_or(2000) };
        let horizon = section.horizon.map_or(horizon, |h| h.0);
        let every = section.every.map_or(every, |e| e.0);
        let whole = |time: f64, part: f64| {
            let n = (time / part).round();
            n >= 1.0 && (n * part - time).abs() <= 1e-9 * time
        };
        if !(whole(every, step) && whole(every, EULER_DT) && whole(horizon, every)) {
            let what = format!("samples each {every} ms to {horizon} ms");
            let remedy =
                format!("use multiples of {step} and {EULER_DT} ms, and a multiple of them as horizon");
            return Err(self.fault(what, "evaluation.every", remedy));
        }
        Ok(Some(Cells { cells, seed, horizon, every, ranges, n_threads }))
    }

    /// The step that a step map is evaluated with; Euler's for a solution map.
    fn evaluated_step(&self, task: &Task) -> Result<f64> {
        match (task.kind(), task.step_column(), self.evaluation.dt) {
            (Kind::StepMap { dt }, _, None) => Ok(dt),
            (Kind::StepMap { .. }, Some(column), Some(dt)) => {
                let [low, high] = task.ranges()[column];
                match (low..=high).contains(&dt.0) {
                    true => Ok(dt.0),
                    false => {
                        let remedy = format!("give a step from {low} to {high} ms");
                        Err(self.fault(format!("a step of {} ms", dt.0), "evaluation.dt", remedy))
                    }
                }
            }
            (_, None, Some(_)) => {
                let remedy = "remove it: only a step map with a range of steps is evaluated with one of them";
                Err(self.fault("a step to evaluate with", "evaluation.dt", remedy))
            }
            (Kind::SolutionMap | Kind::Derivative, ..) => Ok(EULER_DT),
        }
    }
}
