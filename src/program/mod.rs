//! A network as a small program: a straight-line list of operations on column blocks of one cell.
//!
//! A *block* is a row of `width` numbers that belongs to one cell; block 0 holds the inputs and
//! operation `i` makes block `i + 1`. Every backend runs programs, cell by cell independent of
//! each other, so that plain networks, residual step maps, gate relaxations with tables, current
//! monomials and branch–trunk products are all one thing to them.

mod derivative;
mod fuse;
mod increments;
mod reference;

pub use derivative::Derivative;
pub use increments::Update;

use crate::activation::Activation;
use crate::error::{Error, Result};

/// Largest width of a block; keeps a tile of cells within a few megabytes.
pub const MAX_WIDTH: usize = 4096;
/// Largest number of operations in a program.
pub const MAX_OPERATIONS: usize = 4096;

/// Names a block of a program: the inputs or the result of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BlockId(usize);

impl BlockId {
    /// The block that holds the inputs.
    pub const INPUT: Self = Self(0);

    /// Position of the block: 0 for the inputs, `i + 1` for the result of operation `i`.
    pub fn index(self) -> usize {
        self.0
    }
}

/// Operators on two blocks of equal width, or of which one is a single column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BinaryOperator {
    /// left + right
    Add,
    /// left − right
    Subtract,
    /// left · right
    Multiply,
    /// left / right
    Divide,
    /// min(left, right)
    Minimum,
    /// max(left, right)
    Maximum,
}

/// Functions on a uniform grid, interpolated linearly and constant beyond its ends.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    /// Argument at the first row.
    pub first: f32,
    /// Rows per unit of the argument (the inverse of the grid's spacing), positive.
    pub rows_per_unit: f32,
    /// Functions tabulated side by side.
    pub width: usize,
    /// Values row by row, at least two rows of `width`.
    pub values: Vec<f32>,
}

impl Table {
    /// Number of grid points.
    pub fn n_rows(&self) -> usize {
        self.values.len() / self.width
    }
}

/// One operation; its result is a new block.
#[derive(Clone, Debug, PartialEq)]
pub enum Operation {
    /// The same numbers for every cell.
    Constant {
        /// The block's numbers.
        values: Vec<f32>,
    },
    /// activation(weights · input + bias)
    Dense {
        /// Block of `weights.len() / bias.len()` columns.
        input: BlockId,
        /// Row-major, one row an output.
        weights: Vec<f32>,
        /// One number an output.
        bias: Vec<f32>,
        /// Applied to every output; a function of single numbers.
        activation: Activation,
    },
    /// activation(input), element by element.
    Activation {
        /// Any block.
        input: BlockId,
        /// The function, of single numbers.
        activation: Activation,
    },
    /// e^input, element by element.
    Exp {
        /// Any block.
        input: BlockId,
    },
    /// left ∘ right, element by element; a single column is applied to all columns of the other.
    Binary {
        /// The operator ∘.
        operator: BinaryOperator,
        /// Left operand.
        left: BlockId,
        /// Right operand.
        right: BlockId,
    },
    /// The blocks side by side.
    Concat {
        /// At least one block.
        inputs: Vec<BlockId>,
    },
    /// `width` columns of `input`, from `start` on.
    Slice {
        /// Any block.
        input: BlockId,
        /// First column taken.
        start: usize,
        /// Number of columns taken, at least 1.
        width: usize,
    },
    /// Functions of one column, looked up in a table.
    Table {
        /// A block of one column.
        input: BlockId,
        /// The tabulated functions.
        table: Table,
    },
    /// state + (drive − rate·state): the relaxation of gates over one step.
    Relax {
        /// The gates before the step.
        state: BlockId,
        /// Fraction of the distance covered in the step.
        rate: BlockId,
        /// rate·(steady state).
        drive: BlockId,
    },
    /// Derivative of an activation, element by element. Made by [`Program::derivative`].
    Slope {
        /// The activation's values or arguments; see [`Activation::slope_follows_from_value`].
        input: BlockId,
        /// The function whose derivative it is.
        activation: Activation,
    },
    /// Derivatives of the functions of a table: slopes of the segment in which the argument lies,
    /// 0 beyond the ends. Made by [`Program::derivative`].
    TableSlope {
        /// A block of one column.
        input: BlockId,
        /// The tabulated functions.
        table: Table,
    },
}

