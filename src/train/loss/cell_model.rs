//! Right-hand sides of the crate's cell models on tensors.

use std::ops::{Add, Div, Mul, Neg, Sub};

use tch::Tensor;

use super::Rates;
use crate::cell_model::{CellModel, Real};

/// Where a cell's stimulus comes from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum StimulusSource {
    /// The same for all cells at all times.
    Constant(f64),
    /// `factor` · input + `offset`.
    Input {
        /// Column of the input.
        column: usize,
        /// What the input is multiplied by.
        factor: f64,
        /// What is added after that.
        offset: f64,
    },
}

impl StimulusSource {
    /// The stimulus of the cell with these inputs.
    ///
    /// # Panics
    /// If the input does not exist.
    pub fn of(&self, inputs: &[f64]) -> f64 {
        match *self {
            Self::Constant(value) => value,
            Self::Input { column, factor, offset } => factor * inputs[column] + offset,
        }
    }
}

/// A cell model's equations for a [`ResidualLoss`](super::ResidualLoss).
#[derive(Clone, Debug)]
pub struct CellModelRates {
    model: CellModel,
    stimulus: StimulusSource,
}

impl CellModelRates {
    /// The equations of `model` with its own parameters and this stimulus.
    pub fn new(model: CellModel, stimulus: StimulusSource) -> Self {
        Self { model, stimulus }
    }
}

impl From<CellModel> for CellModelRates {
    /// With the model's default stimulus.
    fn from(model: CellModel) -> Self {
        let stimulus = StimulusSource::Constant(model.stimulus().default);
        Self { model, stimulus }
    }
}

impl Rates for CellModelRates {
    fn n_states(&self) -> usize {
        self.model.states().len()
    }

    fn rates(&self, inputs: &Tensor, states: &Tensor) -> Tensor {
        let state: Vec<Column> =
            (0..self.n_states() as i64).map(|i| Column(states.narrow(1, i, 1))).collect();
        let stimulus = match self.stimulus {
            StimulusSource::Constant(value) => state[0].constant(value),
            StimulusSource::Input { column, factor, offset } => {
                Column(inputs.narrow(1, column as i64, 1) * factor + offset)
            }
        };
        let rates: Vec<Tensor> = self.model.rates(&state, &stimulus).into_iter().map(|c| c.0).collect();
        Tensor::cat(&rates, 1)
    }
}

impl Rates for &CellModel {
    fn n_states(&self) -> usize {
        self.states().len()
    }

    fn rates(&self, inputs: &Tensor, states: &Tensor) -> Tensor {
        CellModelRates::from((*self).clone()).rates(inputs, states)
    }
}

/// One column of a tensor as a number of the equations.
#[derive(Debug)]
struct Column(Tensor);

impl Clone for Column {
    fn clone(&self) -> Self {
        Self(self.0.shallow_clone())
    }
}

macro_rules! operator {
    ($trait:ident, $method:ident, $symbol:tt) => {
        impl $trait for Column {
            type Output = Self;

            fn $method(self, other: Self) -> Self {
                Self(self.0 $symbol other.0)
            }
        }
    };
}

operator!(Add, add, +);
operator!(Sub, sub, -);
operator!(Mul, mul, *);
operator!(Div, div, /);

impl Neg for Column {
    type Output = Self;

    fn neg(self) -> Self {
        Self(-self.0)
    }
}

impl Real for Column {
    fn constant(&self, value: f64) -> Self {
        // One number, which libtorch broadcasts.
        Self(Tensor::full([1, 1], value, (self.0.kind(), self.0.device())))
    }

    fn scale(self, factor: f64) -> Self {
        Self(self.0 * factor)
    }

    fn offset(self, constant: f64) -> Self {
        Self(self.0 + constant)
    }

    fn mul_add(self, factor: Self, addend: Self) -> Self {
        Self(addend.0.addcmul(&self.0, &factor.0))
    }
}
