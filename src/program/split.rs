//! A program that reads a time, in parts: what depends on the cell alone, what depends on the time alone, and the rest.

use std::collections::HashMap;
use std::ops::Range;

use super::{BinaryOperator, BlockId, MAX_WIDTH, Operation, Program, ProgramBuilder};
use crate::activation::Activation;

/// A program in parts, for many times of the same cells.
///
/// Where a dense operation reads columns of both kinds, its sums are those over the cell's columns plus those over the
/// time's, so that a first layer's cell part is computed once however many times are asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct TimeSplit {
    /// From the program's inputs, of which the time is not read, to what the rest wants of the cell.
    pub cell: Program,
    /// From the time, one column, to what the rest wants of it: the same for all cells.
    pub time: Program,
    /// From both of these side by side, the cell's first, to the outputs.
    pub rest: Program,
}

/// What a column depends on; both bits for both.
const CELL: u8 = 1;
const TIME: u8 = 2;

impl Program {
    /// The program in parts, with the time in input column `time`. None if the outputs do not depend on both, or a part
    /// would be wider than a block may be.
    #[must_use]
    pub fn split_at_time(&self, time: usize) -> Option<TimeSplit> {
        let kinds = kinds(self, time);
        let found = |bit: u8| kinds[self.output.0].iter().any(|kind| kind & bit != 0);
        if !(found(CELL) && found(TIME)) {
            return None;
        }
        // How wide the parts are is known only after the rest was written once.
        let half = MAX_WIDTH / 2;
        let (_, cell, time_parts) = Rest::write(self, &kinds, [half, half])?;
        let (rest, ..) = Rest::write(self, &kinds, [cell.width, time_parts.width])?;
        Some(TimeSplit {
            cell: cell.program(self, &kinds, None)?.without_unread(),
            time: time_parts.program(self, &kinds, Some(time))?.without_unread(),
            rest: rest.without_unread(),
        })
    }
}

/// Of every block what each of its columns depends on.
fn kinds(program: &Program, time: usize) -> Vec<Vec<u8>> {
    let input = (0..program.n_inputs()).map(|i| if i == time { TIME } else { CELL }).collect();
    let mut kinds: Vec<Vec<u8>> = vec![input];
    for (block, operation) in program.steps() {
        let width = program.width(block);
        let next = match operation {
            Operation::Constant { .. } => vec![0; width],
            Operation::Dense { input, weights, .. } => {
                let rows = weights.chunks_exact(program.width(*input));
                let of_row = |row: &[f32]| {
                    let used = row.iter().zip(&kinds[input.0]).filter(|(weight, _)| **weight != 0.0);
                    used.fold(0, |all, (_, kind)| all | kind)
                };
                rows.map(of_row).collect()
            }
            Operation::Concat { inputs } => inputs.iter().flat_map(|b| kinds[b.0].iter().copied()).collect(),
            Operation::Slice { input, start, width } => kinds[input.0][*start..start + width].to_vec(),
            // Element by element, a single column for all.
            other => {
                let column = |b: &BlockId, i: usize| kinds[b.0][i.min(kinds[b.0].len() - 1)];
                let inputs = other.inputs();
                (0..width).map(|i| inputs.iter().fold(0, |all, b| all | column(b, i))).collect()
            }
        };
        kinds.push(next);
    }
    kinds
}

/// Something that the rest wants.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Part {
    /// A block, or these columns of the inputs.
    Columns(BlockId, usize, usize),
    /// The sums of a dense operation over its columns of one kind.
    Sums(BlockId),
}

/// Everything that the rest wants of one kind.
#[derive(Debug)]
struct Parts {
    kind: u8,
    list: Vec<(Part, Range<usize>)>,
    width: usize,
}

impl Parts {
    fn new(kind: u8) -> Self {
        Self { kind, list: Vec::new(), width: 0 }
    }