impl Operation {
    /// The blocks that the operation reads.
    pub fn inputs(&self) -> Vec<BlockId> {
        match self {
            Self::Constant { .. } => vec![],
            Self::Dense { input, .. }
            | Self::Activation { input, .. }
            | Self::Exp { input }
            | Self::Slice { input, .. }
            | Self::Table { input, .. }
            | Self::Slope { input, .. }
            | Self::TableSlope { input, .. } => vec![*input],
            Self::Binary { left, right, .. } => vec![*left, *right],
            Self::Concat { inputs } => inputs.clone(),
            Self::Relax { state, rate, drive } => vec![*state, *rate, *drive],
        }
    }

    fn map_inputs(&mut self, f: impl Fn(BlockId) -> BlockId) {
        match self {
            Self::Constant { .. } => {}
            Self::Dense { input, .. }
            | Self::Activation { input, .. }
            | Self::Exp { input }
            | Self::Slice { input, .. }
            | Self::Table { input, .. }
            | Self::Slope { input, .. }
            | Self::TableSlope { input, .. } => *input = f(*input),
            Self::Binary { left, right, .. } => {
                *left = f(*left);
                *right = f(*right);
            }
            Self::Concat { inputs } => inputs.iter_mut().for_each(|b| *b = f(*b)),
            Self::Relax { state, rate, drive } => {
                *state = f(*state);
                *rate = f(*rate);
                *drive = f(*drive);
            }
        }
    }
}

/// A validated program: every block that an operation reads exists and has the width it needs.
#[derive(Clone, Debug, PartialEq)]
pub struct Program {
    operations: Vec<Operation>,
    widths: Vec<usize>,
    output: BlockId,
}

impl Program {
    /// Number of input columns.
    pub fn n_inputs(&self) -> usize {
        self.widths[0]
    }

    /// Number of output columns.
    pub fn n_outputs(&self) -> usize {
        self.width(self.output)
    }

    /// The operations in the order of execution; operation `i` makes block `i + 1`.
    pub fn operations(&self) -> &[Operation] {
        &self.operations
    }

    /// The block that holds the outputs.
    pub fn output(&self) -> BlockId {
        self.output
    }

    /// Number of columns of `block`.
    pub fn width(&self, block: BlockId) -> usize {
        self.widths[block.0]
    }

    /// Multiplications (with their additions) of all dense operations, for one cell.
    pub fn multiply_adds(&self) -> usize {
        let dense = |operation: &Operation| match operation {
            Operation::Dense { weights, .. } => weights.len(),
            _ => 0,
        };
        self.operations.iter().map(dense).sum()
    }

    /// The operations with their result blocks.
    pub fn steps(&self) -> impl Iterator<Item = (BlockId, &Operation)> {
        self.operations.iter().enumerate().map(|(i, operation)| (BlockId(i + 1), operation))
    }
}

/// Builds a [`Program`], checking each operation as it is added.
#[derive(Clone, Debug)]
pub struct ProgramBuilder {
    operations: Vec<Operation>,
    widths: Vec<usize>,
}

impl ProgramBuilder {
    /// Starts a program of `n_inputs` columns.
    ///
    /// # Errors
    /// `n_inputs` of 0 or beyond [`MAX_WIDTH`].
    pub fn new(n_inputs: usize) -> Result<Self> {
        check_width(n_inputs)?;
        Ok(Self { operations: Vec::new(), widths: vec![n_inputs] })
    }

    /// Number of columns of `block`.
    pub fn width(&self, block: BlockId) -> usize {
        self.widths[block.0]
    }

    /// The operation that makes `block`; none for the inputs.
    pub fn producer(&self, block: BlockId) -> Option<&Operation> {
        self.operations.get(block.0.checked_sub(1)?)
    }

    /// Adds any operation.
    ///
    /// # Errors
    /// Widths that do not fit each other, numbers that are not finite, or too many operations.
    pub fn push(&mut self, operation: Operation) -> Result<BlockId> {
        if self.operations.len() == MAX_OPERATIONS {
            return Err(Error::unsupported(format!("more than {MAX_OPERATIONS} operations")));
        }
        let width = self.result_width(&operation)?;
        check_width(width)?;
        self.operations.push(operation);
        self.widths.push(width);
        Ok(BlockId(self.operations.len()))
    }

    /// Adds a constant block.
    ///
    /// # Errors
    /// As [`Self::push`].
    pub fn constant(&mut self, values: impl Into<Vec<f32>>) -> Result<BlockId> {
        self.push(Operation::Constant { values: values.into() })
    }

