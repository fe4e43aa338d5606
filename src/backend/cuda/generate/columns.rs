//! The operations of a program column by column, each when the first that reads it is computed.
//!
//! Distilled cell models have a thousand columns and a thread at most 255 registers: in the order of the program most
//! would wait in memory until they are read. Sums take each term as it comes, so that of their products one lives at a time.

use std::fmt::Write;

use super::Plan;
use super::activation::{exact, number, slope};
use super::chain::{self, Ends};
use super::numbers::Numbers;
use super::stage_bytes;
use crate::program::{BinaryOperator, BlockId, Operation, Program, Table};

/// Functions of a table that are read at once, 16 bytes.
const LOOKED_UP: usize = 4;

/// A column of a block.
type Column = (usize, usize);

/// What is to be done, the last one first.
enum Task {
    Compute(Column),
    Write(String),
}

/// The body of a network's function, being written.
pub struct Body<'a> {
    plan: &'a Plan,
    numbers: &'a mut Numbers,
    /// Where the numbers of each block's columns are computed: slices and concatenations have none of their own.
    origins: Vec<Vec<Column>>,
    is_begun: Vec<Vec<bool>>,
    /// Tables whose row has been found.
    has_row: Vec<bool>,
    tasks: Vec<Task>,
    text: String,
    /// Shared memory that a warp needs.
    stage: usize,
}

impl<'a> Body<'a> {
    pub fn new(plan: &'a Plan, numbers: &'a mut Numbers) -> Self {
        let program = &plan.program;
        let widths =
            std::iter::once(program.n_inputs()).chain(program.steps().map(|(b, _)| program.width(b)));
        let is_begun: Vec<Vec<bool>> = widths.map(|width| vec![false; width]).collect();
        Self {
            plan,
            numbers,
            origins: origins(program),
            has_row: vec![false; is_begun.len()],
            is_begun,
            tasks: Vec::new(),
            text: String::new(),
            stage: 0,
        }
    }

    /// Everything from the inputs `b0` to the outputs `y`, and the shared memory that a warp needs.
    pub fn write(mut self) -> (String, usize) {
        let output = self.plan.program.output();
        for i in 0..self.plan.program.n_outputs() {
            self.compute(output, i);
            let line = format!("y[{i}] = {};", self.name(output, i));
            self.line(&line);
        }
        let mut declared = String::new();
        for (block, operation) in self.plan.program.steps() {
            // Chains declare their results themselves.
            let is_chain = matches!(operation, Operation::Dense { .. }) && !operation.is_sparse_sum();
            if !is_chain && self.is_begun[block.index()].contains(&true) {
                let (b, width) = (block.index(), self.plan.program.width(block));
                writeln!(declared, "        float b{b}[{width}];").expect("a string");
            }
        }
        (declared + &self.text, self.stage)
    }

    fn line(&mut self, line: &str) {
        self.text += "        ";
        self.text += line;
        self.text.push('\n');
    }

    /// C++ for a column, once it is computed.
    fn name(&self, block: BlockId, i: usize) -> String {
        let (b, i) = self.origins[block.index()][i];
        format!("b{b}[{i}]")
    }

    fn compute(&mut self, block: BlockId, i: usize) {
        self.tasks.push(Task::Compute(self.origins[block.index()][i]));
        while let Some(task) = self.tasks.pop() {
            match task {
                Task::Write(line) => self.line(&line),
                Task::Compute((b, i)) => {
                    // Nothing that a column reads depends on it: begun is as good as done.
                    if b > 0 && !std::mem::replace(&mut self.is_begun[b][i], true) {
                        self.begin(b, i);
                    }
                }
            }
        }
    }

    /// Column `i` of `block` before what is waiting.
    fn first(&mut self, block: BlockId, i: usize) {
        self.tasks.push(Task::Compute(self.origins[block.index()][i]));
    }

    /// What computes column `i` of block `b`, and before it what that reads.
    fn begin(&mut self, b: usize, i: usize) {
        let plan = self.plan;
        let y = format!("b{b}[{i}]");
        let mut map = |function: String, input: BlockId| {
            let line = format!("{y} = {function}({});", self.name(input, i));
            self.tasks.push(Task::Write(line));
            self.first(input, i);
        };
        match &plan.program.operations()[b - 1] {
            Operation::Slice { .. } | Operation::Concat { .. } => {
                unreachable!("columns have their origins in other operations")
            }
            Operation::Constant { values } => {
                let line = format!("{y} = ({})[{i}];", self.numbers.constants(values));
                self.tasks.push(Task::Write(line));
            }
            Operation::Activation { input, activation } => map(exact(*activation), *input),
            Operation::Slope { input, activation } => map(slope(*activation), *input),
            Operation::Exp { input } => map("expf".to_owned(), *input),
            Operation::Binary { operator, left, right } => {
                let place = |block: BlockId| (block, if plan.program.width(block) == 1 { 0 } else { i });
                let ((left, l), (right, r)) = (place(*left), place(*right));
                let line =
                    format!("{y} = {};", combined(*operator, &self.name(left, l), &self.name(right, r)));
                self.tasks.push(Task::Write(line));
                self.first(right, r);
                self.first(left, l);
            }
            Operation::Relax { state, rate, drive } => {
                let [x, k, d] = [state, rate, drive].map(|&block| self.name(block, i));
                self.tasks.push(Task::Write(format!("{y} = {x} + ({d} - {k} * {x});")));
                [drive, rate, state].into_iter().for_each(|&block| self.first(block, i));
            }
            Operation::Table { input, table } => self.look_up(b, i / LOOKED_UP, *input, table),
            Operation::TableSlope { input, table } => {
                self.is_begun[b].fill(true);
                let row = self.row(table);
                let line = format!("table_slope<{}>({}, b{b}, {row});", stride(table), self.name(*input, 0));
                self.tasks.push(Task::Write(line));
                self.first(*input, 0);
            }
            Operation::Dense { input, weights, bias, .. }
                if plan.program.operations()[b - 1].is_sparse_sum() =>
            {
                self.sum(&y, *input, &weights[i * weights.len() / bias.len()..], bias, i);
            }
            Operation::Dense { .. } => self.chain(b),
        }
    }

