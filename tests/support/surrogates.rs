//! Surrogates whose results are known without training: forward Euler steps written as programs,
//! and a dense network with weights from a formula. `tests/c/expected.h` computes the same in C.

use emucell::Activation;
use emucell::program::{BinaryOperator, BlockId, Operation, Program, ProgramBuilder};
use emucell::surrogate::{CellModelDescription, Kind, Role, Surrogate, Variable, Verification, outputs_at};

/// Threshold of the cubic FitzHugh–Nagumo model.
pub const FHN_THRESHOLD: f32 = 0.4;

/// `substeps` forward Euler steps of `dt` ms of the cubic FitzHugh–Nagumo model,
/// du/dt = 10 [u (u − 0.4)(1 − u) − w + s], dw/dt = 0.04 u − 0.16 w, as one step map.
pub fn fhn_euler(substeps: usize, dt: f64) -> Surrogate {
    let inputs = fhn_inputs();
    let program = fhn_program(inputs.len(), substeps, dt, None);
    step_map(substeps, dt, inputs, program)
}

/// [`fhn_euler`] as a file that was verified keeps it, with the targets that it `missed`.
pub fn with_verification(missed: &[&str]) -> Surrogate {
    fhn_euler(1, 0.1).with_verification(&Verification {
        verified: missed.is_empty(),
        targets: "apd90 1%".into(),
        missed: missed.iter().map(|&text| text.into()).collect(),
        errors: serde_json::Map::new(),
    })
}

/// As [`fhn_euler`] with one substep and the threshold as a fourth input, a parameter.
pub fn fhn_euler_with_threshold(dt: f64) -> Surrogate {
    let mut inputs = fhn_inputs();
    inputs.push(Variable::new("threshold", "1", Role::Parameter).with_range(0.1, 0.5));
    let program = fhn_program(inputs.len(), 1, dt, Some(3));
    step_map(1, dt, inputs, program)
}

/// A solution map (t, u0, w0) → (u, w) that is no solution of anything: 3 → 16 tanh → 16 SiLU → 2
/// with the weights of [`formula_weight`].
pub fn formula_network() -> Surrogate {
    let mut b = builder(3);
    let widths = [3, 16, 16, 2];
    let activations = [Activation::Tanh, Activation::Silu, Activation::Linear];
    let mut x = BlockId::INPUT;
    for (layer, (pair, activation)) in widths.windows(2).zip(activations).enumerate() {
        let (n_inputs, n_outputs) = (pair[0], pair[1]);
        let weights = (0..n_inputs * n_outputs).map(|i| formula_weight(layer, i)).collect();
        let bias = (0..n_outputs).map(|i| formula_weight(layer + 10, i)).collect();
        x = b.dense(x, weights, bias, activation).expect("widths fit");
    }
    let inputs = vec![
        Variable::new("t", "ms", Role::Time).with_range(0.0, 25.0),
        Variable::new("u", "1", Role::State).with_range(-0.1, 0.81),
        Variable::new("w", "1", Role::State).with_range(0.0, 0.12),
    ];
    Surrogate::new(Kind::SolutionMap, inputs, fhn_states(), b.finish(x)).expect("fits its program")
}

/// Two forward Euler steps of 0.5 ms of du/dt = −u, dw/dt = −2 w, as a solution map that gives the states after both.
pub fn euler_twice() -> Surrogate {
    let mut b = builder(2);
    let weights = vec![0.5, 0.0, 0.0, 0.0];
    let mut step = |x| b.dense(x, weights.clone(), vec![0.0; 2], Activation::Linear).expect("two states");
    let first = step(BlockId::INPUT);
    let second = step(first);
    let both = b.concat(&[first, second]).expect("four columns");
    let state = |name| Variable::new(name, "1", Role::State);
    let times = [0.5, 1.0];
    let outputs = outputs_at(&[state("u"), state("w")], &times);
    Surrogate::new(Kind::SolutionMap, vec![state("u0"), state("w0")], outputs, b.finish(both))
        .and_then(|s| s.with_times(times.to_vec()))
        .and_then(|s| s.with_initial_state(vec![1.0, 2.0]))
        .expect("fits its program")
}

