//! Distillation of small models of which the structure is known.

use std::time::Duration;

use super::*;
use crate::program::{BlockId, Operation, Program, ProgramBuilder};
use crate::structure::detect;
use crate::surrogate::Verified;
use crate::verify;

/// The model of Mitchell and Schaeffer (2003), whose gate has a threshold, with a slow positive state that weakens the membrane.
pub struct TwoCurrents {
    /// Strength of a coupling of all states that no sum of products describes.
    pub tangled: f64,
}

const INITIAL: [f64; 3] = [0.0, 1.0, 0.2];

impl StepFunction for TwoCurrents {
    fn n_states(&self) -> usize {
        3
    }

    fn initial_state(&self) -> &[f64] {
        &INITIAL
    }

    fn step(&mut self, states: &mut [f64], stimulus: &[f64], dt: f64, n_steps: u32) -> Result<()> {
        for (cell, stimulus) in states.chunks_mut(3).zip(stimulus) {
            for _ in 0..n_steps {
                let [v, h, c] = [cell[0], cell[1], cell[2]];
                let tangled = self.tangled * (12.0 * v + 8.0 * c - 20.0 * h * v * c + 1.0).tanh();
                cell[0] += dt * (h * v * v * (1.0 - v) / 0.3 - v / 6.0 - 0.05 * v * c / (c + 0.5) + stimulus);
                cell[1] += dt * if v < 0.13 { (1.0 - h) / 120.0 } else { -h / 150.0 };
                cell[2] += dt * (0.004 * v - 0.003 * (c - 0.2) + tangled);
            }
        }
        Ok(())
    }
}

pub fn options(budget: f64) -> Options {
    Options {
        form: Form::Structured,
        pulse: Pulse { strength: 0.2, duration: 2.0 },
        apd90: 1e-3,
        cycle_lengths: vec![460.0, 620.0],
        beats: 2,
        iterations: None,
        budget: Duration::from_secs_f64(budget),
        seed: 1,
        checkpoint: None,
    }
}

/// The surrogate with some operations of its program replaced.
fn altered(surrogate: &Surrogate, replace: impl Fn(&Operation) -> Option<Operation>) -> Surrogate {
    let program = surrogate.program().unwrap();
    let mut builder = ProgramBuilder::new(program.n_inputs()).unwrap();
    let mut replaced = 0;
    for (_, operation) in program.steps() {
        let new = replace(operation);
        replaced += usize::from(new.is_some());
        builder.push(new.unwrap_or_else(|| operation.clone())).unwrap();
    }
    assert!(replaced > 0, "nothing was planted");
    let program = builder.finish(program.output());
    let (inputs, outputs) = (surrogate.inputs().to_vec(), surrogate.outputs().to_vec());
    let altered = Surrogate::new(surrogate.kind(), inputs, outputs, program).unwrap();
    altered.with_initial_state(surrogate.initial_state().unwrap().to_vec()).unwrap()
}

pub fn distilled(model: &mut dyn StepFunction, options: &Options) -> Result<Distilled> {
    let driven = harvest::Options {
        strength: options.pulse.strength,
        duration: options.pulse.duration,
        time: 1200.0,
        n_cells: 16,
        ..harvest::Options::default()
    };
    let visited = harvest::harvest(model, &driven)?;
    let structure = detect(model, &visited, &crate::structure::Options::default())?;
    distill(model, &visited, &structure, None, options, &mut |_| {}, &|| true)
}

#[test]
fn tables_reproduce_a_model_with_a_threshold_and_a_slow_state() {
    let mut model = TwoCurrents { tangled: 0.0 };
    let Distilled { surrogate, summary } = distilled(&mut model, &options(1.0)).unwrap();
    assert_eq!(summary.learned, [""; 0]);
    assert!(summary.departure.apd90 < 2.5e-4 && summary.departure.voltage < 1e-4, "{summary:?}");
    // What was distilled is not verified before it was.
    assert_eq!(surrogate.verified(), Verified::No);
    assert_eq!(surrogate.provenance()["distill"]["training_cycle_lengths"], json!([460.0, 620.0]));
    // One step, on both sides of the threshold and under a stimulus.
    let program = surrogate.program().unwrap();
    for (v, h, c, stimulus) in [(0.1299, 0.4, 0.3, 0.0), (0.1301, 0.4, 0.3, 0.0), (0.8, 0.9, 0.25, 0.2)] {
        let mut cell = [v, h, c];
        model.step(&mut cell, &[stimulus], 0.02, 1).unwrap();
        let found = program.evaluate_reference(&[v, h, c, stimulus]);
        for (found, expected) in found.iter().zip(cell) {
            assert!((found - expected).abs() < 2e-6, "{found} instead of {expected} at V {v}");
        }
    }
}

