//! Programs on libtorch, without gradients: what a user of its C++ interface would run instead.

use tch::{Device, Kind, Tensor};

use super::activation::activate;
use crate::activation::Activation;
use crate::error::{Error, Result};
use crate::program::{BinaryOperator, BlockId, Operation, Program, Table};

/// Cells at a time on a processor: the results of more between two operations leave the cache.
const CPU_BATCH: usize = 1024;

/// A program as operations on libtorch's tensors; weights are turned into tensors once.
#[derive(Debug)]
pub struct Inference {
    steps: Vec<Step>,
    output: BlockId,
    n_inputs: usize,
    n_outputs: usize,
    device: Device,
}

#[derive(Debug)]
enum Step {
    Constant(Tensor),
    Dense { input: BlockId, weight: Tensor, bias: Tensor, activation: Activation },
    Activation { input: BlockId, activation: Activation },
    Exp { input: BlockId },
    Binary { operator: BinaryOperator, left: BlockId, right: BlockId },
    Concat { inputs: Vec<BlockId> },
    Slice { input: BlockId, start: i64, width: i64 },
    Table { input: BlockId, table: UniformTable },
    Relax { state: BlockId, rate: BlockId, drive: BlockId },
}

#[derive(Debug)]
struct UniformTable {
    first: f64,
    rows_per_unit: f64,
    n_rows: i64,
    values: Tensor,
    /// Each row subtracted from the next.
    differences: Tensor,
}

impl Inference {
    /// Prepares `program`, in single precision.
    ///
    /// # Errors
    /// A GPU that libtorch does not see; derivatives, which are the native backend's only.
    pub fn new(program: &Program, device: Device) -> Result<Self> {
        if device != Device::Cpu && !tch::Cuda::is_available() {
            return Err(Error::unsupported("libtorch sees no CUDA device")
                .remedy("use the CPU, or a libtorch for CUDA on a machine with a GPU"));
        }
        let (n_inputs, n_outputs) = (program.n_inputs(), program.n_outputs());
        let step = |(_, operation): (BlockId, &Operation)| Step::new(program, operation, device);
        let steps = program.steps().map(step).collect::<Result<_>>()?;
        Ok(Self { steps, output: program.output(), n_inputs, n_outputs, device })
    }

    /// Fills `y`, cells × outputs, from `x`, cells × inputs.
    ///
    /// # Panics
    /// If they are of different numbers of cells.
    pub fn evaluate(&self, x: &[f32], y: &mut [f32]) {
        let n_cells = x.len() / self.n_inputs;
        assert!(x.len() == n_cells * self.n_inputs && y.len() == n_cells * self.n_outputs);
        let batch = if self.device == Device::Cpu { CPU_BATCH } else { n_cells.max(1) };
        let batches = x.chunks(batch * self.n_inputs).zip(y.chunks_mut(batch * self.n_outputs));
        tch::no_grad(|| batches.for_each(|(x, y)| self.evaluate_batch(x, y)));
    }

    fn evaluate_batch(&self, x: &[f32], y: &mut [f32]) {
        let tensor = |pointer: *const f32, width: usize, n_numbers: usize| {
            let (n_cells, width) = ((n_numbers / width) as i64, width as i64);
            // SAFETY: the numbers are borrowed for longer than the tensor lives, those of `y`
            // uniquely; nothing is written through the tensor of `x`.
            unsafe {
                Tensor::from_blob(pointer.cast(), &[n_cells, width], &[width, 1], Kind::Float, Device::Cpu)
            }
        };
        let inputs = tensor(x.as_ptr(), self.n_inputs, x.len());
        let mut outputs = tensor(y.as_mut_ptr(), self.n_outputs, y.len());
        let mut blocks = Vec::with_capacity(self.steps.len() + 1);
        blocks.push(inputs.to_device(self.device));
        for step in &self.steps {
            let block = step.run(&blocks);
            blocks.push(block);
        }
        // Rows that are the same for all cells are repeated.
        outputs.copy_(&blocks[self.output.index()]);
    }
}

