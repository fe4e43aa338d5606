//! Derivatives against differences in double precision, against PyTorch's automatic differentiation,
//! and what they may cost.

#[path = "../conformance/programs.rs"]
mod programs;
#[path = "../support/python.rs"]
mod python;
mod random;
mod special;
#[path = "../support/surrogates.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod surrogates;

use std::path::Path;
use std::sync::Arc;

use emucell::Activation;
use emucell::format::onnx;
use emucell::kernels::Kernels;
use emucell::program::{Derivative, Program};
use emucell::session::{Session, SessionOptions};
use emucell::surrogate::Surrogate;
use emucell::view::{View, ViewMut};

/// Step of the differences: both their errors, of the order 1e-10, stay below the tolerances.
const H: f64 = 1e-5;

/// ∂yᵢ/∂xⱼ at `x` row by row, from central differences of the reference.
fn differences(program: &Program, x: &[f64]) -> Vec<f64> {
    let (n, m) = (program.n_inputs(), program.n_outputs());
    let mut jacobian = vec![0.0; m * n];
    for j in 0..n {
        let shifted = |h: f64| {
            let mut x = x.to_vec();
            x[j] += h;
            program.evaluate_reference(&x)
        };
        for (i, (high, low)) in shifted(H).iter().zip(shifted(-H)).enumerate() {
            jacobian[i * n + j] = (high - low) / (2.0 * H);
        }
    }
    jacobian
}

fn largest(values: &[f64]) -> f64 {
    values.iter().fold(1e-3, |m, x| m.max(x.abs()))
}

/// All three derivatives of `program` in double precision, against a Jacobian.
fn assert_derivatives(program: &Program, x: &[f64], jacobian: &[f64], tolerance: f64, what: &str) {
    let (n, m) = (program.n_inputs(), program.n_outputs());
    let y = program.evaluate_reference(x);
    let tolerance = tolerance * largest(jacobian);
    let check = |kind, direction: &[f64], expected: &[f64]| {
        let derivative = program.derivative(kind).unwrap();
        let found = derivative.evaluate_reference(&[x, direction].concat());
        assert_eq!(found.len(), m + expected.len());
        for (a, b) in found.iter().zip(&y) {
            assert!((a - b).abs() <= 1e-12 * largest(&y), "{what}, {kind:?}: value {a} for {b}");
        }
        for (i, (a, b)) in found[m..].iter().zip(expected).enumerate() {
            assert!((a - b).abs() <= tolerance, "{what}, {kind:?}[{i}] at {x:?}: {a} for {b}");
        }
    };
    check(Derivative::Jacobian, &[], jacobian);
    let noise = |i: usize| f64::from(programs::noise(i + 71));
    let (v, w): (Vec<f64>, Vec<f64>) = ((0..n).map(noise).collect(), (n..n + m).map(noise).collect());
    let rows = jacobian.chunks_exact(n);
    let forward: Vec<f64> = rows.map(|row| row.iter().zip(&v).map(|(a, b)| a * b).sum()).collect();
    check(Derivative::JacobianVector, &v, &forward);
    let reverse: Vec<f64> = (0..n).map(|j| (0..m).map(|i| w[i] * jacobian[i * n + j]).sum()).collect();
    check(Derivative::VectorJacobian, &w, &reverse);
}

/// `n_cells` rows of inputs between −2 and 2.
fn inputs(n_cells: usize, n_columns: usize) -> Vec<f32> {
    (0..n_cells * n_columns).map(|i| 2.0 * programs::noise(i + 17)).collect()
}

fn doubles(x: &[f32]) -> Vec<f64> {
    x.iter().map(|&x| f64::from(x)).collect()
}

fn evaluate(surrogate: &Surrogate, x: &[f32], options: SessionOptions) -> Vec<f32> {
    let mut session = Session::new(Arc::new(surrogate.clone()), &options).unwrap();
    let (n_inputs, n_outputs) = (surrogate.inputs().len(), surrogate.outputs().len());
    let mut y = vec![0.0f32; x.len() / n_inputs * n_outputs];
    let outputs = ViewMut::array_of_structures(&mut y, n_outputs).unwrap();
    session.evaluate(View::array_of_structures(x, n_inputs).unwrap(), outputs, None).unwrap();
    y
}

fn with(kernels: &Kernels) -> SessionOptions {
    SessionOptions { instruction_set: Some(kernels.name.to_owned()), ..SessionOptions::default() }
}