#[test]
fn samples_are_added_between_samples_and_forgotten_by_function() {
    let mut model = TwoCurrents { tangled: 0.0 };
    let driven = harvest::Options { strength: 0.2, time: 600.0, n_cells: 8, ..harvest::Options::default() };
    let visited = harvest::harvest(&mut model, &driven).unwrap();
    let structure = detect(&mut model, &visited, &crate::structure::Options::default()).unwrap();
    let domain = domain::domain(&visited, &structure);
    let mut asker = Asker::new(&mut model, 0.02);
    let quantities = Quantities::new(&structure, &asker, &domain).unwrap();
    let formula = terms::Formula::new(&quantities, &mut asker, &visited, &domain, 1e-3).unwrap();
    let layout = assemble::Layout::new(&formula);
    let functions = &layout.functions[&function::Coordinate::before(0)];
    let mut sample = |functions: &[function::Function], n| {
        grid::Samples::new(&quantities, &mut asker, functions, domain[0], n).unwrap()
    };
    let (mut coarse, fine) = (sample(functions, 64), sample(functions, 128));
    coarse.refine(&quantities, &mut asker).unwrap();
    assert_eq!((coarse.finest(), coarse.table(128).table), (128, fine.table(128).table));
    // The threshold's jumps stay with the gate's functions.
    let last = functions.last().unwrap().clone();
    let jumps = coarse.table(128).jumps.len();
    coarse.keep(&[last]);
    let kept = coarse.table(128);
    let column = |table: &crate::program::Table, j: usize| {
        table.values.iter().skip(j).step_by(table.width).copied().collect::<Vec<f32>>()
    };
    assert_eq!(column(&kept.table, 0), column(&fine.table(128).table, functions.len() - 1));
    assert!(kept.table.width == 1 && kept.jumps.len() < jumps);
}

#[test]
fn verification_catches_what_is_planted() {
    let mut model = TwoCurrents { tangled: 0.0 };
    let surrogate = distilled(&mut model, &options(1.0)).unwrap().surrogate;
    let plan = verify::Options {
        cycle_lengths: vec![500.0],
        beats: 3,
        targets: "apd90 1%, cv 1%".parse().unwrap(),
        ..verify::Options::quick(options(1.0).pulse)
    };
    let reference = verify::Reference::measure(&mut model, 0.02, &plan).unwrap();
    let verified = |surrogate: Surrogate| reference.verify(&Arc::new(surrogate)).unwrap().verified;
    assert!(verified(surrogate.clone()));
    let wrong_coefficient = altered(&surrogate, |operation| match operation {
        Operation::Dense { input, weights, bias, activation } => {
            let weights = weights.iter().map(|w| 1.1 * w).collect();
            Some(Operation::Dense { input: *input, weights, bias: bias.clone(), activation: *activation })
        }
        _ => None,
    });
    assert!(!verified(wrong_coefficient));
    let coarse = altered(&surrogate, |operation| match operation {
        Operation::Table { input, table } if *input != BlockId::INPUT => {
            let stride = (table.n_rows() - 1) / 4;
            let rows = table.values.chunks(table.width).step_by(stride);
            let values = rows.flatten().copied().collect();
            let rows_per_unit = table.rows_per_unit / stride as f32;
            let table = crate::program::Table { values, rows_per_unit, ..table.clone() };
            Some(Operation::Table { input: *input, table })
        }
        _ => None,
    });
    assert!(!verified(coarse));
    let no_gate = altered(&surrogate, |operation| match operation {
        Operation::Relax { state, .. } => Some(Operation::Concat { inputs: vec![*state] }),
        _ => None,
    });
    assert!(!verified(no_gate));
}

/// A membrane whose gate is updated before the current is formed, with a flux of three states that is no product.
struct GateFirst;

const GATE_FIRST: [f64; 4] = [0.0, 1.0, 0.3, 0.5];

