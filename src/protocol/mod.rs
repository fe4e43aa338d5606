//! Experiments on cells and fibres: pacing, S1–S2 restitution, alternans, a cable, and what action potentials came of them.
//!
//! Everything works on a [`StepFunction`](crate::step_function::StepFunction), so that a cell model and its surrogate go through
//! the same experiment. Times are in ms, lengths in mm, the transmembrane potential in the model's unit: thresholds are relative to the
//! amplitude of the model's own action potential, so that dimensionless models need no other settings.

mod action_potential;
mod alternans;
mod cable;
mod pacing;
mod restitution;

#[cfg(test)]
mod tests;

pub use action_potential::{Beat, Criteria, Depolarisation, Repolarisation, Response, beats};
pub use alternans::{Cycle, alternans_onset};
pub use cable::{Cable, CableOptions, cable, excite};
pub use pacing::{Pulse, Sampling, Schedule, Trace, pace, pace_from, steps_in};
pub use restitution::{RestitutionPoint, S1S2, s1s2};
