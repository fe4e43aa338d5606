//! Kernels as they are generated, run on the processor, beside double precision.

use emucell::Activation;
use emucell::backend::cuda::generate::{Kernel, Request};
use emucell::backend::cuda::job::{Job, OwnMemory};
use emucell::backend::cuda::target::Target;
use emucell::backend::{Check, Evaluation, Guard, Precision, StatusBytes};
use emucell::program::Program;
use emucell::view::{View, ViewMut};

use super::emulator::Emulator;
use super::programs::{self, network, noise};

fn generate(program: &Program, precision: Precision) -> Kernel {
    let domain = vec![[f32::NEG_INFINITY, f32::INFINITY]; program.n_inputs()];
    let target = Target::of(90).unwrap();
    Kernel::generate(&Request { program, steps: None, time: None, domain: &domain, precision, target })
        .unwrap()
}

/// Outputs of `n_cells` cells, cells × outputs.
fn evaluate(emulator: &Emulator, kernel: usize, program: &Program, x: &[f32]) -> Vec<f32> {
    let (n_inputs, n_outputs) = (program.n_inputs(), program.n_outputs());
    let n_cells = x.len() / n_inputs;
    let mut y = vec![-7.5f32; n_cells * n_outputs];
    let inputs = View::array_of_structures(x, n_inputs).unwrap();
    let mut outputs = ViewMut::array_of_structures(&mut y, n_outputs).unwrap();
    let inputs: Vec<_> = (0..n_inputs).map(|j| inputs.column(j)).collect();
    let outputs: Vec<_> = (0..n_outputs).map(|j| outputs.column(j)).collect();
    let mut job = Job::with_columns(n_inputs + n_outputs);
    let check = Check { guard: Guard::Ignore, domain: Vec::new() };
    let mut counters = [0u64; 3];
    let numbers = aligned(&emulator.kernels[kernel].numbers);
    let memory =
        OwnMemory { numbers: numbers.1.as_ptr() as u64 + numbers.0, counters: counters.as_mut_ptr() as u64 };
    let evaluation =
        Evaluation { n_cells, inputs: &inputs, outputs: &outputs, status: StatusBytes::new(None) };
    let entry = job.describe_evaluation(&evaluation, &check, memory);
    emulator.launch(kernel, entry, n_cells, job.words());
    y
}

/// The numbers, and how far behind the start they begin at a multiple of 16 bytes.
pub fn aligned(numbers: &[u32]) -> (u64, Vec<u32>) {
    let mut copy = vec![0; numbers.len() + 4];
    let skip = (copy.as_ptr() as usize).next_multiple_of(16) - copy.as_ptr() as usize;
    copy[skip / 4..skip / 4 + numbers.len()].copy_from_slice(numbers);
    (skip as u64, copy)
}

fn inputs(program: &Program, n_cells: usize) -> Vec<f32> {
    (0..program.n_inputs() * n_cells).map(|i| 2.0 * noise(i + 17)).collect()
}

/// Largest difference from double precision, relative to the largest number.
fn error(program: &Program, x: &[f32], y: &[f32]) -> f64 {
    let exact: Vec<f64> = x
        .chunks_exact(program.n_inputs())
        .flat_map(|cell| program.evaluate_reference(&cell.iter().map(|&x| f64::from(x)).collect::<Vec<_>>()))
        .collect();
    let size = exact.iter().fold(1e-30, |m: f64, x| m.max(x.abs()));
    y.iter()
        .zip(&exact)
        .map(|(y, e)| (f64::from(*y) - e).abs() / size)
        .fold(0.0, |m: f64, d| if d > m || d.is_nan() { d } else { m })
}

