//! What it takes to excite a cell of which nothing is known.

use super::action_potential::Criteria;
use super::pacing::{Pulse, Sampling, Schedule, Trace, pace, steps_in};
use crate::error::{Error, Result};
use crate::step_function::StepFunction;

/// What it takes to excite a rested cell, and what its action potential is like.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Excitability {
    /// The weakest pulse that excites the cell, to 5 %.
    pub threshold: Pulse,
    /// A pulse of twice that strength, which experiments usually take.
    pub pulse: Pulse,
    /// What counts as an action potential of this model.
    pub criteria: Criteria,
}

/// The first pulse tried would move an insulated cell's potential by this much; each next one is twice as strong.
const FIRST_DEFLECTION: f64 = 1e-3;
const DOUBLINGS: i32 = 22;
/// A response is followed for so long, ms.
const WINDOW: f64 = 200.0;
/// Twice the stimulus gives about twice the response, in potential × time, of a cell that stays at rest; an action potential gives
/// tens to hundreds of times as much.
const ALL_OR_NONE: f64 = 8.0;
/// Longest action potential that is waited for, ms.
const LONGEST: f64 = 2000.0;

/// Finds threshold and sign of the stimulus by trying, from the model's initial state, with pulses of `duration` ms.
///
/// # Errors
/// A model whose potential no stimulus moves, that no pulse excites or that does not come back to rest, and whatever it answers.
pub fn excitability(model: &mut dyn StepFunction, dt: f64, duration: f64) -> Result<Excitability> {
    let slope = slope(model, dt)?;
    let weakest = FIRST_DEFLECTION / (slope * duration);
    let (mut below, mut before) = (None, f64::INFINITY);
    for doubling in 0..DOUBLINGS {
        let strength = weakest * 2f64.powi(doubling);
        let response = response(model, dt, Pulse { strength, duration })?;
        if let Some(low) = below.filter(|_| response > ALL_OR_NONE * before) {
            let strength = bisect(model, dt, duration, [low, strength], (before * response).sqrt())?;
            let pulse = Pulse { strength: 2.0 * strength, duration };
            let criteria = criteria(model, dt, pulse)?;
            return Ok(Excitability { threshold: Pulse { strength, duration }, pulse, criteria });
        }
        if !response.is_finite() {
            break;
        }
        (below, before) = (Some(strength), response);
    }
    Err(Error::numeric(format!("no stimulus of {duration} ms excites the cell"))
        .remedy("name a strength and a duration that do, and check the initial state"))
}

/// What counts as an action potential, from one under `pulse` from the model's initial state.
///
/// # Errors
/// No action potential that comes back to rest, and whatever the model answers.
pub fn criteria(model: &mut dyn StepFunction, dt: f64, pulse: Pulse) -> Result<Criteria> {
    let every = (0.1 / dt).round().max(1.0) as u32;
    let schedule = Schedule::new(pulse, vec![0], steps_in(LONGEST, dt)?, dt)?;
    let traces = pace(model, dt, &[schedule], Sampling { every, states: false })?;
    Criteria::from_normal(&traces[0].voltage, traces[0].interval).ok_or_else(|| {
        let Pulse { strength, duration } = pulse;
        Error::numeric(format!(
            "after a stimulus of {strength} for {duration} ms the cell does not come back to rest"
        ))
        .remedy("name a stimulus that excites the model, with the sign that the model takes")
    })
}

/// How fast a unit of stimulus moves the potential.
fn slope(model: &mut dyn StepFunction, dt: f64) -> Result<f64> {
    let mut states = model.initial_state().repeat(2);
    model.step(&mut states, &[0.0, 1.0], dt, 1)?;
    let slope = (states[model.n_states()] - states[0]) / dt;
    if !slope.is_finite() || slope == 0.0 {
        return Err(Error::numeric("no stimulus moves the potential of a cell in its initial state").remedy(
            "check that this is a cell model, and that its first state is the transmembrane potential",
        ));
    }
    Ok(slope)
}

/// Potential × time by which a stimulated cell departs from one that is not.
fn response(model: &mut dyn StepFunction, dt: f64, pulse: Pulse) -> Result<f64> {
    let end = steps_in(WINDOW, dt)?;
    let stimulated = Schedule::new(pulse, vec![0], end, dt)?;
    let left_alone = Schedule { starts: Vec::new(), ..stimulated.clone() };
    let every = (0.5 / dt).round().max(1.0) as u32;
    let traces = pace(model, dt, &[stimulated, left_alone], Sampling { every, states: false })?;
    let [Trace { voltage, interval, .. }, control] = &traces[..] else { return Ok(f64::NAN) };
    Ok(voltage.iter().zip(&control.voltage).map(|(v, rest)| (v - rest).abs() * interval).sum())
}

/// The weakest strength between two whose response is above `middle`, to 5 %.
fn bisect(
    model: &mut dyn StepFunction,
    dt: f64,
    duration: f64,
    [mut low, mut high]: [f64; 2],
    middle: f64,
) -> Result<f64> {
    while high / low > 1.05 {
        let strength = low.signum() * (low * high).sqrt();
        match response(model, dt, Pulse { strength, duration })? > middle {
            true => high = strength,
            false => low = strength,
        }
    }
    Ok(high)
}
