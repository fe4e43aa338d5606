//! S1–S2 restitution: the action potential duration of a premature beat over the diastolic interval before it.

use super::action_potential::{Criteria, Response, beats};
use super::pacing::{Pulse, Sampling, Schedule, pace, pace_from, steps_in};
use crate::error::Result;
use crate::step_function::StepFunction;

/// A train of regular stimuli and one premature one.
#[derive(Clone, Debug, PartialEq)]
pub struct S1S2 {
    /// Every stimulus.
    pub pulse: Pulse,
    /// Cycle length of the train (S1), ms.
    pub cycle_length: f64,
    /// Number of beats of the train, at least 1.
    pub beats: u32,
    /// Times from the last stimulus of the train to the premature one (S2), ms.
    pub intervals: Vec<f64>,
    /// How long the response to the premature stimulus is followed, ms.
    pub window: f64,
}

/// What a premature stimulus brought about.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RestitutionPoint {
    /// Time from the last regular stimulus to the premature one, ms.
    pub interval: f64,
    /// From 90 % repolarisation of the last regular beat to the premature stimulus, ms; `None` if the cell had not repolarised.
    pub diastolic_interval: Option<f64>,
    /// What followed; times count from the premature stimulus.
    pub response: Response,
}

/// Restitution with a premature stimulus at each of the intervals: the train is paced once, what follows it side by side.
///
/// # Errors
/// Times that are not positive, and whatever the model answers.
pub fn s1s2(
    model: &mut dyn StepFunction,
    dt: f64,
    protocol: &S1S2,
    criteria: &Criteria,
) -> Result<Vec<RestitutionPoint>> {
    let sampling = Sampling::fine(dt);
    let train =
        Schedule::regular(protocol.pulse, protocol.cycle_length, protocol.beats.saturating_sub(1), dt)?;
    let trained = pace(model, dt, &[train], sampling)?;
    let window = steps_in(protocol.window, dt)?;
    let steps = protocol.intervals.iter().map(|&interval| steps_in(interval, dt));
    let steps = steps.collect::<Result<Vec<u64>>>()?;
    let schedules = steps.iter().map(|&s2| Schedule::new(protocol.pulse, vec![0, s2], s2 + window, dt));
    let schedules = schedules.collect::<Result<Vec<Schedule>>>()?;
    let states = trained[0].last.repeat(schedules.len());
    let traces = pace_from(model, dt, &states, &schedules, sampling)?;
    let points = traces.iter().zip(&steps).map(|(trace, &s2)| {
        let interval = s2 as f64 * dt;
        let found = beats(&trace.voltage, trace.interval, &[0.0, interval], criteria);
        let diastolic_interval = match found[0].response {
            Response::Complete(begin, end) => Some(interval - begin.activation - end.apd90),
            _ => None,
        };
        RestitutionPoint { interval, diastolic_interval, response: found[1].response }
    });
    Ok(points.collect())
}
