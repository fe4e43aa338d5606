//! Evaluation of plain networks and of their Jacobians by every instruction set of this machine, and of solution maps
//! at many times of the same cells, one thread.
#![allow(missing_docs, reason = "criterion's macros make undocumented functions")]

use std::path::Path;
use std::sync::Arc;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use emucell::Activation;
use emucell::format::onnx;
use emucell::kernels::Kernels;
use emucell::program::{BinaryOperator, BlockId, Program, ProgramBuilder};
use emucell::session::{Session, SessionOptions};
use emucell::surrogate::{Derivative, Kind, Role, Surrogate, Variable};
use emucell::view::{Layout, View, ViewMut};

const NETWORKS: [&[usize]; 4] =
    [&[4, 128, 128, 64, 2], &[4, 64, 64, 32, 32, 2], &[3, 32, 32, 2], &[3, 16, 16, 2]];

fn network(widths: &[usize], activation: Activation) -> Surrogate {
    let mut b = ProgramBuilder::new(widths[0]).unwrap();
    let y = layers(&mut b, BlockId::INPUT, &widths[1..], activation);
    Surrogate::anonymous(b.finish(y))
}

/// Layers of these widths, the last one linear.
fn layers(b: &mut ProgramBuilder, input: BlockId, widths: &[usize], activation: Activation) -> BlockId {
    let mut h = input;
    for (i, &width) in widths.iter().enumerate() {
        let n = b.width(h);
        let scale = 1.0 / (n as f32).sqrt();
        let weights = (0..n * width).map(|j| scale * ((j * 37 % 101) as f32 / 50.0 - 1.0)).collect();
        let activation = if i + 1 == widths.len() { Activation::Linear } else { activation };
        h = b.dense(h, weights, vec![0.01; width], activation).unwrap();
    }
    h
}

/// A network of the cell and one of the time, whose products are summed.
fn branch_trunk() -> Program {
    let mut b = ProgramBuilder::new(4).unwrap();
    let (t, cell) = (b.slice(BlockId::INPUT, 0, 1).unwrap(), b.slice(BlockId::INPUT, 1, 3).unwrap());
    let branch = layers(&mut b, cell, &[64, 64, 32], Activation::Tanh);
    let trunk = layers(&mut b, t, &[64, 64, 32], Activation::Tanh);
    let product = b.binary(BinaryOperator::Multiply, branch, trunk).unwrap();
    let sums = (0..64).map(|i| if i / 16 % 2 == i / 32 { 1.0 } else { 0.0 }).collect();
    let y = b.dense(product, sums, vec![0.0; 2], Activation::Linear).unwrap();
    b.finish(y)
}

/// A program whose first input is a time.
fn solution_map(program: Program) -> Surrogate {
    let (n_inputs, n_outputs) = (program.n_inputs(), program.n_outputs());
    let cell = (1..n_inputs).map(|i| Variable::new(&format!("x{i}"), "", Role::Parameter));
    let inputs = [Variable::new("t", "ms", Role::Time)].into_iter().chain(cell).collect();
    let outputs = (0..n_outputs).map(|i| Variable::new(&format!("y{i}"), "", Role::State)).collect();
    Surrogate::new(Kind::SolutionMap, inputs, outputs, program).unwrap()
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

/// 26 times of the same cells: time by time and in one call, beside a shipped network that gives 25 times by itself.
fn many_times(criterion: &mut Criterion) {
    let plain = |widths: &[usize]| {
        let network = network(widths, Activation::Relu);
        solution_map(network.program().unwrap().clone())
    };
    let shipped =
        |name: &str| onnx::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("models").join(name)).unwrap();
    let times: Vec<f64> = (0..26).map(|k| 0.8 * f64::from(k)).collect();
    for (name, surrogate) in [
        ("4-64-64-64-2 relu", plain(&[4, 64, 64, 64, 2])),
        ("4-16-16-2 relu", plain(&[4, 16, 16, 2])),
        ("branch and trunk", solution_map(branch_trunk())),
        ("fhn_cubic_solution", shipped("fhn_cubic_solution.onnx")),
        ("fhn_cubic_25_times", shipped("fhn_cubic_25_times.onnx")),
    ] {
        let surrogate = Arc::new(surrogate);
        let at_any_time = surrogate.time_input().is_some();
        let n_inputs = surrogate.inputs().len() - usize::from(at_any_time);
        let n_outputs = surrogate.outputs().len();
        let mut session = Session::new(surrogate, &SessionOptions::default()).unwrap();
        let mut group = criterion.benchmark_group(format!("many times {name}"));
        for n_cells in [1, 20, 4096] {
            let x: Vec<f32> = (0..n_cells * n_inputs).map(|i| (i * 31 % 97) as f32 / 200.0).collect();
            let mut y = vec![0.0f32; n_cells * n_outputs * if at_any_time { times.len() } else { 1 }];
            let cells = View::array_of_structures(&x, n_inputs).unwrap();
            group.throughput(Throughput::Elements((n_cells * if at_any_time { 26 } else { 25 }) as u64));
            if !at_any_time {
                group.bench_function(BenchmarkId::new("one evaluation", n_cells), |bencher| {
                    bencher.iter(|| {
                        let y = ViewMut::array_of_structures(&mut y, n_outputs).unwrap();
                        session.evaluate(cells, y, None).unwrap();
                    });
                });
                continue;
            }
            group.bench_function(BenchmarkId::new("time by time", n_cells), |bencher| {
                bencher.iter(|| {
                    for (k, &t) in times.iter().enumerate() {
                        let t = [t as f32];
                        let one_for_all =
                            Layout { n_cells, n_variables: 1, cell_stride: 0, variable_stride: 0 };
                        let inputs = [View::new(&t, one_for_all).unwrap(), cells];
                        let cell_stride = times.len() * n_outputs;
                        let layout =
                            Layout { n_cells, n_variables: n_outputs, cell_stride, variable_stride: 1 };
                        let y = ViewMut::new(&mut y[k * n_outputs..], layout).unwrap();
                        session.evaluate(&inputs[..], y, None).unwrap();
                    }
                });
            });
            group.bench_function(BenchmarkId::new("in one call", n_cells), |bencher| {
                bencher.iter(|| {
                    let y = ViewMut::array_of_structures(&mut y, times.len() * n_outputs).unwrap();
                    session.evaluate_times(cells, &times, y).unwrap();
                });
            });
        }
        group.finish();
    }
}

criterion_group!(benches, evaluate, jacobian, many_times);
criterion_main!(benches);
