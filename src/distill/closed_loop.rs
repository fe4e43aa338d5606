//! How far a surrogate goes astray when it follows its own steps: cells paced side by side with the model's.

use super::long::LongPacing;
use crate::error::Result;
use crate::harvest::Visited;
use crate::protocol::{Criteria, Pulse, Response, Sampling, Schedule, Trace, beats, pace};
use crate::step_function::StepFunction;

/// Cells that are paced, and what the model did.
pub struct ClosedLoop<'a> {
    dt: f64,
    schedules: Vec<Schedule>,
    criteria: Criteria,
    model: Vec<Trace>,
    long: Option<&'a LongPacing>,
}

/// How far two paced cells are apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize)]
pub struct Departure {
    /// Largest relative error of an action potential's duration, ∞ where one is missing or superfluous.
    pub apd90: f64,
    /// Mean relative error; a missing or superfluous action potential counts as 1.
    pub apd90_mean: f64,
    /// Root of the mean square error of V.
    pub voltage: f64,
    /// Largest relative error of the durations after long pacing, which `apd90` counts too.
    pub late: Option<f64>,
}

impl std::fmt::Display for Departure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { apd90, apd90_mean, voltage, late } = self;
        match apd90.is_finite() {
            true => write!(f, "APD90 within {:.4} %, V off by {voltage:.2e}", 100.0 * apd90)?,
            false => {
                write!(
                    f,
                    "lost or superfluous beats, {:.0} % in the mean, V off by {voltage:.2e}",
                    100.0 * apd90_mean
                )?;
            }
        }
        match late {
            Some(late) if late.is_finite() => write!(f, ", {:.4} % after long pacing", 100.0 * late),
            Some(_) => write!(f, ", beats lost in long pacing"),
            None => Ok(()),
        }
    }
}

impl<'a> ClosedLoop<'a> {
    /// Paces the model, `beats` times for each of the cycle lengths; `long` pacing of it is compared too.
    pub fn new(
        model: &mut dyn StepFunction,
        dt: f64,
        pulse: Pulse,
        cycle_lengths: &[f64],
        n_beats: u32,
        long: Option<&'a LongPacing>,
    ) -> Result<Self> {
        let schedules = cycle_lengths.iter().map(|&c| Schedule::regular(pulse, c, n_beats, dt));
        let schedules: Vec<Schedule> = schedules.collect::<Result<_>>()?;
        let criteria = Criteria::of(model, dt, pulse)?;
        let model = pace(model, dt, &schedules, Sampling::fine(dt))?;
        Ok(Self { dt, schedules, criteria, model, long })
    }

    /// Paces `surrogate` in the same way and compares; the states are those that it visited in long pacing.
    pub fn departure(&self, surrogate: &mut dyn StepFunction) -> Result<(Departure, Option<Visited>)> {
        let traces = pace(surrogate, self.dt, &self.schedules, Sampling::fine(self.dt))?;
        let mut departure = Departure::default();
        let (mut square, mut samples, mut n_beats) = (0.0, 0, 0);
        for ((schedule, model), surrogate) in self.schedules.iter().zip(&self.model).zip(&traces) {
            let starts: Vec<f64> = schedule.starts.iter().map(|&s| s as f64 * self.dt).collect();
            let of = |trace: &Trace| beats(&trace.voltage, trace.interval, &starts, &self.criteria);
            // A beat that the pacing cuts off is nobody's fault.
            for (expected, found) in of(model).iter().zip(&of(surrogate)) {
                let error = match (expected.response, found.response) {
                    (Response::Complete(_, a), Response::Complete(_, b)) => (b.apd90 / a.apd90 - 1.0).abs(),
                    (a, b) if std::mem::discriminant(&a) == std::mem::discriminant(&b) => 0.0,
                    _ => f64::INFINITY,
                };
                departure.apd90 = departure.apd90.max(error);
                departure.apd90_mean += error.min(1.0);
                n_beats += 1;
            }
            square += model.voltage.iter().zip(&surrogate.voltage).map(|(a, b)| (a - b).powi(2)).sum::<f64>();
            samples += model.voltage.len();
        }
        departure.voltage = (square / samples.max(1) as f64).sqrt();
        let late = self.long.map(|long| Ok((long, long.repeated(surrogate)?)));
        let late = late.transpose()?;
        if let Some((model, own)) = &late {
            let errors = model.errors(own);
            let largest = errors.iter().copied().fold(0.0, f64::max);
            departure.late = Some(largest);
            departure.apd90 = departure.apd90.max(largest);
            departure.apd90_mean += errors.iter().map(|e| e.min(1.0)).sum::<f64>();
            n_beats += errors.len() as u32;
        }
        departure.apd90_mean /= f64::from(n_beats.max(1));
        Ok((departure, late.map(|(_, own)| own.visited().clone())))
    }
}
