//! Building programs: every operation is checked as it is added.

use super::{BinaryOperator, BlockId, MAX_OPERATIONS, MAX_WIDTH, Operation, Program, Table};
use crate::activation::Activation;
use crate::error::{Error, Result};

/// Builds a [`Program`], checking each operation as it is added.
#[derive(Clone, Debug)]
pub struct ProgramBuilder {
    pub(super) operations: Vec<Operation>,
    pub(super) widths: Vec<usize>,
}

impl ProgramBuilder {
    /// Starts a program of `n_inputs` columns.
    ///
    /// # Errors
    /// `n_inputs` of 0 or beyond [`MAX_WIDTH`].
    pub fn new(n_inputs: usize) -> Result<Self> {
        check_width(n_inputs)?;
        Ok(Self { operations: Vec::new(), widths: vec![n_inputs] })
    }

    /// Number of columns of `block`.
    pub fn width(&self, block: BlockId) -> usize {
        self.widths[block.0]
    }

    /// The operation that makes `block`; none for the inputs.
    pub fn producer(&self, block: BlockId) -> Option<&Operation> {
        self.operations.get(block.0.checked_sub(1)?)
    }

    /// Adds any operation.
    ///
    /// # Errors
    /// Widths that do not fit each other, numbers that are not finite, or too many operations.
    pub fn push(&mut self, operation: Operation) -> Result<BlockId> {
        if self.operations.len() == MAX_OPERATIONS {
            return Err(Error::unsupported(format!("more than {MAX_OPERATIONS} operations")));
        }
        let width = self.result_width(&operation)?;
        check_width(width)?;
        self.operations.push(operation);
        self.widths.push(width);
        Ok(BlockId(self.operations.len()))
    }

    /// Adds a constant block.
    ///
    /// # Errors
    /// As [`Self::push`].
    pub fn constant(&mut self, values: impl Into<Vec<f32>>) -> Result<BlockId> {
        self.push(Operation::Constant { values: values.into() })
    }

    /// Adds activation(weights · input + bias), `weights` row-major with one row a sum.
    ///
    /// # Errors
    /// As [`Self::activation`].
    pub fn dense(
        &mut self,
        input: BlockId,
        weights: Vec<f32>,
        bias: Vec<f32>,
        activation: Activation,
    ) -> Result<BlockId> {
        if let Some(activation) = activation.as_function() {
            return self.push(Operation::Dense { input, weights, bias, activation });
        }
        let sums = self.push(Operation::Dense { input, weights, bias, activation: Activation::Linear })?;
        self.activation(sums, activation)
    }

    /// Adds an activation, as it is at inference, by an operation of its own or, for GLU, by several.
    ///
    /// # Errors
    /// As [`Self::push`]; GLU of an odd number of columns.
    pub fn activation(&mut self, input: BlockId, activation: Activation) -> Result<BlockId> {
        if let Some(activation) = activation.as_function() {
            return self.push(Operation::Activation { input, activation });
        }
        let half = self.width(input) / 2;
        if self.width(input) != 2 * half {
            return Err(Error::invalid(format!("{} of {} columns", activation.name(), self.width(input)))
                .remedy("give its layer an even width: half of it goes on"));
        }
        let (values, gates) = (self.slice(input, 0, half)?, self.slice(input, half, half)?);
        let gates = self.push(Operation::Activation { input: gates, activation: Activation::Sigmoid })?;
        self.binary(BinaryOperator::Multiply, values, gates)
    }

    /// Adds left ∘ right.
    ///
    /// # Errors
    /// As [`Self::push`].
    pub fn binary(&mut self, operator: BinaryOperator, left: BlockId, right: BlockId) -> Result<BlockId> {
        self.push(Operation::Binary { operator, left, right })
    }

    /// Adds the columns `start .. start + width` of `input`.
    ///
    /// # Errors
    /// As [`Self::push`].
    pub fn slice(&mut self, input: BlockId, start: usize, width: usize) -> Result<BlockId> {
        self.push(Operation::Slice { input, start, width })
    }

