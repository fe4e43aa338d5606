//! Alternans: from which cycle length on durations alternate.

use serde::Serialize;

use super::options::Options;
use super::reference;
use crate::error::Result;
use crate::protocol::{Criteria, Cycle, alternans_onset};
use crate::step_function::StepFunction;

/// Difference of APD90 from beat to beat at one cycle length.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Alternation {
    /// From one stimulus to the next, ms.
    pub cycle_length: f64,
    /// The reference's, ms; none where a stimulus is not answered by a whole action potential.
    pub reference: Option<f64>,
    /// The surrogate's.
    pub own: Option<f64>,
}

/// Alternans of both.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AlternansResult {
    /// Difference that counts, ms.
    pub threshold: f64,
    /// Beats that were paced at each cycle length.
    pub beats: u32,
    /// The largest cycle length with alternans in the reference, ms.
    pub reference_onset: Option<f64>,
    /// The largest cycle length with alternans in the surrogate, ms.
    pub onset: Option<f64>,
    /// One entry a cycle length.
    pub lengths: Vec<Alternation>,
}

impl AlternansResult {
    /// How far the onsets are apart, ms; none where only one of the two alternates at all.
    pub fn error(&self) -> Option<f64> {
        match (self.reference_onset, self.onset) {
            (None, None) => Some(0.0),
            (Some(reference), Some(own)) => Some((own - reference).abs()),
            _ => None,
        }
    }
}

/// Paces at all lengths at which alternans is looked for.
pub fn measure(
    model: &mut dyn StepFunction,
    dt: f64,
    options: &Options,
    criteria: &Criteria,
) -> Result<Vec<Cycle>> {
    let lengths = &options.alternans_lengths;
    if lengths.is_empty() {
        return Ok(Vec::new());
    }
    let paced = reference::pace(model, dt, options, lengths, options.alternans_beats, criteria, 0)?;
    let cycles = lengths.iter().zip(paced.beats);
    Ok(cycles
        .map(|(&length, beats)| Cycle { length, responses: beats.iter().map(|b| b.response).collect() })
        .collect())
}

/// Compares the paced cycles.
pub fn compare(options: &Options, reference: &[Cycle], own: &[Cycle]) -> AlternansResult {
    let lengths = reference.iter().zip(own).map(|(reference, own)| Alternation {
        cycle_length: reference.length,
        reference: reference.alternation(),
        own: own.alternation(),
    });
    AlternansResult {
        threshold: options.alternans_threshold,
        beats: options.alternans_beats,
        reference_onset: alternans_onset(reference, options.alternans_threshold),
        onset: alternans_onset(own, options.alternans_threshold),
        lengths: lengths.collect(),
    }
}
