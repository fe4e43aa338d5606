//! Visited states and what became of them a step later: a table that networks learn from.

use ndarray::Array2;
use serde_json::{Map, Value};

use super::Visited;
use crate::dataset::Table;
use crate::error::Result;
use crate::step_function::StepFunction;

/// Cells that are asked about at once.
const BATCH: usize = 4096;

/// Asks `model` for the step of `dt` from every visited state. Inputs are `V`, `x1`, `x2`, … and `stimulus`, targets `V_next`,
/// `x1_next`, …, or with other `names` of the states and the stimulus. Rows whose result is not finite are left out; their number is
/// returned too.
///
/// # Errors
/// Whatever the model answers.
pub fn pairs(
    model: &mut dyn StepFunction,
    visited: &Visited,
    dt: f64,
    names: &[String],
    provenance: Map<String, Value>,
) -> Result<(Table, usize)> {
    let n = visited.n_states;
    assert_eq!(names.len(), n + 1, "a name for each state and the stimulus");
    let mut next = visited.states.clone();
    for (cells, stimulus) in next.chunks_mut(BATCH * n).zip(visited.stimulus.chunks(BATCH)) {
        model.step(cells, stimulus, dt, 1)?;
    }
    let rows: Vec<usize> =
        (0..visited.len()).filter(|&i| next[i * n..(i + 1) * n].iter().all(|x| x.is_finite())).collect();
    let inputs = Array2::from_shape_fn((rows.len(), n + 1), |(row, j)| {
        let i = rows[row];
        if j < n { visited.states[i * n + j] } else { visited.stimulus[i] }
    });
    let targets = Array2::from_shape_fn((rows.len(), n), |(row, j)| next[rows[row] * n + j]);
    let table = Table {
        input_names: names.to_vec(),
        inputs,
        target_names: names[..n].iter().map(|name| format!("{name}_next")).collect(),
        targets,
        provenance,
    };
    Ok((table, visited.len() - rows.len()))
}
