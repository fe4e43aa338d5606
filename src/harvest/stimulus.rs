//! The stimulus that excites a cell of which nothing is known: its sign and the threshold of its strength.

use crate::error::{Error, Result};
use crate::step_function::StepFunction;

/// A current that starts an action potential.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stimulus {
    /// Amplitude in the model's unit and sign.
    pub strength: f64,
    /// Length, ms.
    pub duration: f64,
    /// The weakest amplitude that excites, where it was searched for.
    pub threshold: Option<f64>,
}

/// Time after the stimulus in which the action potential must show, ms.
const WAIT: f64 = 20.0;
/// Strengths that are tried first, by the displacement of V that they would cause alone: from that of dimensionless models
/// far below threshold to that of millivolts far above.
const DISPLACEMENTS: [f64; 2] = [1e-3, 1e3];
const PER_DECADE: usize = 12;
/// A passive response grows like the strength; the step to an action potential must exceed that by this factor.
const JUMP: f64 = 1.5;

/// Twice the weakest stimulus of `duration` that excites a cell at rest within 20 ms.
///
/// An action potential is recognised without knowing the model's units: the response to a stronger stimulus grows with it,
/// until at the threshold it jumps.
///
/// # Errors
/// A model that no stimulus excites, and whatever it answers.
pub fn find(model: &mut dyn StepFunction, dt: f64, duration: f64) -> Result<Stimulus> {
    let per_unit = effect_on_v(model, dt)?;
    let n = ((DISPLACEMENTS[1] / DISPLACEMENTS[0]).log10().round() as usize) * PER_DECADE;
    let strengths: Vec<f64> = (0..=n)
        .map(|k| {
            let displacement = DISPLACEMENTS[0] * 10f64.powf(k as f64 / PER_DECADE as f64);
            displacement / (per_unit * duration)
        })
        .collect();
    let responses = responses(model, &strengths, dt, duration)?;
    let (before, response) = first_jump(&responses).ok_or_else(|| not_excitable(&strengths, &responses))?;
    let [mut low, mut high] = [strengths[before], strengths[before + 1]];
    // Halfway, on a logarithmic scale, between what the stimulus alone reached and the action potential.
    let excited = (responses[before] * response).sqrt();
    for _ in 0..2 {
        let between: Vec<f64> = (1..16).map(|k| low * (high / low).powf(f64::from(k) / 16.0)).collect();
        let answers = self::responses(model, &between, dt, duration)?;
        let first = answers.iter().position(|&r| r > excited).unwrap_or(between.len());
        if first < between.len() {
            high = between[first];
        }
        if first > 0 {
            low = between[first - 1];
        }
    }
    Ok(Stimulus { strength: 2.0 * high, duration, threshold: Some(high) })
}

/// Change of V per ms and unit of stimulus.
fn effect_on_v(model: &mut dyn StepFunction, dt: f64) -> Result<f64> {
    let n_states = model.n_states();
    let mut states = model.initial_state().repeat(3);
    model.step(&mut states, &[0.0, 1.0, -1.0], dt, 1)?;
    let per_unit = (states[n_states] - states[2 * n_states]) / (2.0 * dt);
    match per_unit.is_finite() && per_unit != 0.0 {
        true => Ok(per_unit),
        false => Err(Error::numeric("the stimulus does not change V, which must be state 0")
            .remedy("give the strength of the stimulus")),
    }
}

/// How far each stimulus drives V above the undisturbed cell after its end; NaN where the model failed.
fn responses(model: &mut dyn StepFunction, strengths: &[f64], dt: f64, duration: f64) -> Result<Vec<f64>> {
    let n_states = model.n_states();
    let mut states = model.initial_state().repeat(strengths.len() + 1);
    let mut stimulus = strengths.to_vec();
    stimulus.push(0.0);
    let steps = |time: f64| (time / dt).round().max(1.0) as u32;
    model.step(&mut states, &stimulus, dt, steps(duration))?;
    stimulus.fill(0.0);
    let mut highest = vec![0.0f64; strengths.len()];
    let look = steps(0.1);
    for _ in 0..(WAIT / (f64::from(look) * dt)).ceil() as u32 {
        model.step(&mut states, &stimulus, dt, look)?;
        let undisturbed = states[strengths.len() * n_states];
        for (highest, cell) in highest.iter_mut().zip(states.chunks(n_states)) {
            let above = cell[0] - undisturbed;
            *highest = if above.is_finite() && !highest.is_nan() { highest.max(above) } else { f64::NAN };
        }
    }
    Ok(highest)
}

