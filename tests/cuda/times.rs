//! Many times of the same cells in one launch, beside double precision.

use emucell::Activation;
use emucell::backend::cuda::compile::{self, Resources};
use emucell::backend::cuda::generate::{Kernel, Request};
use emucell::backend::cuda::job::{Job, OwnMemory};
use emucell::backend::cuda::target::Target;
use emucell::backend::cuda::{CudaBackend, CudaOptions};
use emucell::backend::{Backend, Check, Evaluation, Guard, Precision, StatusBytes, Tally};
use emucell::program::{BinaryOperator, BlockId, Operation, Program, ProgramBuilder};
use emucell::view::{Column, ElementType};

use super::emulated::aligned;
use super::emulated_gpu::{EmulatedGpu, give};
use super::emulator::Emulator;
use super::programs::{network, noise};

/// Column of the time.
const TIME: usize = 0;

fn generate(program: &Program, precision: Precision, architecture: u32) -> Kernel {
    let domain = vec![[f32::NEG_INFINITY, f32::INFINITY]; program.n_inputs()];
    let target = Target::of(architecture).unwrap();
    let request = Request { program, steps: None, time: Some(TIME), domain: &domain, precision, target };
    Kernel::generate(&request).unwrap()
}

fn dense(b: &mut ProgramBuilder, input: BlockId, n: usize, activation: Activation) -> BlockId {
    let scale = 1.7 / (b.width(input) as f32).sqrt();
    let weights = (0..n * b.width(input)).map(|i| scale * noise(i + 31 * n)).collect();
    b.dense(input, weights, (0..n).map(|i| 0.3 * noise(i + 3)).collect(), activation).unwrap()
}

/// x + (1 − e^(−t)) · network([t, x, features of t]), as solution maps are trained.
fn solution_map(width: usize, activation: Activation) -> Program {
    let mut b = ProgramBuilder::new(4).unwrap();
    let weights = (0..20).map(|i| if i % 4 == TIME { -0.2 * (1 + i) as f32 } else { 0.0 }).collect();
    let decays = b.dense(BlockId::INPUT, weights, vec![0.0; 5], Activation::Linear).unwrap();
    let decays = b.push(Operation::Exp { input: decays }).unwrap();
    let features = b.slice(decays, 0, 4).unwrap();
    let inputs = b.concat(&[BlockId::INPUT, features]).unwrap();
    let one = b.constant([1.0]).unwrap();
    let last = b.slice(decays, 4, 1).unwrap();
    let share = b.binary(BinaryOperator::Subtract, one, last).unwrap();
    let mut hidden = dense(&mut b, inputs, width, activation);
    hidden = dense(&mut b, hidden, width, activation);
    let change = dense(&mut b, hidden, 2, Activation::Linear);
    let change = b.binary(BinaryOperator::Multiply, share, change).unwrap();
    let state = b.slice(BlockId::INPUT, 1, 2).unwrap();
    let y = b.binary(BinaryOperator::Add, state, change).unwrap();
    b.finish(y)
}

fn branch_trunk() -> Program {
    let mut b = ProgramBuilder::new(3).unwrap();
    let (t, x) = (b.slice(BlockId::INPUT, 0, 1).unwrap(), b.slice(BlockId::INPUT, 1, 2).unwrap());
    let branch = dense(&mut b, x, 40, Activation::Tanh);
    let branch = dense(&mut b, branch, 40, Activation::Tanh);
    let branch = dense(&mut b, branch, 20, Activation::Linear);
    let trunk = dense(&mut b, t, 100, Activation::Tanh);
    let trunk = dense(&mut b, trunk, 20, Activation::Tanh);
    let product = b.binary(BinaryOperator::Multiply, branch, trunk).unwrap();
    let mut sums = vec![0.0; 40];
    (0..10).for_each(|i| (sums[i], sums[30 + i]) = (1.0, 1.0));
    let y = b.dense(product, sums, vec![0.1, -0.1], Activation::Linear).unwrap();
    b.finish(y)
}

/// A single activation depends on the time; a layer that no tensor core takes; sums that nobody keeps.
fn programs() -> Vec<(String, Program)> {
    let mut all: Vec<(String, Program)> = [4, 16, 20, 32, 64, 128]
        .iter()
        .map(|&w| (format!("width {w}"), network(&[3, w, w, 2], Activation::Tanh)))
        .collect();
    all.push(("one hidden layer".into(), network(&[3, 24, 2], Activation::Silu)));
    all.push(("ReLU".into(), network(&[3, 16, 16, 2], Activation::Relu)));
    all.push(("first layer linear".into(), network(&[3, 16, 2], Activation::Linear)));
    all.push(("solution map".into(), solution_map(16, Activation::Silu)));
    all.push(("wide solution map".into(), solution_map(40, Activation::Tanh)));
    all.push(("branch and trunk".into(), branch_trunk()));
    all
}

