//! What a cell model is made of, as found by asking its step function: gates, currents, parents.
//!
//! Nothing is known of the model but its answers. Probes are states that were visited, jittered inside their ranges; one input
//! or two are varied at a time. Two answers are equal if they differ by no more than the rounding that was measured by asking
//! equal questions; every finding says how far from that line it lies, and what lies too close goes to
//! [`Structure::undecided`].

mod after;
mod description;
mod graph;
mod increments;
mod interactions;
mod noise;
mod picture;
mod polynomial;
mod probes;
mod questions;
mod roles;
mod stimulus;
mod sweep;
mod terms;
#[cfg(test)]
mod tests;

pub use after::after;
pub use description::{
    Evidence, Group, Increment, Monomial, Part, Role, State, StateIndex, StimulusEffect, Structure, Sum,
    Update,
};

pub use picture::picture;

use crate::error::{Error, Result};
use crate::harvest::Visited;
use crate::step_function::StepFunction;
use increments::{Depth, Known};
use probes::Probes;
use questions::{Answers, Questions};

/// Version of [`Structure`].
pub const FORMAT: u32 = 1;
/// Largest degree that is looked for: m³ and n⁴ occur in the field's models.
const MAX_DEGREE: u32 = 4;
/// Probes with finite answers that are needed.
const FEWEST: usize = 16;

/// How a cell model is asked.
#[derive(Clone, Debug)]
pub struct Options {
    /// File name of the library, for the record.
    pub library: String,
    /// Length of the step that is taken apart, ms.
    pub dt: f64,
    /// States at which every input is varied.
    pub probes: usize,
    /// Seed of the probes.
    pub seed: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self { library: String::new(), dt: 0.02, probes: 96, seed: 0 }
    }
}

/// Takes the step of `model` apart, asking it near the states that it `visited`.
///
/// # Errors
/// Too few visited states, too few finite answers, and whatever keeps the model from computing.
pub fn detect(model: &mut dyn StepFunction, visited: &Visited, options: &Options) -> Result<Structure> {
    if visited.n_states != model.n_states() || visited.len() < FEWEST {
        return Err(Error::invalid(format!(
            "{} visited states of {} numbers for a cell model of {}",
            visited.len(),
            visited.n_states,
            model.n_states()
        ))
        .remedy("harvest more states of this model"));
    }
    let initial = model.initial_state().to_vec();
    let some = visited.len().min(64) * visited.n_states;
    let unit = questions::unit(model, options.dt, &visited.states[..some])?;
    let mut questions = Questions::new(model, options.dt, unit);
    let mut probes = Probes::new(visited, options.seed);
    let mut undecided = Vec::new();
    let base = base(&mut questions, &mut probes, options.probes)?;
    let dropped = options.probes - base.len();
    if dropped > 0 {
        undecided.push(format!("{dropped} of {} probes gave answers that are not finite", options.probes));
    }
    let n = visited.n_states;
    let is_constant = |i: usize| (0..base.len()).all(|c| base.next(c, i) == base.state(c)[i]);
    let inputs: Vec<StateIndex> = (0..n).filter(|&i| !is_constant(i)).collect();
    let known = Known::new(&mut questions, &mut probes, base, inputs)?;

    let mut states = Vec::with_capacity(n);
    for (i, &initial) in initial.iter().enumerate() {
        let state = roles::state(&known, i, &mut undecided);
        states.push(State { initial, visited: probes.ranges[i].visited, ..state });
    }
    roles::updates(&mut questions, &mut probes, &known, &mut states)?;
    let stimulus = stimulus::effects(&mut questions, &known, visited, &mut undecided)?;
    let taken_apart: Vec<StateIndex> = (0..n)
        .filter(|&i| matches!(states[i].role, Role::Voltage | Role::Affine | Role::Nonlinear))
        .collect();
    let sketches = known.take_apart(&mut questions, &mut probes, &taken_apart, Depth::Products)?;
    let mut asked = questions.asked;
    let (simpler, more) = after::simpler(model, &mut probes, &known, &states, [options.dt, unit], &sketches)?;
    asked += more;
    let left =
        taken_apart.iter().copied().filter(|i| simpler.iter().all(|(increment, _)| increment.state != *i));
    let mut questions = Questions::new(model, options.dt, unit);
    let mut found =
        known.take_apart(&mut questions, &mut probes, &left.collect::<Vec<_>>(), Depth::Coefficients)?;
    asked += questions.asked;
    found.extend(simpler);
    found.sort_by_key(|(increment, _)| increment.state);
    let (increments, sentences): (Vec<_>, Vec<_>) = found.into_iter().unzip();
    undecided.extend(sentences.into_iter().flatten());
    Ok(Structure {
        format: FORMAT,
        library: options.library.clone(),
        dt: options.dt,
        states,
        increments,
        stimulus,
        undecided,
        evidence: Evidence {
            probes: known.base.len(),
            dropped,
            questions: asked,
            single_precision: unit > f64::EPSILON,
        },
    })
}

/// Probes with finite answers.
fn base(questions: &mut Questions, probes: &mut Probes, n: usize) -> Result<Answers> {
    let answers = questions.ask(probes.draw(n))?;
    let finite = (0..answers.len()).filter(|&c| answers.is_finite(c));
    let states: Vec<f64> = finite.flat_map(|c| answers.state(c).iter().copied()).collect();
    let left = states.len() / questions.n_states();
    if left < FEWEST {
        return Err(Error::numeric(format!("only {left} of {n} answers of the cell model are finite"))
            .remedy("check the length of the step and the stimulus with which states were harvested"));
    }
    questions.ask(states)
}

/// What a state is called where nobody knows a name.
fn state_name(i: StateIndex) -> String {
    if i == 0 { "V".to_owned() } else { format!("x{i}") }
}
