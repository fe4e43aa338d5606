//! Latent gates of a membrane whose own gate nobody shows.

use super::*;
use crate::distill::tests::{TwoCurrents, distilled, options};
use crate::distill::{Distilled, Form};

fn gates() -> Gates {
    // Two gates at three potentials: steady states, logarithms of times.
    let rows = [[0.0, 1.0, 0.0, 2.0], [0.5, 0.5, 1.0, 2.0], [1.0, 0.25, 3.0, 2.0]].concat();
    Gates { n: 2, range: [-1.0, 1.0], rows }
}

#[test]
fn gates_are_linear_between_the_points_of_their_grid() {
    assert_eq!(gates().at(0.5), [0.75, 0.375, 2.0, 2.0]);
    assert_eq!(gates().steady(-7.0), [0.0, 1.0]);
    assert_eq!(gates().steady(7.0), [1.0, 0.25]);
}

#[test]
fn the_program_relaxes_gates_and_adds_current_and_stimulus() {
    // 0.1·z1 − 0.2·z2 + 0.01·V, of which sinh is taken, times 3.
    let layer = Layer { weights: vec![0.01, 0.1, -0.2], bias: vec![0.0], activation: Activation::Linear };
    let program = program::program(&gates(), &[layer], 3.0, [-1.0, 1.0], 0.05, 0.5).unwrap();
    for (cell, stimulus) in [([0.25, 0.3, 0.9], 0.0), ([-0.5, 0.8, 0.1], -4.0), ([0.9, 0.8, 0.1], 100.0)] {
        let [v, z1, z2]: [f64; 3] = cell;
        let at = gates().at(v);
        let relaxed = |z: f64, k: usize| z + (1.0 - (-0.5 / at[2 + k].exp()).exp()) * (at[k] - z);
        let current = 3.0 * (0.01 * v + 0.1 * z1 - 0.2 * z2).sinh();
        let expected = [(v + current + 0.05 * stimulus).clamp(-1.0, 1.0), relaxed(z1, 0), relaxed(z2, 1)];
        let found = program.evaluate_reference(&[v, z1, z2, stimulus]);
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() < 2e-6, "{found} instead of {expected}");
        }
    }
}

#[test]
fn recordings_come_back_from_a_checkpoint() {
    let recording = |n: usize, x: f64| {
        let column = |k: f64| (0..n).map(|i| x + k + i as f64).collect::<Vec<_>>();
        let [interval, voltage, mean] = [column(0.1), column(0.2), column(0.3)];
        Recording { interval, voltage, mean, change: column(0.4), stimulus: column(0.5) }
    };
    let recordings = [recording(3, 1.0), recording(5, 2.0)];
    let mut kept = Kept::default();
    sequences::keep(&recordings, &mut kept);
    assert_eq!(sequences::take_back(&kept).unwrap(), recordings);
    kept.put("recorded_mean", &[1.0; 7]);
    assert!(sequences::take_back(&kept).unwrap_err().to_string().contains("7 numbers in recorded_mean of 8"));
    let sequences = Sequences::new(&recordings, 2.0, Curve::UNIT);
    assert_eq!((sequences.length, &sequences.samples[..]), (5, &[3, 5][..]));
    assert_eq!(sequences.interval[2..6], [3.1, 0.0, 0.0, 2.1]);
    assert_eq!(sequences.voltage[2..6], [3.2, 1.2, 1.2, 2.2]);
    // 1.4 − 2·1.5 on the curve.
    assert!((sequences.target[0] - (-1.6f32).asinh()).abs() < 1e-6);
}

#[cfg(feature = "train")]
#[test]
fn the_gate_that_nobody_shows_is_found_from_the_potential() {
    let mut model = TwoCurrents { tangled: 0.0 };
    let options = |n| crate::distill::Options {
        form: Form::Latent(n),
        apd90: 0.1,
        iterations: Some(2000),
        ..options(1e6)
    };
    let Distilled { surrogate, summary } = distilled(&mut model, &options(2)).unwrap();
    assert_eq!((&summary.learned[..], summary.latent), (&["V".to_owned()][..], 2));
    assert!(summary.departure.apd90 < 0.15, "{summary:?}");
    let names: Vec<&str> = surrogate.inputs().iter().map(|v| v.name.as_str()).collect();
    assert_eq!(names, ["V", "z1", "z2", "stimulus"]);
    assert!(distilled(&mut model, &options(0)).unwrap_err().to_string().contains("0 latent gates"));
}
