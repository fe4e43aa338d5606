//! Outputs that cannot leave a box.

use tch::Tensor;

use super::{Model, tensor_of};
use crate::error::{Error, Result};
use crate::program::{BinaryOperator, BlockId, ProgramBuilder};

/// Smallest and largest value of each output.
#[derive(Debug)]
pub(super) struct Bounds {
    ranges: Vec<[f64; 2]>,
    low: Tensor,
    high: Tensor,
}

impl Bounds {
    fn apply(&self, outputs: &Tensor) -> Tensor {
        outputs.maximum(&self.low).minimum(&self.high)
    }
}

impl Model {
    /// Keeps every output within its range: a step map that is applied again and again then stays
    /// where it was trained, whatever its network does.
    ///
    /// # Errors
    /// Another number of ranges than outputs, or a range that does not go upward between finite
    /// numbers.
    pub fn bounded(mut self, ranges: &[[f64; 2]]) -> Result<Self> {
        if ranges.len() != self.n_outputs() {
            let what = format!("{} bounds for {} outputs", ranges.len(), self.n_outputs());
            return Err(Error::invalid(what).remedy("give one range an output"));
        }
        if let Some([low, high]) = ranges.iter().find(|[low, high]| !(low < high && (high - low).is_finite()))
        {
            return Err(Error::invalid(format!("outputs bounded by {low} and {high}"))
                .remedy("write two finite numbers, the smaller one first"));
        }
        let row = |end: usize| {
            let values = ranges.iter().map(|range| range[end]).collect();
            let row = ndarray::Array2::from_shape_vec((1, ranges.len()), values).expect("one row");
            tensor_of(row.view(), self.network.kind(), self.network.device())
        };
        self.bounds = Some(Bounds { ranges: ranges.to_vec(), low: row(0), high: row(1) });
        Ok(self)
    }

    /// The range that each output is kept in, if there is one.
    pub fn bounds(&self) -> Option<&[[f64; 2]]> {
        self.bounds.as_ref().map(|bounds| bounds.ranges.as_slice())
    }

    /// Raw `outputs` of [`Self::unbounded`] within the bounds.
    pub(crate) fn within_bounds(&self, outputs: Tensor) -> Tensor {
        self.bounds.as_ref().map_or_else(|| outputs.shallow_clone(), |bounds| bounds.apply(&outputs))
    }

    /// `outputs` within the bounds, in the exported program.
    pub(in crate::train) fn push_bounds(
        &self,
        builder: &mut ProgramBuilder,
        outputs: BlockId,
    ) -> Result<BlockId> {
        let Some(bounds) = &self.bounds else { return Ok(outputs) };
        let [low, high] =
            [0, 1].map(|end| bounds.ranges.iter().map(|range| range[end] as f32).collect::<Vec<_>>());
        let low = builder.constant(low)?;
        let raised = builder.binary(BinaryOperator::Maximum, outputs, low)?;
        let high = builder.constant(high)?;
        builder.binary(BinaryOperator::Minimum, raised, high)
    }
}