impl StepFunction for GateFirst {
    fn n_states(&self) -> usize {
        4
    }

    fn initial_state(&self) -> &[f64] {
        &GATE_FIRST
    }

    fn step(&mut self, states: &mut [f64], stimulus: &[f64], dt: f64, n_steps: u32) -> Result<()> {
        for (cell, stimulus) in states.chunks_mut(4).zip(stimulus) {
            for _ in 0..n_steps {
                let [v, h, a, b] = [cell[0], cell[1], cell[2], cell[3]];
                let rate = 1.0 / 120.0 + 1.0 / (1.0 + (-40.0 * (v - 0.13)).exp()) / 30.0;
                let h = h + dt * rate * (1.0 / (1.0 + (40.0 * (v - 0.13)).exp()) - h);
                let exchange = 0.05 * (a * (0.5 * v).exp() - b) / (1.0 + a + b + a * b * v * v);
                let membrane = h * (v * v * (1.0 - v) / 0.3) * (1.0 + 0.2 * a) - v / 6.0;
                cell[0] += dt * (membrane - exchange + stimulus);
                cell[1] = h;
                cell[2] += dt * (0.1 * h * v * (1.0 - v) * (1.0 + 0.2 * a) - exchange + 0.01 * (0.3 - a));
                cell[3] += dt * (0.05 * exchange + 0.002 * (0.5 - b));
            }
        }
        Ok(())
    }
}

#[test]
fn functions_of_three_states_and_gates_updated_first_need_no_network() {
    let Distilled { surrogate, summary } = distilled(&mut GateFirst, &options(1.0)).unwrap();
    assert_eq!(summary.learned, [""; 0], "{summary:?}");
    assert!(summary.departure.apd90 < 1e-3, "{summary:?}");
    let program: &Program = surrogate.program().unwrap();
    for cell in [[0.7, 0.6, 0.4, 0.52], [0.1, 0.9, 0.33, 0.5]] {
        let mut next = cell;
        GateFirst.step(&mut next, &[0.0], 0.02, 1).unwrap();
        let found = program.evaluate_reference(&[cell[0], cell[1], cell[2], cell[3], 0.0]);
        for (j, (found, expected)) in found.iter().zip(next).enumerate() {
            assert!((found - expected).abs() < 3e-6, "{found} instead of {expected} in state {j}");
        }
    }
}

/// A membrane on which a current and a flux are scaled by the same function of two states, and another flux is the reciprocal of a sum.
struct Scaled;

const SCALED: [f64; 4] = [0.0, 1.0, 0.3, 0.5];

impl StepFunction for Scaled {
    fn n_states(&self) -> usize {
        4
    }

    fn initial_state(&self) -> &[f64] {
        &SCALED
    }

    fn step(&mut self, states: &mut [f64], stimulus: &[f64], dt: f64, n_steps: u32) -> Result<()> {
        for (cell, stimulus) in states.chunks_mut(4).zip(stimulus) {
            for _ in 0..n_steps {
                let [v, h, a, b] = [cell[0], cell[1], cell[2], cell[3]];
                let active = b + 0.3 * (1.0 - b) / (1.0 + 0.4 / a);
                let scale = active / (0.2 + active);
                let inward = v * v * (1.0 - v) / 0.2 * (1.0 + 0.2 * a) * scale;
                let saturating = 0.1 / ((1.0 + 0.9 / a).powi(4) + 3000.0 * v.powi(4) + (1.5 * v).exp());
                cell[0] += dt * (h * inward - v / 6.0 + stimulus);
                cell[1] += dt * if v < 0.13 { (1.0 - h) / 120.0 } else { -h / 150.0 };
                cell[2] += dt * (0.01 * (0.3 - a) + 0.02 * h * v * v / (1.0 + a) * scale);
                cell[3] += dt * (saturating - 0.002 * b);
            }
        }
        Ok(())
    }
}