    /// Columns 4 `four` … of a table.
    fn look_up(&mut self, b: usize, four: usize, input: BlockId, table: &Table) {
        let columns = four * LOOKED_UP..table.width.min((four + 1) * LOOKED_UP);
        self.is_begun[b][columns.clone()].fill(true);
        let results: String =
            columns.clone().map(|i| format!(" b{b}[{i}] = z[{}];", i - columns.start)).collect();
        let (n, first) = (LOOKED_UP.min(stride(table)), columns.start);
        self.tasks.push(Task::Write(format!("{{ float z[{n}]; look_up(row{b}, {first}, z);{results} }}")));
        if !std::mem::replace(&mut self.has_row[b], true) {
            let row = self.row(table);
            let line = format!(
                "const Row row{b} = row_of_table<{}>({}, {row});",
                stride(table),
                self.name(input, 0)
            );
            self.tasks.push(Task::Write(line));
            self.first(input, 0);
        }
    }

    /// A table's values and grid as arguments.
    fn row(&mut self, table: &Table) -> String {
        let (width, stride) = (table.width, stride(table));
        let padding = std::iter::repeat_n(0.0, stride - width);
        let rows = table.values.chunks_exact(width);
        let values: Vec<f32> = rows.flat_map(|row| row.iter().copied().chain(padding.clone())).collect();
        let values = self.numbers.others(&values);
        format!("{values}, {}, {}, {}", table.n_rows(), number(table.first), number(table.rows_per_unit))
    }

    /// bias + the weighed columns of `input`, of which most have no weight.
    fn sum(&mut self, y: &str, input: BlockId, weights: &[f32], bias: &[f32], i: usize) {
        let weighed: Vec<(usize, f32)> = (0..self.plan.program.width(input))
            .map(|k| (k, weights[k]))
            .filter(|(_, weight)| *weight != 0.0)
            .collect();
        let values: Vec<f32> =
            std::iter::once(bias[i]).chain(weighed.iter().map(|(_, weight)| *weight)).collect();
        let values = self.numbers.constants(&values);
        for (position, (k, _)) in weighed.iter().enumerate().rev() {
            let term = self.name(input, *k);
            self.tasks.push(Task::Write(format!("{y} = fmaf(({values})[{}], {term}, {y});", position + 1)));
            self.first(input, *k);
        }
        self.tasks.push(Task::Write(format!("{y} = ({values})[0];")));
    }

    /// The chain of dense layers whose last one makes block `b`.
    fn chain(&mut self, b: usize) {
        self.is_begun[b].fill(true);
        let (plan, program) = (self.plan, &self.plan.program);
        let is_last = |chain: &&chain::ChainPlan| chain.operations.last() == Some(&(b - 1));
        let chain = plan.chains.iter().find(is_last).expect("nobody reads the layers within a chain");
        let input = program.operations()[chain.operations[0]].inputs()[0];
        let own = format!("x{b}");
        let is_kept = matches!(chain.ends, Ends::AtTime(_));
        // A chain reads an array of neighbours.
        let is_array = input == BlockId::INPUT || is_kept;
        let name = if is_array { format!("b{}", input.index()) } else { own.clone() };
        let text = chain::write(program, chain, &name, self.numbers);
        self.stage = self.stage.max(stage_bytes(&text.stage));
        let mut before = String::new();
        if !is_array {
            let width = program.width(input);
            let columns = (0..width).map(|i| self.name(input, i)).collect::<Vec<_>>().join(", ");
            before = format!("const float {own}[{width}] = {{{columns}}};\n        ");
        }
        self.tasks.push(Task::Write(before + text.text.trim()));
        if !is_kept {
            (0..program.width(input)).rev().for_each(|i| self.first(input, i));
        }
    }
}

/// Numbers from a row of a table to the next, so that what is read at once begins at a multiple of its size.
fn stride(table: &Table) -> usize {
    if table.width <= 2 { table.width } else { table.width.next_multiple_of(LOOKED_UP) }
}

fn combined(operator: BinaryOperator, left: &str, right: &str) -> String {
    match operator {
        BinaryOperator::Add => format!("{left} + {right}"),
        BinaryOperator::Subtract => format!("{left} - {right}"),
        BinaryOperator::Multiply => format!("{left} * {right}"),
        BinaryOperator::Divide => format!("{left} / {right}"),
        BinaryOperator::Minimum => format!("minimum({left}, {right})"),
        BinaryOperator::Maximum => format!("maximum({left}, {right})"),
    }
}

/// Of each block's columns: the column of the operation that computes it.
fn origins(program: &Program) -> Vec<Vec<Column>> {
    let mut origins: Vec<Vec<Column>> = vec![(0..program.n_inputs()).map(|i| (0, i)).collect()];
    for (block, operation) in program.steps() {
        origins.push(match operation {
            Operation::Slice { input, start, width } => {
                origins[input.index()][*start..start + width].to_vec()
            }
            Operation::Concat { inputs } => {
                inputs.iter().flat_map(|input| &origins[input.index()]).copied().collect()
            }
            _ => (0..program.width(block)).map(|i| (block.index(), i)).collect(),
        });
    }
    origins
}
