//! A session's cells, in slices of one type and order.

use super::{Session, ffi};
use crate::error::{Error, Result};
use crate::session;
use crate::surrogate::Role;
use crate::view::{Columns, Element, Layout, View, ViewMut};

impl Session {
    pub(super) fn evaluate_f32(&self, inputs: &[f32], outputs: &mut [f32], order: ffi::Order) -> Result<()> {
        self.evaluate(inputs, outputs, order)
    }

    pub(super) fn evaluate_f64(&self, inputs: &[f64], outputs: &mut [f64], order: ffi::Order) -> Result<()> {
        self.evaluate(inputs, outputs, order)
    }

    pub(super) fn evaluate_times_f32(
        &self,
        inputs: &[f32],
        times: &[f64],
        outputs: &mut [f32],
        order: ffi::Order,
    ) -> Result<()> {
        self.evaluate_times(inputs, times, outputs, order)
    }

    pub(super) fn evaluate_times_f64(
        &self,
        inputs: &[f64],
        times: &[f64],
        outputs: &mut [f64],
        order: ffi::Order,
    ) -> Result<()> {
        self.evaluate_times(inputs, times, outputs, order)
    }

    pub(super) fn step_f32(&self, cells: ffi::CellsF32<'_>, dt: f64, n_steps: u32) -> Result<()> {
        self.step(cells.into(), None, dt, n_steps)
    }

    pub(super) fn step_f64(&self, cells: ffi::CellsF64<'_>, dt: f64, n_steps: u32) -> Result<()> {
        self.step(cells.into(), None, dt, n_steps)
    }

    pub(super) fn step_rows_f32(
        &self,
        cells: ffi::CellsF32<'_>,
        rows: &[u32],
        dt: f64,
        n_steps: u32,
    ) -> Result<()> {
        self.step(cells.into(), Some(rows), dt, n_steps)
    }

    pub(super) fn step_rows_f64(
        &self,
        cells: ffi::CellsF64<'_>,
        rows: &[u32],
        dt: f64,
        n_steps: u32,
    ) -> Result<()> {
        self.step(cells.into(), Some(rows), dt, n_steps)
    }

    fn evaluate<T: Element>(&self, inputs: &[T], outputs: &mut [T], order: ffi::Order) -> Result<()> {
        self.enter(|session| {
            let (n_inputs, n_outputs) =
                (session.surrogate().inputs().len(), session.surrogate().outputs().len());
            let inputs_at = layout(order, inputs.len(), n_inputs).map_err(|e| e.at("inputs"))?;
            let outputs_at = layout(order, outputs.len(), n_outputs).map_err(|e| e.at("outputs"))?;
            session.evaluate(View::new(inputs, inputs_at)?, ViewMut::new(outputs, outputs_at)?, None)
        })
    }

    fn evaluate_times<T: Element>(
        &self,
        inputs: &[T],
        times: &[f64],
        outputs: &mut [T],
        order: ffi::Order,
    ) -> Result<()> {
        self.enter(|session| {
            let surrogate = session.surrogate();
            let (n_inputs, n_outputs) = (surrogate.inputs().len() - 1, surrogate.outputs().len());
            let outputs_at =
                layout(order, outputs.len(), times.len().max(1) * n_outputs).map_err(|e| e.at("outputs"))?;
            let inputs_at = match n_inputs {
                0 if inputs.is_empty() => Layout { n_variables: 0, ..outputs_at },
                _ => layout(order, inputs.len(), n_inputs).map_err(|e| e.at("inputs"))?,
            };
            let outputs = ViewMut::new(outputs, outputs_at)?;
            session.evaluate_times(View::new(inputs, inputs_at)?, times, outputs)
        })
    }

    fn step<T: Element>(
        &self,
        cells: Cells<'_, T>,
        rows: Option<&[u32]>,
        dt: f64,
        n_steps: u32,
    ) -> Result<()> {
        self.enter(|session| {
            let surrogate = session.surrogate();
            let state_at = layout(cells.order, cells.state.len(), surrogate.outputs().len());
            let state_at = state_at.map_err(|e| e.at("state"))?;
            let n_rows = state_at.n_cells;
            let n_cells = rows.map_or(n_rows, <[u32]>::len);
            let n_stimuli = surrogate.columns_of(Role::Stimulus).len();
            let n_parameters = surrogate.columns_of(Role::Parameter).len();
            let stimulus = optional(cells.stimulus, cells.order, n_cells, n_stimuli);
            let parameters = optional(cells.parameters, cells.order, n_rows, n_parameters);
            let cells = session::Cells {
                state: ViewMut::new(cells.state, state_at)?.into(),
                stimulus: stimulus.map_err(|e| e.at("stimulus"))?,
                parameters: parameters.map_err(|e| e.at("parameters"))?.map(Columns::View),
                index: rows,
                status: Some(cells.status).filter(|bytes| !bytes.is_empty()),
            };
            session.step(cells, dt, n_steps)
        })
    }
}

/// [`ffi::CellsF32`] and [`ffi::CellsF64`] in one: the bridge knows no generic types.
struct Cells<'a, T> {
    state: &'a mut [T],
    order: ffi::Order,
    stimulus: &'a [T],
    parameters: &'a [T],
    status: &'a mut [u8],
}

impl<'a> From<ffi::CellsF32<'a>> for Cells<'a, f32> {
    fn from(cells: ffi::CellsF32<'a>) -> Self {
        let ffi::CellsF32 { state, order, stimulus, parameters, status } = cells;
        Self { state, order, stimulus, parameters, status }
    }
}

impl<'a> From<ffi::CellsF64<'a>> for Cells<'a, f64> {
    fn from(cells: ffi::CellsF64<'a>) -> Self {
        let ffi::CellsF64 { state, order, stimulus, parameters, status } = cells;
        Self { state, order, stimulus, parameters, status }
    }
}

/// The layout of a buffer of `len` numbers, which must be whole cells of `n_variables`.
fn layout(order: ffi::Order, len: usize, n_variables: usize) -> Result<Layout> {
    if n_variables == 0 || !len.is_multiple_of(n_variables) {
        return Err(Error::invalid(format!("{len} numbers are not whole cells of {n_variables} variables")));
    }
    let n_cells = len / n_variables;
    match order {
        ffi::Order::Structures => Ok(Layout::array_of_structures(n_cells, n_variables)),
        ffi::Order::Arrays => Ok(Layout::structure_of_arrays(n_cells, n_variables)),
        other => Err(Error::invalid(format!("order {}", other.repr))),
    }
}

/// A view of `numbers`, which may be one set of variables that serves all cells; none if empty.
fn optional<'a, T: Element>(
    numbers: &'a [T],
    order: ffi::Order,
    n_cells: usize,
    n_variables: usize,
) -> Result<Option<View<'a>>> {
    if numbers.is_empty() && (n_variables == 0 || n_cells > 0) {
        return Ok(None);
    }
    if numbers.len() == n_variables {
        let one_for_all = Layout { n_cells, n_variables, cell_stride: 0, variable_stride: 1 };
        return View::new(numbers, one_for_all).map(Some);
    }
    View::new(numbers, layout(order, numbers.len(), n_variables)?).map(Some)
}
