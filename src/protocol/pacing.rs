//! Cells under a schedule of stimuli, many side by side.

use crate::error::{Error, Result};
use crate::step_function::StepFunction;

/// A rectangular stimulus.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pulse {
    /// Amplitude in the model's unit and sign.
    pub strength: f64,
    /// Length, ms.
    pub duration: f64,
}

/// When a cell is stimulated and how long it is followed, in whole steps: nothing drifts, however long.
#[derive(Clone, Debug, PartialEq)]
pub struct Schedule {
    /// Amplitude of the stimuli in the model's unit and sign.
    pub strength: f64,
    /// Steps of a stimulus.
    pub width: u64,
    /// Steps after which stimuli begin, ascending.
    pub starts: Vec<u64>,
    /// Number of steps.
    pub end: u64,
}

/// The number of steps of `dt` in `time`, to the nearest; the times of stimuli are kept to whole steps.
///
/// # Errors
/// Numbers that are not finite or not positive, or more steps than can be counted.
pub fn steps_in(time: f64, dt: f64) -> Result<u64> {
    let steps = (time / dt).round();
    if !(time.is_finite() && dt.is_finite() && dt > 0.0 && (0.0..1e15).contains(&steps)) {
        return Err(Error::invalid(format!("{time} ms in steps of {dt} ms"))
            .remedy("give times and a step that are finite and positive"));
    }
    Ok(steps as u64)
}

impl Schedule {
    /// `beats` equal cycles that each begin with the pulse.
    ///
    /// # Errors
    /// A cycle or a pulse shorter than a step, or a pulse longer than the cycle.
    pub fn regular(pulse: Pulse, cycle_length: f64, beats: u32, dt: f64) -> Result<Self> {
        let cycle = steps_in(cycle_length, dt)?;
        let starts = (0..u64::from(beats)).map(|beat| beat * cycle).collect();
        Self::new(pulse, starts, u64::from(beats) * cycle, dt)
    }

    /// Pulses that begin after the given numbers of steps of `dt`, followed until `end`.
    ///
    /// # Errors
    /// A pulse shorter than a step, pulses that overlap, or numbers that are not finite.
    pub fn new(pulse: Pulse, starts: Vec<u64>, end: u64, dt: f64) -> Result<Self> {
        let width = steps_in(pulse.duration, dt)?;
        if width == 0 || !pulse.strength.is_finite() {
            return Err(Error::invalid(format!(
                "a stimulus of {} for {} ms",
                pulse.strength, pulse.duration
            ))
            .remedy(format!("give a finite strength and a duration of at least one step, {dt} ms")));
        }
        if starts.windows(2).any(|pair| pair[1] < pair[0] + width) {
            return Err(Error::invalid(format!("stimuli of {} ms that overlap", pulse.duration))
                .remedy("lengthen the cycle or shorten the stimulus"));
        }
        Ok(Self { strength: pulse.strength, width, starts, end })
    }

    /// The stimulus during step number `step`, and the step at which it changes next.
    fn stimulus(&self, step: u64) -> (f64, u64) {
        let begun = self.starts.partition_point(|&start| start <= step);
        let next = self.starts.get(begun).copied().unwrap_or(u64::MAX);
        match begun.checked_sub(1).map(|last| self.starts[last] + self.width) {
            Some(until) if step < until => (self.strength, until),
            _ => (0.0, next),
        }
    }
}

/// What is kept of a paced cell.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sampling {
    /// Steps from one sample to the next, at least 1.
    pub every: u32,
    /// Samples of the potential from one sample of all states to the next; 0 keeps none.
    pub states: u32,
}

impl Sampling {
    /// The potential every 0.1 ms, or at every step if that is longer.
    pub fn fine(dt: f64) -> Self {
        Self { every: (0.1 / dt).round().max(1.0) as u32, states: 0 }
    }
}

/// What was kept of a paced cell. Sample 0 is the state in which it starts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Trace {
    /// From one sample to the next, ms.
    pub interval: f64,
    /// The transmembrane potential.
    pub voltage: Vec<f64>,
    /// All states, sample after sample; empty unless asked for.
    pub states: Vec<f64>,
    /// The state after the last step.
    pub last: Vec<f64>,
}

/// Paces a cell for each schedule from the model's initial state, all of them side by side.
///
/// # Errors
/// Whatever the model answers. States that are not finite are no error.
pub fn pace(
    model: &mut dyn StepFunction,
    dt: f64,
    schedules: &[Schedule],
    sampling: Sampling,
) -> Result<Vec<Trace>> {
    let states = model.initial_state().repeat(schedules.len());
    pace_from(model, dt, &states, schedules, sampling)
}

