//! Ways of running a program over many cells.

pub mod cpu;
pub mod cuda;
mod device;
pub mod onnxruntime;
mod tile;

use std::ops::Range;

pub use self::device::{Device, Precision, Stream};
pub use self::tile::Check;
use crate::error::{Error, Result};
use crate::view::Column;

/// What happens to a cell whose inputs are outside the domain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Guard {
    /// Its inputs are used as they are; nobody looks, unless status bytes are asked for.
    #[default]
    Ignore,
    /// Its inputs are moved to the domain's border before they are used; it is counted.
    Clamp,
    /// Its inputs are used as they are; it is counted.
    Count,
    /// As [`Guard::Count`], and every call must bring status bytes to mark it in.
    Flag,
    /// It is not computed but left as it was, marked and counted; the session hands it on.
    Fallback,
}

/// Bits of a cell's status byte.
pub mod cell_status {
    /// An input was outside the domain.
    pub const OUTSIDE_DOMAIN: u8 = 1;
    /// A result is NaN or infinite.
    pub const NOT_FINITE: u8 = 2;
    /// The fallback computed the cell.
    pub const FALLBACK: u8 = 4;
}

/// Where a column of a step's inputs comes from.
#[derive(Clone, Copy, Debug)]
pub enum StepInput {
    /// A column of the state, which each step replaces.
    State(usize),
    /// Row `i` belongs to cell `i` of the call: the stimulus.
    ByPosition(Column),
    /// A cell's number lies in the row of its state: parameters.
    ByRow(Column),
    /// The length of the step.
    Time,
}

/// One byte for each cell of a call, or none.
#[derive(Clone, Copy, Debug)]
pub struct StatusBytes(*mut u8);

// SAFETY: an address; every access through it is unsafe.
unsafe impl Send for StatusBytes {}
// SAFETY: as above.
unsafe impl Sync for StatusBytes {}

impl StatusBytes {
    /// The caller's bytes.
    pub fn new(bytes: Option<&mut [u8]>) -> Self {
        Self(bytes.map_or(std::ptr::null_mut(), <[u8]>::as_mut_ptr))
    }

    /// Whether there are any.
    pub fn are_wanted(self) -> bool {
        !self.0.is_null()
    }

    /// Bytes at an address that need not be this processor's; none at null.
    pub fn at(address: *mut u8) -> Self {
        Self(address)
    }

    /// Where they are; null for none.
    pub fn address(self) -> *mut u8 {
        self.0
    }

    /// Writes the bytes of `cells`, if there are any.
    ///
    /// # Safety
    /// `cells` are cells of the call whose bytes nobody else accesses, and `flags` has as many.
    pub unsafe fn store(self, cells: Range<usize>, flags: &[u8]) {
        if self.are_wanted() {
            // SAFETY: as this function's contract says.
            unsafe { self.0.add(cells.start).copy_from_nonoverlapping(flags.as_ptr(), cells.len()) }
        }
    }

    /// Adds the bits of `flags` to those of the call's first cells.
    ///
    /// # Safety
    /// As [`store`](Self::store).
    pub unsafe fn add(self, flags: &[u8]) {
        if self.are_wanted() {
            // SAFETY: as this function's contract says.
            flags.iter().enumerate().for_each(|(i, flag)| unsafe { *self.0.add(i) |= flag });
        }
    }

    /// Clears the bytes of the call's first `n_cells` cells.
    ///
    /// # Safety
    /// As [`store`](Self::store).
    pub unsafe fn clear(self, n_cells: usize) {
        if self.are_wanted() {
            // SAFETY: as this function's contract says.
            unsafe { self.0.write_bytes(0, n_cells) }
        }
    }
}

/// Independent cells to evaluate, already checked.
#[derive(Debug)]
pub struct Evaluation<'a> {
    /// Number of cells.
    pub n_cells: usize,
    /// One for each input of the program.
    pub inputs: &'a [Column],
    /// One for each output.
    pub outputs: &'a [Column],
    /// Bits of [`cell_status`].
    pub status: StatusBytes,
}

/// Cells to advance in place, already checked.
#[derive(Debug)]
pub struct Advance<'a> {
    /// Number of cells to advance.
    pub n_cells: usize,
    /// Number of rows of state and parameters.
    pub n_rows: usize,
    /// Cell `i` lies in row `index[i]` of state and parameters; in row `i` without.
    pub index: Option<&'a [u32]>,
    /// One for each input of the program.
    pub inputs: &'a [StepInput],
    /// One for each output.
    pub state: &'a [Column],
    /// Bits of [`cell_status`].
    pub status: StatusBytes,
    /// Length of one step.
    pub dt: f32,
    /// Number of steps.
    pub n_steps: u32,
}

/// What was seen in a call by those who looked: see [`Guard`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Applications to inputs outside the domain.
    pub outside_domain: u64,
    /// Applications whose result is NaN or infinite.
    pub not_finite: u64,
}

impl std::ops::AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.outside_domain += other.outside_domain;
        self.not_finite += other.not_finite;
    }
}

/// A program prepared for one device.
pub trait Backend: Send {
    /// Name of the device and the way it is used, for reports.
    fn name(&self) -> &str;

    /// Fills the outputs.
    ///
    /// # Safety
    /// The job's columns lead to as many numbers as it has cells, outputs and status bytes are
    /// written by nobody else and do not overlap with inputs.
    ///
    /// # Errors
    /// A fault of the device or inside the backend; afterwards outputs may be partly written.
    unsafe fn evaluate(&mut self, job: &Evaluation<'_>) -> Result<Tally>;

    /// Fills the outputs of the same cells at several times: those of the first time, then of the next. What the input column
    /// `time` holds does not matter, and nobody is told of single cells. None, and nothing is done, if this backend has no faster
    /// way than an evaluation for each time.
    ///
    /// # Safety
    /// As [`Backend::evaluate`].
    ///
    /// # Errors
    /// As [`Backend::evaluate`].
    unsafe fn evaluate_times(
        &mut self,
        _job: &Evaluation<'_>,
        _time: usize,
        _times: &[f32],
    ) -> Result<Option<Tally>> {
        Ok(None)
    }

    /// Advances the cells by their number of steps.
    ///
    /// # Safety
    /// As [`Backend::evaluate`]; no row comes twice.
    ///
    /// # Errors
    /// As [`Backend::evaluate`].
    unsafe fn step(&mut self, job: &Advance<'_>) -> Result<Tally>;

    /// Waits until everything that was asked for has been done; what was seen in calls that returned before it was known.
    ///
    /// # Errors
    /// A fault of the device in a call that had returned before.
    fn synchronize(&mut self) -> Result<Tally> {
        Ok(Tally::default())
    }

    /// Whether this thread may read and write what lies at `address`, where the caller has numbers.
    fn is_reachable(&self, _address: *const u8) -> bool {
        true
    }
}

/// More threads than any machine of today has cores: a session has memory for each of them.
const MAX_THREADS: usize = 1024;

fn check_threads(n_threads: usize) -> Result<()> {
    if n_threads == 0 || n_threads > MAX_THREADS {
        return Err(Error::invalid(format!("{n_threads} threads"))
            .remedy(format!("ask for 1 to {MAX_THREADS} threads")));
    }
    Ok(())
}