#[test]
fn factors_in_common_are_found_once_and_reciprocals_divide() {
    let Distilled { surrogate, summary } = distilled(&mut Scaled, &options(1.0)).unwrap();
    assert_eq!(summary.learned, [""; 0], "{summary:?}");
    assert!(summary.departure.apd90 < 1e-3, "{summary:?}");
    let program = surrogate.program().unwrap();
    for cell in [[0.7, 0.6, 0.4, 0.52], [0.1, 0.9, 0.33, 0.5], [0.9, 0.95, 0.31, 0.6]] {
        let mut next = cell;
        Scaled.step(&mut next, &[0.0], 0.02, 1).unwrap();
        let found = program.evaluate_reference(&[cell[0], cell[1], cell[2], cell[3], 0.0]);
        for (j, (found, expected)) in found.iter().zip(next).enumerate() {
            assert!((found - expected).abs() < 2e-6, "{found} instead of {expected} in state {j}");
        }
    }
    let divisions = program
        .operations()
        .iter()
        .filter(|o| matches!(o, Operation::Binary { operator: crate::program::BinaryOperator::Divide, .. }));
    assert_eq!(divisions.count(), 1, "{summary:?}");
    // Two products of the reciprocal; some of the scale, once for both.
    assert!(summary.terms <= 12, "{summary:?}");
}

#[test]
fn long_pacing_is_compared_where_the_model_answers() {
    let mut model = TwoCurrents { tangled: 0.0 };
    let pulse = options(1.0).pulse;
    let long = LongPacing::of(&mut model, 0.02, pulse, &[450.0, 600.0], 12).unwrap();
    let again = LongPacing::of(&mut model, 0.02, pulse, &[450.0, 600.0], 12).unwrap();
    assert_eq!(long.errors(&again), [0.0, 0.0]);
    assert!(long.visited().len() > 100);
    // A weaker slow state lengthens action potentials; a dead cell has none.
    let other = long.repeated(&mut TwoCurrents { tangled: 0.02 }).unwrap();
    assert!(long.errors(&other).iter().all(|&e| e > 1e-4 && e < 1.0));
    let dead = Pulse { strength: 1e-6, ..pulse };
    assert!(LongPacing::of(&mut model, 0.02, dead, &[450.0], 12).is_err());
}

#[cfg(not(feature = "train"))]
#[test]
fn a_build_that_cannot_train_names_the_states_that_need_networks() {
    let fault = distilled(&mut TwoCurrents { tangled: 0.01 }, &options(1.0)).unwrap_err().to_string();
    assert!(fault.contains("x2") && fault.contains("--features cli,train"), "{fault}");
}

#[cfg(feature = "train")]
#[test]
fn a_network_learns_what_no_table_describes() {
    let mut model = TwoCurrents { tangled: 0.01 };
    let Distilled { surrogate, summary } = distilled(&mut model, &options(6.0)).unwrap();
    assert_eq!(summary.learned, ["x2"]);
    assert!(summary.departure.apd90 < 0.05, "{summary:?}");
    let found = surrogate.program().unwrap().evaluate_reference(&[0.7, 0.6, 0.4, 0.0]);
    let mut cell = [0.7, 0.6, 0.4];
    model.step(&mut cell, &[0.0], 0.02, 1).unwrap();
    assert!((found[2] - cell[2]).abs() < 0.2 * (cell[2] - 0.4f64).abs(), "{found:?} instead of {cell:?}");
}

#[cfg(feature = "train")]
#[test]
fn a_black_box_learns_every_state() {
    let options = Options { form: Form::BlackBox, apd90: 0.4, iterations: Some(8000), ..options(1e6) };
    let mut model = TwoCurrents { tangled: 0.0 };
    let Distilled { surrogate, summary } = distilled(&mut model, &options).unwrap();
    assert_eq!(summary.learned, ["V", "x1", "x2"]);
    assert!(summary.intervals.is_empty() && summary.terms == 0, "{summary:?}");
    // Single steps: all states on the plateau, the potential near rest and under the stimulus.
    let program = surrogate.program().unwrap();
    for (cell, stimulus, n_states) in
        [([0.7, 0.6, 0.4], 0.0, 3), ([0.02, 0.9, 0.22], 0.0, 1), ([0.02, 0.9, 0.22], 0.2, 1)]
    {
        let mut next = cell;
        model.step(&mut next, &[stimulus], 0.02, 1).unwrap();
        let found = program.evaluate_reference(&[cell[0], cell[1], cell[2], stimulus]);
        for j in 0..n_states {
            let (own, expected): (f64, f64) = (found[j] - cell[j], next[j] - cell[j]);
            assert!(
                (own - expected).abs() < 0.5 * expected.abs() + 1e-6,
                "{own} instead of {expected} in state {j}"
            );
        }
    }
}