#[test]
fn every_operation_is_differentiated() {
    for (name, program) in programs::all() {
        // Products of constants are rounded to single precision once.
        let tolerance = if name.ends_with("linear") { 1e-7 } else { 1e-8 };
        for cell in 0..40 {
            let n = program.n_inputs();
            let x: Vec<f64> = (0..n).map(|j| 2.0 * f64::from(programs::noise(cell * n + j + 400))).collect();
            assert_derivatives(&program, &x, &differences(&program, &x), tolerance, &name);
        }
    }
}

#[test]
fn every_instruction_set_computes_them_for_any_number_of_cells() {
    let kinds = [Derivative::Jacobian, Derivative::JacobianVector, Derivative::VectorJacobian];
    for ((name, program), kind) in programs::all().into_iter().flat_map(|p| kinds.map(|k| (p.clone(), k))) {
        let surrogate = Surrogate::anonymous(program).derivative(kind).unwrap();
        let (n, m) = (surrogate.inputs().len(), surrogate.outputs().len());
        let x = inputs(77, n);
        let exact: Vec<f64> = x
            .chunks_exact(n)
            .flat_map(|cell| surrogate.program().unwrap().evaluate_reference(&doubles(cell)))
            .collect();
        let size = largest(&exact);
        for kernels in Kernels::available() {
            let y = evaluate(&surrogate, &x, with(kernels));
            for (i, (a, b)) in y.iter().zip(&exact).enumerate() {
                let error = (f64::from(*a) - b).abs();
                assert!(error <= 3e-6 * size, "{name}, {kind:?}, {}, {i}: {a} for {b}", kernels.name);
            }
            for n_cells in [1, 2, 5, 31, 33] {
                let few = evaluate(&surrogate, &x[..n_cells * n], with(kernels));
                assert_eq!(few, y[..n_cells * m], "{name}, {kind:?}, {} with {n_cells} cells", kernels.name);
            }
        }
    }
}

#[test]
fn pytorch_differentiates_networks_to_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let names = Activation::ALL.map(Activation::name);
    std::fs::write(folder.path().join("activations.txt"), names.join("\n")).unwrap();
    let x = inputs(200, 4);
    python::write_numbers(&folder.path().join("x"), &x);
    python::run("jacobians.py", &[folder.path()]);
    for (name, m) in names.into_iter().flat_map(|name| [(name, 2), (name, 6)]) {
        let path = folder.path().join(format!("{name}_{m}.onnx"));
        let derivative = onnx::load(&path).unwrap().derivative(Derivative::Jacobian).unwrap();
        let expected = doubles(&python::read_numbers(&path.with_extension("jacobian")));
        assert_eq!(expected.len(), 200 * 4 * m);
        for kernels in Kernels::available() {
            let found = evaluate(&derivative, &x, with(kernels));
            let found = found.chunks_exact(m + 4 * m).flat_map(|cell| &cell[m..]);
            for (a, b) in found.zip(&expected) {
                let error = (f64::from(*a) - b).abs() / largest(&expected);
                assert!(error <= 2e-6, "{name}, {m} outputs, {}: {a} for {b}", kernels.name);
            }
        }
    }
}

#[test]
fn the_models_are_differentiated_over_their_domain() {
    for name in ["fhn_cubic_solution.onnx", "fhn_cubic_step.onnx"] {
        let surrogate = onnx::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("models").join(name)).unwrap();
        let derivative = surrogate.derivative(Derivative::Jacobian).unwrap();
        let m = surrogate.outputs().len();
        let n = surrogate.inputs().len();
        let at = |cell: usize, j: usize| {
            let [low, high] = surrogate.inputs()[j].range.unwrap();
            (low + (high - low) * f64::from(0.5 + 0.5 * programs::noise(cell * 7 + j))) as f32
        };
        let x: Vec<f32> = (0..100 * n).map(|i| at(i / n, i % n)).collect();
        let found = evaluate(&derivative, &x, SessionOptions::default());
        for (x, found) in x.chunks_exact(n).zip(found.chunks_exact(m + m * n)) {
            let jacobian = differences(surrogate.program().unwrap(), &doubles(x));
            assert_derivatives(surrogate.program().unwrap(), &doubles(x), &jacobian, 2e-7, name);
            for (a, b) in found[m..].iter().zip(&jacobian) {
                assert!((f64::from(*a) - b).abs() <= 1e-5 * largest(&jacobian), "{name}: {a} for {b}");
            }
        }
    }
}
