//! Long pacing: whether the surrogate still beats after hundreds of stimuli, and like the reference.

use serde::Serialize;

use super::options::Options;
use super::reference::Paced;
use crate::error::Result;
use crate::protocol::{Beat, Criteria, Response, Sampling, Schedule, beats, pace_from};
use crate::step_function::StepFunction;

/// Beats that are paced and looked at together.
const CHUNK: u32 = 10;
/// Long pacing is at the cycle length of those that were paced that is nearest to this one, ms, and at the shortest that is answered.
const USUAL: f64 = 500.0;

/// A paced reference.
pub struct LongPacing {
    cycle_length: f64,
    durations: Vec<Option<f64>>,
}

/// Long pacing at one cycle length.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LongResult {
    /// From one stimulus to the next, ms.
    pub cycle_length: f64,
    /// Beats before the first that the reference does not answer with a whole action potential.
    pub reference_answered: usize,
    /// Beats of the surrogate.
    pub beats: usize,
    /// Beats before the first that the surrogate does not answer with a whole action potential.
    pub answered: usize,
    /// Largest error of APD90 of the beats that both answer, %.
    pub apd90_percent: Option<f64>,
    /// Error of APD90 of the last beat that both answer, %.
    pub last_apd90_percent: Option<f64>,
    /// The reference's APD90 beat by beat, ms.
    #[serde(skip)]
    pub reference_durations: Vec<Option<f64>>,
    /// The surrogate's APD90 beat by beat, ms.
    #[serde(skip)]
    pub durations: Vec<Option<f64>>,
}

impl LongResult {
    /// Beats before the first that the reference answers and the surrogate does not, or with APD90 off by more than `percent`.
    pub fn followed(&self, percent: f64) -> usize {
        let differs = |(own, expected): (&Option<f64>, &Option<f64>)| match (own, expected) {
            (Some(own), Some(expected)) => 100.0 * (own / expected - 1.0).abs() > percent,
            (own, expected) => own.is_none() && expected.is_some(),
        };
        let first = self.durations.iter().zip(&self.reference_durations).position(differs);
        first.unwrap_or(self.durations.len())
    }
}

/// APD90 of `options.long_beats` beats, or of those before a state is not finite.
fn pace(
    model: &mut dyn StepFunction,
    dt: f64,
    (options, cycle_length): (&Options, f64),
    criteria: &Criteria,
) -> Result<Vec<Option<f64>>> {
    let n_beats = options.long_beats as usize;
    let schedule = Schedule::regular(options.pulse, cycle_length, CHUNK, dt)?;
    let starts: Vec<f64> = schedule.starts.iter().map(|&start| start as f64 * dt).collect();
    let schedules = [schedule];
    let mut state = model.initial_state().to_vec();
    let mut responses: Vec<Response> = Vec::new();
    loop {
        let trace = pace_from(model, dt, &state, &schedules, Sampling::fine(dt))?.remove(0);
        let found = beats(&trace.voltage, trace.interval, &starts, criteria);
        responses.extend(found.iter().map(|beat: &Beat| beat.response));
        if responses.len() >= n_beats || responses.contains(&Response::NotFinite) {
            return Ok(responses.iter().take(n_beats).map(Response::apd90).collect());
        }
        state = trace.last;
    }
}

/// Paces the reference at one or two of the cycle lengths that it answered beat by beat.
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
    let pace_one = |&cycle_length: &f64| {
        let durations = pace(model, dt, (options, cycle_length), criteria)?;
        Ok(LongPacing { cycle_length, durations })
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
    let durations = pace(cells, dt, (options, reference.cycle_length), criteria)?;
    let both = reference.durations.iter().zip(&durations);
    let errors: Vec<f64> =
        both.filter_map(|(expected, own)| Some(100.0 * ((*own)? / (*expected)? - 1.0).abs())).collect();
    let answered =
        |durations: &[Option<f64>]| durations.iter().position(Option::is_none).unwrap_or(durations.len());
    Ok(LongResult {
        cycle_length: reference.cycle_length,
        reference_answered: answered(&reference.durations),
        beats: durations.len(),
        answered: answered(&durations),
        apd90_percent: errors.iter().copied().reduce(f64::max),
        last_apd90_percent: errors.last().copied(),
        reference_durations: reference.durations.clone(),
        durations,
    })
}