    /// Adds activation(weights · input + bias), `weights` row-major with one row a sum.
    ///
    /// # Errors
    /// As [`Self::activation`].
    pub fn dense(
        &mut self,
        input: BlockId,
        weights: Vec<f32>,
        bias: Vec<f32>,
        activation: Activation,
    ) -> Result<BlockId> {
        if let Some(activation) = activation.as_function() {
            return self.push(Operation::Dense { input, weights, bias, activation });
        }
        let sums = self.push(Operation::Dense { input, weights, bias, activation: Activation::Linear })?;
        self.activation(sums, activation)
    }

    /// Adds an activation, as it is at inference, by an operation of its own or, for GLU, by several.
    ///
    /// # Errors
    /// As [`Self::push`]; GLU of an odd number of columns.
    pub fn activation(&mut self, input: BlockId, activation: Activation) -> Result<BlockId> {
        if let Some(activation) = activation.as_function() {
            return self.push(Operation::Activation { input, activation });
        }
        let half = self.width(input) / 2;
        if self.width(input) != 2 * half {
            return Err(Error::invalid(format!("{} of {} columns", activation.name(), self.width(input)))
                .remedy("give its layer an even width: half of it goes on"));
        }
        let (values, gates) = (self.slice(input, 0, half)?, self.slice(input, half, half)?);
        let gates = self.push(Operation::Activation { input: gates, activation: Activation::Sigmoid })?;
        self.binary(BinaryOperator::Multiply, values, gates)
    }

    /// Adds left ∘ right.
    ///
    /// # Errors
    /// As [`Self::push`].
    pub fn binary(&mut self, operator: BinaryOperator, left: BlockId, right: BlockId) -> Result<BlockId> {
        self.push(Operation::Binary { operator, left, right })
    }

    /// Adds the columns `start .. start + width` of `input`.
    ///
    /// # Errors
    /// As [`Self::push`].
    pub fn slice(&mut self, input: BlockId, start: usize, width: usize) -> Result<BlockId> {
        self.push(Operation::Slice { input, start, width })
    }

    /// Adds the blocks side by side.
    ///
    /// # Errors
    /// As [`Self::push`].
    pub fn concat(&mut self, inputs: &[BlockId]) -> Result<BlockId> {
        self.push(Operation::Concat { inputs: inputs.to_vec() })
    }

    /// Ends the program with `output` as its result.
    pub fn finish(self, output: BlockId) -> Program {
        assert!(output.0 < self.widths.len(), "a block of another program");
        Program { operations: self.operations, widths: self.widths, output }
    }

    fn result_width(&self, operation: &Operation) -> Result<usize> {
        if let Some(block) = operation.inputs().into_iter().find(|b| b.0 >= self.widths.len()) {
            return Err(Error::invalid(format!("block {} does not exist yet", block.0)));
        }
        if let Operation::Dense { activation, .. }
        | Operation::Activation { activation, .. }
        | Operation::Slope { activation, .. } = operation
            && !activation.is_function()
        {
            return Err(Error::invalid(format!("{} as one operation", activation.name()))
                .remedy("add it by ProgramBuilder::dense or ProgramBuilder::activation"));
        }
        match operation {
            Operation::Constant { values } => {
                check_finite(values, "constant")?;
                Ok(values.len())
            }
            Operation::Dense { input, weights, bias, .. } => {
                let n_inputs = self.width(*input);
                if n_inputs.checked_mul(bias.len()) != Some(weights.len()) {
                    return Err(Error::invalid(format!(
                        "{} weights and {} biases do not fit an input of width {n_inputs}",
                        weights.len(),
                        bias.len()
                    )));
                }
                check_finite(weights, "weight")?;
                check_finite(bias, "bias")?;
                Ok(bias.len())
            }
            Operation::Activation { input, .. }
            | Operation::Exp { input }
            | Operation::Slope { input, .. } => Ok(self.width(*input)),
            Operation::Binary { left, right, .. } => self.common_width(&[*left, *right]),
            Operation::Relax { state, rate, drive } => {
                let width = self.common_width(&[*state, *rate, *drive])?;
                match [state, rate, drive].iter().all(|&&b| self.width(b) == width) {
                    true => Ok(width),
                    false => Err(Error::invalid("state, rate and drive of a relaxation differ in width")),
                }
            }
            Operation::Concat { inputs } => Ok(inputs.iter().map(|&b| self.width(b)).sum()),
            Operation::Slice { input, start, width } => {
                let available = self.width(*input);
                match start.checked_add(*width) {
                    Some(end) if end <= available => Ok(*width),
                    _ => Err(Error::invalid(format!(
                        "columns {start}..{start}+{width} of a block of width {available}"
                    ))),
                }
            }
            Operation::Table { input, table } | Operation::TableSlope { input, table } => {
                check_table(table)?;
                match self.width(*input) {
                    1 => Ok(table.width),
                    n => Err(Error::invalid(format!("a table's argument is one column, not {n}"))),
                }
            }
        }
    }

