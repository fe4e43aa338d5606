//! Many times of the same cells: what a program makes of a cell alone is computed once for all times, and what it makes of a
//! time alone once for all cells.

use std::ops::Range;

use super::layers::Layers;
use super::plan::Plan;
use crate::backend::tile::{self, Border, Check};
use crate::backend::{Evaluation, StatusBytes, Tally};
use crate::kernels::{Kernels, Pairs, Rows, TILE, TileColumn, lanes_for};
use crate::program::{Operation, Program};

/// A program prepared for many times of the same cells.
///
/// The lanes of one tile are cells, those of another are times. One of the two stays where the rest of the program reads it,
/// while the other's lanes take turns as numbers that all lanes share; which one, follows from how many lanes are computed
/// for nothing: a single cell fills its tile with times.
#[derive(Debug)]
pub struct Times {
    /// The time's column among the inputs.
    input: usize,
    cell: Part,
    time: Part,
    /// The program itself if none.
    rest: Option<Plan>,
    /// Pairs among the outputs of each time.
    outputs: Pairs,
    /// The times of a call.
    at: PartTile,
    n_times: usize,
}

/// What the rest of a program reads of the cell, or of the time.
#[derive(Debug)]
struct Part {
    /// What makes it of the inputs, which are read as they are if there is none.
    plan: Option<Plan>,
    border: Border,
    columns: Vec<Route>,
}

/// Where a column lies in the memory of its part, and where the rest reads it.
#[derive(Clone, Copy, Debug)]
struct Route {
    from: usize,
    to: usize,
}

/// A part's memory for one tile; the inputs come first.
#[derive(Debug)]
struct PartTile {
    arena: Vec<TileColumn>,
    /// Lanes outside the domain.
    flags: [u8; TILE],
}

/// A thread's memory.
#[derive(Debug)]
pub struct TimesArena {
    cell: PartTile,
    /// Empty where the program itself is the rest.
    rest: Vec<TileColumn>,
}

impl Times {
    /// For `program`, which is laid out in `whole`, with the time in column `input`.
    pub fn new(
        program: &Program,
        whole: &Plan,
        input: usize,
        check: &Check,
        kernels: &'static Kernels,
        layers: &mut Layers,
    ) -> Self {
        let n_inputs = program.n_inputs();
        // The times are checked in their own tile.
        let mut of_cell = check.domain.clone();
        of_cell[input] = [f32::NEG_INFINITY, f32::INFINITY];
        let part = |plan, domain: Vec<_>, columns| {
            let n = domain.len();
            let check = Check { guard: check.guard, domain };
            Part { plan, border: Border::new(check, kernels.transfer, n, 0), columns }
        };
        let of_time = vec![check.domain[input]];
        let route = |(from, to)| Route { from, to };
        let (cell, time, rest) = match split(program, input, kernels, layers) {
            Some([cell, time, rest]) => {
                let first = [rest.input, rest.input + cell.n_outputs];
                let routes =
                    |part: &Plan, first| (part.output..).zip(first..first + part.n_outputs).map(route);
                let (of_cells, of_times) =
                    (routes(&cell, first[0]).collect(), routes(&time, first[1]).collect());
                (part(Some(cell), of_cell, of_cells), part(Some(time), of_time, of_times), Some(rest))
            }
            None => {
                let others = (0..n_inputs).filter(|&i| i != input);
                let of_cells = others.map(|i| route((i, whole.input + i))).collect();
                let of_times = vec![route((0, whole.input + input))];
                (part(None, of_cell, of_cells), part(None, of_time, of_times), None)
            }
        };
        let outputs = Pairs::new(kernels.transfer, TILE * program.n_outputs());
        let at = time.new_tile();
        Self { input, cell, time, rest, outputs, at, n_times: 0 }
    }

    /// Memory for one thread.
    pub fn new_arena(&self) -> TimesArena {
        let rest = self.rest.as_ref().map_or_else(Vec::new, Plan::new_arena);
        TimesArena { cell: self.cell.new_tile(), rest }
    }

