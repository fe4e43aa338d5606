//! What every backend does around the network: a tile's numbers in, checked against the domain;
//! a tile's results out, looked at.

use std::ops::Range;

use super::{Advance, Evaluation, Guard, StatusBytes, StepInput, Tally, cell_status};
use crate::kernels::{Pairs, Rows, TILE, TileColumn, Transfer, load_tile, store_tile, store_wanted};
use crate::view::Column;

/// The domain and what happens outside.
#[derive(Debug)]
pub struct Check {
    /// What happens.
    pub guard: Guard,
    /// Range of each input column; infinite where unknown.
    pub domain: Vec<[f32; 2]>,
}

impl Check {
    /// Whether somebody wants to know about the cells.
    pub fn looks(&self, status: StatusBytes) -> bool {
        self.guard != Guard::Ignore || status.are_wanted()
    }
}

/// The way of numbers between the caller's columns and tiles.
#[derive(Debug)]
pub struct Border {
    /// What is looked at on the way.
    pub check: Check,
    transfer: &'static Transfer,
    /// Pairs among the columns of a call's inputs.
    pub inputs: Pairs,
    /// Pairs among the columns of its results.
    pub outputs: Pairs,
}

impl Border {
    /// For so many input and output columns, by what belongs to an instruction set of this machine.
    pub fn new(check: Check, transfer: &'static Transfer, n_inputs: usize, n_outputs: usize) -> Self {
        let pairs = |n| Pairs::new(transfer, n);
        Self { check, transfer, inputs: pairs(n_inputs), outputs: pairs(n_outputs) }
    }

    /// Looks at the columns of `job` before its first tile.
    pub fn lay_out_evaluation(&mut self, job: &Evaluation<'_>) {
        self.inputs.find(job.inputs.len(), job.n_cells, |j| Some(job.inputs[j]));
        self.outputs.find(job.outputs.len(), job.n_cells, |j| Some(job.outputs[j]));
    }

    /// Looks at the columns of `job` before its first tile; states that are not to be written in pairs are not `paired`.
    pub fn lay_out_step(&mut self, job: &Advance<'_>, paired: impl Fn(usize) -> bool) {
        self.inputs.find(job.inputs.len(), job.n_cells, |i| in_row(job, i));
        self.outputs.find(job.state.len(), job.n_cells, |j| Some(job.state[j]).filter(|_| paired(j)));
    }

    /// Reads the inputs of `cells`, a tile of the job, before its first step.
    ///
    /// # Safety
    /// `cells` are cells of the job, which was laid out, that nobody writes meanwhile.
    pub unsafe fn load_step(&self, job: &Advance<'_>, cells: Range<usize>, to: &mut [TileColumn]) {
        let (by_position, by_row, n_cells) = (Rows::From(cells.start), rows_of(job, &cells), cells.len());
        let mut i = 0;
        while i < job.inputs.len() {
            let n = self.inputs.at(i, n_cells);
            // SAFETY: as this function's contract says.
            unsafe {
                match (in_row(job, i), job.inputs[i]) {
                    (Some(first), _) if n > 0 => self.inputs.load(&first, by_row, &mut to[i..i + n]),
                    (Some(column), _) => load_tile(&column, by_row, n_cells, &mut to[i].0),
                    (None, StepInput::ByPosition(column)) => {
                        load_tile(&column, by_position, n_cells, &mut to[i].0);
                    }
                    (None, _) => to[i].0 = [job.dt; TILE],
                }
            }
            i += n.max(1);
        }
    }

    /// Flags the tile's cells that are outside the domain, and clears the other bits; moves their
    /// numbers to its border if that is the guard.
    pub fn check_inputs(&self, columns: &mut [TileColumn], flags: &mut [u8; TILE]) {
        *flags = [0; TILE];
        let Check { guard, domain } = &self.check;
        // Almost every tile is wholly inside: that is found without the flags.
        // SAFETY: the table belongs to an instruction set of this machine.
        let are_within =
            |columns: &[TileColumn], ranges| unsafe { (self.transfer.all_within)(columns, ranges) };
        if are_within(columns, domain) {
            return;
        }
        for (column, range) in columns.iter_mut().zip(domain) {
            if are_within(std::slice::from_ref(column), std::slice::from_ref(range)) {
                continue;
            }
            let (TileColumn(values), [low, high]) = (column, *range);
            mark(flags, values, cell_status::OUTSIDE_DOMAIN, |x| x >= low && x <= high);
            if *guard == Guard::Clamp {
                // `clamp` keeps NaN.
                values.iter_mut().for_each(|x| *x = x.clamp(low, high));
            }
        }
    }

