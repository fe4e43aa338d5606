//! Expressions of a derivative as it is built: what is known beforehand is computed beforehand.

use std::collections::HashMap;

use crate::activation::Activation;
use crate::error::Result;
use crate::program::{BinaryOperator, BlockId, Operation, Program, ProgramBuilder};

/// A block of the derivative, or numbers that are the same for every cell.
#[derive(Clone, Debug)]
pub enum Term {
    /// In double precision: they are rounded once, when an operation reads them.
    Constant(Vec<f64>),
    /// Made by an operation.
    Block(BlockId),
}

impl Term {
    pub fn zero(width: usize) -> Self {
        Self::Constant(vec![0.0; width])
    }

    pub fn one(width: usize) -> Self {
        Self::Constant(vec![1.0; width])
    }

    pub fn is_zero(&self) -> bool {
        self.is_all(0.0)
    }

    fn is_all(&self, value: f64) -> bool {
        matches!(self, Self::Constant(values) if values.iter().all(|&x| x == value))
    }
}

/// Adds operations to a program unless their results are known.
#[derive(Debug)]
pub struct Terms {
    builder: ProgramBuilder,
    /// Blocks of constants, by the bits of their numbers.
    constants: HashMap<Vec<u32>, BlockId>,
    /// Blocks of binary operations: rules for several directions share what they have in common.
    combined: HashMap<(BinaryOperator, BlockId, BlockId), BlockId>,
}

impl Terms {
    pub fn new(n_inputs: usize) -> Result<Self> {
        Ok(Self {
            builder: ProgramBuilder::new(n_inputs)?,
            constants: HashMap::new(),
            combined: HashMap::new(),
        })
    }

    pub fn finish(mut self, output: &Term) -> Result<Program> {
        let output = self.block(output)?;
        Ok(self.builder.finish(output))
    }

    pub fn width(&self, term: &Term) -> usize {
        match term {
            Term::Constant(values) => values.len(),
            Term::Block(block) => self.builder.width(*block),
        }
    }

    /// The block that holds `term`.
    pub fn block(&mut self, term: &Term) -> Result<BlockId> {
        match term {
            Term::Block(block) => Ok(*block),
            Term::Constant(values) => {
                let values: Vec<f32> = values.iter().map(|&x| x as f32).collect();
                let bits = values.iter().map(|x| x.to_bits()).collect();
                if let Some(&block) = self.constants.get(&bits) {
                    return Ok(block);
                }
                let block = self.builder.constant(values)?;
                self.constants.insert(bits, block);
                Ok(block)
            }
        }
    }

    pub fn push(&mut self, operation: Operation) -> Result<Term> {
        self.builder.push(operation).map(Term::Block)
    }

    /// left + right; a single column is added to all columns of the other, as in all operators.
    pub fn add(&mut self, left: &Term, right: &Term) -> Result<Term> {
        let width = self.width(left).max(self.width(right));
        match (left, right) {
            (left, right) if left.is_zero() => self.widened(right, width),
            (left, right) if right.is_zero() => self.widened(left, width),
            _ => self.binary(BinaryOperator::Add, left, right),
        }
    }

    pub fn subtract(&mut self, left: &Term, right: &Term) -> Result<Term> {
        let width = self.width(left).max(self.width(right));
        match right.is_zero() {
            true => self.widened(left, width),
            false => self.binary(BinaryOperator::Subtract, left, right),
        }
    }

    pub fn multiply(&mut self, left: &Term, right: &Term) -> Result<Term> {
        let width = self.width(left).max(self.width(right));
        match (left, right) {
            (left, right) if left.is_zero() || right.is_zero() => Ok(Term::zero(width)),
            (left, right) if left.is_all(1.0) => self.widened(right, width),
            (left, right) if right.is_all(1.0) => self.widened(left, width),
            _ => self.binary(BinaryOperator::Multiply, left, right),
        }
    }

    pub fn divide(&mut self, left: &Term, right: &Term) -> Result<Term> {
        match left.is_zero() {
            true => Ok(Term::zero(self.width(left).max(self.width(right)))),
            false => self.binary(BinaryOperator::Divide, left, right),
        }
    }

