//! GELU as exporters write it where the operator is missing: x · (erf(x / √2) + 1) · 0.5.

use super::tensor::Constant;
use super::translate::Value;
use crate::activation::Activation;
use crate::error::{Error, Result};
use crate::program::{BinaryOperator, BlockId, Operation, ProgramBuilder};

/// A stage of the chain that is no block of a program by itself.
#[derive(Clone, Copy, Debug)]
pub enum GeluPart {
    /// erf(argument)
    Erf { argument: BlockId },
    /// erf(argument) + 1
    ErfPlusOne { argument: BlockId },
    /// x · (erf(x / √2) + 1)
    Doubled { x: BlockId },
}

impl GeluPart {
    /// This part combined with `other` by a commutative operator.
    pub fn combine(
        self,
        builder: &mut ProgramBuilder,
        operator: BinaryOperator,
        other: &Value,
    ) -> Result<Value> {
        match (self, operator, other) {
            (Self::Erf { argument }, BinaryOperator::Add, one) if scalar(one) == Some(1.0) => {
                Ok(Value::Gelu(Self::ErfPlusOne { argument }))
            }
            (Self::ErfPlusOne { argument }, BinaryOperator::Multiply, Value::Block(x))
                if over_root_two(builder, argument) == Some(*x) =>
            {
                Ok(Value::Gelu(Self::Doubled { x: *x }))
            }
            (Self::Doubled { x }, BinaryOperator::Multiply, half) if scalar(half) == Some(0.5) => {
                builder.activation(x, Activation::Gelu).map(Value::Block)
            }
            _ => Err(Error::unsupported("the error function outside GELU")),
        }
    }
}

fn scalar(value: &Value) -> Option<f32> {
    match value {
        Value::Constant(Constant::Floats { values, .. }) if values.len() == 1 => Some(values[0]),
        _ => None,
    }
}

/// The x of `block` = x / √2.
fn over_root_two(builder: &ProgramBuilder, block: BlockId) -> Option<BlockId> {
    let Operation::Binary { operator, left, right } = builder.producer(block)? else {
        return None;
    };
    let Operation::Constant { values } = builder.producer(*right)? else {
        return None;
    };
    let factor = match operator {
        BinaryOperator::Divide => values[0],
        BinaryOperator::Multiply => 1.0 / values[0],
        _ => return None,
    };
    (values.len() == 1 && (factor - std::f32::consts::SQRT_2).abs() < 1e-5).then_some(*left)
}
