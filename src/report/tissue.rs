//! A tissue simulated twice, with the solver and with the surrogate.

use std::fs;
use std::path::Path;

use ndarray::Array4;
use serde_json::{Map, Value};

use crate::error::{Error, Result};
use crate::format::arrays::{Conversion, npy};

/// Voltages of both simulations at a few times, and what was measured.
#[derive(Clone, Debug, PartialEq)]
pub struct Tissue {
    /// Milliseconds.
    pub times: Vec<f64>,
    /// (solver, surrogate) × times × rows × columns.
    pub snapshots: Array4<f32>,
    /// The measured numbers.
    pub numbers: Map<String, Value>,
}

impl Tissue {
    /// Reads `snapshots` (a `.npy` array of 2 × times × rows × columns) and `numbers` (a JSON
    /// object with the list `snapshot_times_ms` and whatever was measured).
    ///
    /// # Errors
    /// Unreadable files, another shape, or times that do not fit the snapshots.
    pub fn read(snapshots: &Path, numbers: &Path) -> Result<Self> {
        let array: Array4<f32> = npy::read(snapshots, Conversion::Harmless)?;
        let shape = array.shape().to_vec();
        if shape[0] != 2 || shape.contains(&0) {
            return Err(Error::format(format!("snapshots of shape {shape:?}"))
                .in_file(snapshots)
                .remedy("give 2 (solver, surrogate) × times × rows × columns"));
        }
        let text = fs::read_to_string(numbers).map_err(|e| Error::io("read", numbers, e))?;
        let fault = |what: String| Error::format(what).in_file(numbers);
        let values: Map<String, Value> =
            serde_json::from_str(&text).map_err(|e| fault(e.to_string()).remedy("give a JSON object"))?;
        let times: Option<Vec<f64>> = values
            .get("snapshot_times_ms")
            .and_then(Value::as_array)
            .and_then(|t| t.iter().map(Value::as_f64).collect());
        let times = times.ok_or_else(|| {
            fault("no list of numbers \"snapshot_times_ms\"".into()).remedy("add the snapshots' times")
        })?;
        if times.len() != shape[1] {
            return Err(fault(format!("{} times for {} snapshots", times.len(), shape[1]))
                .remedy("give one time for each snapshot"));
        }
        Ok(Self { times, snapshots: array, numbers: values })
    }

    /// All single values among the numbers, those of nested objects as `outer.inner`.
    pub fn scalars(&self) -> Vec<(String, Value)> {
        let mut scalars = Vec::new();
        collect("", &self.numbers, &mut scalars);
        scalars
    }
}

fn collect(prefix: &str, values: &Map<String, Value>, scalars: &mut Vec<(String, Value)>) {
    for (name, value) in values {
        match value {
            Value::Object(inner) => collect(&format!("{prefix}{name}."), inner, scalars),
            Value::Array(_) => {}
            scalar => scalars.push((format!("{prefix}{name}"), scalar.clone())),
        }
    }
}
