//! Recipes for models of which only recorded steps are known: the table says what the states are.

use ndarray::ArrayView1;
use serde_json::Value;

use super::quantity::StepLength;
use super::{KindName, Recipe};
use crate::dataset::Table;
use crate::error::{Error, Result};
use crate::surrogate::{Role, Variable};
use crate::train::Task;

/// Part of its width by which the range of samples is widened: a sample of a tissue's steps misses its extremes.
const MARGIN: f64 = 0.02;

fn around(values: ArrayView1<f64>) -> [f64; 2] {
    let [low, high] =
        values.iter().fold([f64::INFINITY, f64::NEG_INFINITY], |[l, h], &x| [l.min(x), h.max(x)]);
    let margin = MARGIN * (high - low);
    [low - margin, high + margin]
}

impl Recipe {
    /// A step map of what a table of recorded steps holds: inputs called `x` with a target `x_next` are states, the one
    /// other input is the stimulus. Ranges are the recipe's, or a little more than those of
    /// the data.
    pub(super) fn recorded_task(&self) -> Result<Task> {
        let file = self.data.training_file.as_ref().expect("the caller has looked");
        let path = self.path.parent().unwrap_or(std::path::Path::new("")).join(file);
        let table = Table::read(&path).map_err(|e| match path.extension().is_some_and(|e| e == "npz") {
            true => e,
            false => {
                self.fault("no cell model", "surrogate.cell_model", "name it, or give a .npz table of steps")
            }
        })?;
        let dt = match (self.surrogate.kind, self.surrogate.dt) {
            (KindName::StepMap, Some(StepLength::One(dt))) => dt.0,
            _ => {
                let remedy = "set kind = \"step_map\" and one dt";
                return Err(self.fault("recorded steps are a step map's", "surrogate.kind", remedy));
            }
        };
        if let Some(recorded) = table.provenance.get("dt").and_then(Value::as_f64)
            && (recorded - dt).abs() > 1e-6 * recorded
        {
            let what = format!("a step of {dt} ms, and {} has steps of {recorded} ms", file.display());
            return Err(self.fault(what, "surrogate.dt", "give the step of the data"));
        }
        let mut domain = self.domain.clone();
        let (mut states, mut stimulus) = (Vec::new(), None);
        for (name, values) in table.input_names.iter().zip(table.inputs.columns()) {
            let [low, high] = domain.remove(name).unwrap_or_else(|| around(values));
            self.check_range([low, high], &format!("domain.{name}"))?;
            let variable = |role| Variable::new(name, "", role).with_range(low, high);
            if table.target_names.contains(&format!("{name}_next")) {
                states.push(variable(Role::State));
            } else if stimulus.replace(variable(Role::Stimulus)).is_some() {
                let fault = Error::format("more than one input that is no state");
                return Err(fault.in_file(&path).remedy("leave one, the stimulus"));
            }
        }
        if let Some(unknown) = domain.keys().next() {
            let remedy = format!("the file has {}", table.input_names.join(", "));
            return Err(self.fault("an unknown variable", &format!("domain.{unknown}"), remedy));
        }
        if states.len() != table.target_names.len() {
            return Err(Error::format("targets that are no next states").in_file(&path));
        }
        let start = table.provenance.get("initial_state").and_then(Value::as_array);
        let start = start.map(|x| x.iter().filter_map(Value::as_f64).collect::<Vec<_>>());
        Ok(Task::recorded(dt, states, stimulus, start.filter(|x| x.len() == table.target_names.len())))
    }
}