    /// Where a part of so many columns lies.
    fn place(&mut self, part: Part, width: usize) -> Range<usize> {
        if let Some((_, place)) = self.list.iter().find(|(known, _)| *known == part) {
            return place.clone();
        }
        let place = self.width..self.width + width;
        self.width += width;
        self.list.push((part, place.clone()));
        place
    }

    /// The program of these parts; `time` is the only input's column in the whole program, none if all are inputs.
    fn program(&self, whole: &Program, kinds: &[Vec<u8>], time: Option<usize>) -> Option<Program> {
        let n_inputs = if time.is_some() { 1 } else { whole.n_inputs() };
        let builder = ProgramBuilder::new(n_inputs).ok()?;
        let mut own = Restricted { whole, kinds, kind: self.kind, time, builder, known: HashMap::new() };
        let mut blocks = Vec::new();
        for (part, _) in &self.list {
            blocks.push(match *part {
                Part::Columns(block, start, width) => {
                    own.columns(block, &(start..start + width).collect::<Vec<_>>())?
                }
                Part::Sums(block) => own.sums(block)?,
            });
        }
        let output = own.builder.concat(&blocks).ok()?;
        Some(own.builder.finish(output))
    }
}

/// The rest of a program while it is written.
struct Rest<'a> {
    whole: &'a Program,
    kinds: &'a [Vec<u8>],
    builder: ProgramBuilder,
    cell: Parts,
    time: Parts,
    /// Where the time's part begins.
    offset: usize,
    known: HashMap<BlockId, BlockId>,
}

impl<'a> Rest<'a> {
    fn write(
        whole: &'a Program,
        kinds: &'a [Vec<u8>],
        [cell, time]: [usize; 2],
    ) -> Option<(Program, Parts, Parts)> {
        let builder = ProgramBuilder::new(cell + time).ok()?;
        let (parts, known) = ([CELL, TIME].map(Parts::new), HashMap::new());
        let [cell_parts, time_parts] = parts;
        let mut own = Self { whole, kinds, builder, cell: cell_parts, time: time_parts, offset: cell, known };
        let output = own.block(whole.output)?;
        (own.cell.width <= cell && own.time.width <= time)
            .then(|| (own.builder.finish(output), own.cell, own.time))
    }

    /// A part as a block of the rest.
    fn part(&mut self, kind: u8, part: Part, width: usize) -> Option<BlockId> {
        let place = match kind {
            CELL => self.cell.place(part, width),
            _ => {
                let place = self.time.place(part, width);
                self.offset + place.start..self.offset + place.end
            }
        };
        self.builder.slice(BlockId::INPUT, place.start, width).ok()
    }

    fn block(&mut self, block: BlockId) -> Option<BlockId> {
        if let Some(known) = self.known.get(&block) {
            return Some(*known);
        }
        let made = self.make(block)?;
        self.known.insert(block, made);
        Some(made)
    }

    fn make(&mut self, block: BlockId) -> Option<BlockId> {
        let (kinds, width) = (&self.kinds[block.0], self.whole.width(block));
        let all = kinds.iter().fold(0, |all, kind| all | kind);
        if all == CELL || all == TIME {
            return self.part(all, Part::Columns(block, 0, width), width);
        }
        let Some(i) = block.0.checked_sub(1) else {
            let mut runs = Vec::new();
            let mut start = 0;
            for run in kinds.chunk_by(|a, b| a == b) {
                runs.push(self.part(run[0], Part::Columns(block, start, run.len()), run.len())?);
                start += run.len();
            }
            return self.builder.concat(&runs).ok();
        };
        let mut operation = self.whole.operations[i].clone();
        if let Operation::Dense { input, activation, .. } = operation
            && all == CELL | TIME
            && self.kinds[input.0].iter().all(|kind| *kind != CELL | TIME)
        {
            let cell = self.part(CELL, Part::Sums(block), width)?;
            let time = self.part(TIME, Part::Sums(block), width)?;
            let sums = self.builder.binary(BinaryOperator::Add, cell, time).ok()?;
            return match activation {
                Activation::Linear => Some(sums),
                _ => self.builder.push(Operation::Activation { input: sums, activation }).ok(),
            };
        }
        let inputs = operation.inputs();
        let made = inputs.iter().map(|b| self.block(*b)).collect::<Option<Vec<_>>>()?;
        operation.map_inputs(|b| made[inputs.iter().position(|input| *input == b).expect("an input")]);
        self.builder.push(operation).ok()
    }
}

