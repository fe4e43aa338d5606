//! A program laid out in memory: packed weights, and a place in the tile's arena for each block.

use std::sync::Arc;

use super::layers::Layers;
use super::places::{Column, Places};
use crate::activation::Activation;
use crate::error::{Error, Result};
use crate::kernels::{
    ColumnSums, Kernels, Operand, OperandPair, Operator, PackedDense, TILE, TileColumn, UniformTable,
    lanes_for,
};
use crate::program::{BinaryOperator, BlockId, Operation, Program};

/// Up to so many cells are faster one by one than in a group of lanes that is mostly empty.
const FEW_CELLS: usize = 4;

/// Columns of the largest arena, 32 MiB: a hostile file could otherwise ask for gigabytes a thread.
const MAX_ARENA_WIDTH: usize = 1 << 18;

/// A program ready to run; shared by all workers.
#[derive(Debug)]
pub struct Plan {
    kernels: &'static Kernels,
    instructions: Vec<Instruction>,
    /// Constants and where they lie: they are written once, when a worker is made.
    constants: Vec<(Column, Vec<f32>)>,
    arena_width: usize,
    pub n_inputs: usize,
    pub n_outputs: usize,
    pub input: Column,
    pub output: Column,
}

#[derive(Debug)]
enum Instruction {
    Dense {
        layer: Arc<PackedDense>,
        x: Column,
        y: Column,
    },
    Activation {
        activation: Activation,
        x: Column,
        y: Column,
        width: usize,
    },
    Exp {
        x: Column,
        y: Column,
        width: usize,
    },
    Binary {
        operator: Operator,
        left: Source,
        right: Source,
        y: Column,
        width: usize,
    },
    /// As `Binary`, of columns that are not all neighbours.
    BinaryOfPairs {
        operator: Operator,
        pairs: Vec<OperandPair>,
        y: Column,
    },
    Sums {
        sums: ColumnSums,
        y: Column,
    },
    Copy {
        columns: Vec<Column>,
        y: Column,
    },
    Table {
        table: Arc<UniformTable>,
        x: Column,
        y: Column,
    },
    Relax {
        state: Column,
        rate: Column,
        drive: Column,
        y: Column,
        width: usize,
    },
    Slope {
        activation: Activation,
        x: Column,
        y: Column,
        width: usize,
    },
    TableSlope {
        table: Arc<UniformTable>,
        x: Column,
        y: Column,
    },
}

#[derive(Clone, Copy, Debug)]
struct Source {
    column: Column,
    repeated: bool,
}

