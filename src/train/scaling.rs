//! Shifts and scales that bring columns of unlike units to numbers of size one.

use ndarray::{ArrayView2, Axis};

use crate::error::{Error, Result};

/// Column by column, scaled = (raw − shift) / scale.
#[derive(Clone, Debug, PartialEq)]
pub struct Scaling {
    shift: Vec<f64>,
    scale: Vec<f64>,
}

impl Scaling {
    /// The scaling that changes nothing, for `n` columns.
    pub fn identity(n: usize) -> Self {
        Self { shift: vec![0.0; n], scale: vec![1.0; n] }
    }

    /// A scaling with these shifts and scales.
    ///
    /// # Errors
    /// Different lengths, or a scale that is not a positive finite number.
    pub fn new(shift: Vec<f64>, scale: Vec<f64>) -> Result<Self> {
        if shift.len() != scale.len() {
            return Err(Error::invalid(format!("{} shifts and {} scales", shift.len(), scale.len())));
        }
        match (0..shift.len()).find(|&i| !(shift[i].is_finite() && scale[i].is_finite() && scale[i] > 0.0)) {
            Some(i) => Err(Error::invalid(format!("column {i} is scaled by ({} , {})", shift[i], scale[i]))
                .remedy("give every column a finite shift and a positive scale")),
            None => Ok(Self { shift, scale }),
        }
    }

    /// Brings each range to −1 … 1; a range of one number is only shifted.
    ///
    /// # Errors
    /// A range that does not go upward between finite numbers.
    pub fn from_ranges(ranges: &[[f64; 2]]) -> Result<Self> {
        if let Some(&[low, high]) = ranges.iter().find(|[low, high]| low > high) {
            return Err(
                Error::invalid(format!("the range {low} to {high}")).remedy("write the lower end first")
            );
        }
        let half = |[low, high]: &[f64; 2]| if high > low { (high - low) / 2.0 } else { 1.0 };
        Self::new(
            ranges.iter().map(|[low, high]| (low + high) / 2.0).collect(),
            ranges.iter().map(half).collect(),
        )
    }

    /// Brings each column of `data` to mean 0 and standard deviation 1; a constant column is only
    /// shifted.
    ///
    /// # Errors
    /// No rows, or numbers that are not finite.
    pub fn from_data(data: ArrayView2<f64>) -> Result<Self> {
        let mean = data.mean_axis(Axis(0)).ok_or_else(|| Error::invalid("no rows to take a scaling from"))?;
        let spread = data.std_axis(Axis(0), 0.0).mapv(|s| if s > 0.0 { s } else { 1.0 });
        Self::new(mean.to_vec(), spread.to_vec())
    }

    /// Number of columns.
    pub fn n_columns(&self) -> usize {
        self.shift.len()
    }

    /// What is subtracted, column by column.
    pub fn shift(&self) -> &[f64] {
        &self.shift
    }

    /// What is divided by after that, column by column.
    pub fn scale(&self) -> &[f64] {
        &self.scale
    }
}
