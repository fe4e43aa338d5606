//! The state that a form adds to what the network gives: input columns and fixed values.

use tch::{Device, Kind, Tensor};

use crate::error::{Error, Result};
use crate::train::task::Initial;

/// Where each output's state comes from, as tensors.
#[derive(Debug)]
pub(super) struct States {
    /// Input columns; any for a fixed value.
    columns: Tensor,
    /// 1 for an output whose state is an input and 0 for one whose state is fixed, with the fixed values (0 for
    /// inputs); none where no state is fixed.
    fixed: Option<(Tensor, Tensor)>,
}

/// Rejects states that do not fit `n_outputs` outputs.
pub(super) fn check(states: &[Initial], n_outputs: usize) -> Result<()> {
    if states.len() != n_outputs {
        return Err(Error::invalid(format!("{} states for {n_outputs} outputs", states.len())));
    }
    match states.iter().find(|s| matches!(s, Initial::Fixed(value) if !value.is_finite())) {
        Some(state) => Err(Error::invalid(format!("an initial state of {state:?}"))),
        None => Ok(()),
    }
}

impl States {
    pub fn new(states: &[Initial], kind: Kind, device: Device) -> Self {
        let columns: Vec<i64> = states.iter().map(|s| s.column().unwrap_or(0) as i64).collect();
        let row = |f: &dyn Fn(&Initial) -> f64| {
            let values: Vec<f64> = states.iter().map(f).collect();
            Tensor::from_slice(&values).to_kind(kind).to_device(device).unsqueeze(0)
        };
        let fixed = states.iter().any(|s| s.column().is_none()).then(|| {
            let is_input = row(&|s| f64::from(u8::from(s.column().is_some())));
            (is_input, row(&|s| s.fixed().unwrap_or(0.0)))
        });
        Self { columns: Tensor::from_slice(&columns).to_device(device), fixed }
    }

    /// The states `[n, n_outputs]` of cells with these raw inputs.
    pub fn of(&self, inputs: &Tensor) -> Tensor {
        let columns = inputs.index_select(1, &self.columns);
        match &self.fixed {
            None => columns,
            Some((is_input, values)) => values.addcmul(&columns, is_input),
        }
    }
}
