//! Where a surrogate is to hold: the states that were visited, and some way beyond.

use crate::harvest::Visited;
use crate::structure::{Role, Structure};

/// How far beyond the visited range, as a part of its width …
const BEYOND: f64 = 0.25;
/// … and as a part of the largest value: concentrations drift over hundreds of beats, and a second of pacing does not show it.
const DRIFT: f64 = 0.05;

/// The range of a state that looks like a probability: 0 and 1 are good values to ask at.
pub const FRACTION: [f64; 2] = [0.0, 1.0];

/// The range of every state in which tables hold. Fractions stay fractions, and what is positive stays so. What buffers change is a
/// concentration, however small it is.
pub fn domain(visited: &Visited, structure: &Structure) -> Vec<[f64; 2]> {
    let widened = ranges(visited).into_iter().enumerate().map(|(state, [low, high])| {
        let is_linear = !matches!(structure.states[state].role, Role::Voltage | Role::Nonlinear);
        if is_linear && low >= 0.0 && high <= 1.0 && high > 0.01 {
            return FRACTION;
        }
        let drift = if state == 0 { 0.0 } else { DRIFT * low.abs().max(high.abs()) };
        let margin = (BEYOND * (high - low)).max(drift).max(1e-12);
        let bottom = if low > 0.0 { (low - margin).max(0.5 * low) } else { low - margin };
        [bottom, high + margin]
    });
    widened.collect()
}

/// Smallest and largest visited value of every state.
fn ranges(visited: &Visited) -> Vec<[f64; 2]> {
    let mut ranges = vec![[f64::INFINITY, f64::NEG_INFINITY]; visited.n_states];
    for cell in visited.states.chunks(visited.n_states.max(1)) {
        for (range, &x) in ranges.iter_mut().zip(cell) {
            *range = [range[0].min(x), range[1].max(x)];
        }
    }
    ranges
}
