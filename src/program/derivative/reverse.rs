//! Reverse mode: the adjoint of a block is how much a weighted sum of the outputs changes with it.

use super::primal::Primal;
use super::terms::{Term, Terms};
use crate::error::Result;
use crate::program::{BinaryOperator, BlockId, Operation};

/// What a later operation adds to the adjoint of some columns of a block.
#[derive(Clone, Debug)]
struct Contribution {
    start: usize,
    negative: bool,
    term: Term,
}

/// What is known of the adjoint of each block.
type Adjoints = Vec<Vec<Contribution>>;

/// Adjoints of the inputs where those of the outputs are `weights`.
pub fn adjoints(primal: &mut Primal<'_>, weights: Vec<Term>) -> Result<Vec<Term>> {
    let program = primal.program;
    for operation in program.operations() {
        primal.repeat(operation)?;
    }
    let start = |term| {
        let mut adjoints: Adjoints = vec![Vec::new(); program.operations().len() + 1];
        adjoints[program.output().index()].push(Contribution { start: 0, negative: false, term });
        adjoints
    };
    let mut all: Vec<Adjoints> = weights.into_iter().map(start).collect();
    let steps: Vec<(BlockId, &Operation)> = program.steps().collect();
    for (block, operation) in steps.into_iter().rev() {
        for adjoints in &mut all {
            let adjoint = sum(&mut primal.terms, &adjoints[block.index()], program.width(block))?;
            if !adjoint.is_zero() && primal.is_active(block) {
                Rule { primal, adjoints, block, adjoint }.apply(operation)?;
            }
        }
    }
    let n_inputs = program.n_inputs();
    all.iter().map(|adjoints| sum(&mut primal.terms, &adjoints[0], n_inputs)).collect()
}

/// The sum of all contributions, segment by segment of columns that the same ones reach.
fn sum(terms: &mut Terms, contributions: &[Contribution], width: usize) -> Result<Term> {
    let mut borders = vec![0, width];
    for contribution in contributions {
        borders.extend([contribution.start, contribution.start + terms.width(&contribution.term)]);
    }
    borders.sort_unstable();
    borders.dedup();
    let mut segments = Vec::new();
    for segment in borders.windows(2) {
        let (from, n_columns) = (segment[0], segment[1] - segment[0]);
        let mut total = Term::zero(n_columns);
        for negative in [false, true] {
            for c in contributions.iter().filter(|c| c.negative == negative) {
                if c.start <= from && from < c.start + terms.width(&c.term) {
                    let part = terms.slice(&c.term, from - c.start, n_columns)?;
                    total =
                        if negative { terms.subtract(&total, &part)? } else { terms.add(&total, &part)? };
                }
            }
        }
        segments.push(total);
    }
    terms.concat(&segments)
}

/// The adjoint of an operation's result on its way to the operands.
struct Rule<'r, 'p> {
    primal: &'r mut Primal<'p>,
    adjoints: &'r mut Adjoints,
    block: BlockId,
    adjoint: Term,
}

impl Rule<'_, '_> {
    fn apply(mut self, operation: &Operation) -> Result<()> {
        match operation {
            Operation::Constant { .. } | Operation::Slope { .. } | Operation::TableSlope { .. } => Ok(()),
            Operation::Dense { input, weights, .. } => {
                let sum = self.times_factor()?;
                let n_columns = self.primal.program.width(*input);
                let transposed: Vec<f32> =
                    (0..n_columns).flat_map(|j| weights[j..].iter().step_by(n_columns).copied()).collect();
                let term = self.primal.terms.dense(&transposed, &sum)?;
                self.contribute(*input, term)
            }
            Operation::Activation { input, .. }
            | Operation::Exp { input }
            | Operation::Table { input, .. } => {
                let term = self.times_factor()?;
                self.contribute(*input, term)
            }
            Operation::Concat { inputs } => {
                let mut start = 0;
                for &input in inputs {
                    let width = self.primal.program.width(input);
                    let term = self.primal.terms.slice(&self.adjoint, start, width)?;
                    self.contribute(input, term)?;
                    start += width;
                }
                Ok(())
            }
            Operation::Slice { input, start, .. } => {
                let term = self.adjoint.clone();
                self.adjoints[input.index()].push(Contribution { start: *start, negative: false, term });
                Ok(())
            }
            Operation::Relax { state, rate, drive } => {
                let kept = self.times_factor()?;
                self.contribute(*state, kept)?;
                self.contribute(*drive, self.adjoint.clone())?;
                if self.primal.is_active(*rate) {
                    let decay = self.times_value(*state)?;
                    self.subtract(*rate, decay)?;
                }
                Ok(())
            }
            Operation::Binary { operator, left, right } => self.binary(*operator, *left, *right),
        }
    }

    fn binary(&mut self, operator: BinaryOperator, left: BlockId, right: BlockId) -> Result<()> {
        let (left_is_active, right_is_active) = (self.primal.is_active(left), self.primal.is_active(right));
        match operator {
            BinaryOperator::Add => {
                self.contribute(left, self.adjoint.clone())?;
                self.contribute(right, self.adjoint.clone())
            }
            BinaryOperator::Subtract => {
                self.contribute(left, self.adjoint.clone())?;
                self.subtract(right, self.adjoint.clone())
            }
            BinaryOperator::Multiply => {
                for (operand, other) in [(left, right), (right, left)] {
                    if self.primal.is_active(operand) {
                        let term = self.times_value(other)?;
                        self.contribute(operand, term)?;
                    }
                }
                Ok(())
            }
            BinaryOperator::Divide => {
                let divisor = self.primal.value(right).clone();
                self.adjoint = self.primal.terms.divide(&self.adjoint, &divisor)?;
                self.contribute(left, self.adjoint.clone())?;
                if right_is_active {
                    let term = self.times_value(self.block)?;
                    self.subtract(right, term)?;
                }
                Ok(())
            }
            BinaryOperator::Minimum | BinaryOperator::Maximum => {
                if right_is_active {
                    let term = self.times_factor()?;
                    self.contribute(right, term)?;
                }
                if left_is_active {
                    let right_is_taken = self.primal.factor(self.block)?;
                    let terms = &mut self.primal.terms;
                    let left_is_taken = terms.subtract(&Term::one(1), &right_is_taken)?;
                    let term = terms.multiply(&left_is_taken, &self.adjoint)?;
                    self.contribute(left, term)?;
                }
                Ok(())
            }
        }
    }

    fn times_factor(&mut self) -> Result<Term> {
        let factor = self.primal.factor(self.block)?;
        self.primal.terms.multiply(&factor, &self.adjoint)
    }

    fn times_value(&mut self, block: BlockId) -> Result<Term> {
        let value = self.primal.value(block).clone();
        self.primal.terms.multiply(&value, &self.adjoint)
    }

    fn contribute(&mut self, operand: BlockId, term: Term) -> Result<()> {
        self.put(operand, term, false)
    }

    fn subtract(&mut self, operand: BlockId, term: Term) -> Result<()> {
        self.put(operand, term, true)
    }

    /// Adds to the adjoint of an operand, which may be a single column for all of the result's.
    fn put(&mut self, operand: BlockId, term: Term, negative: bool) -> Result<()> {
        if self.primal.is_active(operand) {
            let term = self.primal.terms.narrowed(&term, self.primal.program.width(operand))?;
            self.adjoints[operand.index()].push(Contribution { start: 0, negative, term });
        }
        Ok(())
    }
}