    /// Computes what depends on `times` alone, 1 to [`TILE`] of them, and looks at the columns of `job`, whose outputs are
    /// those of the first time, then of the next.
    pub fn begin(&mut self, job: &Evaluation<'_>, times: &[f32]) {
        let Self { input, cell, time, outputs, at, n_times, .. } = self;
        *n_times = times.len();
        at.arena[0] = TileColumn([times[0]; TILE]);
        at.arena[0].0[..times.len()].copy_from_slice(times);
        time.compute(at, times.len());
        let inputs = &mut cell.border.inputs;
        inputs.find(job.inputs.len(), job.n_cells, |j| Some(job.inputs[j]).filter(|_| j != *input));
        let n_outputs = job.outputs.len() / times.len();
        outputs.find_in_groups(job.outputs.len(), n_outputs, job.n_cells, |j| Some(job.outputs[j]));
    }

    /// Evaluates the tile of `cells` at all times, where `whole` is the program's plan with memory for it.
    ///
    /// # Safety
    /// `cells` are cells of the job that was begun, and no other thread touches them.
    pub unsafe fn evaluate(
        &self,
        whole: (&Plan, &mut [TileColumn]),
        memory: &mut TimesArena,
        job: &Evaluation<'_>,
        cells: Range<usize>,
    ) -> Tally {
        let TimesArena { cell: tile, rest } = memory;
        let (plan, arena) = self.rest.as_ref().map_or(whole, |plan| (plan, rest));
        let (rows, n_cells) = (Rows::From(cells.start), cells.len());
        // SAFETY: as this function's contract says.
        unsafe { tile::load(&self.cell.border.inputs, job.inputs, rows, n_cells, &mut tile.arena) };
        // Nobody reads it.
        tile.arena[self.input] = TileColumn([0.0; TILE]);
        self.cell.compute(tile, n_cells);

        let (of_cells, of_times) = ((&self.cell, &*tile, n_cells), (&self.time, &self.at, self.n_times));
        let lanes_are_times = n_cells * lanes_for(self.n_times) < self.n_times * lanes_for(n_cells);
        let ((lanes, in_lanes, n_lanes), (turns, in_turns, n_turns)) =
            if lanes_are_times { (of_times, of_cells) } else { (of_cells, of_times) };
        let mut tally = Tally::default();
        for &Route { from, to } in &lanes.columns {
            arena[to] = in_lanes.arena[from];
        }
        for turn in 0..n_turns {
            for &Route { from, to } in &turns.columns {
                arena[to] = TileColumn([in_turns.arena[from].0[turn]; TILE]);
            }
            plan.run(arena, n_lanes);
            let results = &arena[plan.output..plan.output + plan.n_outputs];
            if self.cell.looks() {
                let mut flags = in_lanes.flags.map(|flag| flag | in_turns.flags[turn]);
                tally += self.cell.border.look_at_results(results, &mut flags, n_lanes);
            }
            let n = results.len();
            // SAFETY: as this function's contract says.
            unsafe {
                if lanes_are_times {
                    for (k, columns) in job.outputs.chunks(n).enumerate() {
                        for (column, TileColumn(numbers)) in columns.iter().zip(results) {
                            column.set(cells.start + turn, f64::from(numbers[k]));
                        }
                    }
                } else {
                    let columns = turn * n..(turn + 1) * n;
                    tile::store(&self.outputs, job.outputs, columns, rows, n_cells, results);
                }
            }
        }
        tally
    }
}

impl Part {
    fn new_tile(&self) -> PartTile {
        let n_inputs = self.border.check.domain.len();
        let inputs = || vec![TileColumn([0.0; TILE]); n_inputs];
        PartTile { arena: self.plan.as_ref().map_or_else(inputs, Plan::new_arena), flags: [0; TILE] }
    }