fn times(n: usize) -> Vec<f32> {
    (0..n).map(|k| 0.07 * k as f32).collect()
}

/// The time's column is not to be read.
fn inputs(program: &Program, n_cells: usize) -> Vec<f32> {
    let n = program.n_inputs();
    (0..n * n_cells).map(|i| if i % n == TIME { f32::NAN } else { 2.0 * noise(i + 17) }).collect()
}

fn columns(numbers: &mut [f32], width: usize) -> Vec<Column> {
    let column =
        |j: usize| Column { pointer: (&raw mut numbers[j]).cast(), element: ElementType::F32, stride: width };
    (0..width).map(column).collect()
}

/// Largest difference from double precision at these times, relative to the largest number.
fn error(emulator: &Emulator, kernel: usize, program: &Program, n_cells: usize, n_times: usize) -> f64 {
    let mut x = inputs(program, n_cells);
    let width = n_times * program.n_outputs();
    let mut y = vec![-7.5f32; n_cells * width];
    let (inputs, outputs) = (columns(&mut x, program.n_inputs()), columns(&mut y, width));
    let mut job = Job::with_columns_and_times(program.n_inputs(), program.n_outputs());
    let check = Check { guard: Guard::Ignore, domain: Vec::new() };
    let mut counters = [0u64; 3];
    let numbers = aligned(&emulator.kernels[kernel].numbers);
    let memory =
        OwnMemory { numbers: numbers.1.as_ptr() as u64 + numbers.0, counters: counters.as_mut_ptr() as u64 };
    let status = StatusBytes::new(None);
    let evaluation = Evaluation { n_cells, inputs: &inputs, outputs: &outputs, status };
    let entry = job.describe_times(&evaluation, &times(n_times), &check, memory);
    emulator.launch(kernel, entry, n_cells, job.words());
    difference(program, &x, &y, &times(n_times))
}

fn difference(program: &Program, x: &[f32], y: &[f32], times: &[f32]) -> f64 {
    let n_outputs = program.n_outputs();
    let (mut worst, mut size) = (0f64, 1e-30f64);
    for (x, y) in x.chunks_exact(program.n_inputs()).zip(y.chunks_exact(times.len() * n_outputs)) {
        let mut x: Vec<f64> = x.iter().map(|&x| f64::from(x)).collect();
        for (y, t) in y.chunks_exact(n_outputs).zip(times) {
            x[TIME] = f64::from(*t);
            for (y, exact) in y.iter().zip(program.evaluate_reference(&x)) {
                let d = (f64::from(*y) - exact).abs();
                worst = if d > worst || d.is_nan() { d } else { worst };
                size = size.max(exact.abs());
            }
        }
    }
    worst / size
}

#[test]
fn networks_at_many_times_in_every_precision() {
    let limits = [
        (Precision::F32, 3e-6),
        (Precision::Auto, 3e-6),
        (Precision::F16, 5e-3),
        (Precision::Bf16, 4e-2),
        (Precision::Tf32, 5e-3),
    ];
    for (precision, limit) in limits {
        let programs = programs();
        let kernels: Vec<Kernel> = programs.iter().map(|(_, p)| generate(p, precision, 90)).collect();
        for ((name, _), kernel) in programs.iter().zip(&kernels) {
            // Where parts are kept, the first layer's cell part is computed once.
            let splits = kernel.source.contains("SplitAtTimes");
            let is_half = matches!(precision, Precision::F16 | Precision::Bf16);
            let is_expected = match &name[..] {
                "width 128" => false,
                "width 64" | "wide solution map" if !is_half => continue,
                // No multiple of 8, and no activation behind the sums.
                "width 20" | "first layer linear" => continue,
                _ => true,
            };
            assert!(kernel.times && splits == is_expected, "{name}, {precision:?}: {splits}");
        }
        let emulator = Emulator::new(&format!("times_{precision:?}"), kernels);
        for (i, (name, program)) in programs.iter().enumerate() {
            for (n_cells, n_times) in [(1, 1), (300, 32), (45, 7)] {
                let error = error(&emulator, i, program, n_cells, n_times);
                assert!(error < limit, "{name}, {precision:?}, {n_cells} cells, {n_times} times: {error:e}");
            }
        }
    }
}

