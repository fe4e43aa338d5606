//! Passes that turn a program into an equal one with fewer operations.

use super::{BinaryOperator, BlockId, Operation, Program, ProgramBuilder};
use crate::activation::Activation;

impl Program {
    /// The same function with fewer passes over memory: activations move into the dense operation
    /// before them, x·sigmoid(x) becomes SiLU, state + (drive − rate·state) becomes one
    /// relaxation, a constant added to a dense operation its bias, and operations whose result
    /// nobody reads disappear.
    #[must_use]
    pub fn fused(&self) -> Self {
        self.with_patterns_fused().with_activations_fused()
    }

    /// The same program without the operations whose result nobody reads.
    #[must_use]
    pub fn without_unread(&self) -> Self {
        self.with_replaced(|_| None)
    }

    fn with_patterns_fused(&self) -> Self {
        let uses = use_counts(&self.operations, self.output);
        let fused = |i| {
            let operations = &self.operations;
            fused_silu(operations, &uses, i)
                .or_else(|| self.fused_relax(&uses, i))
                .or_else(|| fused_bias(operations, &uses, i))
        };
        self.with_replaced(fused)
    }

    fn with_activations_fused(&self) -> Self {
        let uses = use_counts(&self.operations, self.output);
        self.with_replaced(|i| fused_dense(&self.operations, &uses, i))
    }

    /// Puts `replacement(i)`, where there is one, in the place of operation `i`, and drops the
    /// operations that nobody reads then.
    fn with_replaced(&self, replacement: impl Fn(usize) -> Option<Operation>) -> Self {
        let operations = self.operations.iter().enumerate();
        let operations = operations.map(|(i, old)| replacement(i).unwrap_or_else(|| old.clone())).collect();
        without_unread(self.n_inputs(), operations, self.output)
    }

    /// state + (drive − rate·state), with either order of the commutative operands.
    fn fused_relax(&self, uses: &[usize], i: usize) -> Option<Operation> {
        let binary = |block: BlockId, wanted: BinaryOperator| match producer(&self.operations, block)? {
            Operation::Binary { operator, left, right } if *operator == wanted => Some((*left, *right)),
            _ => None,
        };
        let (left, right) = binary(BlockId(i + 1), BinaryOperator::Add)?;
        [(left, right), (right, left)].into_iter().find_map(|(state, change)| {
            let (drive, decay) = binary(change, BinaryOperator::Subtract)?;
            let rate = match binary(decay, BinaryOperator::Multiply)? {
                (a, rate) | (rate, a) if a == state => rate,
                _ => return None,
            };
            let same_width = self.width(rate) == self.width(state) && self.width(drive) == self.width(state);
            (uses[change.0] == 1 && uses[decay.0] == 1 && same_width).then_some(Operation::Relax {
                state,
                rate,
                drive,
            })
        })
    }
}

/// x·sigmoid(x), with either order of the operands.
fn fused_silu(operations: &[Operation], uses: &[usize], i: usize) -> Option<Operation> {
    let Operation::Binary { operator: BinaryOperator::Multiply, left, right } = operations[i] else {
        return None;
    };
    [(left, right), (right, left)].into_iter().find_map(|(x, gate)| match producer(operations, gate)? {
        Operation::Activation { input, activation: Activation::Sigmoid }
            if *input == x && uses[gate.0] == 1 =>
        {
            Some(Operation::Activation { input: x, activation: Activation::Silu })
        }
        _ => None,
    })
}

/// A constant added to a dense operation that nobody else reads: MatMul and Add of ONNX.
fn fused_bias(operations: &[Operation], uses: &[usize], i: usize) -> Option<Operation> {
    let Operation::Binary { operator: BinaryOperator::Add, left, right } = operations[i] else {
        return None;
    };
    [(left, right), (right, left)].into_iter().find_map(|(sum, constant)| {
        match (producer(operations, sum)?, producer(operations, constant)?) {
            (
                Operation::Dense { input, weights, bias, activation: Activation::Linear },
                Operation::Constant { values },
            ) if uses[sum.0] == 1 && (values.len() == bias.len() || values.len() == 1) => {
                let addend = |row: usize| values[if values.len() == 1 { 0 } else { row }];
                let bias = bias.iter().enumerate().map(|(row, b)| b + addend(row)).collect();
                let activation = Activation::Linear;
                Some(Operation::Dense { input: *input, weights: weights.clone(), bias, activation })
            }
            _ => None,
        }
    })
}

/// An activation of a dense operation that nobody else reads.
fn fused_dense(operations: &[Operation], uses: &[usize], i: usize) -> Option<Operation> {
    let Operation::Activation { input, activation } = operations[i] else {
        return None;
    };
    match producer(operations, input)? {
        Operation::Dense { input: x, weights, bias, activation: Activation::Linear }
            if uses[input.0] == 1 =>
        {
            Some(Operation::Dense { input: *x, weights: weights.clone(), bias: bias.clone(), activation })
        }
        _ => None,
    }
}

fn producer(operations: &[Operation], block: BlockId) -> Option<&Operation> {
    operations.get(block.0.checked_sub(1)?)
}