/// A program of columns of one kind while it is written.
struct Restricted<'a> {
    whole: &'a Program,
    kinds: &'a [Vec<u8>],
    kind: u8,
    time: Option<usize>,
    builder: ProgramBuilder,
    known: HashMap<(BlockId, Vec<usize>), BlockId>,
}

impl Restricted<'_> {
    /// A block of these columns of the whole program's `block`.
    fn columns(&mut self, block: BlockId, columns: &[usize]) -> Option<BlockId> {
        let key = (block, columns.to_vec());
        if let Some(known) = self.known.get(&key) {
            return Some(*known);
        }
        let made = self.make(block, columns)?;
        self.known.insert(key, made);
        Some(made)
    }

    fn make(&mut self, block: BlockId, columns: &[usize]) -> Option<BlockId> {
        let Some(i) = block.0.checked_sub(1) else {
            return match self.time {
                // All of them are the only input.
                Some(_) => self.builder.concat(&vec![BlockId::INPUT; columns.len()]).ok(),
                None => self.take(BlockId::INPUT, columns),
            };
        };
        let whole = self.whole;
        match &whole.operations[i] {
            Operation::Constant { values } => {
                self.builder.constant(columns.iter().map(|&c| values[c]).collect::<Vec<_>>()).ok()
            }
            Operation::Dense { activation, .. } => {
                let sums = self.dense(i, columns, |_| true, true)?;
                match activation {
                    Activation::Linear => Some(sums),
                    _ => {
                        self.builder.push(Operation::Activation { input: sums, activation: *activation }).ok()
                    }
                }
            }
            Operation::Concat { inputs } => {
                let place = |&column: &usize| {
                    let mut rest = column;
                    let holds = |b: &&BlockId| {
                        let width = whole.width(**b);
                        let here = rest < width;
                        rest -= if here { 0 } else { width };
                        here
                    };
                    inputs.iter().find(holds).map(|b| (*b, rest))
                };
                let places = columns.iter().map(place).collect::<Option<Vec<_>>>()?;
                let mut parts = Vec::new();
                for run in places.chunk_by(|a, b| a.0 == b.0) {
                    let columns: Vec<usize> = run.iter().map(|place| place.1).collect();
                    parts.push(self.columns(run[0].0, &columns)?);
                }
                self.builder.concat(&parts).ok()
            }
            Operation::Slice { input, start, .. } => {
                let columns: Vec<usize> = columns.iter().map(|column| start + column).collect();
                self.columns(*input, &columns)
            }
            Operation::Table { input, .. } | Operation::TableSlope { input, .. } => {
                let argument = self.columns(*input, &[0])?;
                let mut operation = whole.operations[i].clone();
                operation.map_inputs(|_| argument);
                let all = self.builder.push(operation).ok()?;
                self.take(all, columns)
            }
            elementwise => {
                let inputs = elementwise.inputs();
                let mut made = Vec::new();
                for &input in &inputs {
                    let is_single = whole.width(input) == 1;
                    made.push(self.columns(input, if is_single { &[0] } else { columns })?);
                }
                // A single column that was the only one left of its block would be applied to all of the other.
                let mut operation = elementwise.clone();
                operation
                    .map_inputs(|b| made[inputs.iter().position(|input| *input == b).expect("an input")]);
                let result = self.builder.push(operation).ok()?;
                (self.builder.width(result) == columns.len()).then_some(result)
            }
        }
    }

    /// The sums of a dense operation over its columns of the own kind; the biases go with the cell's.
    fn sums(&mut self, block: BlockId) -> Option<BlockId> {
        let rows: Vec<usize> = (0..self.whole.width(block)).collect();
        let (kind, of_cell) = (self.kind, self.kind == CELL);
        self.dense(block.0 - 1, &rows, |other| other == kind || other == 0 && of_cell, of_cell)
    }

    /// Sums of these rows of a dense operation over the columns of wanted kinds.
    fn dense(
        &mut self,
        i: usize,
        rows: &[usize],
        is_wanted: impl Fn(u8) -> bool,
        with_bias: bool,
    ) -> Option<BlockId> {
        let whole = self.whole;
        let Operation::Dense { input, weights, bias, .. } = &whole.operations[i] else { return None };
        let width = whole.width(*input);
        let weight = |row: usize, column: usize| weights[row * width + column];
        let is_used = |&column: &usize| {
            is_wanted(self.kinds[input.0][column]) && rows.iter().any(|&row| weight(row, column) != 0.0)
        };
        let used: Vec<usize> = (0..width).filter(is_used).collect();
        let bias: Vec<f32> = rows.iter().map(|&row| if with_bias { bias[row] } else { 0.0 }).collect();
        if used.is_empty() {
            return self.builder.constant(bias).ok();
        }
        let x = self.columns(*input, &used)?;
        let weights = rows.iter().flat_map(|&row| used.iter().map(move |&c| weight(row, c))).collect();
        self.builder.dense(x, weights, bias, Activation::Linear).ok()
    }

    /// Columns of a block of the program that is written.
    fn take(&mut self, block: BlockId, columns: &[usize]) -> Option<BlockId> {
        if columns.len() == self.builder.width(block) && columns.iter().enumerate().all(|(i, c)| i == *c) {
            return Some(block);
        }
        let runs = columns.chunk_by(|a, b| a + 1 == *b);
        let slices = runs.map(|run| self.builder.slice(block, run[0], run.len()).ok());
        let slices = slices.collect::<Option<Vec<_>>>()?;
        match slices[..] {
            [one] => Some(one),
            _ => self.builder.concat(&slices).ok(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program::Table;

    fn noise(i: usize) -> f32 {
        (i * 37 % 101) as f32 * 0.02 - 1.0
    }

    fn dense(b: &mut ProgramBuilder, input: BlockId, n: usize, activation: Activation) -> BlockId {
        let weights = (0..n * b.width(input)).map(|i| 0.4 * noise(i + n)).collect();
        b.dense(input, weights, (0..n).map(|i| 0.2 * noise(i + 3)).collect(), activation).unwrap()
    }

    fn assert_same(whole: &Program, time: usize) -> TimeSplit {
        let split = whole.split_at_time(time).unwrap();
        for cell in 0..20 {
            let mut x: Vec<f64> =
                (0..whole.n_inputs()).map(|j| f64::from(noise(7 * cell + 13 * j))).collect();
            // What the cell's part makes of the time does not matter.
            x[time] = f64::NAN;
            let kept = split.cell.evaluate_reference(&x);
            for k in 0..4 {
                x[time] = 0.3 * k as f64;
                let of_time = split.time.evaluate_reference(&x[time..=time]);
                let y = split.rest.evaluate_reference(&[&kept[..], &of_time].concat());
                for (a, b) in y.iter().zip(whole.evaluate_reference(&x)) {
                    assert!((a - b).abs() <= 1e-6 * b.abs().max(1.0), "{a} {b}");
                }
            }
        }
        split
    }

    #[test]
    fn a_plain_network_keeps_the_sums_of_its_first_layer() {
        for time in 0..3 {
            let mut b = ProgramBuilder::new(3).unwrap();
            let hidden = dense(&mut b, BlockId::INPUT, 16, Activation::Tanh);
            let hidden = dense(&mut b, hidden, 16, Activation::Tanh);
            let y = dense(&mut b, hidden, 2, Activation::Linear);
            let split = assert_same(&b.finish(y), time);
            let sizes = [&split.cell, &split.time, &split.rest].map(|part| part.multiply_adds());
            assert_eq!(sizes, [2 * 16, 16, 16 * 16 + 16 * 2]);
            assert_eq!(split.cell.n_outputs(), 16);
        }
    }

    #[test]
    fn features_of_the_time_and_initial_conditions_find_their_parts() {
        // x + (1 − e^(−t)) · network([t, x, e^(features of t)]), as solution maps are trained.
        let mut b = ProgramBuilder::new(4).unwrap();
        let mut weights = vec![0.0; 5 * 4];
        (0..5).for_each(|i| weights[4 * i] = -0.3 * i as f32 - 0.1);
        let decays = b.dense(BlockId::INPUT, weights, vec![0.0; 5], Activation::Linear).unwrap();
        let decays = b.push(Operation::Exp { input: decays }).unwrap();
        let features = b.slice(decays, 0, 4).unwrap();
        let inputs = b.concat(&[BlockId::INPUT, features]).unwrap();
        let one = b.constant([1.0]).unwrap();
        let last = b.slice(decays, 4, 1).unwrap();
        let share = b.binary(BinaryOperator::Subtract, one, last).unwrap();
        let hidden = dense(&mut b, inputs, 12, Activation::Silu);
        let change = dense(&mut b, hidden, 2, Activation::Linear);
        let change = b.binary(BinaryOperator::Multiply, share, change).unwrap();
        let state = b.slice(BlockId::INPUT, 1, 2).unwrap();
        let y = b.binary(BinaryOperator::Add, state, change).unwrap();
        let split = assert_same(&b.finish(y), 0);
        // The cell's sums and its state; the time's sums and share.
        assert_eq!([split.cell.n_outputs(), split.time.n_outputs()], [14, 13]);
        assert_eq!(split.rest.multiply_adds(), 12 * 2);
    }

    #[test]
    fn branch_and_trunk_and_scaled_inputs_are_taken_apart() {
        let mut b = ProgramBuilder::new(3).unwrap();
        let centre = b.constant([0.5, -0.5, 0.25]).unwrap();
        let scaled = b.binary(BinaryOperator::Subtract, BlockId::INPUT, centre).unwrap();
        let (t, x) = (b.slice(scaled, 0, 1).unwrap(), b.slice(scaled, 1, 2).unwrap());
        let branch = dense(&mut b, x, 6, Activation::Tanh);
        let trunk = dense(&mut b, t, 6, Activation::Tanh);
        let table = Table { first: -1.0, rows_per_unit: 4.0, width: 6, values: (0..60).map(noise).collect() };
        let looked_up = b.push(Operation::Table { input: t, table }).unwrap();
        let product = b.binary(BinaryOperator::Multiply, branch, trunk).unwrap();
        let product = b.binary(BinaryOperator::Add, product, looked_up).unwrap();
        let mixed = dense(&mut b, scaled, 3, Activation::Relu);
        let both = b.concat(&[product, mixed]).unwrap();
        let y = dense(&mut b, both, 2, Activation::Linear);
        let split = assert_same(&b.finish(y), 0);
        assert_eq!(split.rest.multiply_adds(), 9 * 2);
    }

    #[test]
    fn what_depends_on_one_of_both_only_is_not_taken_apart() {
        let mut b = ProgramBuilder::new(2).unwrap();
        let t = b.slice(BlockId::INPUT, 0, 1).unwrap();
        let y = dense(&mut b, t, 2, Activation::Tanh);
        let whole = b.finish(y);
        assert_eq!(whole.split_at_time(0), None);
        assert_eq!(whole.split_at_time(1), None);
    }
}
