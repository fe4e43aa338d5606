//! Latent gates of a membrane whose own gate nobody shows.

use super::*;
#[cfg(feature = "train")]
use crate::distill::tests::{TwoCurrents, distilled, options};
#[cfg(feature = "train")]
use crate::distill::{Distilled, Form};
#[cfg(feature = "train")]
use crate::step_function::StepFunction;

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

/// A potential that is drawn down by a hidden state, which follows it in 10 ms.
#[cfg(feature = "train")]
struct Lag;

#[cfg(feature = "train")]
impl StepFunction for Lag {
    fn n_states(&self) -> usize {
        2
    }

    fn initial_state(&self) -> &[f64] {
        &[0.0, 0.0]
    }

    fn step(&mut self, states: &mut [f64], stimulus: &[f64], dt: f64, n_steps: u32) -> Result<()> {
        for (cell, stimulus) in states.chunks_mut(2).zip(stimulus) {
            for _ in 0..n_steps {
                let [v, y] = [cell[0], cell[1]];
                cell[0] += dt * (stimulus - 0.3 * v - 0.5 * y);
                cell[1] += dt * 0.1 * (v - y);
            }
        }
        Ok(())
    }
}

/// The part of the changes in `recording` that a step of `surrogate` leaves unexplained while its gates follow the recorded potential:
/// the square of what is left over that of all.
#[cfg(feature = "train")]
fn unexplained(surrogate: &Surrogate, recording: &Recording, dt: f64) -> f64 {
    let (program, mut gates) =
        (surrogate.program().unwrap(), surrogate.initial_state().unwrap()[1..].to_vec());
    let next = |v: f64, gates: &[f64]| {
        let cell: Vec<f64> = std::iter::once(v).chain(gates.iter().copied()).chain([0.0]).collect();
        program.evaluate_reference(&cell)
    };
    let (mut left, mut all) = (0.0, 0.0);
    for i in 0..recording.len() {
        let change = recording.change[i] - dt * recording.stimulus[i];
        let found = next(recording.voltage[i], &gates)[0] - recording.voltage[i];
        left += (found - change).powi(2);
        all += change.powi(2);
        for _ in 0..(recording.interval[i] / dt).round() as u32 {
            gates = next(recording.mean[i], &gates)[1..].to_vec();
        }
    }
    left / all
}

#[cfg(feature = "train")]
#[test]
fn the_potential_s_changes_are_learned_from_recordings() {
    let dt = 0.1;
    let driven = harvest::Options {
        strength: 1.0,
        dt,
        n_cells: 24,
        in_cables: 0.0,
        time: 400.0,
        ..harvest::Options::default()
    };
    let recordings = harvest::record(&mut Lag, None, &driven).unwrap();
    let all = recordings.iter().flat_map(|r| &r.voltage);
    let range = [all.clone().copied().fold(0.0, f64::min), all.copied().fold(0.0, f64::max)];
    let membrane = Membrane { name: "lag".into(), dt, rest: 0.0, range, effect: dt };
    let mut latent = Latent::new(membrane, 2, recordings.clone(), driven).unwrap();
    latent.begin().unwrap();
    let left = |latent: &Latent| unexplained(&latent.surrogate().unwrap(), &recordings[0], dt);
    let (before, gates) = (left(&latent), latent.fit.gates());
    (0..300).for_each(|_| latent.step(5e-3));
    assert!(before > 0.8 && left(&latent) < 0.4, "{} of {before}", left(&latent));
    assert_ne!(gates, latent.fit.gates());
}

#[cfg(feature = "train")]
#[test]
fn a_latent_surrogate_has_states_of_its_own() {
    let mut model = TwoCurrents { tangled: 0.0 };
    // One round, whatever comes of it.
    let options = |n| crate::distill::Options {
        form: Form::Latent(n),
        apd90: f64::INFINITY,
        iterations: Some(20),
        ..options(1e6)
    };
    let Distilled { surrogate, summary } = distilled(&mut model, &options(2)).unwrap();
    assert_eq!((&summary.learned[..], summary.form), (&["V".to_owned()][..], Form::Latent(2)));
    assert_eq!(surrogate.provenance()["distill"]["form"]["latent"], 2);
    let names: Vec<&str> = surrogate.inputs().iter().map(|v| v.name.as_str()).collect();
    assert_eq!(names, ["V", "z1", "z2", "stimulus"]);
    assert!(distilled(&mut model, &options(0)).unwrap_err().to_string().contains("0 latent gates"));
}
