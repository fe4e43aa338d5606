//! What a step works on, and what a session counted.

use crate::view::{Columns, ColumnsMut, View};

/// Cells to advance in place.
#[derive(Debug)]
pub struct Cells<'a> {
    /// Rows × states, read and written.
    pub state: ColumnsMut<'a>,
    /// Cells × stimulus variables; needed if the surrogate has a stimulus. Row `i` belongs to the
    /// `i`-th cell of the call, with or without an index.
    pub stimulus: Option<View<'a>>,
    /// Rows × parameters; needed if the surrogate has parameters. A cell's parameters lie in the
    /// row of its state.
    pub parameters: Option<Columns<'a>>,
    /// Which rows are advanced, in which order, each once; all without.
    pub index: Option<&'a [u32]>,
    /// One byte a cell of the call, bits of [`cell_status`](super::cell_status).
    pub status: Option<&'a mut [u8]>,
}

impl<'a> Cells<'a> {
    /// All rows of `state`, without stimulus, parameters or status.
    pub fn new(state: impl Into<ColumnsMut<'a>>) -> Self {
        Self { state: state.into(), stimulus: None, parameters: None, index: None, status: None }
    }
}

/// What a session did since it was made or its counters were reset.
///
/// Cells are counted once for every application of the surrogate: a call of 3 steps for 10 cells
/// counts 30. Only guards that look at cells count those outside the domain and those that are not
/// finite.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Successful calls of evaluate and step.
    pub calls: u64,
    /// Cells evaluated, and cells × steps.
    pub cell_steps: u64,
    /// Of these, with an input outside the domain.
    pub outside_domain: u64,
    /// Of these, with a result that is NaN or infinite.
    pub not_finite: u64,
    /// Of these, computed by the fallback.
    pub fallback: u64,
}
