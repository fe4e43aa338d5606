//! What every backend does around the network: a tile's numbers in, checked against the domain;
//! a tile's results out, looked at.

use std::ops::Range;

use super::{Advance, Guard, StatusBytes, StepInput, Tally, cell_status};
use crate::kernels::{Rows, TILE, TileColumn, load_tile, store_tile, store_wanted};
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

    /// Flags the tile's cells that are outside the domain, and clears the other bits; moves their
    /// numbers to its border if that is the guard.
    pub fn inputs(&self, columns: &mut [TileColumn], flags: &mut [u8; TILE]) {
        *flags = [0; TILE];
        for (TileColumn(values), &[low, high]) in columns.iter_mut().zip(&self.domain) {
            // Almost every tile is wholly inside: that is found without the flags.
            if !values.iter().fold(true, |all, &x| all & (x >= low) & (x <= high)) {
                mark(flags, values, cell_status::OUTSIDE_DOMAIN, |x| x >= low && x <= high);
            }
            if self.guard == Guard::Clamp {
                // `clamp` keeps NaN.
                values.iter_mut().for_each(|x| *x = x.clamp(low, high));
            }
        }
    }

    /// Writes the results of the tile's cells, but not of those that the fallback is to compute.
    ///
    /// # Safety
    /// As [`store_tile`].
    pub unsafe fn store(
        &self,
        results: &[TileColumn],
        to: &[Column],
        rows: Rows<'_>,
        n_cells: usize,
        flags: &[u8; TILE],
    ) {
        let is_inside = |i: usize| flags[i] & cell_status::OUTSIDE_DOMAIN == 0;
        let all = self.guard != Guard::Fallback || (0..n_cells).all(is_inside);
        for (column, tile) in to.iter().zip(results) {
            // SAFETY: as this function's contract says.
            unsafe {
                match all {
                    true => store_tile(column, rows, n_cells, &tile.0),
                    false => store_wanted(column, rows, n_cells, &tile.0, is_inside),
                }
            }
        }
    }
}

/// Flags the tile's cells whose results are not finite, and counts the `n_cells` cells that are
/// flagged by now.
pub fn look_at_results(results: &[TileColumn], flags: &mut [u8; TILE], n_cells: usize) -> Tally {
    if !are_finite(results) {
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

/// Reads the `n_cells` cells in `rows` of every column.
///
/// # Safety
/// As [`load_tile`].
pub unsafe fn load(columns: &[Column], rows: Rows<'_>, n_cells: usize, to: &mut [TileColumn]) {
    for (column, tile) in columns.iter().zip(to) {
        // SAFETY: as this function's contract says.
        unsafe { load_tile(column, rows, n_cells, &mut tile.0) }
    }
}

/// Reads the inputs of `cells`, a tile of the job, before its first step.
///
/// # Safety
/// `cells` are cells of the job that nobody writes meanwhile.
pub unsafe fn load_step(job: &Advance<'_>, cells: Range<usize>, to: &mut [TileColumn]) {
    let (by_position, by_row, n_cells) = (Rows::From(cells.start), rows_of(job, &cells), cells.len());
    for (input, tile) in job.inputs.iter().zip(to) {
        // SAFETY: as this function's contract says.
        unsafe {
            match input {
                StepInput::State(j) => load_tile(&job.state[*j], by_row, n_cells, &mut tile.0),
                StepInput::ByPosition(column) => load_tile(column, by_position, n_cells, &mut tile.0),
                StepInput::ByRow(column) => load_tile(column, by_row, n_cells, &mut tile.0),
                StepInput::Time => tile.0 = [job.dt; TILE],
            }
        }
    }
}

/// Where the states of `cells`, a tile of the job, lie.
pub fn rows_of<'a>(job: &Advance<'a>, cells: &Range<usize>) -> Rows<'a> {
    job.index.map_or(Rows::From(cells.start), |list| Rows::Listed(&list[cells.clone()]))
}

/// Whether all numbers of a tile are finite. Zero times anything else is NaN, and stays NaN in a sum.
fn are_finite(results: &[TileColumn]) -> bool {
    let mut sums = [0.0f32; TILE];
    for TileColumn(values) in results {
        sums.iter_mut().zip(values).for_each(|(sum, x)| *sum += 0.0 * x);
    }
    sums.iter().all(|&sum| sum == 0.0)
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
