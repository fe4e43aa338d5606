//! Which rows make the batch of an iteration.

use ndarray::Array2;
use tch::{Device, Tensor};

use crate::error::{Error, Result};
use crate::train::random::Random;

/// Cuts epochs of shuffled rows into batches of equal size.
#[derive(Debug)]
pub(super) struct Batches {
    n_rows: usize,
    batch: usize,
    seed: u64,
}

impl Batches {
    /// Batches of `batch` of `n_rows` rows; all rows, when there are fewer.
    pub fn new(n_rows: usize, batch: usize, seed: u64) -> Self {
        Self { n_rows, batch: batch.clamp(1, n_rows), seed }
    }

    /// Epoch and first row of the batch of `iteration`. Rows left over at the end of an epoch
    /// wait for the next one, which is shuffled anew.
    pub fn locate(&self, iteration: u64) -> (u64, i64) {
        let an_epoch = (self.n_rows / self.batch) as u64;
        (iteration / an_epoch, (iteration % an_epoch) as i64 * self.batch as i64)
    }

    /// Rows of a batch.
    pub fn size(&self) -> i64 {
        self.batch as i64
    }

    /// True when every batch holds all rows, so that their order does not matter.
    pub fn is_whole(&self) -> bool {
        self.batch == self.n_rows
    }

    /// The order of rows in `epoch`.
    pub fn order(&self, epoch: u64, device: Device) -> Tensor {
        Tensor::from_slice(&Random::new(self.seed, epoch).order(self.n_rows)).to_device(device)
    }
}

/// Rows of `inputs` whose time lies in a window: after its start and not after its end; the first window has its start.
pub(super) fn rows_within(inputs: &Array2<f64>, time: usize, [first, last]: [f64; 2]) -> Result<Vec<usize>> {
    let within = |t: f64| (t > first || t == first && first == 0.0) && t <= last;
    let rows: Vec<usize> =
        (0..inputs.nrows()).filter(|&row| inputs.row(row).get(time).is_some_and(|&t| within(t))).collect();
    if rows.is_empty() {
        return Err(Error::invalid(format!("no rows in the window from {first} to {last}")).remedy(
            "give data there, make windows longer, or train all windows at once (sequential = false)",
        ));
    }
    Ok(rows)
}

/// `n` points in the box, row by row.
pub(super) fn points(random: &mut Random, ranges: &[[f64; 2]], n: usize) -> Vec<f64> {
    let mut values = Vec::with_capacity(n * ranges.len());
    for _ in 0..n {
        values.extend(ranges.iter().map(|[low, high]| random.between(*low, *high)));
    }
    values
}
