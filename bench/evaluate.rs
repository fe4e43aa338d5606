//! Evaluation of plain networks and of their Jacobians by every instruction set of this machine, one
//! thread.
#![allow(missing_docs, reason = "criterion's macros make undocumented functions")]

use std::sync::Arc;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use emucell::Activation;
use emucell::kernels::Kernels;
use emucell::program::{BlockId, ProgramBuilder};
use emucell::session::{Session, SessionOptions};
use emucell::surrogate::{Derivative, Surrogate};
use emucell::view::{Layout, View, ViewMut};

const NETWORKS: [&[usize]; 4] =
    [&[4, 128, 128, 64, 2], &[4, 64, 64, 32, 32, 2], &[3, 32, 32, 2], &[3, 16, 16, 2]];

fn network(widths: &[usize], activation: Activation) -> Surrogate {
    let mut b = ProgramBuilder::new(widths[0]).unwrap();
    let mut h = BlockId::INPUT;
    for (i, pair) in widths.windows(2).enumerate() {
        let scale = 1.0 / (pair[0] as f32).sqrt();
        let weights = (0..pair[0] * pair[1]).map(|j| scale * ((j * 37 % 101) as f32 / 50.0 - 1.0)).collect();
        let last = i + 2 == widths.len();
        let activation = if last { Activation::Linear } else { activation };
        h = b.dense(h, weights, vec![0.01; pair[1]], activation).unwrap();
    }
    Surrogate::anonymous(b.finish(h))
}

fn evaluate(criterion: &mut Criterion) {
    for widths in NETWORKS {
        for activation in [Activation::Relu, Activation::Tanh] {
            let surrogate = Arc::new(network(widths, activation));
            let name = widths.iter().map(usize::to_string).collect::<Vec<_>>().join("-");
            let mut group = criterion.benchmark_group(format!("{name} {}", activation.name()));
            for (kernels, n_cells) in Kernels::available().into_iter().flat_map(|k| [(k, 1), (k, 65_536)]) {
                let options = SessionOptions {
                    instruction_set: Some(kernels.name.to_owned()),
                    ..SessionOptions::default()
                };
                let mut session = Session::new(surrogate.clone(), &options).unwrap();
                let (n_inputs, n_outputs) = (widths[0], widths[widths.len() - 1]);
                let x: Vec<f32> =
                    (0..n_cells * n_inputs).map(|i| (i * 31 % 97) as f32 / 48.0 - 1.0).collect();
                let mut y = vec![0.0f32; n_cells * n_outputs];
                group.throughput(Throughput::Elements(n_cells as u64));
                group.bench_function(BenchmarkId::new(kernels.name, n_cells), |bencher| {
                    bencher.iter(|| {
                        let inputs = View::new(&x, Layout::structure_of_arrays(n_cells, n_inputs)).unwrap();
                        let outputs =
                            ViewMut::new(&mut y, Layout::structure_of_arrays(n_cells, n_outputs)).unwrap();
                        session.evaluate(inputs, outputs, None).unwrap();
                    });
                });
            }
            group.finish();
        }
    }
}

/// The Jacobian, beside the evaluation of the n + 1 points that differences would need.
fn jacobian(criterion: &mut Criterion) {
    const N_CELLS: usize = 4096;
    for activation in [Activation::Relu, Activation::Tanh, Activation::Silu] {
        let surrogate = network(NETWORKS[1], activation);
        let derivative = surrogate.derivative(Derivative::Jacobian).unwrap();
        let mut group = criterion.benchmark_group(format!("jacobian 4-64-64-32-32-2 {}", activation.name()));
        let n = surrogate.inputs().len();
        for (what, surrogate, n_rows) in [
            ("value", surrogate.clone(), N_CELLS),
            ("value and jacobian", derivative, N_CELLS),
            ("differences", surrogate, N_CELLS * (n + 1)),
        ] {
            let m = surrogate.outputs().len();
            let mut session = Session::new(Arc::new(surrogate), &SessionOptions::default()).unwrap();
            let x: Vec<f32> = (0..n_rows * n).map(|i| (i * 31 % 97) as f32 / 48.0 - 1.0).collect();
            let mut y = vec![0.0f32; n_rows * m];
            group.throughput(Throughput::Elements(N_CELLS as u64));
            group.bench_function(what, |bencher| {
                bencher.iter(|| {
                    let inputs = View::new(&x, Layout::structure_of_arrays(n_rows, n)).unwrap();
                    let outputs = ViewMut::new(&mut y, Layout::structure_of_arrays(n_rows, m)).unwrap();
                    session.evaluate(inputs, outputs, None).unwrap();
                });
            });
        }
        group.finish();
    }
}

criterion_group!(benches, evaluate, jacobian);
criterion_main!(benches);