    /// weights · x, `weights` row-major.
    pub fn dense(&mut self, weights: &[f32], x: &Term) -> Result<Term> {
        let rows = weights.chunks_exact(self.width(x));
        match x {
            Term::Constant(x) => {
                let product = |row: &[f32]| row.iter().zip(x).map(|(&w, x)| f64::from(w) * x).sum();
                Ok(Term::Constant(rows.map(product).collect()))
            }
            Term::Block(input) => {
                let bias = vec![0.0; rows.len()];
                self.builder.dense(*input, weights.to_vec(), bias, Activation::Linear).map(Term::Block)
            }
        }
    }

    /// The sum of all columns if `width` is 1, else `term`: what reaches an operand of `width`
    /// columns from a result of more.
    pub fn narrowed(&mut self, term: &Term, width: usize) -> Result<Term> {
        match self.width(term) {
            wide if wide > width => self.dense(&vec![1.0; wide], term),
            _ => Ok(term.clone()),
        }
    }

    /// A single column repeated.
    fn widened(&mut self, term: &Term, width: usize) -> Result<Term> {
        match term {
            Term::Constant(values) if values.len() < width => Ok(Term::Constant(vec![values[0]; width])),
            Term::Block(_) if self.width(term) < width => {
                self.binary(BinaryOperator::Multiply, term, &Term::one(width))
            }
            _ => Ok(term.clone()),
        }
    }

    /// Columns of `term`, taken from where they were put together if they were.
    pub fn slice(&mut self, term: &Term, start: usize, width: usize) -> Result<Term> {
        let block = match term {
            Term::Constant(values) => return Ok(Term::Constant(values[start..start + width].to_vec())),
            Term::Block(block) if (start, width) == (0, self.builder.width(*block)) => {
                return Ok(term.clone());
            }
            Term::Block(block) => *block,
        };
        match self.builder.producer(block) {
            Some(Operation::Constant { values }) => {
                let values = &values[start..start + width];
                return Ok(Term::Constant(values.iter().map(|&x| f64::from(x)).collect()));
            }
            Some(&Operation::Slice { input, start: outer, .. }) => {
                return self.slice(&Term::Block(input), outer + start, width);
            }
            Some(Operation::Concat { inputs }) => {
                let mut first = 0;
                for &part in inputs {
                    let end = first + self.builder.width(part);
                    if first <= start && start + width <= end {
                        return self.slice(&Term::Block(part), start - first, width);
                    }
                    first = end;
                }
            }
            _ => {}
        }
        self.builder.slice(block, start, width).map(Term::Block)
    }

    /// The terms side by side.
    pub fn concat(&mut self, parts: &[Term]) -> Result<Term> {
        let mut joined: Vec<Term> = Vec::new();
        for part in parts {
            match (joined.last_mut(), part) {
                (Some(Term::Constant(before)), Term::Constant(values)) => before.extend(values),
                _ => joined.push(part.clone()),
            }
        }
        if joined.len() == 1 {
            return Ok(joined.remove(0));
        }
        let blocks = joined.iter().map(|part| self.block(part)).collect::<Result<Vec<_>>>()?;
        self.builder.concat(&blocks).map(Term::Block)
    }

    fn binary(&mut self, operator: BinaryOperator, left: &Term, right: &Term) -> Result<Term> {
        if let (Term::Constant(l), Term::Constant(r)) = (left, right) {
            let value = |values: &[f64], i: usize| values[if values.len() == 1 { 0 } else { i }];
            let combined = |i| crate::program::reference::combine(operator, value(l, i), value(r, i));
            return Ok(Term::Constant((0..l.len().max(r.len())).map(combined).collect()));
        }
        let key = (operator, self.block(left)?, self.block(right)?);
        if let Some(&block) = self.combined.get(&key) {
            return Ok(Term::Block(block));
        }
        let block = self.builder.binary(key.0, key.1, key.2)?;
        self.combined.insert(key, block);
        Ok(Term::Block(block))
    }
}