#[test]
fn faults_of_kernels_are_seen() {
    let wide = network(&[20, 128, 100, 36], Activation::Tanh);
    let small = network(&[3, 16, 16, 2], Activation::Relu);
    let is_distilled = |(name, _): &(String, Program)| name == "distilled";
    let (_, distilled) = programs::all().into_iter().find(is_distilled).unwrap();
    let faults: [(&str, &Program, Precision, &str, &str); 12] = [
        ("a_row", &small, Precision::F16, "a[t][k][1] = lower[k * 8 + q]", "a[t][k][1] = upper[k * 8 + q]"),
        ("a_column", &wide, Precision::F16, "upper[k * 8 + 4 + q]", "upper[k * 8 + 3 + q]"),
        ("b_half", &small, Precision::F16, "a[t][k], w.x, w.y);", "a[t][k], w.y, w.x);"),
        ("bias", &small, Precision::F16, "s * 8 + lane % 4 * 2);", "s * 8 + lane % 4);"),
        ("output", &small, Precision::F16, "upper + 8 * row_length", "upper + 7 * row_length"),
        ("slots", &wide, Precision::Auto, "x[t][k][0], x[t][k][2]", "x[t][k][0], x[t][k][1]"),
        ("split", &wide, Precision::Auto, "rest[t], w.x, w.y);", "rest[t], w.z, w.w);"),
        ("tile", &wide, Precision::F32, "lane % 4 * 8, group", "lane % 4 * 7, group"),
        ("row", &distilled, Precision::F32, "lower + STRIDE, position", "lower, position"),
        ("columns", &distilled, Precision::F32, "row.upper + first", "row.upper + first / 8 * 4"),
        ("term", &distilled, Precision::F32, "[1], b", "[2], b"),
        ("tail", &small, Precision::F32, "cell < call.n_cells", "cell + 1 < call.n_cells"),
    ];
    for (name, program, precision, right, wrong) in faults {
        let kernels = || vec![generate(program, precision)];
        let x = inputs(program, 45);
        let errors = [right, wrong].map(|text| {
            let fault = |source: String| {
                assert!(source.contains(right), "{name}");
                source.replace(right, text)
            };
            let emulator = Emulator::with_fault(&format!("fault_{name}"), kernels(), fault);
            error(program, &x, &evaluate(&emulator, 0, program, &x))
        });
        let limit = if precision == Precision::F16 { 5e-3 } else { 3e-6 };
        let is_seen = errors[1] > limit || errors[1].is_nan();
        assert!(errors[0] < limit && is_seen, "{name}: {errors:?}");
    }
}

/// Every program's error, cells of several blocks and ragged tails.
fn errors(name: &str, programs: &[(String, Program)], precision: Precision, n_cells: &[usize]) -> Vec<f64> {
    let emulator = Emulator::new(name, programs.iter().map(|(_, p)| generate(p, precision)).collect());
    let error_of = |i: usize, program: &Program| {
        let of_cells = |&n: &usize| {
            let x = inputs(program, n);
            error(program, &x, &evaluate(&emulator, i, program, &x))
        };
        n_cells.iter().map(of_cells).fold(0.0, f64::max)
    };
    programs.iter().enumerate().map(|(i, (_, program))| error_of(i, program)).collect()
}

fn assert_within(
    name: &str,
    programs: &[(String, Program)],
    precision: Precision,
    n_cells: &[usize],
    limit: f64,
) {
    let errors = errors(name, programs, precision, n_cells);
    let worst = errors.iter().copied().fold(0.0, f64::max);
    eprintln!("{name}: {} programs, largest error {worst:.1e}", programs.len());
    for ((program, _), error) in programs.iter().zip(&errors) {
        assert!(*error <= limit, "{name}, {program}: relative error {error:e}");
    }
}

fn widths(activations: &[Activation]) -> Vec<(String, Program)> {
    let program = |width: usize| {
        let activation = activations[width % activations.len()];
        (format!("width {width} {}", activation.name()), network(&[3, width, width, 2], activation))
    };
    (1..=40).map(program).collect()
}

#[test]
fn every_operation_in_single_precision() {
    assert_within("operations_f32", &programs::all(), Precision::F32, &[1, 31, 128, 500], 2e-6);
}

#[test]
fn every_width_in_single_precision() {
    assert_within(
        "widths_f32",
        &widths(&Activation::functions().collect::<Vec<_>>()),
        Precision::F32,
        &[1, 77],
        2e-6,
    );
}

#[test]
fn every_width_on_tensor_cores() {
    let some: Vec<_> =
        widths(&[Activation::Relu, Activation::Tanh, Activation::Silu, Activation::Elu { alpha: 0.7 }]);
    // The errors of rounding to 11, 8 and 11 bits, and of sums of two numbers of 11 bits.
    assert_within("widths_f16", &some, Precision::F16, &[1, 45], 5e-3);
    assert_within("widths_bf16", &some, Precision::Bf16, &[45], 4e-2);
    assert_within("widths_tf32", &some, Precision::Tf32, &[45], 5e-3);
}

#[test]
fn wide_networks_in_every_precision() {
    let wide: Vec<_> = [&[4, 64, 64, 64, 2][..], &[20, 128, 100, 36], &[4, 128, 128, 64, 2]]
        .into_iter()
        .map(|widths| (format!("{widths:?}"), network(widths, Activation::Tanh)))
        .collect();
    assert_within("wide_auto", &wide, Precision::Auto, &[40], 3e-6);
    assert_within("wide_f32", &wide, Precision::F32, &[40], 3e-6);
    assert_within("wide_f16", &wide, Precision::F16, &[40], 2e-3);
    let widest = [("256".to_owned(), network(&[3, 256, 256, 2], Activation::Relu))];
    assert_within("widest_f32", &widest, Precision::F32, &[33], 3e-6);
    assert_within("widest_f16", &widest, Precision::F16, &[33], 2e-3);
}

#[test]
fn every_operation_on_tensor_cores() {
    assert_within("operations_f16", &programs::all(), Precision::F16, &[1, 130], 3e-3);
    assert_within("operations_auto", &programs::all(), Precision::Auto, &[130], 2e-6);
}
