//! The program itself inside its derivative, and what the rules of differentiation need of it.

use super::terms::{Term, Terms};
use crate::activation::Activation;
use crate::error::{Error, Result};
use crate::program::{BinaryOperator, BlockId, Operation, Program};

/// The operations of a program, repeated one by one.
#[derive(Debug)]
pub struct Primal<'p> {
    pub program: &'p Program,
    pub terms: Terms,
    blocks: Vec<Block>,
}

/// A block of the program, as its derivative knows it.
#[derive(Debug)]
struct Block {
    value: Term,
    /// Whether it depends on the inputs.
    active: bool,
    /// Where its activation's slope is computed from: its value, or what went into it.
    slope_from: Term,
    /// See [`Primal::factor`].
    factor: Option<Term>,
}

impl Block {
    fn new(value: Term, active: bool) -> Self {
        Self { slope_from: value.clone(), value, active, factor: None }
    }
}

impl<'p> Primal<'p> {
    /// Starts with the inputs of `program`, which are `x` in the derivative.
    pub fn new(program: &'p Program, terms: Terms, x: Term) -> Self {
        Self { program, terms, blocks: vec![Block::new(x, true)] }
    }

    /// What `block` holds.
    pub fn value(&self, block: BlockId) -> &Term {
        &self.blocks[block.index()].value
    }

    /// Whether `block` depends on the inputs.
    pub fn is_active(&self, block: BlockId) -> bool {
        self.blocks[block.index()].active
    }

    /// Repeats the next operation of the program.
    pub fn repeat(&mut self, operation: &Operation) -> Result<()> {
        let inputs = operation.inputs();
        let active = inputs.iter().any(|&b| self.is_active(b));
        let block = match operation {
            Operation::Constant { values } => {
                Block::new(Term::Constant(values.iter().map(|&x| f64::from(x)).collect()), active)
            }
            Operation::Slice { input, start, width } => {
                let value = self.value(*input).clone();
                Block::new(self.terms.slice(&value, *start, *width)?, active)
            }
            Operation::Concat { inputs } => {
                let parts: Vec<Term> = inputs.iter().map(|&b| self.value(b).clone()).collect();
                Block::new(self.terms.concat(&parts)?, active)
            }
            Operation::Dense { input, weights, bias, activation } if active && !from_value(*activation)? => {
                let input = self.block(*input)?;
                let (weights, bias) = (weights.clone(), bias.clone());
                let linear = Operation::Dense { input, weights, bias, activation: Activation::Linear };
                let sum = self.terms.push(linear)?;
                let input = self.terms.block(&sum)?;
                let value = self.terms.push(Operation::Activation { input, activation: *activation })?;
                Block { slope_from: sum, ..Block::new(value, active) }
            }
            Operation::Activation { input, activation } if active && !from_value(*activation)? => {
                let slope_from = self.value(*input).clone();
                Block { slope_from, ..Block::new(self.same(operation)?, active) }
            }
            Operation::Slope { .. } | Operation::TableSlope { .. } => {
                return Err(Error::unsupported("the derivative of a derivative")
                    .remedy("take the derivative of the surrogate itself, and differences of it"));
            }
            _ => Block::new(self.same(operation)?, active),
        };
        self.blocks.push(block);
        Ok(())
    }

    /// `operation` on the blocks of the derivative.
    fn same(&mut self, operation: &Operation) -> Result<Term> {
        let mut ids = vec![BlockId::INPUT; self.blocks.len()];
        for input in operation.inputs() {
            ids[input.index()] = self.block(input)?;
        }
        let mut operation = operation.clone();
        operation.map_inputs(|b| ids[b.index()]);
        self.terms.push(operation)
    }

    fn block(&mut self, block: BlockId) -> Result<BlockId> {
        self.terms.block(&self.blocks[block.index()].value)
    }

    /// What the rule of the operation that made `block` multiplies with: the slope of an activation,
    /// an exponential or a table; of a minimum or maximum 1 where its right operand is taken, else 0;
    /// of a relaxation 1 − rate.
    pub fn factor(&mut self, block: BlockId) -> Result<Term> {
        if let Some(factor) = &self.blocks[block.index()].factor {
            return Ok(factor.clone());
        }
        let program = self.program;
        let factor = match &program.operations()[block.index() - 1] {
            Operation::Dense { activation: Activation::Linear, .. }
            | Operation::Activation { activation: Activation::Linear, .. } => Term::one(program.width(block)),
            Operation::Dense { activation, .. } | Operation::Activation { activation, .. } => {
                let slope_from = self.blocks[block.index()].slope_from.clone();
                self.slope(&slope_from, *activation)?
            }
            Operation::Table { input, table } => {
                let input = self.block(*input)?;
                self.terms.push(Operation::TableSlope { input, table: table.clone() })?
            }
            Operation::Binary { operator, left, right } => {
                let (left, right) = (self.value(*left).clone(), self.value(*right).clone());
                // min(l, r) = l − ReLU(l − r), max(l, r) = l + ReLU(r − l).
                let excess = match operator {
                    BinaryOperator::Minimum => self.terms.subtract(&left, &right)?,
                    _ => self.terms.subtract(&right, &left)?,
                };
                self.slope(&excess, Activation::Relu)?
            }
            Operation::Relax { rate, .. } => {
                let rate = self.value(*rate).clone();
                self.terms.subtract(&Term::one(1), &rate)?
            }
            // The exponential's; other operations have none.
            _ => self.value(block).clone(),
        };
        self.blocks[block.index()].factor = Some(factor.clone());
        Ok(factor)
    }

    fn slope(&mut self, from: &Term, activation: Activation) -> Result<Term> {
        let input = self.terms.block(from)?;
        self.terms.push(Operation::Slope { input, activation })
    }
}

/// Whether the slope of `activation` follows from its value.
fn from_value(activation: Activation) -> Result<bool> {
    match activation {
        Activation::Elu { alpha } | Activation::Celu { alpha } if alpha.is_nan() || alpha < 0.0 => {
            Err(Error::unsupported(format!("the derivative of {} with alpha {alpha}", activation.name()))
                .remedy("train with a positive alpha"))
        }
        _ => Ok(activation.slope_follows_from_value()),
    }
}
