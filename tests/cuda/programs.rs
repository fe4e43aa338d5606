//! Networks for the tests of kernels.

use emucell::Activation;
use emucell::program::{BlockId, Program, ProgramBuilder};

#[path = "../conformance/programs.rs"]
mod conformance;

pub use conformance::{all, noise};

/// A plain network of those widths.
pub fn network(widths: &[usize], activation: Activation) -> Program {
    let mut b = ProgramBuilder::new(widths[0]).unwrap();
    let mut x = BlockId::INPUT;
    for (i, pair) in widths.windows(2).enumerate() {
        let (n_inputs, n_outputs) = (pair[0], pair[1]);
        let scale = 1.7 / (n_inputs as f32).sqrt();
        let weights = (0..n_inputs * n_outputs).map(|j| scale * noise(j + 1000 * i + n_outputs)).collect();
        let bias = (0..n_outputs).map(|j| 0.3 * noise(j + 5 + i)).collect();
        let is_last = i + 2 == widths.len();
        x = b.dense(x, weights, bias, if is_last { Activation::Linear } else { activation }).unwrap();
    }
    b.finish(x)
}