/// The solution map t → e^(−t), which has no input but the time.
pub fn decay() -> Surrogate {
    let mut b = builder(1);
    let negative = b.dense(BlockId::INPUT, vec![-1.0], vec![0.0], Activation::Linear).expect("one column");
    let y = b.push(Operation::Exp { input: negative }).expect("one column");
    let inputs = vec![Variable::new("t", "ms", Role::Time)];
    let outputs = vec![Variable::new("y", "1", Role::State)];
    Surrogate::new(Kind::SolutionMap, inputs, outputs, b.finish(y)).expect("fits its program")
}

/// Weight `i` of `layer`, a multiple of 1/64 in [-1/2, 1/2): exact in single precision.
fn formula_weight(layer: usize, i: usize) -> f32 {
    ((37 * i + 11 * layer + 5) % 64) as f32 / 64.0 - 0.5
}

fn fhn_states() -> Vec<Variable> {
    vec![
        Variable::new("u", "1", Role::State).with_range(-0.1, 1.0),
        Variable::new("w", "1", Role::State).with_range(0.0, 0.2),
    ]
}

fn fhn_inputs() -> Vec<Variable> {
    let mut inputs = fhn_states();
    inputs.push(Variable::new("s", "1", Role::Stimulus).with_range(0.0, 0.12));
    inputs
}

fn step_map(substeps: usize, dt: f64, inputs: Vec<Variable>, program: Program) -> Surrogate {
    let provenance = serde_json::json!({ "made_by": "forward Euler", "substeps": substeps });
    let model = CellModelDescription { name: "fhn_cubic".to_owned(), ..CellModelDescription::default() };
    let kind = Kind::StepMap { dt: dt * substeps as f64 };
    Surrogate::new(kind, inputs, fhn_states(), program)
        .and_then(|s| s.with_initial_state(vec![0.0, 0.0]))
        .expect("fits its program")
        .with_cell_model(model)
        .with_provenance(provenance.as_object().cloned().unwrap_or_default())
}

fn fhn_program(n_inputs: usize, substeps: usize, dt: f64, threshold: Option<usize>) -> Program {
    let mut b = builder(n_inputs);
    let mut u = column(&mut b, 0);
    let mut w = column(&mut b, 1);
    let s = column(&mut b, 2);
    let threshold = match threshold {
        Some(i) => column(&mut b, i),
        None => number(&mut b, FHN_THRESHOLD),
    };
    let one = number(&mut b, 1.0);
    let dt_u = number(&mut b, 10.0 * dt as f32);
    let dt_w = number(&mut b, dt as f32);
    let growth = number(&mut b, 0.04);
    let decay = number(&mut b, 0.16);
    for _ in 0..substeps {
        let above = subtract(&mut b, u, threshold);
        let below = subtract(&mut b, one, u);
        let cubic = multiply(&mut b, u, above);
        let cubic = multiply(&mut b, cubic, below);
        let du = subtract(&mut b, cubic, w);
        let du = add(&mut b, du, s);
        let du = multiply(&mut b, dt_u, du);
        let gain = multiply(&mut b, growth, u);
        let loss = multiply(&mut b, decay, w);
        let dw = subtract(&mut b, gain, loss);
        let dw = multiply(&mut b, dt_w, dw);
        u = add(&mut b, u, du);
        w = add(&mut b, w, dw);
    }
    let output = b.concat(&[u, w]).expect("two columns");
    b.finish(output)
}

fn builder(n_inputs: usize) -> ProgramBuilder {
    ProgramBuilder::new(n_inputs).expect("a few inputs")
}

fn column(b: &mut ProgramBuilder, i: usize) -> BlockId {
    b.slice(BlockId::INPUT, i, 1).expect("an input column")
}

fn number(b: &mut ProgramBuilder, value: f32) -> BlockId {
    b.constant(vec![value]).expect("a finite number")
}

fn add(b: &mut ProgramBuilder, left: BlockId, right: BlockId) -> BlockId {
    b.binary(BinaryOperator::Add, left, right).expect("two columns")
}

fn subtract(b: &mut ProgramBuilder, left: BlockId, right: BlockId) -> BlockId {
    b.binary(BinaryOperator::Subtract, left, right).expect("two columns")
}

fn multiply(b: &mut ProgramBuilder, left: BlockId, right: BlockId) -> BlockId {
    b.binary(BinaryOperator::Multiply, left, right).expect("two columns")
}
