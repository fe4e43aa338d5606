//! A network as a small program: a straight-line list of operations on column blocks of one cell.
//!
//! A *block* is a row of `width` numbers that belongs to one cell; block 0 holds the inputs and
//! operation `i` makes block `i + 1`. Every backend runs programs, cell by cell independent of
//! each other, so that plain networks, residual step maps, gate relaxations with tables, current
//! monomials and branch–trunk products are all one thing to them.

mod builder;
mod derivative;
mod fuse;
mod increments;
mod reference;
mod split;

pub use builder::ProgramBuilder;
pub use derivative::Derivative;
pub use increments::Update;
pub use split::TimeSplit;

use crate::activation::Activation;

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

    /// Whether it is a dense operation with a linear activation of whose weights half or more are zero: sums of some columns.
    pub fn is_sparse_sum(&self) -> bool {
        match self {
            Self::Dense { weights, activation: Activation::Linear, .. } => {
                2 * weights.iter().filter(|weight| **weight == 0.0).count() >= weights.len()
            }
            _ => false,
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
