//! A network that gives the increment of one state, as part of a program.

use super::assemble::Assembler;
use crate::activation::Activation;
use crate::error::Result;
use crate::program::{BinaryOperator, BlockId, Operation, ProgramBuilder};
use crate::structure::StateIndex;

/// What a network looks at.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Feature {
    /// A state as it is.
    State(StateIndex),
    /// x / (x + half) of a positive state that spans decades: what binding sites see of a concentration.
    Saturation { state: StateIndex, half: f64 },
    /// The product of a term, by its position: a current.
    Term(usize),
}

/// One layer, weights row by row of the outputs.
#[derive(Clone, Debug)]
pub struct Layer {
    pub weights: Vec<f64>,
    pub bias: Vec<f64>,
    pub activation: Activation,
}

/// A trained network: increment = scale · sinh(last layer).
#[derive(Clone, Debug)]
pub struct Learned {
    pub state: StateIndex,
    pub features: Vec<Feature>,
    /// Scalings of the features are part of the first layer.
    pub layers: Vec<Layer>,
    pub scale: f64,
    /// Limits of the state.
    pub bounds: [f64; 2],
}

/// Largest argument of sinh: far beyond the data, short of overflow.
const STEEPEST: f32 = 20.0;

impl Assembler<'_> {
    /// The features side by side.
    pub fn features(&mut self, features: &[Feature]) -> Result<BlockId> {
        let term = |feature: &Feature| if let Feature::Term(i) = feature { Some(*i) } else { None };
        self.compute(&features.iter().filter_map(term).collect::<Vec<_>>())?;
        let mut places = Vec::new();
        for feature in features {
            places.push(match *feature {
                Feature::State(state) => (BlockId::INPUT, state),
                Feature::Term(i) => self.products[i].expect("computed"),
                Feature::Saturation { state, half } => {
                    let x = self.builder.slice(BlockId::INPUT, state, 1)?;
                    let half = self.builder.constant([half as f32])?;
                    let sum = self.builder.binary(BinaryOperator::Add, x, half)?;
                    (self.builder.binary(BinaryOperator::Divide, x, sum)?, 0)
                }
            });
        }
        self.gather(&places)
    }

    /// The increment that a network gives.
    pub fn increment(&mut self, learned: &Learned) -> Result<BlockId> {
        let features = self.features(&learned.features)?;
        increments(&mut self.builder, features, &learned.layers, &[learned.scale])
    }
}

/// scale · sinh of the last layer, one scale an output.
pub fn increments(
    b: &mut ProgramBuilder,
    features: BlockId,
    layers: &[Layer],
    scales: &[f64],
) -> Result<BlockId> {
    let single = |values: &[f64]| values.iter().map(|&v| v as f32).collect::<Vec<_>>();
    let mut block = features;
    for layer in layers {
        block = b.dense(block, single(&layer.weights), single(&layer.bias), layer.activation)?;
    }
    let (low, high) = (b.constant([-STEEPEST])?, b.constant([STEEPEST])?);
    let z = b.binary(BinaryOperator::Maximum, block, low)?;
    let z = b.binary(BinaryOperator::Minimum, z, high)?;
    // One product with the unit matrix above its negative, and one with what halves and subtracts.
    let n = scales.len();
    let entry = |row: usize, column: usize, value: f64| if row == column { value as f32 } else { 0.0 };
    let both =
        (0..2 * n).flat_map(|row| (0..n).map(move |j| entry(row % n, j, if row < n { 1.0 } else { -1.0 })));
    let both = b.dense(z, both.collect(), vec![0.0; 2 * n], Activation::Linear)?;
    let exponentials = b.push(Operation::Exp { input: both })?;
    let half = |row: usize, j: usize| entry(row, j % n, 0.5 * if j < n { scales[row] } else { -scales[row] });
    let halved = (0..n).flat_map(|row| (0..2 * n).map(move |j| half(row, j))).collect();
    b.dense(exponentials, halved, vec![0.0; n], Activation::Linear)
}
