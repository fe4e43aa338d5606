//! Distillation of small models of which the structure is known.

use std::time::Duration;

use super::*;
use crate::structure::detect;
use crate::surrogate::Verified;

/// The model of Mitchell and Schaeffer (2003), whose gate has a threshold, with a slow positive state that weakens the membrane.
struct TwoCurrents {
    /// Strength of a coupling of all states that no sum of products describes.
    tangled: f64,
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
                let tangled = self.tangled * (3.0 * v + 2.0 * c - 2.0 * h * v).tanh();
                cell[0] += dt * (h * v * v * (1.0 - v) / 0.3 - v / 6.0 - 0.05 * v * c / (c + 0.5) + stimulus);
                cell[1] += dt * if v < 0.13 { (1.0 - h) / 120.0 } else { -h / 150.0 };
                cell[2] += dt * (0.004 * v - 0.003 * (c - 0.2) + tangled);
            }
        }
        Ok(())
    }
}

fn options(budget: f64) -> Options {
    Options {
        form: Form::Structured,
        pulse: Pulse { strength: 0.2, duration: 2.0 },
        apd90: 1e-3,
        cycle_lengths: vec![460.0, 620.0],
        beats: 2,
        budget: Duration::from_secs_f64(budget),
        seed: 1,
    }
}

fn distilled(model: &mut TwoCurrents, options: &Options) -> Result<Distilled> {
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
    let options = Options { form: Form::BlackBox, ..options(2.0) };
    let summary = distilled(&mut TwoCurrents { tangled: 0.0 }, &options).unwrap().summary;
    assert_eq!(summary.learned, ["V", "x1", "x2"]);
    assert!(summary.intervals.is_empty() && summary.terms == 0, "{summary:?}");
}
