//! Where the blocks of a program lie in a tile's memory.

use std::ops::Range;

use crate::error::{Error, Result};
use crate::program::{BlockId, Operation, Program};

/// Number of a column of the arena.
pub type Column = usize;

/// Every block's columns.
///
/// A slice lies inside its source, and so do the columns of a concatenation that is only read column by column: its columns
/// need not be neighbours. Any other block takes the first gap that is free while it is needed, so that a deep
/// network runs in the memory of its two widest neighbours. Inputs and constants keep their places: they
/// outlive one run of the program.
pub struct Places {
    /// Neighbouring columns, by block.
    runs: Vec<Vec<Range<Column>>>,
    pub arena_width: usize,
}

/// Neighbouring columns of a block that has memory of its own.
#[derive(Clone, Copy)]
struct Source {
    owner: usize,
    offset: usize,
    width: usize,
}

/// Runs of columns of all blocks together: a hostile file could otherwise ask for gigabytes.
const MAX_RUNS: usize = 1 << 20;

const FOR_EVER: usize = usize::MAX;

impl Places {
    /// # Errors
    /// A program with too many columns that lie apart.
    pub fn new(program: &Program) -> Result<Self> {
        let sources = sources(program)?;
        let n_blocks = sources.len();
        let mut last_use = vec![0; n_blocks];
        for (block, operation) in program.steps() {
            for source in operation.inputs().iter().flat_map(|input| &sources[input.index()]) {
                last_use[source.owner] = last_use[source.owner].max(block.index());
            }
            if matches!(operation, Operation::Constant { .. }) {
                last_use[block.index()] = FOR_EVER;
            }
        }
        for source in &sources[program.output().index()] {
            last_use[source.owner] = FOR_EVER;
        }

        let mut first_columns = vec![0; n_blocks];
        let mut live: Vec<(Range<Column>, usize)> = vec![(0..program.n_inputs(), FOR_EVER)];
        let mut arena_width = program.n_inputs();
        let owns = |block: &BlockId| sources[block.index()].iter().any(|s| s.owner == block.index());
        // Constants first: they must not lie where a block has lived before them.
        let is_constant =
            |b: &BlockId| matches!(program.operations()[b.index() - 1], Operation::Constant { .. });
        let (constants, others): (Vec<BlockId>, Vec<BlockId>) =
            program.steps().map(|(block, _)| block).filter(owns).partition(is_constant);
        for block in constants.into_iter().chain(others) {
            live.retain(|&(_, last)| last == FOR_EVER || last >= block.index());
            live.sort_by_key(|(range, _)| range.start);
            let width = program.width(block);
            let mut first = 0;
            for (range, _) in &live {
                if first + width <= range.start {
                    break;
                }
                first = first.max(range.end);
            }
            first_columns[block.index()] = first;
            live.push((first..first + width, last_use[block.index()]));
            arena_width = arena_width.max(first + width);
        }
        let place = |source: &Source| {
            let first = first_columns[source.owner] + source.offset;
            first..first + source.width
        };
        let runs = sources.iter().map(|of_block| of_block.iter().map(place).collect()).collect();
        Ok(Self { runs, arena_width })
    }

    pub fn columns(&self, block: BlockId) -> Vec<Column> {
        self.runs[block.index()].iter().cloned().flatten().collect()
    }

    /// The first column of a block, which is as good as all of them if they are neighbours.
    pub fn first(&self, block: BlockId) -> Column {
        self.runs[block.index()][0].start
    }

    pub fn are_neighbours(&self, block: BlockId) -> bool {
        self.runs[block.index()].windows(2).all(|pair| pair[1].start == pair[0].end)
    }
}

/// Where the columns of each block come from.
fn sources(program: &Program) -> Result<Vec<Vec<Source>>> {
    let together = read_as_neighbours(program);
    let mut sources = vec![vec![Source { owner: 0, offset: 0, width: program.n_inputs() }]];
    let mut n_runs = 1;
    for (block, operation) in program.steps() {
        let of_block = match operation {
            Operation::Slice { input, start, width } => part(&sources[input.index()], *start, *width),
            Operation::Concat { inputs } if !together[block.index()] => {
                inputs.iter().flat_map(|input| &sources[input.index()]).copied().collect()
            }
            _ => vec![Source { owner: block.index(), offset: 0, width: program.width(block) }],
        };
        n_runs += of_block.len();
        if n_runs > MAX_RUNS {
            return Err(Error::unsupported(format!(
                "a program with more than {MAX_RUNS} runs of columns that are put together"
            ))
            .remedy("combine wider blocks or run it on ONNX Runtime"));
        }
        sources.push(of_block);
    }
    Ok(sources)
}

