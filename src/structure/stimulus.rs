//! How the stimulus enters.

use super::increments::Known;
use super::questions::Questions;
use super::{StimulusEffect, state_name};
use crate::error::Result;
use crate::harvest::Visited;

/// Strengths at which the effect is compared, in units of the strongest stimulus that was visited.
const STRENGTHS: [f64; 4] = [0.1, 0.5, 1.0, -0.5];
/// A departure from proportionality above this part of the effect is told of.
const WORTH_TELLING: f64 = 1e-6;

/// The states that a stimulus changes, and whether in proportion.
pub fn effects(
    questions: &mut Questions,
    known: &Known,
    visited: &Visited,
    undecided: &mut Vec<String>,
) -> Result<Vec<StimulusEffect>> {
    let Known { noise, base, .. } = known;
    let strongest =
        visited.stimulus.iter().copied().fold(0.0, |a: f64, b| if b.abs() > a.abs() { b } else { a });
    if strongest == 0.0 {
        undecided.push(
            "how the stimulus enters: no cell was under a stimulus when states were harvested".to_owned(),
        );
        return Ok(Vec::new());
    }
    let mut answers = Vec::new();
    for strength in STRENGTHS {
        let stimulus = vec![strength * strongest; base.len()];
        answers.push(questions.ask_with(base.states.clone(), &stimulus, questions.dt)?);
    }
    let mut effects = Vec::new();
    for i in 0..questions.n_states() {
        let (mut slopes, mut ratio) = (Vec::new(), 0.0_f64);
        for (strength, answers) in STRENGTHS.iter().zip(&answers) {
            for c in 0..base.len() {
                let change = answers.increment(c, i) - base.increment(c, i);
                let tolerance = noise.tolerance(answers, c, i) + noise.tolerance(base, c, i);
                if change.is_finite() {
                    ratio = ratio.max(change.abs() / tolerance);
                    slopes.push((change / (strength * strongest), tolerance / (strength * strongest).abs()));
                }
            }
        }
        if ratio <= 1.0 {
            continue;
        }
        // The best read slopes are those of the strongest stimulus.
        let best = slopes.iter().map(|(_, tolerance)| *tolerance).fold(f64::INFINITY, f64::min);
        let good = slopes.iter().filter(|(_, tolerance)| *tolerance <= 2.0 * best);
        let (sum, count) = good.fold((0.0, 0.0), |(sum, count), (slope, _)| (sum + slope, count + 1.0));
        let per_unit: f64 = sum / count;
        let departure = slopes
            .iter()
            .map(|(slope, tolerance)| ((slope - per_unit).abs() - tolerance).max(0.0) / per_unit.abs())
            .fold(0.0, f64::max);
        if departure > WORTH_TELLING {
            undecided.push(format!(
                "the stimulus does not enter {} in proportion (departures of {departure:.1e} of its effect)",
                state_name(i)
            ));
        }
        effects.push(StimulusEffect { state: i, per_unit, residual: departure });
    }
    Ok(effects)
}
