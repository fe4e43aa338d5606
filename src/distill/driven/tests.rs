//! A small model with a gate that opens where a sum of two fluxes passes a threshold.

use crate::distill::Distilled;
use crate::distill::tests::{distilled, options};
use crate::error::Result;
use crate::step_function::StepFunction;

/// Two currents, a store that empties, and the gate r of its release.
struct Release {
    /// Part of the gate's target that no sum decides.
    tangled: f64,
}

const INITIAL: [f64; 4] = [0.0, 1.0, 0.8, 0.1];
/// Threshold, and the width of the way from shut to open.
const THRESHOLD: f64 = 0.02;
const WIDTH: f64 = 2e-4;

impl Release {
    fn flux([v, h, c, r]: [f64; 4]) -> f64 {
        h * v * v * (1.0 - v) - 0.4 * r * r * c
    }
}

impl StepFunction for Release {
    fn n_states(&self) -> usize {
        4
    }

    fn initial_state(&self) -> &[f64] {
        &INITIAL
    }

    fn step(&mut self, states: &mut [f64], stimulus: &[f64], dt: f64, n_steps: u32) -> Result<()> {
        for (cell, stimulus) in states.chunks_mut(4).zip(stimulus) {
            for _ in 0..n_steps {
                let [v, h, c, r] = [cell[0], cell[1], cell[2], cell[3]];
                let open = 1.0 / (1.0 + ((THRESHOLD - Self::flux([v, h, c, r])) / WIDTH).exp());
                let speed = (0.1 + 0.05 * open) * (1.0 + self.tangled * (9.0 * v * c).sin());
                cell[0] += dt * (h * v * v * (1.0 - v) / 0.3 - v / 6.0 + stimulus);
                cell[1] += dt * if v < 0.13 { (1.0 - h) / 120.0 } else { -h / 150.0 };
                cell[2] += dt * (0.01 * (1.0 - c) - 0.05 * r * r * c);
                cell[3] += speed * dt * (open - r);
            }
        }
        Ok(())
    }
}

#[test]
fn a_gate_of_a_sum_needs_no_network() {
    let mut model = Release { tangled: 0.0 };
    let Distilled { surrogate, summary } = distilled(&mut model, &options(1.0)).unwrap();
    assert_eq!(summary.learned, [""; 0]);
    assert!(summary.departure.apd90 < 1e-3, "{summary:?}");
    let program = surrogate.program().unwrap();
    let (v, h, c) = (0.7, 0.5, 0.6);
    let at = |flux: f64| ((h * v * v * (1.0 - v) - flux) / (0.4 * c)).sqrt();
    // On the slope and far from it; both the target and the speed depend on the sum.
    for widths in [-50.0, -1.0, 0.0, 0.7, 2.0, 50.0] {
        let r = at(THRESHOLD + widths * WIDTH);
        let mut cell = [v, h, c, r];
        model.step(&mut cell, &[0.0], 0.02, 1).unwrap();
        let found = program.evaluate_reference(&[v, h, c, r, 0.0]);
        let (change, expected) = (found[3] - r, cell[3] - r);
        assert!(
            (change - expected).abs() < 1e-2 * 0.003,
            "{change} instead of {expected} at {widths} widths"
        );
    }
}

#[test]
fn what_a_sum_does_not_decide_alone_is_left_to_networks() {
    let mut model = Release { tangled: 0.5 };
    let error = distilled(&mut model, &options(0.0));
    match error {
        Ok(Distilled { summary, .. }) => assert_eq!(summary.learned, ["x3"]),
        Err(error) => assert!(error.to_string().contains("x3"), "{error}"),
    }
}
