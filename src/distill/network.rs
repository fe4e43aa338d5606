//! A network that gives the increment of one state, as part of a program.

use super::assemble::Assembler;
use crate::activation::Activation;
use crate::error::Result;
use crate::program::{BinaryOperator, BlockId, Operation};
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
        let single = |values: &[f64]| values.iter().map(|&v| v as f32).collect::<Vec<_>>();
        let mut block = self.features(&learned.features)?;
        for layer in &learned.layers {
            block =
                self.builder.dense(block, single(&layer.weights), single(&layer.bias), layer.activation)?;
        }
        let b = &mut self.builder;
        let (low, high) = (b.constant([-STEEPEST])?, b.constant([STEEPEST])?);
        let z = b.binary(BinaryOperator::Maximum, block, low)?;
        let z = b.binary(BinaryOperator::Minimum, z, high)?;
        let both = b.dense(z, vec![1.0, -1.0], vec![0.0; 2], Activation::Linear)?;
        let exponentials = b.push(Operation::Exp { input: both })?;
        let half = (0.5 * learned.scale) as f32;
        b.dense(exponentials, vec![half, -half], vec![0.0], Activation::Linear)
    }
}
