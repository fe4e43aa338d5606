//! What kernels are called with: the struct `Job` of cells.cuh, word by word.

use super::generate::{Kernel, TIMES};
use crate::backend::tile::Check;
use crate::backend::{Advance, Evaluation, Guard, StatusBytes, StepInput};
use crate::view::{Column, ElementType};

/// Bits of `Call::options`.
mod options {
    pub const LOOK: u32 = 1;
    pub const CLAMP: u32 = 2;
    pub const KEEP: u32 = 4;
    pub const SINGLES: u32 = 8;
}

/// Entries of a kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// Independent cells.
    Evaluate,
    /// Steps of states.
    Step,
    /// Steps of states that are more exact than the network.
    StepByIncrements,
    /// Many times of the same cells.
    EvaluateTimes,
}

impl Entry {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 4] = [Self::Evaluate, Self::Step, Self::StepByIncrements, Self::EvaluateTimes];

    /// Name in the source.
    pub fn name(self) -> &'static str {
        match self {
            Self::Evaluate => "emucell_evaluate",
            Self::Step => "emucell_step",
            Self::StepByIncrements => "emucell_step_by_increments",
            Self::EvaluateTimes => "emucell_evaluate_times",
        }
    }
}

/// Addresses in the GPU's memory that belong to the session.
#[derive(Clone, Copy, Debug, Default)]
pub struct OwnMemory {
    /// Weights and tables.
    pub numbers: u64,
    /// Three counters of 64 bits.
    pub counters: u64,
}

/// The struct's words, with room for all columns.
#[derive(Clone, Debug)]
pub struct Job {
    words: Vec<u64>,
}

/// Words of the struct `Call`.
const CALL_WORDS: usize = 8;

impl Job {
    /// Room for a call with so many columns.
    pub fn with_columns(n_columns: usize) -> Self {
        Self { words: Vec::with_capacity(CALL_WORDS + 2 * n_columns) }
    }

    /// The same, and for calls with many times.
    pub fn with_columns_and_times(n_inputs: usize, n_outputs: usize) -> Self {
        let words = CALL_WORDS + 1 + TIMES / 2 + 2 * (n_inputs + TIMES * n_outputs);
        Self { words: Vec::with_capacity(words) }
    }

    /// The words, as the kernel takes them.
    pub fn words(&self) -> &[u64] {
        &self.words
    }

    /// Describes an evaluation, all of whose addresses are the GPU's.
    pub fn describe_evaluation(&mut self, job: &Evaluation<'_>, check: &Check, memory: OwnMemory) -> Entry {
        let singles = job.inputs.iter().chain(job.outputs).all(is_single);
        let call = Call { n_cells: job.n_cells, n_rows: job.n_cells, index: 0, dt: 0.0, n_steps: 1 };
        self.begin(call, job.status, check, memory, singles);
        job.inputs.iter().for_each(|column| self.add(column));
        job.outputs.iter().for_each(|column| self.add(column));
        Entry::Evaluate
    }

    /// Describes an evaluation at `times`, at most [`TIMES`]; outputs are those of the first time, then of the next.
    pub fn describe_times(
        &mut self,
        job: &Evaluation<'_>,
        times: &[f32],
        check: &Check,
        memory: OwnMemory,
    ) -> Entry {
        let singles = job.inputs.iter().chain(job.outputs).all(is_single);
        let call = Call { n_cells: job.n_cells, n_rows: job.n_cells, index: 0, dt: 0.0, n_steps: 1 };
        self.begin(call, job.status, check, memory, singles);
        self.words.push(times.len() as u64);
        let bits = |k: usize| times.get(k).map_or(0, |t| u64::from(t.to_bits()));
        self.words.extend((0..TIMES / 2).map(|i| bits(2 * i) | bits(2 * i + 1) << 32));
        job.inputs.iter().for_each(|column| self.add(column));
        job.outputs.iter().for_each(|column| self.add(column));
        let columns = job.outputs.len() / times.len() * (TIMES - times.len());
        self.words.resize(self.words.len() + 2 * columns, 0);
        Entry::EvaluateTimes
    }

    /// Describes steps, all of whose addresses are the GPU's, as is `index` in the place of the job's.
    pub fn describe_steps(
        &mut self,
        job: &Advance<'_>,
        index: Option<u64>,
        kernel: &Kernel,
        check: &Check,
        memory: OwnMemory,
    ) -> Entry {
        let column = |input: &StepInput| match input {
            StepInput::State(j) => Some(job.state[*j]),
            StepInput::ByPosition(column) | StepInput::ByRow(column) => Some(*column),
            StepInput::Time => None,
        };
        let singles =
            job.inputs.iter().filter_map(column).chain(job.state.iter().copied()).all(|c| is_single(&c));
        let index = index.unwrap_or(0);
        let call = Call { n_cells: job.n_cells, n_rows: job.n_rows, index, dt: job.dt, n_steps: job.n_steps };
        self.begin(call, job.status, check, memory, singles);
        for input in job.inputs {
            match column(input) {
                Some(column) => self.add(&column),
                None => self.words.extend([0, 0]),
            }
        }
        job.state.iter().for_each(|column| self.add(column));
        let is_double = job.state.iter().any(|column| column.element == ElementType::F64);
        if kernel.increments && is_double { Entry::StepByIncrements } else { Entry::Step }
    }

    fn begin(&mut self, call: Call, status: StatusBytes, check: &Check, memory: OwnMemory, singles: bool) {
        let bit = |condition: bool, bit: u32| if condition { bit } else { 0 };
        let options = bit(check.looks(status), options::LOOK)
            | bit(check.guard == Guard::Clamp, options::CLAMP)
            | bit(check.guard == Guard::Fallback, options::KEEP)
            | bit(singles, options::SINGLES);
        let pair = |low: u32, high: u32| u64::from(low) | u64::from(high) << 32;
        self.words.clear();
        self.words.extend([
            call.n_cells as u64,
            call.n_rows as u64,
            call.index,
            status.address() as u64,
            memory.counters,
            memory.numbers,
            pair(options, call.n_steps),
            pair(call.dt.to_bits(), 0),
        ]);
    }

    fn add(&mut self, column: &Column) {
        let is_double = u64::from(column.element == ElementType::F64);
        self.words.extend([column.pointer as u64, (column.stride as u64) << 1 | is_double]);
    }
}

/// The part of `Call` that differs between evaluations and steps.
struct Call {
    n_cells: usize,
    n_rows: usize,
    index: u64,
    dt: f32,
    n_steps: u32,
}

fn is_single(column: &Column) -> bool {
    column.element == ElementType::F32
}
