//! Where the blocks of a program lie in a tile's memory.

use std::ops::Range;

use crate::activation::Activation;
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
    /// By block.
    columns: Vec<Vec<Column>>,
    pub arena_width: usize,
}

/// A column of a block that has memory of its own.
#[derive(Clone, Copy)]
struct Source {
    owner: usize,
    offset: usize,
}

const FOR_EVER: usize = usize::MAX;

impl Places {
    pub fn new(program: &Program) -> Self {
        let sources = sources(program);
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
        let place = |source: &Source| first_columns[source.owner] + source.offset;
        let columns = sources.iter().map(|of_block| of_block.iter().map(place).collect()).collect();
        Self { columns, arena_width }
    }

    pub fn columns(&self, block: BlockId) -> &[Column] {
        &self.columns[block.index()]
    }

    /// The first column of a block, which is as good as all of them if they are neighbours.
    pub fn first(&self, block: BlockId) -> Column {
        self.columns(block)[0]
    }

    pub fn are_neighbours(&self, block: BlockId) -> bool {
        self.columns(block).windows(2).all(|pair| pair[1] == pair[0] + 1)
    }
}

/// Whether half of the weights of a dense operation, or more, are zero: each sum then reads its own columns.
pub fn is_sparse(weights: &[f32], activation: Activation) -> bool {
    let zeros = weights.iter().filter(|w| **w == 0.0).count();
    activation == Activation::Linear && 2 * zeros >= weights.len()
}

/// Where each column of each block comes from.
fn sources(program: &Program) -> Vec<Vec<Source>> {
    let together = read_as_neighbours(program);
    let own = |owner: usize, width: usize| (0..width).map(|offset| Source { owner, offset }).collect();
    let mut sources: Vec<Vec<Source>> = vec![own(0, program.n_inputs())];
    for (block, operation) in program.steps() {
        let of_block = match operation {
            Operation::Slice { input, start, width } => {
                sources[input.index()][*start..start + width].to_vec()
            }
            Operation::Concat { inputs } if !together[block.index()] => {
                inputs.iter().flat_map(|input| &sources[input.index()]).copied().collect()
            }
            _ => own(block.index(), program.width(block)),
        };
        sources.push(of_block);
    }
    sources
}

/// Of every block: whether somebody needs its columns side by side.
fn read_as_neighbours(program: &Program) -> Vec<bool> {
    let mut together = vec![false; program.operations().len() + 1];
    together[program.output().index()] = true;
    let steps: Vec<(BlockId, &Operation)> = program.steps().collect();
    for (block, operation) in steps.into_iter().rev() {
        let needs = match operation {
            Operation::Binary { .. } | Operation::Concat { .. } => false,
            Operation::Dense { weights, activation, .. } => !is_sparse(weights, *activation),
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
    use crate::program::{BinaryOperator, ProgramBuilder};

    #[test]
    fn deep_networks_reuse_the_memory_of_two_layers() {
        let mut b = ProgramBuilder::new(3).unwrap();
        let mut h = BlockId::INPUT;
        for _ in 0..10 {
            let n = b.width(h);
            h = b.dense(h, vec![0.1; n * 50], vec![0.0; 50], Activation::Tanh).unwrap();
        }
        assert_eq!(Places::new(&b.finish(h)).arena_width, 3 + 50 + 50);
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
        let places = Places::new(&program);
        assert_eq!(places.columns(swapped), [3, 0]);
        let products = places.columns(product);
        assert_eq!(places.columns(both), [products[0], products[1], 0]);
        assert_eq!(places.arena_width, 4 + 2 + 2);

        let mut b = ProgramBuilder::new(4).unwrap();
        let swapped = [3, 0].map(|start| b.slice(BlockId::INPUT, start, 1).unwrap());
        let swapped = b.concat(&swapped).unwrap();
        let tail = b.slice(swapped, 0, 2).unwrap();
        let values = b.push(Operation::Exp { input: tail }).unwrap();
        let places = Places::new(&b.finish(values));
        assert_eq!(places.columns(swapped), [4, 5]);
    }
}