    /// Adds the blocks side by side.
    ///
    /// # Errors
    /// As [`Self::push`].
    pub fn concat(&mut self, inputs: &[BlockId]) -> Result<BlockId> {
        self.push(Operation::Concat { inputs: inputs.to_vec() })
    }

    /// Ends the program with `output` as its result.
    pub fn finish(self, output: BlockId) -> Program {
        assert!(output.0 < self.widths.len(), "a block of another program");
        Program { operations: self.operations, widths: self.widths, output }
    }

    fn result_width(&self, operation: &Operation) -> Result<usize> {
        if let Some(block) = operation.inputs().into_iter().find(|b| b.0 >= self.widths.len()) {
            return Err(Error::invalid(format!("block {} does not exist yet", block.0)));
        }
        if let Operation::Dense { activation, .. }
        | Operation::Activation { activation, .. }
        | Operation::Slope { activation, .. } = operation
            && !activation.is_function()
        {
            return Err(Error::invalid(format!("{} as one operation", activation.name()))
                .remedy("add it by ProgramBuilder::dense or ProgramBuilder::activation"));
        }
        match operation {
            Operation::Constant { values } => {
                check_finite(values, "constant")?;
                Ok(values.len())
            }
            Operation::Dense { input, weights, bias, .. } => {
                let n_inputs = self.width(*input);
                if n_inputs.checked_mul(bias.len()) != Some(weights.len()) {
                    return Err(Error::invalid(format!(
                        "{} weights and {} biases do not fit an input of width {n_inputs}",
                        weights.len(),
                        bias.len()
                    )));
                }
                check_finite(weights, "weight")?;
                check_finite(bias, "bias")?;
                Ok(bias.len())
            }
            Operation::Activation { input, .. }
            | Operation::Exp { input }
            | Operation::Slope { input, .. } => Ok(self.width(*input)),
            Operation::Binary { left, right, .. } => self.common_width(&[*left, *right]),
            Operation::Relax { state, rate, drive } => {
                let width = self.common_width(&[*state, *rate, *drive])?;
                match [state, rate, drive].iter().all(|&&b| self.width(b) == width) {
                    true => Ok(width),
                    false => Err(Error::invalid("state, rate and drive of a relaxation differ in width")),
                }
            }
            Operation::Concat { inputs } => Ok(inputs.iter().map(|&b| self.width(b)).sum()),
            Operation::Slice { input, start, width } => {
                let available = self.width(*input);
                match start.checked_add(*width) {
                    Some(end) if end <= available => Ok(*width),
                    _ => Err(Error::invalid(format!(
                        "columns {start}..{start}+{width} of a block of width {available}"
                    ))),
                }
            }
            Operation::Table { input, table } | Operation::TableSlope { input, table } => {
                check_table(table)?;
                match self.width(*input) {
                    1 => Ok(table.width),
                    n => Err(Error::invalid(format!("a table's argument is one column, not {n}"))),
                }
            }
        }
    }

    /// The widest of `blocks`, if each of them is that wide or a single column.
    fn common_width(&self, blocks: &[BlockId]) -> Result<usize> {
        let widths: Vec<usize> = blocks.iter().map(|&b| self.width(b)).collect();
        let widest = widths.iter().copied().max().unwrap_or(0);
        if widths.iter().any(|&w| w != widest && w != 1) {
            return Err(Error::invalid(format!("blocks of widths {widths:?} do not combine")));
        }
        Ok(widest)
    }
}

fn check_width(width: usize) -> Result<()> {
    if width == 0 || width > MAX_WIDTH {
        return Err(Error::unsupported(format!("a block of width {width}"))
            .remedy(format!("widths from 1 to {MAX_WIDTH} are supported")));
    }
    Ok(())
}

fn check_finite(values: &[f32], what: &str) -> Result<()> {
    match values.iter().position(|v| !v.is_finite()) {
        Some(i) => Err(Error::format(format!("{what} {i} is {}", values[i]))
            .remedy("train again: the network diverged or the file is damaged")),
        None => Ok(()),
    }
}