fn use_counts(operations: &[Operation], output: BlockId) -> Vec<usize> {
    let mut uses = vec![0; operations.len() + 1];
    uses[output.0] += 1;
    for block in operations.iter().flat_map(Operation::inputs) {
        uses[block.0] += 1;
    }
    uses
}

fn without_unread(n_inputs: usize, operations: Vec<Operation>, output: BlockId) -> Program {
    let mut needed = vec![false; operations.len() + 1];
    needed[output.0] = true;
    for i in (0..operations.len()).rev() {
        if needed[i + 1] {
            operations[i].inputs().iter().for_each(|b| needed[b.0] = true);
        }
    }
    let mut new_ids = vec![BlockId::INPUT; operations.len() + 1];
    let mut builder = ProgramBuilder::new(n_inputs).expect("the width of a valid program");
    for (i, mut operation) in operations.into_iter().enumerate() {
        if needed[i + 1] {
            operation.map_inputs(|b| new_ids[b.0]);
            new_ids[i + 1] = builder.push(operation).expect("an operation of a valid program");
        }
    }
    builder.finish(new_ids[output.0])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program::Table;

    fn assert_same_function(a: &Program, b: &Program) {
        for i in 0..50 {
            let x: Vec<f64> =
                (0..a.n_inputs()).map(|j| f64::from(((i * 7 + j * 13) % 23) as u8) * 0.2 - 2.0).collect();
            let (ya, yb) = (a.evaluate_reference(&x), b.evaluate_reference(&x));
            for (p, q) in ya.iter().zip(&yb) {
                assert!((p - q).abs() <= 1e-14 * p.abs().max(1.0), "{ya:?} {yb:?}");
            }
        }
    }

    #[test]
    fn silu_and_dense_activation_become_one_operation() {
        let mut b = ProgramBuilder::new(2).unwrap();
        let h =
            b.dense(BlockId::INPUT, vec![1.0, -2.0, 0.5, 0.25], vec![0.1, 0.2], Activation::Linear).unwrap();
        let s = b.activation(h, Activation::Sigmoid).unwrap();
        let y = b.binary(BinaryOperator::Multiply, s, h).unwrap();
        let plain = b.finish(y);
        let fused = plain.fused();
        assert!(
            matches!(fused.operations(), [Operation::Dense { activation: Activation::Silu, .. }]),
            "{fused:?}"
        );
        assert_same_function(&plain, &fused);
    }

    #[test]
    fn a_constant_added_to_a_product_becomes_its_bias() {
        let mut b = ProgramBuilder::new(2).unwrap();
        let product = b.dense(BlockId::INPUT, vec![1.0, -2.0, 0.5, 0.25], vec![0.0; 2], Activation::Linear);
        let product = product.unwrap();
        let constant = b.constant([0.5, -0.25]).unwrap();
        let sum = b.binary(BinaryOperator::Add, constant, product).unwrap();
        let y = b.activation(sum, Activation::Tanh).unwrap();
        let plain = b.finish(y);
        let fused = plain.fused();
        assert!(
            matches!(fused.operations(), [Operation::Dense { activation: Activation::Tanh, .. }]),
            "{fused:?}"
        );
        assert_same_function(&plain, &fused);
    }

    #[test]
    fn a_sigmoid_that_is_read_twice_stays() {
        let mut b = ProgramBuilder::new(2).unwrap();
        let s = b.activation(BlockId::INPUT, Activation::Sigmoid).unwrap();
        let y = b.binary(BinaryOperator::Multiply, s, BlockId::INPUT).unwrap();
        let z = b.concat(&[y, s]).unwrap();
        let plain = b.finish(z);
        assert_eq!(plain.fused(), plain);
        assert_same_function(&plain, &plain.fused());
    }

    #[test]
    fn gate_relaxation_becomes_one_operation_and_dead_code_goes() {
        let mut b = ProgramBuilder::new(3).unwrap();
        let v = b.slice(BlockId::INPUT, 0, 1).unwrap();
        let gates = b.slice(BlockId::INPUT, 1, 2).unwrap();
        let table = |scale: f32| Table {
            first: -2.0,
            rows_per_unit: 1.0,
            width: 2,
            values: (0..10).map(|i| scale * i as f32 * 0.1).collect(),
        };
        let rate = b.push(Operation::Table { input: v, table: table(1.0) }).unwrap();
        let drive = b.push(Operation::Table { input: v, table: table(0.3) }).unwrap();
        b.push(Operation::Exp { input: v }).unwrap();
        let decay = b.binary(BinaryOperator::Multiply, rate, gates).unwrap();
        let change = b.binary(BinaryOperator::Subtract, drive, decay).unwrap();
        let next = b.binary(BinaryOperator::Add, gates, change).unwrap();
        let plain = b.finish(next);
        let fused = plain.fused();
        assert_eq!(fused.operations().len(), 5);
        assert!(matches!(fused.operations()[4], Operation::Relax { .. }));
        assert_same_function(&plain, &fused);
    }
}