#[test]
fn faults_in_what_is_kept_are_seen() {
    let small = network(&[3, 16, 16, 2], Activation::Tanh);
    let wide = network(&[3, 32, 32, 2], Activation::Tanh);
    let faults: [(&str, &Program, Precision, &str, &str); 6] = [
        ("row", &small, Precision::F32, "warp.row = table + k * Parts::ROW", "warp.row = table"),
        ("part", &small, Precision::F32, "x[KEPT + i] = warp.row[i]", "x[KEPT + i] = 0.0f"),
        ("place", &small, Precision::F16, "lane % 4 * 2 + i % 2]", "lane % 4 * 2]"),
        (
            "tile",
            &small,
            Precision::F16,
            "kept, first, row, t, n, i, lane",
            "kept, first, row, 0, n, i, lane",
        ),
        ("eight", &wide, Precision::Tf32, "c[j / 4 / EIGHTS][j / 4 % EIGHTS]", "c[j / 4 / EIGHTS][0]"),
        ("outputs", &small, Precision::F32, "job.outputs + k * Parts::OUTPUTS", "job.outputs + k"),
    ];
    for (name, program, precision, right, wrong) in faults {
        let errors = [right, wrong].map(|text| {
            let fault = |source: String| {
                assert!(source.contains(right), "{name}");
                source.replace(right, text)
            };
            let kernels = vec![generate(program, precision, 90)];
            let emulator = Emulator::with_fault(&format!("times_fault_{name}"), kernels, fault);
            error(&emulator, 0, program, 45, 9)
        });
        let limit = if precision == Precision::F32 { 3e-6 } else { 5e-3 };
        let is_seen = errors[1] > limit || errors[1].is_nan();
        assert!(errors[0] < limit && is_seen, "{name}: {errors:?}");
    }
}

#[test]
fn a_backend_takes_any_number_of_times_and_looks_at_them() {
    let program = network(&[3, 16, 16, 2], Activation::Tanh);
    let (n_cells, times) = (70, times(75));
    for guard in [Guard::Ignore, Guard::Count, Guard::Clamp] {
        let gpu = EmulatedGpu::new(&format!("times_backend_{guard:?}"));
        let ranges = gpu.gpus_memory.clone();
        let domain = vec![[0.0, 3.5], [-1.0, 1.0], [-10.0, 10.0]];
        let check = Check { guard, domain: domain.clone() };
        let options = CudaOptions {
            device: 0,
            precision: Precision::F32,
            stream: None,
            capacity: 0,
            steps: None,
            time: Some(TIME),
            cache: None,
            check,
        };
        let mut backend = CudaBackend::on(Box::new(gpu), &program, options).unwrap();
        let (mut x, mut y) = (inputs(&program, n_cells), vec![-7.5f32; n_cells * 2 * times.len()]);
        let outputs = columns(&mut y, 2 * times.len());
        let inputs = columns(&mut x, 3);
        let status = StatusBytes::new(None);
        let job = Evaluation { n_cells, inputs: &inputs, outputs: &outputs, status };
        // SAFETY: all columns have as many numbers as there are cells.
        unsafe {
            // Results in the processor's memory have no faster way.
            assert_eq!(backend.evaluate_times(&job, TIME, &times).unwrap(), None);
            give(&ranges, &y);
            // The inputs are the processor's, and copied.
            assert_eq!(backend.evaluate_times(&job, TIME, &times).unwrap(), Some(Tally::default()));
        }
        let tally = backend.synchronize().unwrap();
        let mut t = times.clone();
        if guard == Guard::Clamp {
            t.iter_mut().for_each(|t| *t = t.clamp(0.0, 3.5));
            for cell in x.chunks_exact_mut(3) {
                cell[1] = cell[1].clamp(-1.0, 1.0);
            }
        }
        let error = difference(&program, &x, &y, &t);
        assert!(error < 3e-6, "{guard:?}: {error:e}");
        let original = super::times::inputs(&program, n_cells);
        let cells_outside = original.chunks_exact(3).filter(|x| x[1].abs() > 1.0).count();
        let times_outside = times.iter().filter(|t| **t > 3.5).count();
        let n = n_cells * times_outside + cells_outside * (times.len() - times_outside);
        assert!(cells_outside > 0 && times_outside > 0);
        let expected = if guard == Guard::Ignore { 0 } else { n as u64 };
        assert_eq!(tally, Tally { outside_domain: expected, not_finite: 0 }, "{guard:?}");
    }
}

#[test]
fn kernels_for_many_times_compile_without_spills() {
    let Some(nvrtc) = super::nvrtc() else { return };
    for architecture in [75, 80, 90, 120] {
        for (name, program) in programs() {
            let precisions = [Precision::F32, Precision::F16, Precision::Auto, Precision::Tf32];
            let n = match architecture {
                90 => 4,
                _ if name == "width 64" || name == "solution map" => 2,
                _ => continue,
            };
            for &precision in &precisions[..n] {
                let kernel = generate(&program, precision, architecture);
                let options = compile::options(Target::of(architecture).unwrap());
                let cubin = nvrtc.compile(&kernel.text_for_gpu(), &options).unwrap();
                let resources = Resources::of(&cubin).unwrap();
                let own = resources.iter().find(|r| r.kernel == "emucell_evaluate_times").unwrap();
                let how = if kernel.source.contains("SplitAtTimes") { "in parts" } else { "whole" };
                eprintln!("sm_{architecture} {name}, {}: {how}, {own:?}", kernel.arithmetic);
                // The compiler may give two words away for another block on a multiprocessor.
                assert!(own.stack <= 8, "sm_{architecture} {name}, {precision:?}: {own:?}");
            }
        }
    }
}
