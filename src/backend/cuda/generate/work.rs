//! What a kernel asks of a GPU for a cell, counted from its plan.

use super::Plan;
use super::chain::{ChainPlan, Method, Tensor, widths};
use crate::activation::Activation;
use crate::program::Operation;

/// Operations of a cell by the units that do them. Everything else, addresses, conversions, sums of activations, shares
/// the instruction slots with them and is not counted: a limit, not a forecast.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Work {
    /// Multiply-adds of tensor cores in half precision and in TF32, padded as they are done.
    pub tensor: [f64; 2],
    /// Special functions.
    pub special: f64,
    /// Multiply-adds in single precision.
    pub multiply_adds: f64,
}

impl Work {
    pub(super) fn of(plan: &Plan) -> Self {
        let mut work = Self::default();
        for chain in &plan.chains {
            work.add_chain(plan, chain);
        }
        for (block, operation) in plan.program.steps() {
            let width = plan.program.width(block) as f64;
            match operation {
                Operation::Activation { activation, .. } | Operation::Slope { activation, .. } => {
                    work.special += width * special(*activation, Method::Unrolled);
                }
                Operation::Exp { .. } => work.special += width,
                Operation::Dense { weights, .. } if operation.is_sparse_sum() => {
                    work.multiply_adds += weights.iter().filter(|weight| **weight != 0.0).count() as f64;
                }
                Operation::Binary { .. } | Operation::Relax { .. } | Operation::Table { .. } => {
                    work.multiply_adds += width;
                }
                _ => {}
            }
        }
        work
    }

    fn add_chain(&mut self, plan: &Plan, chain: &ChainPlan) {
        let widths = widths(&plan.program, &chain.operations);
        let padded = |n: usize, to: usize| n.next_multiple_of(to) as f64;
        for (i, pair) in widths.windows(2).enumerate() {
            let [k, n] = [pair[0], pair[1]];
            match chain.method {
                Method::Unrolled => self.multiply_adds += (k * n) as f64,
                Method::Tile => self.multiply_adds += k as f64 * padded(n, 8),
                Method::Tensor(tensor) if tensor.is_half() => {
                    // The few inputs of a first layer are split.
                    let k = if i == 0 && k <= 16 { 3 * k } else { k };
                    self.tensor[0] += padded(k, 16) * padded(n, 8);
                }
                Method::Tensor(tensor) => {
                    let products = if tensor == Tensor::SplitTf32 { 3.0 } else { 1.0 };
                    self.tensor[1] += products * padded(k, 8) * padded(n, 8);
                }
            }
            if let Operation::Dense { activation, .. } = &plan.program.operations()[chain.operations[i]] {
                self.special += n as f64 * special(*activation, chain.method);
            }
        }
    }
}

/// Special functions of an activation.
fn special(activation: Activation, method: Method) -> f64 {
    let is_approximate = matches!(method, Method::Tensor(tensor) if tensor != Tensor::SplitTf32);
    match activation {
        Activation::Linear | Activation::Relu | Activation::LeakyRelu { .. } => 0.0,
        Activation::Tanh | Activation::Sigmoid if is_approximate => 1.0,
        Activation::Elu { .. } | Activation::Selu | Activation::Celu { .. } | Activation::Gelu => 1.0,
        // An exponential and a reciprocal, or a logarithm.
        _ => 2.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::Precision;
    use crate::backend::cuda::generate::{Kernel, Request};
    use crate::backend::cuda::target::Target;
    use crate::program::{BlockId, ProgramBuilder};

    fn work(widths: &[usize], activation: Activation, precision: Precision) -> Work {
        let mut b = ProgramBuilder::new(widths[0]).unwrap();
        let mut x = BlockId::INPUT;
        for (i, pair) in widths.windows(2).enumerate() {
            let activation = if i + 2 == widths.len() { Activation::Linear } else { activation };
            x = b.dense(x, vec![0.1; pair[0] * pair[1]], vec![0.0; pair[1]], activation).unwrap();
        }
        let (program, domain) = (b.finish(x), vec![[0.0, 1.0]; widths[0]]);
        let target = Target::of(90).unwrap();
        let request =
            Request { program: &program, steps: None, time: None, domain: &domain, precision, target };
        Kernel::generate(&request).unwrap().work
    }

    #[test]
    fn layers_are_counted_as_they_are_padded() {
        let small = [3, 16, 16, 2];
        let exact = work(&small, Activation::Tanh, Precision::F32);
        let plain = (3 * 16 + 16 * 16 + 16 * 2) as f64;
        assert_eq!(exact, Work { tensor: [0.0; 2], special: 2.0 * 32.0, multiply_adds: plain });
        // Three parts of three inputs fill 16 columns, two outputs 8.
        let half = work(&small, Activation::Tanh, Precision::F16);
        assert_eq!(half, Work { tensor: [640.0, 0.0], special: 32.0, multiply_adds: 0.0 });
        let wide = work(&[4, 128, 2], Activation::Relu, Precision::Auto);
        assert_eq!(wide, Work { tensor: [0.0, 3.0 * 16.0 * 128.0], special: 0.0, multiply_adds: 0.0 });
    }
}