/// Paces a cell for each schedule from `states`, cell after cell.
///
/// # Errors
/// As [`pace`], and another number of states.
pub fn pace_from(
    model: &mut dyn StepFunction,
    dt: f64,
    states: &[f64],
    schedules: &[Schedule],
    sampling: Sampling,
) -> Result<Vec<Trace>> {
    let n_states = model.n_states();
    if states.len() != n_states * schedules.len() {
        return Err(Error::invalid(format!(
            "{} numbers for {} cells of {n_states} states",
            states.len(),
            schedules.len()
        )));
    }
    let every = u64::from(sampling.every.max(1));
    // Those that end first come last, so that the cells still running are always the first ones.
    let mut order: Vec<usize> = (0..schedules.len()).collect();
    order.sort_by_key(|&i| std::cmp::Reverse(schedules[i].end));
    let mut cells: Vec<f64> =
        order.iter().flat_map(|&i| &states[i * n_states..(i + 1) * n_states]).copied().collect();
    let mut traces = vec![Trace { interval: dt * every as f64, ..Trace::default() }; schedules.len()];
    let mut stimulus = vec![0.0; schedules.len()];
    let (mut step, mut running) = (0, schedules.len());
    loop {
        if step % every == 0 {
            for (cell, &i) in cells.chunks_exact(n_states).zip(&order[..running]) {
                traces[i].voltage.push(cell[0]);
                if sampling.states > 0 && step % (every * u64::from(sampling.states)) == 0 {
                    traces[i].states.extend_from_slice(cell);
                }
            }
        }
        while running > 0 && schedules[order[running - 1]].end <= step {
            running -= 1;
            traces[order[running]].last = cells[running * n_states..(running + 1) * n_states].to_vec();
        }
        if running == 0 {
            return Ok(traces);
        }
        let mut until = (step / every + 1) * every;
        for (now, &i) in stimulus.iter_mut().zip(&order[..running]) {
            let (strength, change) = schedules[i].stimulus(step);
            *now = strength;
            until = until.min(change).min(schedules[i].end);
        }
        let n_steps = u32::try_from(until - step).unwrap_or(u32::MAX);
        model.step(&mut cells[..running * n_states], &stimulus[..running], dt, n_steps)?;
        step += u64::from(n_steps);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::tests::Integrator;

    #[test]
    fn each_cell_gets_its_own_pulses_in_whole_steps_and_stops_at_its_own_end() {
        let pulse = |strength, duration| Pulse { strength, duration };
        // Three steps of 0.1 in 0.3, which truncation would make two.
        let schedules = [
            Schedule::regular(pulse(2.0, 0.3), 1.0, 2, 0.1).unwrap(),
            Schedule::regular(pulse(-1.0, 0.2), 0.7, 4, 0.1).unwrap(),
            Schedule::new(pulse(5.0, 0.1), vec![4], 5, 0.1).unwrap(),
        ];
        let sampling = Sampling { every: 2, states: 3 };
        let traces = pace(&mut Integrator::default(), 0.1, &schedules, sampling).unwrap();
        let counts =
            |i: usize| traces[i].voltage.iter().map(|v| (10.0 * v).round() as i64).collect::<Vec<_>>();
        // The integrator adds stimulus × dt, here in tenths.
        assert_eq!(counts(0), [0, 4, 6, 6, 6, 6, 10, 12, 12, 12, 12]);
        assert_eq!(counts(1), [0, -2, -2, -2, -3, -4, -4, -4, -6, -6, -6, -7, -8, -8, -8]);
        assert_eq!(counts(2), [0, 0, 0]);
        assert_eq!((10.0 * traces[2].last[0]).round(), 5.0);
        let every_third: Vec<f64> = traces[0].voltage.iter().step_by(3).copied().collect();
        assert_eq!(traces[0].states, every_third);
        assert!((traces[0].interval - 0.2).abs() < 1e-15);
    }

    #[test]
    fn thousands_of_beats_do_not_drift() {
        let schedule = Schedule::regular(Pulse { strength: 1.0, duration: 2.0 }, 333.34, 5000, 0.02).unwrap();
        assert_eq!((schedule.starts[4999], schedule.width, schedule.end), (4999 * 16667, 100, 5000 * 16667));
    }

    #[test]
    fn pulses_that_cannot_be_meant_are_refused() {
        let fault = |strength, duration, cycle| {
            Schedule::regular(Pulse { strength, duration }, cycle, 3, 0.1).unwrap_err().to_string()
        };
        assert!(fault(1.0, 0.01, 10.0).contains("at least one step"));
        assert!(fault(1.0, 11.0, 10.0).contains("overlap"));
        assert!(fault(f64::NAN, 1.0, 10.0).contains("finite"));
        assert!(fault(1.0, 1.0, f64::INFINITY).contains("inf ms"));
        assert!(fault(1.0, 1.0, -5.0).contains("-5 ms"));
    }
}