impl Plan {
    /// Lays `program` out for `kernels`, with the weights and tables in `layers` where they are there already.
    ///
    /// # Errors
    /// A program whose blocks do not fit a tile's memory.
    pub fn new(program: &Program, kernels: &'static Kernels, layers: &mut Layers) -> Result<Self> {
        let places = Places::new(program)?;
        let arena_width = places.arena_width;
        if arena_width > MAX_ARENA_WIDTH {
            return Err(Error::unsupported(format!(
                "a program that needs {arena_width} numbers a cell at once, where {MAX_ARENA_WIDTH} are possible"
            ))
            .remedy("make the network narrower or run it on ONNX Runtime"));
        }
        let at = |block: BlockId| places.first(block);
        let mut instructions = Vec::new();
        let mut constants = Vec::new();
        for (block, operation) in program.steps() {
            let (y, width) = (at(block), program.width(block));
            let source = |b: BlockId| Source { column: at(b), repeated: program.width(b) < width };
            instructions.push(match operation {
                Operation::Slice { .. } => continue,
                Operation::Constant { values } => {
                    constants.push((y, values.clone()));
                    continue;
                }
                Operation::Concat { inputs } => {
                    let columns: Vec<Column> = inputs.iter().flat_map(|&i| places.columns(i)).collect();
                    match columns == places.columns(block) {
                        true => continue,
                        false => Instruction::Copy { columns, y },
                    }
                }
                Operation::Dense { input, weights, bias, .. } if operation.is_sparse_sum() => {
                    Instruction::Sums { sums: ColumnSums::new(weights, bias, &places.columns(*input)), y }
                }
                Operation::Dense { input, weights, bias, activation } => {
                    Instruction::Dense { layer: layers.dense(weights, bias, *activation), x: at(*input), y }
                }
                Operation::Activation { input, activation } => {
                    Instruction::Activation { activation: *activation, x: at(*input), y, width }
                }
                Operation::Exp { input } => Instruction::Exp { x: at(*input), y, width },
                Operation::Binary { operator, left, right } => {
                    let operator = kernel_operator(*operator);
                    match [left, right].into_iter().all(|&b| places.are_neighbours(b)) {
                        true => {
                            let (left, right) = (source(*left), source(*right));
                            Instruction::Binary { operator, left, right, y, width }
                        }
                        false => {
                            let [left, right] = [left, right].map(|&b| places.columns(b));
                            let column = |of: &[Column], i: usize| of[if of.len() < width { 0 } else { i }];
                            let pair = |i| OperandPair::new(column(&left, i), column(&right, i));
                            Instruction::BinaryOfPairs { operator, pairs: (0..width).map(pair).collect(), y }
                        }
                    }
                }
                Operation::Table { input, table } => {
                    Instruction::Table { table: layers.table(table), x: at(*input), y }
                }
                Operation::Relax { state, rate, drive } => {
                    Instruction::Relax { state: at(*state), rate: at(*rate), drive: at(*drive), y, width }
                }
                Operation::Slope { input, activation } => {
                    Instruction::Slope { activation: *activation, x: at(*input), y, width }
                }
                Operation::TableSlope { input, table } => {
                    Instruction::TableSlope { table: layers.table(table), x: at(*input), y }
                }
            });
        }
        Ok(Self {
            kernels,
            instructions,
            constants,
            arena_width,
            n_inputs: program.n_inputs(),
            n_outputs: program.n_outputs(),
            input: at(BlockId::INPUT),
            output: at(program.output()),
        })
    }

    /// Memory for one tile, with the constants in place.
    pub fn new_arena(&self) -> Vec<TileColumn> {
        let mut arena = vec![TileColumn([0.0; TILE]); self.arena_width];
        for (first, values) in &self.constants {
            for (column, &value) in arena[*first..].iter_mut().zip(values) {
                column.0 = [value; TILE];
            }
        }
        arena
    }

    /// Runs the program on the first `n_cells` cells of a tile.
    pub fn run(&self, arena: &mut [TileColumn], n_cells: usize) {
        assert!(arena.len() == self.arena_width && n_cells <= TILE);
        let lanes = lanes_for(n_cells);
        let base = arena.as_mut_ptr().cast::<f32>();
        let kernels = self.kernels;
        // SAFETY: `Places` put every block inside the arena and no two live ones on each
        // other; the kernels were selected for this machine.
        unsafe {
            let at = |column: Column| base.add(column * TILE);
            let operand = |s: Source| Operand { columns: at(s.column).cast_const(), repeated: s.repeated };
            for instruction in &self.instructions {
                match *instruction {
                    Instruction::Dense { ref layer, x, y } if n_cells <= FEW_CELLS => {
                        for cell in 0..n_cells {
                            (kernels.dense_one)(layer, at(x).add(cell), at(y).add(cell));
                        }
                    }
                    Instruction::Dense { ref layer, x, y } => (kernels.dense)(layer, at(x), at(y), lanes),
                    Instruction::Activation { activation, x, y, width } => {
                        (kernels.activation)(activation, at(x), at(y), width, lanes);
                    }
                    Instruction::Exp { x, y, width } => (kernels.exp)(at(x), at(y), width, lanes),
                    Instruction::Binary { operator, left, right, y, width } => {
                        (kernels.binary)(operator, operand(left), operand(right), at(y), width, lanes);
                    }
                    Instruction::BinaryOfPairs { operator, ref pairs, y } => {
                        (kernels.binary_of_pairs)(operator, base.cast_const(), pairs, at(y), lanes);
                    }
                    Instruction::Sums { ref sums, y } => {
                        (kernels.sums)(sums, base.cast_const(), at(y), lanes)
                    }
                    Instruction::Copy { ref columns, y } => {
                        let base = base.cast::<TileColumn>();
                        for (i, &column) in columns.iter().enumerate() {
                            *base.add(y + i) = *base.add(column);
                        }
                    }
                    Instruction::Table { ref table, x, y } => (kernels.table)(table, at(x), at(y), lanes),
                    Instruction::Relax { state, rate, drive, y, width } => {
                        (kernels.relax)(at(state), at(rate), at(drive), at(y), width, lanes);
                    }
                    Instruction::Slope { activation, x, y, width } => {
                        (kernels.slope)(activation, at(x), at(y), width, lanes);
                    }
                    Instruction::TableSlope { ref table, x, y } => {
                        (kernels.table_slope)(table, at(x), at(y), lanes);
                    }
                }
            }
        }
    }
}

