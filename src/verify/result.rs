//! What a verification found, and whether that is good enough.

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::alternation::AlternansResult;
use super::cost::Cost;
use super::cycles::CyclesResult;
use super::divergence::Divergence;
use super::fibre::CableResult;
use super::long::LongResult;
use super::premature::RestitutionResult;
use super::pushes::PushesResult;
use super::reference::{Paced, Reference};
use super::target::{Outcome, Quantity, Target, Targets, Unit};
use crate::protocol::Cable;
use crate::surrogate;

/// Error of APD90 up to which a beat of long pacing is answered like the reference if no target says it, %.
const FOLLOWED: f64 = 5.0;

/// Everything that a verification found.
#[derive(Clone, Debug, Serialize)]
pub struct Verification {
    /// Version of the program.
    pub program_version: &'static str,
    /// Name and unit of the transmembrane potential.
    pub potential: String,
    /// Step of both, ms.
    pub dt: f64,
    /// Strength of the stimulus of single cells, in the model's unit and sign.
    pub strength: f64,
    /// Length of the stimulus, ms.
    pub duration: f64,
    /// Potential that counts as activation.
    pub level: f64,
    /// Regularly paced cells.
    pub cycles: CyclesResult,
    /// Premature beats.
    pub restitution: Option<RestitutionResult>,
    /// Alternans.
    pub alternans: Option<AlternansResult>,
    /// The cable.
    pub cable: Option<CableResult>,
    /// Long pacing, one entry a cycle length.
    pub long: Vec<LongResult>,
    /// States pushed out of the domain.
    pub pushes: Option<PushesResult>,
    /// Which state fails, and when, at the worst cycle length.
    pub divergence: Option<Divergence>,
    /// Cost of a step.
    pub cost: Option<Cost>,
    /// What became of each target.
    pub targets: Vec<Outcome>,
    /// Whether there were targets and all were met.
    pub verified: bool,
    /// What was left out and why, and what else should be known.
    pub notes: Vec<String>,
    /// What the pictures show.
    #[serde(skip)]
    pub curves: Curves,
}

/// Potentials over time of both.
#[derive(Clone, Debug, Default)]
pub struct Curves {
    /// From one sample to the next, ms.
    pub interval: f64,
    /// One entry a cycle length: the reference, the surrogate.
    pub traces: Vec<[Vec<f64>; 2]>,
    /// The cable of the reference and of the surrogate.
    pub cables: Option<[Cable; 2]>,
}

impl Curves {
    pub(super) fn new(reference: &Reference, own: Paced, own_cable: Option<Cable>) -> Self {
        let pairs = reference.paced.traces.iter().zip(own.traces);
        Self {
            interval: reference.paced.traces.first().map_or(1.0, |trace| trace.interval),
            traces: pairs.map(|(a, b)| [a.voltage.clone(), b.voltage]).collect(),
            cables: reference.cable().cloned().zip(own_cable).map(|(a, b)| [a, b]),
        }
    }
}

impl Verification {
    /// Compares what was found with `targets`.
    pub fn judge(&mut self, targets: &Targets) {
        self.targets = targets.0.iter().map(|&target| self.outcome(target, targets)).collect();
        self.verified = !self.targets.is_empty() && self.targets.iter().all(|outcome| outcome.met);
    }

    fn outcome(&self, target: Target, targets: &Targets) -> Outcome {
        let Self { cycles, cable, restitution, alternans, .. } = self;
        let percent = target.unit == Unit::Percent;
        let failures = cycles.failures.len();
        let larger = |a: Option<f64>, b: Option<f64>| a.into_iter().chain(b).reduce(f64::max);
        let (measured, failures) = match target.quantity {
            Quantity::Apd90 if percent => {
                (larger(cycles.apd90_percent.worst(), cable.as_ref().and_then(|c| c.apd90_percent)), failures)
            }
            Quantity::Apd90 => (cycles.apd90_ms.worst(), failures),
            Quantity::Apd50 if percent => (cycles.apd50_percent.worst(), failures),
            Quantity::Apd50 => (cycles.apd50_ms.worst(), failures),
            Quantity::Cv => {
                let lost = cable.as_ref().is_some_and(|c| c.velocity.is_none());
                (cable.as_ref().and_then(|c| c.velocity_percent), usize::from(lost))
            }
            Quantity::Activation => {
                let in_cable = cable.as_ref().and_then(|c| c.activation_worst);
                let lost = cable.as_ref().map_or(0, |c| c.lost);
                (larger(cycles.activation_ms.worst(), in_cable), failures + lost)
            }
            Quantity::Restitution => {
                let error =
                    restitution.as_ref().and_then(|r| if percent { r.apd90_percent } else { r.apd90_ms });
                (error, restitution.as_ref().map_or(0, |r| r.failures))
            }
            Quantity::Alternans => {
                let error = alternans.as_ref().and_then(AlternansResult::error);
                (error, usize::from(alternans.is_some() && error.is_none()))
            }
            Quantity::Beats => {
                let of_apd90 = |t: &&Target| t.quantity == Quantity::Apd90 && t.unit == Unit::Percent;
                let percent = targets.0.iter().find(of_apd90).map_or(FOLLOWED, |target| target.limit);
                let fewest = self.long.iter().map(|long| long.followed(percent) as f64).reduce(f64::min);
                (fewest, 0)
            }
        };
        Outcome::new(target, measured, failures)
    }

    /// The targets that were missed, in words.
    pub fn missed(&self) -> Vec<String> {
        self.targets.iter().filter(|outcome| !outcome.met).map(Outcome::to_string).collect()
    }

    /// What the surrogate's file keeps of it. `library` names the cell model.
    pub fn entry(&self, targets: &Targets, library: &str) -> surrogate::Verification {
        surrogate::Verification {
            verified: self.verified,
            targets: targets.to_string(),
            missed: self.missed(),
            errors: self.errors(library),
        }
    }

    /// The worst errors, under short names.
    fn errors(&self, library: &str) -> Map<String, Value> {
        let lengths: Vec<f64> = self.cycles.cycles.iter().map(|cycle| cycle.length).collect();
        let Value::Object(errors) = json!({
            "library": library,
            "program_version": self.program_version,
            "cycle_lengths": lengths,
            "apd90_percent": self.cycles.apd90_percent,
            "activation_ms": self.cycles.activation_ms,
            "failures": self.cycles.failures.len(),
            "velocity_percent": self.cable.as_ref().map(|c| c.velocity_percent),
            "cable_apd90_percent": self.cable.as_ref().map(|c| c.apd90_percent),
            "cable_activation_ms": self.cable.as_ref().map(|c| c.activation_worst),
            "restitution_percent": self.restitution.as_ref().map(|r| r.apd90_percent),
            "alternans_onset": self.alternans.as_ref().map(|a| [a.reference_onset, a.onset]),
            "beats_answered": self.long.iter().map(|long| long.answered).min(),
            "pushes_failed": self.pushes.as_ref().map(|p| p.failures.len()),
        }) else {
            return Map::new();
        };
        errors.into_iter().filter(|(_, value)| !value.is_null()).collect()
    }
}