    /// Flags the tile's cells whose results are not finite, and counts the `n_cells` cells that are
    /// flagged by now.
    pub fn look_at_results(&self, results: &[TileColumn], flags: &mut [u8; TILE], n_cells: usize) -> Tally {
        // SAFETY: the table belongs to an instruction set of this machine.
        if !unsafe { (self.transfer.all_finite)(results) } {
            for TileColumn(values) in results {
                mark(flags, values, cell_status::NOT_FINITE, f32::is_finite);
            }
        }
        let cells = &flags[..n_cells];
        if *flags == [0; TILE] {
            return Tally::default();
        }
        Tally {
            outside_domain: count(cells, cell_status::OUTSIDE_DOMAIN),
            not_finite: count(cells, cell_status::NOT_FINITE),
        }
    }

    /// Writes the results of the tile's cells, but not of those that the fallback is to compute.
    ///
    /// # Safety
    /// As [`store_tile`]; the columns are those that were laid out.
    pub unsafe fn store(
        &self,
        results: &[TileColumn],
        to: &[Column],
        rows: Rows<'_>,
        n_cells: usize,
        flags: &[u8; TILE],
    ) {
        let is_inside = |i: usize| flags[i] & cell_status::OUTSIDE_DOMAIN == 0;
        // SAFETY: as this function's contract says.
        unsafe {
            if self.check.guard != Guard::Fallback || (0..n_cells).all(is_inside) {
                return store(&self.outputs, to, 0..to.len(), rows, n_cells, results);
            }
            for (column, TileColumn(numbers)) in to.iter().zip(results) {
                store_wanted(column, rows, n_cells, numbers, is_inside);
            }
        }
    }
}

/// Reads the `n_cells` cells in `rows` of every column; `pairs` are those of the border's side that the columns are on.
///
/// # Safety
/// As [`load_tile`]; the columns are those that were laid out.
pub unsafe fn load(pairs: &Pairs, columns: &[Column], rows: Rows<'_>, n_cells: usize, to: &mut [TileColumn]) {
    let mut j = 0;
    while j < columns.len() {
        let n = pairs.at(j, n_cells);
        // SAFETY: as this function's contract says.
        unsafe {
            match n {
                0 => load_tile(&columns[j], rows, n_cells, &mut to[j].0),
                _ => pairs.load(&columns[j], rows, &mut to[j..j + n]),
            }
        }
        j += n.max(1);
    }
}

/// Writes `results` to the `n_cells` cells in `rows` of as many of the columns; `pairs` are those of all columns.
///
/// # Safety
/// As [`store_tile`]; the columns are those that were laid out.
pub unsafe fn store(
    pairs: &Pairs,
    columns: &[Column],
    wanted: Range<usize>,
    rows: Rows<'_>,
    n_cells: usize,
    results: &[TileColumn],
) {
    let (first, mut j) = (wanted.start, wanted.start);
    while j < wanted.end {
        let n = pairs.at(j, n_cells);
        // SAFETY: as this function's contract says.
        unsafe {
            match n {
                0 => store_tile(&columns[j], rows, n_cells, &results[j - first].0),
                _ => pairs.store(&columns[j], rows, &results[j - first..j - first + n]),
            }
        }
        j += n.max(1);
    }
}

/// The column of an input of the job that lies in the rows of the cells' states.
fn in_row(job: &Advance<'_>, input: usize) -> Option<Column> {
    match job.inputs[input] {
        StepInput::State(j) => Some(job.state[j]),
        StepInput::ByRow(column) => Some(column),
        StepInput::ByPosition(_) | StepInput::Time => None,
    }
}

/// Where the states of `cells`, a tile of the job, lie.
pub fn rows_of<'a>(job: &Advance<'a>, cells: &Range<usize>) -> Rows<'a> {
    job.index.map_or(Rows::From(cells.start), |list| Rows::Listed(&list[cells.clone()]))
}

/// Sets `bit` in the flags of those cells whose value is not `good`.
fn mark(flags: &mut [u8; TILE], values: &[f32; TILE], bit: u8, good: impl Fn(f32) -> bool) {
    for (flag, &x) in flags.iter_mut().zip(values) {
        *flag |= if good(x) { 0 } else { bit };
    }
}

fn count(flags: &[u8], bit: u8) -> u64 {
    flags.iter().map(|flag| u64::from(flag & bit != 0)).sum()
}