impl Step {
    fn new(program: &Program, operation: &Operation, device: Device) -> Result<Self> {
        let matrix = |values: &[f32], width: usize| {
            let rows = (values.len() / width) as i64;
            Tensor::from_slice(values).view([rows, width as i64]).to_device(device)
        };
        Ok(match operation {
            Operation::Constant { values } => Self::Constant(matrix(values, values.len())),
            Operation::Dense { input, weights, bias, activation } => Self::Dense {
                input: *input,
                weight: matrix(weights, program.width(*input)),
                bias: Tensor::from_slice(bias).to_device(device),
                activation: *activation,
            },
            Operation::Activation { input, activation } => {
                Self::Activation { input: *input, activation: *activation }
            }
            Operation::Exp { input } => Self::Exp { input: *input },
            Operation::Binary { operator, left, right } => {
                Self::Binary { operator: *operator, left: *left, right: *right }
            }
            Operation::Concat { inputs } => Self::Concat { inputs: inputs.clone() },
            Operation::Slice { input, start, width } => {
                Self::Slice { input: *input, start: *start as i64, width: *width as i64 }
            }
            Operation::Table { input, table } => {
                Self::Table { input: *input, table: UniformTable::new(table, &matrix) }
            }
            Operation::Relax { state, rate, drive } => {
                Self::Relax { state: *state, rate: *rate, drive: *drive }
            }
            Operation::Slope { .. } | Operation::TableSlope { .. } => {
                return Err(Error::unsupported("a derivative on libtorch").remedy("use the native backend"));
            }
        })
    }

    fn run(&self, blocks: &[Tensor]) -> Tensor {
        let block = |id: &BlockId| &blocks[id.index()];
        match self {
            Self::Constant(values) => values.shallow_clone(),
            Self::Dense { input, weight, bias, activation } => {
                activate(*activation, &block(input).linear(weight, Some(bias)))
            }
            Self::Activation { input, activation } => activate(*activation, block(input)),
            Self::Exp { input } => block(input).exp(),
            Self::Binary { operator, left, right } => {
                let (left, right) = (block(left), block(right));
                match operator {
                    BinaryOperator::Add => left + right,
                    BinaryOperator::Subtract => left - right,
                    BinaryOperator::Multiply => left * right,
                    BinaryOperator::Divide => left / right,
                    BinaryOperator::Minimum => left.minimum(right),
                    BinaryOperator::Maximum => left.maximum(right),
                }
            }
            Self::Concat { inputs } => {
                // Constants have one row for all cells.
                let n_cells = blocks[0].size()[0];
                let rows = |id| block(id).expand([n_cells, -1], false);
                Tensor::cat(&inputs.iter().map(rows).collect::<Vec<_>>(), 1)
            }
            Self::Slice { input, start, width } => block(input).narrow(1, *start, *width),
            Self::Table { input, table } => table.look_up(block(input)),
            Self::Relax { state, rate, drive } => block(state) + (block(drive) - block(rate) * block(state)),
        }
    }
}

impl UniformTable {
    fn new(table: &Table, matrix: &impl Fn(&[f32], usize) -> Tensor) -> Self {
        let (values, n_rows) = (matrix(&table.values, table.width), table.n_rows() as i64);
        Self {
            first: f64::from(table.first),
            rows_per_unit: f64::from(table.rows_per_unit),
            n_rows,
            differences: values.narrow(0, 1, n_rows - 1) - values.narrow(0, 0, n_rows - 1),
            values,
        }
    }

    fn look_up(&self, x: &Tensor) -> Tensor {
        let position = ((x - self.first) * self.rows_per_unit).clamp(0.0, (self.n_rows - 1) as f64);
        let row = position.floor().clamp_max((self.n_rows - 2) as f64);
        let fraction = position - &row;
        let row = row.to_kind(Kind::Int64).squeeze_dim(1);
        self.values.index_select(0, &row) + fraction * self.differences.index_select(0, &row)
    }
}
