//! A program laid out in memory: packed weights, and a place in the tile's arena for each block.

use std::sync::Arc;

use crate::activation::Activation;
use crate::error::{Error, Result};
use crate::kernels::{Kernels, Operand, Operator, PackedDense, TILE, TileColumn, UniformTable, lanes_for};
use crate::program::{BinaryOperator, BlockId, Operation, Program, Table};

/// Up to so many cells are faster one by one than in a group of lanes that is mostly empty.
const FEW_CELLS: usize = 4;

/// Columns of the largest arena, 32 MiB: a hostile file could otherwise ask for gigabytes a thread.
const MAX_ARENA_WIDTH: usize = 1 << 18;

/// First column of a block in the arena.
type Column = usize;

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
    Dense { layer: Arc<PackedDense>, x: Column, y: Column },
    Activation { activation: Activation, x: Column, y: Column, width: usize },
    Exp { x: Column, y: Column, width: usize },
    Binary { operator: Operator, left: Source, right: Source, y: Column, width: usize },
    Copy { x: Column, y: Column, width: usize },
    Table { table: Arc<UniformTable>, x: Column, y: Column },
    Relax { state: Column, rate: Column, drive: Column, y: Column, width: usize },
    Slope { activation: Activation, x: Column, y: Column, width: usize },
    TableSlope { table: Arc<UniformTable>, x: Column, y: Column },
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
        let (columns, arena_width) = place_blocks(program);
        if arena_width > MAX_ARENA_WIDTH {
            return Err(Error::unsupported(format!(
                "a program that needs {arena_width} numbers a cell at once, where {MAX_ARENA_WIDTH} are possible"
            ))
            .remedy("make the network narrower or run it on ONNX Runtime"));
        }
        let at = |block: BlockId| columns[block.index()];
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
                    let mut y = y;
                    for &part in inputs {
                        let width = program.width(part);
                        instructions.push(Instruction::Copy { x: at(part), y, width });
                        y += width;
                    }
                    continue;
                }
                Operation::Dense { input, weights, bias, activation } => {
                    Instruction::Dense { layer: layers.dense(weights, bias, *activation), x: at(*input), y }
                }
                Operation::Activation { input, activation } => {
                    Instruction::Activation { activation: *activation, x: at(*input), y, width }
                }
                Operation::Exp { input } => Instruction::Exp { x: at(*input), y, width },
                Operation::Binary { operator, left, right } => Instruction::Binary {
                    operator: kernel_operator(*operator),
                    left: source(*left),
                    right: source(*right),
                    y,
                    width,
                },
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
        // SAFETY: `place_blocks` put every block inside the arena and no two live ones on each
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
                    Instruction::Copy { x, y, width } => {
                        at(y).copy_from_nonoverlapping(at(x), width * TILE);
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

/// Weights and tables in memory, each once: a derivative reads the same weights for each direction, and a step map has
/// a plan for its values and one for its increments.
#[derive(Debug)]
pub struct Layers {
    dense_rows: usize,
    dense: Vec<(DenseKey, Arc<PackedDense>)>,
    tables: Vec<(Table, Arc<UniformTable>)>,
}

/// Weights, bias and activation.
type DenseKey = (Vec<f32>, Vec<f32>, Activation);

impl Layers {
    /// Nothing yet, for the kernels that will read it.
    pub fn new(kernels: &Kernels) -> Self {
        Self { dense_rows: kernels.dense_rows, dense: Vec::new(), tables: Vec::new() }
    }

    fn dense(&mut self, weights: &[f32], bias: &[f32], activation: Activation) -> Arc<PackedDense> {
        let same = |(w, b, a): &DenseKey| w == weights && b == bias && *a == activation;
        if let Some((_, shared)) = self.dense.iter().find(|(key, _)| same(key)) {
            return shared.clone();
        }
        let packed = Arc::new(PackedDense::new(weights, bias, activation, self.dense_rows));
        self.dense.push(((weights.to_vec(), bias.to_vec(), activation), packed.clone()));
        packed
    }

    fn table(&mut self, table: &Table) -> Arc<UniformTable> {
        if let Some((_, shared)) = self.tables.iter().find(|(key, _)| key == table) {
            return shared.clone();
        }
        let Table { first, rows_per_unit, width, values } = table;
        let made = Arc::new(UniformTable::new(*first, *rows_per_unit, *width, values.clone()));
        self.tables.push((table.clone(), made.clone()));
        made
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

/// First column of every block, and the columns needed in all.
///
/// A slice lies inside its source. Any other block takes the first gap that is free while it is
/// needed, so that a deep network runs in the memory of its two widest neighbours. Inputs and
/// constants keep their places: they outlive one run of the program.
fn place_blocks(program: &Program) -> (Vec<Column>, usize) {
    let n_blocks = program.operations().len() + 1;
    // Each block's owner of memory and its offset in there.
    let mut owners: Vec<(usize, usize)> = (0..n_blocks).map(|i| (i, 0)).collect();
    for (block, operation) in program.steps() {
        if let Operation::Slice { input, start, .. } = operation {
            let (owner, offset) = owners[input.index()];
            owners[block.index()] = (owner, offset + start);
        }
    }
    const FOR_EVER: usize = usize::MAX;
    let mut last_use = vec![0; n_blocks];
    for (block, operation) in program.steps() {
        for input in operation.inputs() {
            let owner = owners[input.index()].0;
            last_use[owner] = last_use[owner].max(block.index());
        }
        if matches!(operation, Operation::Constant { .. }) {
            last_use[block.index()] = FOR_EVER;
        }
    }
    last_use[owners[program.output().index()].0] = FOR_EVER;

    let mut columns = vec![0; n_blocks];
    let mut live: Vec<(std::ops::Range<usize>, usize)> = vec![(0..program.n_inputs(), FOR_EVER)];
    let mut arena_width = program.n_inputs();
    // Constants first: they must not lie where a block has lived before them.
    let is_constant = |b: &BlockId| matches!(program.operations()[b.index() - 1], Operation::Constant { .. });
    let (constants, others): (Vec<BlockId>, Vec<BlockId>) =
        program.steps().map(|(block, _)| block).partition(is_constant);
    for block in constants.into_iter().chain(others) {
        let (owner, offset) = owners[block.index()];
        if owner != block.index() {
            columns[block.index()] = columns[owner] + offset;
            continue;
        }
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
        columns[block.index()] = first;
        live.push((first..first + width, last_use[block.index()]));
        arena_width = arena_width.max(first + width);
    }
    (columns, arena_width)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program::ProgramBuilder;

    #[test]
    fn deep_networks_reuse_the_memory_of_two_layers() {
        let mut b = ProgramBuilder::new(3).unwrap();
        let mut h = BlockId::INPUT;
        for _ in 0..10 {
            let n = b.width(h);
            h = b.dense(h, vec![0.1; n * 50], vec![0.0; 50], Activation::Tanh).unwrap();
        }
        let (_, width) = place_blocks(&b.finish(h));
        assert_eq!(width, 3 + 50 + 50);
    }

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