    /// Whether somebody wants to know about the cells: nobody is told of single ones.
    fn looks(&self) -> bool {
        self.border.check.looks(StatusBytes::new(None))
    }

    /// Computes the part of the first `n` lanes, whose inputs are in the tile.
    fn compute(&self, tile: &mut PartTile, n: usize) {
        let inputs = &mut tile.arena[..self.border.check.domain.len()];
        #[cfg(feature = "planted-faults")]
        super::planted::fault_if_asked(inputs, n);
        if self.looks() {
            self.border.check_inputs(inputs, &mut tile.flags);
        }
        if let Some(plan) = &self.plan {
            plan.run(&mut tile.arena, n);
        }
    }
}

/// Plans of what `program` makes of a cell alone, of the time in column `input` alone, and of the rest; none where the rest
/// would not be less work than the whole.
fn split(
    program: &Program,
    input: usize,
    kernels: &'static Kernels,
    layers: &mut Layers,
) -> Option<[Plan; 3]> {
    let split = program.split_at_time(input)?;
    let parts = [split.cell, split.time, split.rest].map(|part| part.fused());
    // What the rest reads is put there first.
    let of_rest = work(&parts[2]) + COLUMN * parts[2].n_inputs();
    if of_rest >= work(&program.fused()) + COLUMN * program.n_inputs() {
        return None;
    }
    // Parts that are too large for a tile are no reason to refuse the program.
    let [cell, time, rest] = parts.map(|part| Plan::new(&part, kernels, layers).ok());
    Some([cell?, time?, rest?])
}

/// Multiply-adds in the time of an operation that only passes a column on: vector units load two or do two multiply-adds
/// at once, and store one.
const COLUMN: usize = 4;

/// What a program costs a lane, in multiply-adds: those of its layers, and the results of everything else.
fn work(program: &Program) -> usize {
    let steps = program.steps().map(|(block, operation)| match operation {
        Operation::Dense { weights, .. } => weights.iter().filter(|weight| **weight != 0.0).count(),
        Operation::Constant { .. } | Operation::Slice { .. } | Operation::Concat { .. } => 0,
        _ => COLUMN * program.width(block),
    });
    steps.sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::activation::Activation;
    use crate::program::{BinaryOperator, BlockId, ProgramBuilder};

    fn dense(b: &mut ProgramBuilder, input: BlockId, n: usize) -> BlockId {
        let weights = vec![0.1; n * b.width(input)];
        b.dense(input, weights, vec![0.2; n], Activation::Tanh).unwrap()
    }

    fn is_split(program: &Program) -> bool {
        let kernels = Kernels::select(None).unwrap();
        split(program, 0, kernels, &mut Layers::new(kernels)).is_some()
    }

    #[test]
    fn only_what_is_less_work_is_taken_apart() {
        // Of a first layer with few inputs a sum costs more than it saves.
        for (n_inputs, expected) in [(2, false), (4, false), (24, true)] {
            let mut b = ProgramBuilder::new(n_inputs).unwrap();
            let hidden = dense(&mut b, BlockId::INPUT, 16);
            let y = dense(&mut b, hidden, 2);
            assert_eq!(is_split(&b.finish(y)), expected, "{n_inputs} inputs");
        }
        let mut b = ProgramBuilder::new(3).unwrap();
        let (t, x) = (b.slice(BlockId::INPUT, 0, 1).unwrap(), b.slice(BlockId::INPUT, 1, 2).unwrap());
        let [branch, trunk] = [x, t].map(|input| {
            let hidden = dense(&mut b, input, 16);
            dense(&mut b, hidden, 8)
        });
        let product = b.binary(BinaryOperator::Multiply, branch, trunk).unwrap();
        assert!(is_split(&b.finish(product)));
        // Nothing is kept of a time alone.
        let mut b = ProgramBuilder::new(1).unwrap();
        let y = dense(&mut b, BlockId::INPUT, 8);
        assert!(!is_split(&b.finish(y)));
    }
}
