//! How many times of the same cells are computed in one launch.

use super::chain::{self, AtTime, Ends, Method, Tensor};
use super::{Plan, Request};
use crate::backend::Precision;
use crate::program::{BinaryOperator, BlockId, Operation, Program};

/// Registers of a thread for what is kept of a cell and for two tiles: more would be spilled.
const REGISTERS_KEPT: usize = 128;
/// Words that a kernel may be called with on every driver, of 8 bytes.
const WORDS: usize = 500;

/// The entry for many times.
pub enum Times {
    /// The network as it is, for one time after the other.
    Whole,
    /// What depends on the cell alone, on the time alone, and the rest.
    Split(Box<[Plan; 3]>),
}

impl Times {
    /// For `program` with the time in that input. None if a launch could not be told so many columns.
    pub fn plan(program: &Program, time: usize, request: &Request<'_>) -> Option<Self> {
        let columns = program.n_inputs() + super::TIMES * program.n_outputs();
        (2 * columns + super::TIMES <= WORDS)
            .then(|| Self::split(program, time, request).unwrap_or(Self::Whole))
    }

    fn split(program: &Program, time: usize, request: &Request<'_>) -> Option<Self> {
        let split = program.split_at_time(time)?;
        let [mut cell, mut rest] = [("Cell", &split.cell), ("Rest", &split.rest)]
            .map(|(name, part)| Plan::of(name, part.fused(), request));
        for i in 0..rest.chains.len() {
            match rest.chains[i].method {
                Method::Unrolled => {}
                // Its layers would go through shared memory for every time.
                Method::Tile => return None,
                Method::Tensor(tensor) => match Sums::before(&rest.program, rest.chains[i].operations[0]) {
                    Some(sums) => keep_fragments(&mut cell, &mut rest, i, &sums, tensor)?,
                    None => rest.chains[i].method = rest.chains[i].unrolled(&rest.program)?,
                },
            }
        }
        // A few rows a block, in which nothing should be lost.
        let exact = Request { precision: Precision::F32, ..*request };
        let time = Plan::of("Time", split.time.fused(), &exact);
        Some(Self::Split(Box::new([cell, time, rest])))
    }

    /// Floats of the table that a block keeps of a time.
    pub fn row(&self) -> usize {
        match self {
            Self::Whole => 1,
            Self::Split(plans) => plans[1].program.n_outputs(),
        }
    }

    /// Text for the kernel's parts.
    pub fn parts(&self, time: usize) -> String {
        match self {
            Self::Whole => format!("WholeAtTimes<Network, {time}>"),
            Self::Split(_) => format!("SplitAtTimes<Network, Cell, Time, Rest, {time}>"),
        }
    }
}

/// Makes the rest's chain `i` begin with fragments that the cell's part leaves, in the place of `sums`. None if too much
/// would have to stay in registers, or the cell's part does not end with them.
fn keep_fragments(cell: &mut Plan, rest: &mut Plan, i: usize, sums: &Sums, tensor: Tensor) -> Option<()> {
    let in_cell = part_at(&cell.program, sums.kept)?;
    let chain = cell.chains.iter_mut().find(|chain| chain.operations.last() == Some(&in_cell))?;
    let is_linear = matches!(
        &cell.program.operations()[in_cell],
        Operation::Dense { activation: crate::activation::Activation::Linear, .. }
    );
    chain.method = rest.chains[i].method;
    let both = [chain::registers_of_tiles(&cell.program, chain)?, rest.registers_of_tiles(i)?];
    // Operands in TF32 are rounded first, into registers of their own.
    let operands = if tensor.is_half() { 0 } else { 16 };
    let needed = both[0].max(both[1]) + sums.width + operands;
    if !is_linear || !sums.width.is_multiple_of(8) || needed > REGISTERS_KEPT {
        return None;
    }
    chain.ends = Ends::Kept;
    let row = sums.row - cell.program.n_outputs();
    rest.chains[i].ends = Ends::AtTime(AtTime { kept: sums.kept, row, activation: sums.activation });
    Some(())
}

/// activation(cell's sums + time's sums), which only one dense operation reads.
struct Sums {
    /// First columns of both among the rest's inputs, and how many.
    kept: usize,
    row: usize,
    width: usize,
    activation: crate::activation::Activation,
}

impl Sums {
    fn before(rest: &Program, dense: usize) -> Option<Self> {
        let producer = |block: BlockId| {
            let i = block.index().checked_sub(1)?;
            Some((i, &rest.operations()[i]))
        };
        let uses = |i: usize| {
            let read = rest.operations().iter().flat_map(Operation::inputs);
            read.chain([rest.output()]).filter(|block| block.index() == i + 1).count()
        };
        let (in_activation, Operation::Activation { input, activation }) =
            producer(rest.operations()[dense].inputs()[0])?
        else {
            return None;
        };
        let (in_sum, Operation::Binary { operator: BinaryOperator::Add, left, right }) = producer(*input)?
        else {
            return None;
        };
        let slice = |block: &BlockId| match producer(*block)? {
            (_, Operation::Slice { input: BlockId::INPUT, start, width }) => Some((*start, *width)),
            _ => None,
        };
        let ((kept, width), (row, _)) = (slice(left)?, slice(right)?);
        (uses(in_activation) == 1 && uses(in_sum) == 1).then_some(Self {
            kept,
            row,
            width,
            activation: *activation,
        })
    }
}

/// Position of the operation whose block is the part of the outputs that begins there, if nobody else reads it.
fn part_at(program: &Program, column: usize) -> Option<usize> {
    let output = program.output().index().checked_sub(1)?;
    let Operation::Concat { inputs } = &program.operations()[output] else { return None };
    let mut start = 0;
    let part = inputs.iter().find(|part| {
        start += program.width(**part);
        start - program.width(**part) == column
    })?;
    let uses = program.operations().iter().flat_map(Operation::inputs).filter(|block| block == part).count();
    (uses == 1).then(|| part.index().checked_sub(1)).flatten()
}
