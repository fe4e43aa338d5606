//! Forward mode: the tangents of a block are its changes along some directions of the inputs.

use super::primal::Primal;
use super::terms::{Term, Terms};
use crate::error::Result;
use crate::program::{BinaryOperator, BlockId, Operation};

/// Tangents of the outputs where those of the inputs are `directions`.
pub fn tangents(primal: &mut Primal<'_>, directions: Vec<Term>) -> Result<Vec<Term>> {
    let program = primal.program;
    // By block, then by direction.
    let mut tangents = vec![directions];
    for (block, operation) in program.steps() {
        primal.repeat(operation)?;
        let n_directions = tangents[0].len();
        let of_block = (0..n_directions).map(|direction| {
            let tangent = |input: BlockId| &tangents[input.index()][direction];
            match operation.inputs().iter().all(|&input| tangent(input).is_zero()) {
                true => Ok(Term::zero(program.width(block))),
                false => change(primal, block, operation, tangent),
            }
        });
        let of_block = of_block.collect::<Result<_>>()?;
        tangents.push(of_block);
    }
    Ok(tangents.swap_remove(program.output().index()))
}

/// The tangent of `block`, which `operation` made, from those of its operands.
fn change<'t>(
    primal: &mut Primal<'_>,
    block: BlockId,
    operation: &Operation,
    tangent: impl Fn(BlockId) -> &'t Term,
) -> Result<Term> {
    match operation {
        Operation::Dense { input, weights, .. } => {
            let factor = primal.factor(block)?;
            let change = primal.terms.dense(weights, tangent(*input))?;
            primal.terms.multiply(&factor, &change)
        }
        Operation::Activation { input, .. } | Operation::Exp { input } | Operation::Table { input, .. } => {
            let factor = primal.factor(block)?;
            primal.terms.multiply(&factor, tangent(*input))
        }
        Operation::Concat { inputs } => {
            let parts: Vec<Term> = inputs.iter().map(|&b| tangent(b).clone()).collect();
            primal.terms.concat(&parts)
        }
        Operation::Slice { input, start, width } => primal.terms.slice(tangent(*input), *start, *width),
        Operation::Relax { state, rate, drive } => {
            let kept = primal.factor(block)?;
            let state_value = primal.value(*state).clone();
            let terms = &mut primal.terms;
            let kept = terms.multiply(&kept, tangent(*state))?;
            let driven = terms.add(&kept, tangent(*drive))?;
            let decayed = terms.multiply(&state_value, tangent(*rate))?;
            terms.subtract(&driven, &decayed)
        }
        Operation::Binary { operator, left, right } => {
            let factor = match operator {
                BinaryOperator::Minimum | BinaryOperator::Maximum => primal.factor(block)?,
                _ => primal.value(block).clone(),
            };
            let values = (primal.value(*left).clone(), primal.value(*right).clone());
            combined(&mut primal.terms, *operator, factor, values, (tangent(*left), tangent(*right)))
        }
        Operation::Constant { .. } | Operation::Slope { .. } | Operation::TableSlope { .. } => {
            Ok(Term::zero(primal.program.width(block)))
        }
    }
}

/// The tangent of left ∘ right; `factor` is 1 where the right operand of a minimum or maximum is
/// taken, and the value of any other operator's result.
fn combined(
    terms: &mut Terms,
    operator: BinaryOperator,
    factor: Term,
    (left, right): (Term, Term),
    (d_left, d_right): (&Term, &Term),
) -> Result<Term> {
    match operator {
        BinaryOperator::Add => terms.add(d_left, d_right),
        BinaryOperator::Subtract => terms.subtract(d_left, d_right),
        BinaryOperator::Multiply => {
            let by_left = terms.multiply(d_left, &right)?;
            let by_right = terms.multiply(&left, d_right)?;
            terms.add(&by_left, &by_right)
        }
        BinaryOperator::Divide => {
            let by_right = terms.multiply(&factor, d_right)?;
            let change = terms.subtract(d_left, &by_right)?;
            terms.divide(&change, &right)
        }
        BinaryOperator::Minimum | BinaryOperator::Maximum => {
            let left_is_taken = terms.subtract(&Term::one(1), &factor)?;
            let by_left = terms.multiply(&left_is_taken, d_left)?;
            let by_right = terms.multiply(&factor, d_right)?;
            terms.add(&by_left, &by_right)
        }
    }
}
