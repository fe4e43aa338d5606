//! How a recipe scales inputs and outputs.

use ndarray::{Array1, Axis};
use serde::{Deserialize, Serialize};

use super::Recipe;
use super::data::Data;
use crate::error::Result;
use crate::train::{Form, Scaling, Task};

/// How inputs and outputs are scaled.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ScalingSection {
    /// The inputs.
    #[serde(default)]
    pub inputs: ScalingName,
    /// The outputs, or the changes in the residual form.
    #[serde(default)]
    pub outputs: ScalingName,
}

/// Where a scaling is taken from.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum ScalingName {
    /// Inputs by range, outputs by data, where there are any.
    #[default]
    Auto,
    /// The domain's ranges to −1 … 1.
    Range,
    /// Mean 0 and standard deviation 1 of the training data.
    Data,
    /// None.
    None,
}

impl Recipe {
    pub(super) fn input_scaling(&self, task: &Task, data: Option<&Data>) -> Result<Scaling> {
        match (self.scaling.inputs, data) {
            (ScalingName::None, _) => Ok(Scaling::identity(task.inputs().len())),
            (ScalingName::Data, Some(data)) => Scaling::from_data(data.training.0.view()),
            (ScalingName::Data, None) => {
                Err(self.fault("a scaling by data without data", "scaling.inputs", "scale by \"range\""))
            }
            (ScalingName::Auto | ScalingName::Range, _) => Scaling::from_ranges(&task.ranges()),
        }
    }

    /// Outputs, or in the residual forms changes, scaled by their spread in the data.
    pub(super) fn output_scaling(&self, form: &Form, task: &Task, data: Option<&Data>) -> Result<Scaling> {
        let n = task.outputs().len();
        match (self.scaling.outputs, data) {
            (ScalingName::None, _) | (ScalingName::Auto, None) => Ok(Scaling::identity(n)),
            (ScalingName::Auto | ScalingName::Data, Some(data)) => {
                let (inputs, targets) = &data.training;
                let Some(states) = form.states() else {
                    return Scaling::from_data(targets.view());
                };
                let mut changes = targets.clone();
                for (mut row, inputs) in changes.rows_mut().into_iter().zip(inputs.rows()) {
                    row.iter_mut().zip(&states).for_each(|(x, state)| *x -= state.of(inputs));
                }
                let spread: Array1<f64> = changes.std_axis(Axis(0), 0.0);
                let scale = spread.iter().map(|&s| if s > 0.0 { s } else { 1.0 }).collect();
                // No shift: a network of zeros then leaves cells where they are.
                Scaling::new(vec![0.0; n], scale)
            }
            (ScalingName::Data | ScalingName::Range, _) => {
                let remedy = "scale outputs by \"data\", where a loss has any, or by \"none\"";
                Err(self.fault("outputs have no range of their own", "scaling.outputs", remedy))
            }
        }
    }
}
