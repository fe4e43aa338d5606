//! What the next value of each state is made of: constant, memoryless, gate, affine or nothing simpler.

use super::increments::Known;
use super::noise::Noise;
use super::probes::Probes;
use super::questions::{Answers, Questions};
use super::{Role, State, StateIndex, Update, state_name};
use crate::error::Result;

/// Effects below this many tolerances are real but not certain.
const CERTAIN: f64 = 10.0;
/// Departures from a role that rounding hides are told of if they may be this part of the increment.
const WORTH_TELLING: f64 = 1e-3;

/// Role, parents and confidence of state `i`.
pub fn state(known: &Known, i: StateIndex, undecided: &mut Vec<String>) -> State {
    let Known { sweep, inputs, .. } = known;
    let size = known.sizes[i];
    let name = state_name(i);
    let tolerance = inputs.iter().map(|&j| sweep.response(i, j).tolerance).fold(0.0, f64::max) / size;
    let mut found = State {
        name: name.clone(),
        initial: 0.0,
        visited: [0.0; 2],
        role: Role::Constant,
        parents: Vec::new(),
        residual: 0.0,
        tolerance,
        margin: None,
        update: None,
    };
    if !inputs.contains(&i) {
        return State { tolerance: 0.0, ..found };
    }
    let others = inputs.iter().copied().filter(|&j| j != i);
    found.parents = others.clone().filter(|&j| sweep.depends(i, j)).collect();
    for &j in &found.parents {
        let ratio = sweep.response(i, j).change_ratio;
        found.margin = Some(found.margin.unwrap_or(f64::INFINITY).min(ratio));
        if ratio < CERTAIN {
            undecided.push(format!(
                "{name} depends on {} at {ratio:.1} times the rounding: taken for a parent, not certain",
                state_name(j)
            ));
        }
    }
    let own = sweep.response(i, i);
    let of_v_alone = found.parents.iter().all(|&j| j == 0);
    let affine = own.degree.is_some_and(|d| d <= 1);
    let memoryless = own.next_ratio <= 1.0;
    found.role = match i {
        0 => Role::Voltage,
        _ if memoryless && of_v_alone => Role::Memoryless,
        _ if affine && of_v_alone => Role::Gate,
        _ if affine => Role::Affine,
        _ => Role::Nonlinear,
    };
    let ignored = others.filter(|j| !found.parents.contains(j)).map(|j| sweep.response(i, j).change);
    let ignored = ignored.fold(0.0, f64::max);
    found.residual = match found.role {
        Role::Memoryless => ignored.max(own.next_change) / size,
        Role::Gate | Role::Affine => ignored.max(own.departure) / size,
        Role::Voltage | Role::Constant | Role::Nonlinear => 0.0,
    };
    if matches!(found.role, Role::Gate | Role::Affine) && tolerance > WORTH_TELLING {
        undecided.push(format!(
            "{name} is affine in itself to {:.0e} of its increment, which is all that its rounding lets see",
            tolerance
        ));
    }
    for j in inputs {
        let [lost, asked] = sweep.response(i, *j).lost;
        if lost > 0 {
            undecided.push(format!(
                "{lost} of {asked} answers of {name} to changes of {} are not finite",
                state_name(*j)
            ));
        }
    }
    found
}

/// Finds out how states that are affine in themselves depend on the length of the step.
pub fn updates(
    questions: &mut Questions,
    probes: &mut Probes,
    known: &Known,
    states: &mut [State],
) -> Result<()> {
    let n = questions.n_states();
    let affine: Vec<usize> =
        (0..n).filter(|&i| matches!(states[i].role, Role::Memoryless | Role::Gate | Role::Affine)).collect();
    // a at the inner end of the range of the state, and 1 − k from there to the outer end.
    let ends: Vec<Vec<f64>> = [0, 1]
        .map(|end| {
            let mut cells = known.base.states.clone();
            for cell in cells.chunks_mut(n) {
                affine.iter().for_each(|&i| cell[i] = probes.ranges[i].asked[end]);
            }
            cells
        })
        .to_vec();
    let stimulus = vec![0.0; known.base.len()];
    let mut answers = Vec::new();
    for factor in [1.0, 2.0] {
        for cells in &ends {
            answers.push(questions.ask_with(cells.clone(), &stimulus, factor * questions.dt)?);
        }
    }
    for i in affine {
        states[i].update = update(&answers, &known.noise, i);
    }
    Ok(())
}

/// `answers` are those from the lower and the upper end after a step, then after one of twice the length.
fn update(answers: &[Answers], noise: &Noise, i: StateIndex) -> Option<Update> {
    let [low, high, low_double, high_double] = answers else { return None };
    let (mut euler, mut exact, mut instantaneous, mut told) = (true, true, true, false);
    for c in 0..low.len() {
        let tolerance = answers.iter().map(|a| noise.tolerance(a, c, i)).fold(0.0, f64::max);
        let (once, twice) = ([low, high], [low_double, high_double]);
        let width = high.state(c)[i] - low.state(c)[i];
        let kept = (high.next(c, i) - low.next(c, i)) / width;
        for (once, twice) in once.iter().zip(twice) {
            let (first, second) = (once.increment(c, i), twice.increment(c, i));
            // Two equal steps in a row while the other states rest.
            let repeated = first * (1.0 + kept);
            euler &= (second - 2.0 * first).abs() <= 8.0 * tolerance;
            exact &= (second - repeated).abs() <= 8.0 * tolerance;
            instantaneous &= (second - first).abs() <= 8.0 * tolerance;
            told |= (first * (1.0 - kept)).abs() > 100.0 * tolerance;
        }
    }
    match (euler, exact, instantaneous) {
        (_, _, true) => Some(Update::Instantaneous),
        (true, false, _) => Some(Update::Euler),
        (false, true, _) if told => Some(Update::RushLarsen),
        _ => None,
    }
}
