//! Premature beats: restitution of the action potential duration.

use serde::Serialize;

use super::options::Options;
use super::reference::Paced;
use crate::protocol::{Response, RestitutionPoint, S1S2};

/// Premature stimuli come this share of the regular action potential after its end.
const DIASTOLE: [f64; 14] = [-0.06, -0.03, 0.0, 0.03, 0.06, 0.1, 0.15, 0.2, 0.3, 0.45, 0.6, 0.8, 1.1, 1.5];

/// A premature stimulus and what both make of it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct PrematureBeat {
    /// From the last regular stimulus to the premature one, ms.
    pub interval: f64,
    /// From the reference's repolarisation to the premature stimulus, ms.
    pub diastolic_interval: Option<f64>,
    /// From the surrogate's repolarisation to the premature stimulus, ms.
    pub own_diastolic_interval: Option<f64>,
    /// The reference's duration, ms; none without a whole action potential.
    pub reference_apd90: Option<f64>,
    /// The surrogate's.
    pub apd90: Option<f64>,
}

/// Restitution of both.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RestitutionResult {
    /// Cycle length of the regular beats, ms.
    pub cycle_length: f64,
    /// Number of regular beats.
    pub beats: u32,
    /// Premature stimuli by their time.
    pub points: Vec<PrematureBeat>,
    /// Largest error of APD90 where both have one, %.
    pub apd90_percent: Option<f64>,
    /// Largest error of APD90 where both have one, ms.
    pub apd90_ms: Option<f64>,
    /// The shortest interval that excites the reference, ms.
    pub reference_shortest: Option<f64>,
    /// The shortest interval that excites the surrogate, ms.
    pub shortest: Option<f64>,
    /// Stimuli that excite only one of the two, beyond one where the limit lies between neighbouring intervals.
    pub failures: usize,
}

/// The protocol for the paced reference: the shortest cycle length that leaves room for a range of diastolic intervals, or else the
/// longest that is answered by whole action potentials.
pub fn plan(options: &Options, paced: &Paced) -> Option<S1S2> {
    if options.restitution_beats == 0 {
        return None;
    }
    let lengths = options.cycle_lengths.iter().copied();
    let steady =
        lengths.zip(&paced.beats).filter_map(|(length, beats)| Some((length, beats.last()?.response)));
    let mut steady: Vec<(f64, f64)> =
        steady.filter_map(|(length, response)| Some((length, response.apd90()?))).collect();
    steady.sort_by(|a, b| a.0.total_cmp(&b.0));
    let roomy = steady.iter().find(|(length, apd90)| *length >= 1.5 * apd90);
    let &(cycle_length, apd90) = roomy.or(steady.last())?;
    let mut intervals: Vec<f64> =
        DIASTOLE.iter().map(|share| ((1.0 + share) * apd90 + options.pulse.duration / 2.0).round()).collect();
    intervals.retain(|&interval| interval > options.pulse.duration);
    intervals.dedup();
    let window = 2.0 * cycle_length.max(2.0 * apd90);
    Some(S1S2 { pulse: options.pulse, cycle_length, beats: options.restitution_beats, intervals, window })
}

/// Compares premature beats, stimulus by stimulus.
pub fn compare(
    protocol: &S1S2,
    reference: &[RestitutionPoint],
    own: &[RestitutionPoint],
) -> RestitutionResult {
    let pairs = || reference.iter().zip(own);
    let points = pairs().map(|(reference, own)| PrematureBeat {
        interval: reference.interval,
        diastolic_interval: reference.diastolic_interval,
        own_diastolic_interval: own.diastolic_interval,
        reference_apd90: reference.response.apd90(),
        apd90: own.response.apd90(),
    });
    let points: Vec<PrematureBeat> = points.collect();
    let both = points.iter().filter_map(|p| Some((p.reference_apd90?, p.apd90?)));
    let errors: Vec<(f64, f64)> = both.map(|(a, b)| ((b - a).abs(), 100.0 * (b / a - 1.0).abs())).collect();
    let excited = |response: &Response| response.depolarisation().is_some();
    let shortest = |points: &[RestitutionPoint]| {
        points.iter().find(|point| excited(&point.response)).map(|point| point.interval)
    };
    let different = pairs().filter(|(a, b)| excited(&a.response) != excited(&b.response)).count();
    let broken = own.iter().filter(|point| point.response == Response::NotFinite).count();
    RestitutionResult {
        cycle_length: protocol.cycle_length,
        beats: protocol.beats,
        apd90_ms: errors.iter().map(|e| e.0).reduce(f64::max),
        apd90_percent: errors.iter().map(|e| e.1).reduce(f64::max),
        reference_shortest: shortest(reference),
        shortest: shortest(own),
        failures: different.saturating_sub(1).max(broken),
        points,
    }
}
