//! Long pacing: whether the surrogate still beats after hundreds of stimuli, and like the reference.

use serde::Serialize;

use super::options::Options;
use super::reference::Paced;
use crate::error::Result;
use crate::protocol::{Beat, Criteria, Response, Sampling, Schedule, beats, pace_from};
use crate::step_function::StepFunction;

/// Beats that are paced and looked at together.
const CHUNK: u32 = 10;
/// The reference is settled when APD90 changes by less than this share over so many beats.
const SETTLED: f64 = 2e-4;
/// Long pacing is at the cycle length of those that were paced that is nearest to this one, ms, and at the shortest that is answered.
const USUAL: f64 = 500.0;

/// A paced reference: its beats until they no longer change.
pub struct LongPacing {
    cycle_length: f64,
    durations: Vec<Option<f64>>,
}

/// Long pacing at one cycle length.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LongResult {
    /// From one stimulus to the next, ms.
    pub cycle_length: f64,
    /// Beats of the reference, which was followed until its durations no longer changed or this number was allowed.
    pub reference_beats: usize,
    /// Beats of the surrogate.
    pub beats: usize,
    /// Beats before the first that the surrogate does not answer with a whole action potential.
    pub answered: usize,
    /// Error of APD90 at the reference's last beat, %.
    pub apd90_percent: Option<f64>,
    /// Change of the surrogate's APD90 from that beat to its last one, %.
    pub drift_percent: Option<f64>,
    /// The reference's APD90 beat by beat, ms.
    #[serde(skip)]
    pub reference_durations: Vec<Option<f64>>,
    /// The surrogate's APD90 beat by beat, ms.
    #[serde(skip)]
    pub durations: Vec<Option<f64>>,
}

/// Paces beat after beat; `go_on` sees all responses so far after each ten beats.
fn pace(
    model: &mut dyn StepFunction,
    dt: f64,
    (options, cycle_length): (&Options, f64),
    criteria: &Criteria,
    mut go_on: impl FnMut(&[Response]) -> bool,
) -> Result<Vec<Response>> {
    let schedule = Schedule::regular(options.pulse, cycle_length, CHUNK, dt)?;
    let starts: Vec<f64> = schedule.starts.iter().map(|&start| start as f64 * dt).collect();
    let schedules = [schedule];
    let mut state = model.initial_state().to_vec();
    let mut responses = Vec::new();
    loop {
        let trace = pace_from(model, dt, &state, &schedules, Sampling::fine(dt))?.remove(0);
        let found = beats(&trace.voltage, trace.interval, &starts, criteria);
        responses.extend(found.iter().map(|beat: &Beat| beat.response));
        if !go_on(&responses) {
            return Ok(responses);
        }
        state = trace.last;
    }
}

/// Paces the reference until it settles, at one or two of the cycle lengths that it answered beat by beat.
pub fn reference(
    model: &mut dyn StepFunction,
    dt: f64,
    options: &Options,
    criteria: &Criteria,
    paced: &Paced,
) -> Result<Vec<LongPacing>> {
    if options.long_beats == 0 {
        return Ok(Vec::new());
    }
    let answered = options.cycle_lengths.iter().zip(&paced.beats);
    let answered = answered.filter(|(_, beats)| beats.iter().all(|beat| beat.response.apd90().is_some()));
    let answered: Vec<f64> = answered.map(|(&length, _)| length).collect();
    let usual = answered.iter().copied().min_by(|a, b| (a - USUAL).abs().total_cmp(&(b - USUAL).abs()));
    let mut lengths: Vec<f64> = answered.iter().copied().reduce(f64::min).into_iter().chain(usual).collect();
    lengths.dedup();
    let most = options.long_reference_beats.min(options.long_beats) as usize;
    let settled = |responses: &[Response]| {
        let n = responses.len();
        let before = n.checked_sub(1 + CHUNK as usize).and_then(|i| responses[i].apd90());
        let change = responses[n - 1].apd90().zip(before).map(|(now, before)| (now / before - 1.0).abs());
        change.is_some_and(|change| change < SETTLED)
    };
    let pace_one = |&cycle_length: &f64| {
        let plan = (options, cycle_length);
        let responses = pace(model, dt, plan, criteria, |all| all.len() < most && !settled(all))?;
        Ok(LongPacing { cycle_length, durations: responses.iter().map(Response::apd90).collect() })
    };
    lengths.iter().map(pace_one).collect()
}

/// Paces the surrogate for all beats.
pub fn compare(
    cells: &mut dyn StepFunction,
    dt: f64,
    options: &Options,
    criteria: &Criteria,
    reference: &LongPacing,
) -> Result<LongResult> {
    let most = options.long_beats as usize;
    let plan = (options, reference.cycle_length);
    let broken = |all: &[Response]| all.contains(&Response::NotFinite);
    let responses = pace(cells, dt, plan, criteria, |all| all.len() < most && !broken(all))?;
    let durations: Vec<Option<f64>> = responses.iter().map(Response::apd90).take(most).collect();
    let both = reference.durations.len().min(durations.len()).checked_sub(1);
    let own = both.and_then(|i| durations[i]);
    let percent = |now: f64, before: f64| 100.0 * (now / before - 1.0).abs();
    Ok(LongResult {
        cycle_length: reference.cycle_length,
        reference_beats: reference.durations.len(),
        beats: durations.len(),
        answered: durations.iter().position(Option::is_none).unwrap_or(durations.len()),
        apd90_percent: own.zip(both.and_then(|i| reference.durations[i])).map(|(a, b)| percent(a, b)),
        drift_percent: durations.last().copied().flatten().zip(own).map(|(now, then)| percent(now, then)),
        reference_durations: reference.durations.clone(),
        durations,
    })
}