fn kernel_operator(operator: BinaryOperator) -> Operator {
    match operator {
        BinaryOperator::Add => Operator::Add,
        BinaryOperator::Subtract => Operator::Subtract,
        BinaryOperator::Multiply => Operator::Multiply,
        BinaryOperator::Divide => Operator::Divide,
        BinaryOperator::Minimum => Operator::Minimum,
        BinaryOperator::Maximum => Operator::Maximum,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program::ProgramBuilder;

    #[test]
    fn memory_for_a_tile_has_a_limit() {
        let mut b = ProgramBuilder::new(1).unwrap();
        let wide = |i: usize| vec![i as f32; 4096];
        let blocks: Vec<BlockId> = (0..80).map(|i| b.constant(wide(i)).unwrap()).collect();
        let sum = blocks
            .iter()
            .skip(1)
            .fold(blocks[0], |sum, &block| b.binary(BinaryOperator::Add, sum, block).unwrap());
        let kernels = Kernels::select(None).unwrap();
        let fault = Plan::new(&b.finish(sum), kernels, &mut Layers::new(kernels)).unwrap_err().to_string();
        assert!(fault.contains("numbers a cell at once"), "{fault}");
    }

    #[test]
    fn live_blocks_never_share_memory() {
        let mut b = ProgramBuilder::new(4).unwrap();
        let c = b.constant([1.0, 2.0]).unwrap();
        let left = b.slice(BlockId::INPUT, 1, 2).unwrap();
        let sum = b.binary(BinaryOperator::Add, left, c).unwrap();
        let both = b.concat(&[sum, left]).unwrap();
        let tail = b.slice(both, 2, 2).unwrap();
        let late = b.constant([3.0]).unwrap();
        let product = b.binary(BinaryOperator::Multiply, tail, sum).unwrap();
        let scaled = b.binary(BinaryOperator::Multiply, product, late).unwrap();
        let program = b.finish(scaled);
        let kernels = Kernels::select(None).unwrap();
        let plan = Plan::new(&program, kernels, &mut Layers::new(kernels)).unwrap();
        let mut arena = plan.new_arena();
        for _ in 0..3 {
            for column in 0..4 {
                arena[plan.input + column].0 = [column as f32 + 1.0; TILE];
            }
            plan.run(&mut arena, TILE);
            let expected = program.evaluate_reference(&[1.0, 2.0, 3.0, 4.0]);
            assert_eq!(f64::from(arena[plan.output].0[7]), expected[0]);
            assert_eq!(f64::from(arena[plan.output + 1].0[7]), expected[1]);
        }
    }
}