/// The columns `start .. start + width` of those that `runs` make up.
fn part(runs: &[Source], start: usize, width: usize) -> Vec<Source> {
    let mut before = 0;
    let mut found = Vec::new();
    for run in runs {
        let (first, end) = (start.max(before), (start + width).min(before + run.width));
        if first < end {
            found.push(Source { offset: run.offset + first - before, width: end - first, ..*run });
        }
        before += run.width;
    }
    found
}

/// Of every block: whether somebody needs its columns side by side.
fn read_as_neighbours(program: &Program) -> Vec<bool> {
    let mut together = vec![false; program.operations().len() + 1];
    together[program.output().index()] = true;
    let steps: Vec<(BlockId, &Operation)> = program.steps().collect();
    for (block, operation) in steps.into_iter().rev() {
        let needs = match operation {
            Operation::Binary { .. } | Operation::Concat { .. } => false,
            Operation::Dense { .. } => !operation.is_sparse_sum(),
            Operation::Slice { .. } => together[block.index()],
            _ => true,
        };
        for input in operation.inputs() {
            together[input.index()] |= needs;
        }
    }
    together
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::activation::Activation;
    use crate::program::{BinaryOperator, ProgramBuilder};

    #[test]
    fn deep_networks_reuse_the_memory_of_two_layers() {
        let mut b = ProgramBuilder::new(3).unwrap();
        let mut h = BlockId::INPUT;
        for _ in 0..10 {
            let n = b.width(h);
            h = b.dense(h, vec![0.1; n * 50], vec![0.0; 50], Activation::Tanh).unwrap();
        }
        assert_eq!(Places::new(&b.finish(h)).unwrap().arena_width, 3 + 50 + 50);
    }

    #[test]
    fn only_concatenations_that_are_read_as_a_whole_take_memory() {
        let mut b = ProgramBuilder::new(4).unwrap();
        let swapped = [3, 0].map(|start| b.slice(BlockId::INPUT, start, 1).unwrap());
        let swapped = b.concat(&swapped).unwrap();
        let middle = b.slice(BlockId::INPUT, 1, 2).unwrap();
        let product = b.binary(BinaryOperator::Multiply, swapped, middle).unwrap();
        let last = b.slice(swapped, 1, 1).unwrap();
        let both = b.concat(&[product, last]).unwrap();
        let sparse =
            b.dense(both, vec![0.0, 2.0, 0.0, 0.0, 0.0, 3.0], vec![0.5; 2], Activation::Linear).unwrap();
        let program = b.finish(sparse);
        let places = Places::new(&program).unwrap();
        assert_eq!(places.columns(swapped), [3, 0]);
        let products = places.columns(product);
        assert_eq!(places.columns(both), [products[0], products[1], 0]);
        assert_eq!(places.arena_width, 4 + 2 + 2);

        let mut b = ProgramBuilder::new(4).unwrap();
        let swapped = [3, 0].map(|start| b.slice(BlockId::INPUT, start, 1).unwrap());
        let swapped = b.concat(&swapped).unwrap();
        let tail = b.slice(swapped, 0, 2).unwrap();
        let values = b.push(Operation::Exp { input: tail }).unwrap();
        let places = Places::new(&b.finish(values)).unwrap();
        assert_eq!(places.columns(swapped), [4, 5]);
    }

    #[test]
    #[cfg_attr(miri, ignore = "a million runs are too many for an interpreter")]
    fn columns_that_lie_apart_have_a_limit() {
        let mut b = ProgramBuilder::new(2).unwrap();
        let swapped = [1, 0].map(|start| b.slice(BlockId::INPUT, start, 1).unwrap());
        let mut wide = b.concat(&swapped).unwrap();
        for _ in 0..11 {
            wide = b.concat(&[wide, wide]).unwrap();
        }
        let mut sum = wide;
        for _ in 0..MAX_RUNS / 4096 {
            let all = b.slice(wide, 0, 4096).unwrap();
            sum = b.binary(BinaryOperator::Add, sum, all).unwrap();
        }
        let fault = Places::new(&b.finish(sum)).err().unwrap().to_string();
        assert!(fault.contains("runs of columns"), "{fault}");
    }
}
