//! Ways of running a program over many cells.

pub mod cpu;

use crate::error::Result;
use crate::view::{View, ViewMut};

/// What to find out about each cell while it is computed, and what to do about it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Guard {
    /// Inputs outside the domain are used as they are.
    #[default]
    Ignore,
    /// Inputs outside the domain are moved to its border before they are used.
    Clamp,
}

/// Bits of a cell's status byte.
pub mod cell_status {
    /// An input was outside the domain.
    pub const OUTSIDE_DOMAIN: u8 = 1;
    /// A result is NaN or infinite.
    pub const NOT_FINITE: u8 = 2;
}

/// Where a column of a step's inputs comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepColumn {
    /// Column of the state, which each step replaces.
    State(usize),
    /// Column of the stimulus.
    Stimulus(usize),
    /// Column of the parameters.
    Parameter(usize),
    /// The length of the step.
    Time,
}

/// Independent cells to evaluate.
#[derive(Debug)]
pub struct Evaluation<'a> {
    /// Cells × input columns.
    pub inputs: View<'a>,
    /// Cells × output columns, as many cells.
    pub outputs: ViewMut<'a>,
    /// One byte a cell.
    pub status: Option<&'a mut [u8]>,
}

/// Cells to advance in place, already checked against each other.
#[derive(Debug)]
pub struct Advance<'a> {
    /// Number of cells to advance.
    pub n_cells: usize,
    /// Cell `i` is row `index[i]` of state and parameters; row `i` without.
    pub index: Option<&'a [u32]>,
    /// Rows × states.
    pub state: ViewMut<'a>,
    /// Cells × stimulus columns.
    pub stimulus: Option<View<'a>>,
    /// Rows × parameters.
    pub parameters: Option<View<'a>>,
    /// One byte a cell.
    pub status: Option<&'a mut [u8]>,
    /// Length of one step.
    pub dt: f32,
    /// Number of steps.
    pub n_steps: u32,
}

/// A program prepared for one device.
pub trait Backend: Send {
    /// Name of the device and the way it is used, for reports.
    fn name(&self) -> &str;

    /// Fills the outputs.
    ///
    /// # Errors
    /// A fault of the device or inside the backend; afterwards outputs may be partly written.
    fn evaluate(&mut self, cells: &mut Evaluation<'_>) -> Result<()>;

    /// Advances the cells by their number of steps.
    ///
    /// # Errors
    /// As [`Backend::evaluate`].
    fn step(&mut self, cells: &mut Advance<'_>) -> Result<()>;
}