/// The place after which the response jumps for the first time, and the response there. What goes on growing like that, or fails, is
/// not an action potential but a solver that became unstable.
fn first_jump(responses: &[f64]) -> Option<(usize, f64)> {
    let passive = 10f64.powf(1.0 / PER_DECADE as f64);
    let jump = |k: usize| responses[k + 1] / (responses[k] * passive);
    (0..responses.len() - 2)
        .find(|&k| responses[k] > 0.0 && jump(k) > JUMP && jump(k + 1) < JUMP)
        .map(|k| (k, responses[k + 1]))
}

fn not_excitable(strengths: &[f64], responses: &[f64]) -> Error {
    let sign = if strengths[0] > 0.0 { "positive" } else { "negative" };
    let what = format!("no {sign} stimulus starts an action potential within {WAIT} ms");
    match responses.iter().position(|r| !r.is_finite()) {
        Some(k) => {
            Error::numeric(format!("{what}, and from {:.4} on states become infinite or NaN", strengths[k]))
                .remedy("take a smaller --dt or more --substeps, or give the strength of the stimulus")
        }
        None => Error::numeric(what)
            .remedy("give the strength of the stimulus (--strength), or a longer one (--duration)"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// V decays, and above the threshold it is drawn to 1; a state beyond 100 is as good as infinite.
    struct Model {
        threshold: f64,
        sign: f64,
        bursts: bool,
    }

    impl StepFunction for Model {
        fn n_states(&self) -> usize {
            1
        }

        fn initial_state(&self) -> &[f64] {
            &[0.0]
        }

        fn step(&mut self, states: &mut [f64], stimulus: &[f64], dt: f64, n_steps: u32) -> Result<()> {
            for (v, s) in states.iter_mut().zip(stimulus) {
                for _ in 0..n_steps {
                    let drift = if *v > self.threshold { 1.0 - *v } else { -*v };
                    *v += dt * (0.5 * drift + self.sign * s);
                    if self.bursts && *v > 0.5 {
                        *v = f64::INFINITY;
                    }
                }
            }
            Ok(())
        }
    }

    #[test]
    fn sign_and_threshold_are_found_whatever_the_unit() {
        for (threshold, sign) in [(0.1, 1.0), (0.1, -40.0), (0.3, 1e-3)] {
            let stimulus = find(&mut Model { threshold, sign, bursts: false }, 0.02, 2.0).unwrap();
            // V under a constant stimulus: s/0.5 · (1 − exp(−0.5 t)).
            let expected = threshold * 0.5 / (1.0 - (-1.0f64).exp()) / sign;
            let found = stimulus.threshold.unwrap();
            assert!((found / expected - 1.0).abs() < 0.02, "{found} where {expected} was expected");
            assert_eq!(stimulus.strength, 2.0 * found);
        }
    }

    #[test]
    fn what_no_stimulus_excites_is_an_error_that_says_why() {
        let error = find(&mut Model { threshold: f64::MAX, sign: -1.0, bursts: false }, 0.02, 2.0);
        assert!(error.unwrap_err().to_string().starts_with("no negative stimulus starts"));
        let error = find(&mut Model { threshold: f64::MAX, sign: 1.0, bursts: true }, 0.02, 2.0);
        assert!(error.unwrap_err().to_string().contains("infinite or NaN: take a smaller --dt"));
        let error = find(&mut Model { threshold: 0.1, sign: 0.0, bursts: false }, 0.02, 2.0);
        assert!(error.unwrap_err().to_string().starts_with("the stimulus does not change V"));
    }
}