    /// The widest of `blocks`, if each of them is that wide or a single column.
    fn common_width(&self, blocks: &[BlockId]) -> Result<usize> {
        let widths: Vec<usize> = blocks.iter().map(|&b| self.width(b)).collect();
        let widest = widths.iter().copied().max().unwrap_or(0);
        if widths.iter().any(|&w| w != widest && w != 1) {
            return Err(Error::invalid(format!("blocks of widths {widths:?} do not combine")));
        }
        Ok(widest)
    }
}

fn check_width(width: usize) -> Result<()> {
    if width == 0 || width > MAX_WIDTH {
        return Err(Error::unsupported(format!("a block of width {width}"))
            .remedy(format!("widths from 1 to {MAX_WIDTH} are supported")));
    }
    Ok(())
}

fn check_finite(values: &[f32], what: &str) -> Result<()> {
    match values.iter().position(|v| !v.is_finite()) {
        Some(i) => Err(Error::format(format!("{what} {i} is {}", values[i]))
            .remedy("train again: the network diverged or the file is damaged")),
        None => Ok(()),
    }
}

fn check_table(table: &Table) -> Result<()> {
    check_width(table.width)?;
    let rows = table.values.len() / table.width;
    if rows < 2 || rows * table.width != table.values.len() {
        return Err(Error::format(format!(
            "{} values are not two or more rows of width {}",
            table.values.len(),
            table.width
        )));
    }
    // Row numbers must be exact in single precision, in which positions are computed.
    if rows > 1 << 22 {
        return Err(Error::unsupported(format!("a table of {rows} rows")).remedy("use a coarser grid"));
    }
    if !(table.first.is_finite() && table.rows_per_unit.is_finite() && table.rows_per_unit > 0.0) {
        return Err(Error::format(format!(
            "grid from {} with {} rows a unit",
            table.first, table.rows_per_unit
        )));
    }
    check_finite(&table.values, "table value")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn widths_are_checked_as_operations_are_added() {
        let mut b = ProgramBuilder::new(3).unwrap();
        let x = BlockId::INPUT;
        assert!(b.dense(x, vec![0.0; 5], vec![0.0; 2], Activation::Linear).is_err());
        let h = b.dense(x, vec![0.0; 6], vec![0.0; 2], Activation::Tanh).unwrap();
        assert!(b.binary(BinaryOperator::Add, x, h).is_err());
        let column = b.slice(x, 2, 1).unwrap();
        let sum = b.binary(BinaryOperator::Add, column, h).unwrap();
        assert_eq!(b.width(sum), 2);
        assert!(b.slice(x, 2, usize::MAX).is_err());
        assert!(b.constant(vec![f32::NAN]).is_err());
        assert!(b.concat(&[]).is_err());
        assert!(b.push(Operation::Exp { input: BlockId(99) }).is_err());
        let all = b.concat(&[x, h, sum]).unwrap();
        let program = b.finish(all);
        assert_eq!((program.n_inputs(), program.n_outputs(), program.multiply_adds()), (3, 7, 6));
    }

    #[test]
    fn tables_are_checked() {
        let table = |rows_per_unit, values: Vec<f32>| Table { first: -1.0, rows_per_unit, width: 2, values };
        let push = |t: Table| {
            let mut b = ProgramBuilder::new(1).unwrap();
            b.push(Operation::Table { input: BlockId::INPUT, table: t }).map(|block| b.width(block))
        };
        assert_eq!(push(table(0.5, vec![0.0; 6])).unwrap(), 2);
        assert!(push(table(0.0, vec![0.0; 6])).is_err());
        assert!(push(table(0.5, vec![0.0; 2])).is_err());
        assert!(push(table(0.5, vec![0.0; 7])).is_err());
    }
}