fn check_table(table: &Table) -> Result<()> {
    check_width(table.width)?;
    let rows = table.values.len() / table.width;
    if rows < 2 || rows * table.width != table.values.len() {
        return Err(Error::format(format!(
            "{} values are not two or more rows of width {}",
            table.values.len(),
            table.width
        )));
    }
    // Row numbers must be exact in single precision, in which positions are computed.
    if rows > 1 << 22 {
        return Err(Error::unsupported(format!("a table of {rows} rows")).remedy("use a coarser grid"));
    }
    if !(table.first.is_finite() && table.rows_per_unit.is_finite() && table.rows_per_unit > 0.0) {
        return Err(Error::format(format!(
            "grid from {} with {} rows a unit",
            table.first, table.rows_per_unit
        )));
    }
    check_finite(&table.values, "table value")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn widths_are_checked_as_operations_are_added() {
        let mut b = ProgramBuilder::new(3).unwrap();
        let x = BlockId::INPUT;
        assert!(b.dense(x, vec![0.0; 5], vec![0.0; 2], Activation::Linear).is_err());
        let h = b.dense(x, vec![0.0; 6], vec![0.0; 2], Activation::Tanh).unwrap();
        assert!(b.binary(BinaryOperator::Add, x, h).is_err());
        let column = b.slice(x, 2, 1).unwrap();
        let sum = b.binary(BinaryOperator::Add, column, h).unwrap();
        assert_eq!(b.width(sum), 2);
        assert!(b.slice(x, 2, usize::MAX).is_err());
        assert!(b.constant(vec![f32::NAN]).is_err());
        assert!(b.concat(&[]).is_err());
        assert!(b.push(Operation::Exp { input: BlockId(99) }).is_err());
        let all = b.concat(&[x, h, sum]).unwrap();
        let program = b.finish(all);
        assert_eq!((program.n_inputs(), program.n_outputs(), program.multiply_adds()), (3, 7, 6));
    }

    #[test]
    fn tables_are_checked() {
        let table = |rows_per_unit, values: Vec<f32>| Table { first: -1.0, rows_per_unit, width: 2, values };
        let push = |t: Table| {
            let mut b = ProgramBuilder::new(1).unwrap();
            b.push(Operation::Table { input: BlockId::INPUT, table: t }).map(|block| b.width(block))
        };
        assert_eq!(push(table(0.5, vec![0.0; 6])).unwrap(), 2);
        assert!(push(table(0.0, vec![0.0; 6])).is_err());
        assert!(push(table(0.5, vec![0.0; 2])).is_err());
        assert!(push(table(0.5, vec![0.0; 7])).is_err());
    }

    #[test]
    fn activations_that_are_no_functions_become_operations() {
        let mut b = ProgramBuilder::new(4).unwrap();
        let x = BlockId::INPUT;
        let y = b.activation(x, Activation::Glu).unwrap();
        let z = b.activation(y, Activation::RRelu { lower: 0.25, upper: 0.75 }).unwrap();
        let gated = |value: f64, gate: f64| value * (1.0 / (1.0 + (-gate).exp()));
        let slope = |y: f64| if y > 0.0 { y } else { 0.5 * y };
        let given = b.clone().finish(z).evaluate_reference(&[2.0, -3.0, 0.5, -1.0]);
        assert_eq!(given, [gated(2.0, 0.5), gated(-3.0, -1.0)].map(slope));
        let odd = b.dense(x, vec![0.0; 12], vec![0.0; 3], Activation::Glu).unwrap_err().to_string();
        assert!(odd.contains("glu of 3 columns") && odd.contains("even"), "{odd}");
        for activation in [Activation::Glu, Activation::RRelu { lower: 0.0, upper: 1.0 }] {
            let fault = b.push(Operation::Activation { input: x, activation }).unwrap_err().to_string();
            assert!(fault.contains("ProgramBuilder::activation"), "{fault}");
        }
    }
}
