//! Action potentials in a sampled transmembrane potential.

use super::pacing::{Pulse, Sampling, Schedule, Trace, pace, steps_in};
use crate::error::{Error, Result};
use crate::step_function::StepFunction;

/// What counts as an action potential of a model.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Criteria {
    /// Potential whose upward crossing is the activation.
    pub level: f64,
    /// Excursions above that end sooner, to 90 % repolarisation, are no action potentials, ms.
    pub shortest: f64,
}

/// Where an action potential begins.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Depolarisation {
    /// Time after the stimulus' begin at which the potential crosses the criteria's level, interpolated, ms.
    pub activation: f64,
    /// Largest slope between samples, 1/ms.
    pub upstroke: f64,
    /// Potential when the stimulus begins.
    pub rest: f64,
    /// Largest potential.
    pub peak: f64,
}

/// Where an action potential ends.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Repolarisation {
    /// From activation to the last crossing of half the way from peak to rest, ms.
    pub apd50: f64,
    /// From activation to the first crossing of 90 % of the way from peak to rest, ms.
    pub apd90: f64,
}

/// What a stimulus brought about before the next one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Response {
    /// No action potential.
    None,
    /// An action potential that does not repolarise in time.
    NotRepolarised(Depolarisation),
    /// A whole action potential.
    Complete(Depolarisation, Repolarisation),
    /// The potential is not finite.
    NotFinite,
}

impl Response {
    /// Where the action potential begins, if there is one.
    pub fn depolarisation(&self) -> Option<Depolarisation> {
        match *self {
            Self::NotRepolarised(depolarisation) | Self::Complete(depolarisation, _) => Some(depolarisation),
            Self::None | Self::NotFinite => None,
        }
    }

    /// Duration of a whole action potential to 90 % repolarisation, ms.
    pub fn apd90(&self) -> Option<f64> {
        match self {
            Self::Complete(_, repolarisation) => Some(repolarisation.apd90),
            _ => None,
        }
    }
}

/// What became of one stimulus.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Beat {
    /// When the stimulus begins, ms.
    pub start: f64,
    /// The first action potential after it.
    pub response: Response,
    /// Further whole or begun action potentials before the next stimulus, which no stimulus called for.
    pub further: u32,
}

/// Longest action potential that is waited for, ms.
const LONGEST: f64 = 2000.0;
/// An action potential does not grow with the stimulus: one so many times as strong …
const STRONGER: f64 = 1.5;
/// … makes a response that is larger by this factor only where it is a passive one.
const PASSIVE: f64 = 1.3;

impl Criteria {
    /// What counts as an action potential of `model`, from one under `pulse` from its initial state.
    ///
    /// # Errors
    /// A stimulus too weak for an action potential, none that comes back to rest, and whatever the model answers.
    pub fn of(model: &mut dyn StepFunction, dt: f64, pulse: Pulse) -> Result<Self> {
        let schedule = Schedule::new(pulse, vec![0], steps_in(LONGEST, dt)?, dt)?;
        let stronger = Schedule { strength: STRONGER * pulse.strength, ..schedule.clone() };
        let [trace, stronger] = &pace(model, dt, &[schedule, stronger], Sampling::fine(dt))?[..] else {
            return Err(Error::numeric("no traces of two cells"));
        };
        let fault = |what: &str| {
            let Pulse { strength, duration } = pulse;
            Error::numeric(format!("a stimulus of {strength} for {duration} ms {what}"))
                .remedy("name a stimulus that excites the model, with the sign that the model takes")
        };
        let amplitude = |trace: &Trace| {
            let rest = trace.voltage.first().copied().unwrap_or(0.0);
            trace.voltage.iter().copied().fold(rest, f64::max) - rest
        };
        if amplitude(stronger) > PASSIVE * amplitude(trace) {
            return Err(fault("starts no action potential: the response grows with the strength"));
        }
        Self::from_normal(&trace.voltage, trace.interval)
            .ok_or_else(|| fault("starts no action potential that comes back to rest"))
    }

    /// Criteria from an action potential that is beyond doubt: a rested cell's, stimulated at time 0. The level is half way up, the
    /// shortest duration a tenth of its own. `None` if the potential does not come back by 90 %.
    pub fn from_normal(voltage: &[f64], interval: f64) -> Option<Self> {
        let rest = *voltage.first()?;
        let peak = voltage.iter().copied().fold(rest, f64::max);
        let level = (rest + peak) / 2.0;
        let criteria = Self { level, shortest: 0.0 };
        let all = excursions(voltage, interval, &criteria);
        let apd90 = all.iter().filter_map(|e| e.end.map(|end| end.apd90)).fold(0.0, f64::max);
        (peak > rest && apd90 > 0.0).then_some(Self { level, shortest: apd90 / 10.0 })
    }
}

/// What became of the stimuli that begin at `starts` (ms, ascending); the last one's time ends with the samples.
///
/// Sample 0 is at time 0, the next ones follow after `interval` ms each. Crossings are interpolated linearly.
pub fn beats(voltage: &[f64], interval: f64, starts: &[f64], criteria: &Criteria) -> Vec<Beat> {
    let sample = |time: f64| ((time / interval + 1e-6) as usize).min(voltage.len());
    let ends = starts.iter().skip(1).copied().chain([f64::INFINITY]);
    let windows = starts.iter().zip(ends).map(|(&start, end)| {
        let first = sample(start);
        let last = if end.is_finite() { (sample(end) + 1).min(voltage.len()) } else { voltage.len() };
        let mut beat = beat(&voltage[first.min(last)..last], interval, criteria);
        beat.start = start;
        // The window begins with the last sample before the stimulus.
        shift(&mut beat.response, first as f64 * interval - start);
        beat
    });
    windows.collect()
}

fn shift(response: &mut Response, by: f64) {
    if let Response::NotRepolarised(depolarisation) | Response::Complete(depolarisation, _) = response {
        depolarisation.activation += by;
    }
}

fn beat(window: &[f64], interval: f64, criteria: &Criteria) -> Beat {
    let none = Beat { start: 0.0, response: Response::None, further: 0 };
    if window.iter().any(|v| !v.is_finite()) {
        return Beat { response: Response::NotFinite, ..none };
    }
    let all = excursions(window, interval, criteria);
    let Some(first) = all.first() else { return none };
    let response = match first.end {
        Some(end) => Response::Complete(first.begin, end),
        None => Response::NotRepolarised(first.begin),
    };
    Beat { response, further: all.len() as u32 - 1, ..none }
}

struct Excursion {
    begin: Depolarisation,
    end: Option<Repolarisation>,
}

/// Time in samples at which the line from sample `i - 1` to sample `i` meets `level`.
fn crossing(voltage: &[f64], i: usize, level: f64) -> f64 {
    let (before, after) = (voltage[i - 1], voltage[i]);
    (i - 1) as f64 + (level - before) / (after - before)
}

/// All action potentials in a stretch of potential without gaps, in order.
fn excursions(voltage: &[f64], interval: f64, criteria: &Criteria) -> Vec<Excursion> {
    let level = criteria.level;
    let mut found = Vec::new();
    let Some(&start) = voltage.first() else { return found };
    // A cell that is still depolarised when the stimulus begins rests nowhere yet.
    let mut rest = start;
    let mut i = 1;
    while i < voltage.len() {
        if !(voltage[i - 1] < level && level <= voltage[i]) {
            if rest >= level || !found.is_empty() {
                rest = rest.min(voltage[i]);
            }
            i += 1;
            continue;
        }
        let upward = i;
        let mut peak = voltage[upward];
        let back = |peak: f64| peak - 0.9 * (peak - rest);
        while i < voltage.len() && voltage[i] > back(peak) {
            peak = peak.max(voltage[i]);
            i += 1;
        }
        let top = (upward..i).find(|&k| voltage[k] == peak).unwrap_or(upward);
        let foot = voltage[..upward].iter().rposition(|&v| v <= rest).unwrap_or(0);
        let slope = |k: usize| (voltage[k] - voltage[k - 1]) / interval;
        let begin = crossing(voltage, upward, level);
        let depolarisation = Depolarisation {
            activation: begin * interval,
            upstroke: (foot + 1..=top).map(slope).fold(0.0, f64::max),
            rest,
            peak,
        };
        let repolarisation = (i < voltage.len()).then(|| {
            let half = (peak + rest) / 2.0;
            let at_half = (top + 1..=i).rfind(|&k| voltage[k - 1] > half && voltage[k] <= half);
            let end_half = crossing(voltage, at_half.unwrap_or(i), half);
            Repolarisation {
                apd50: (end_half - begin) * interval,
                apd90: (crossing(voltage, i, back(peak)) - begin) * interval,
            }
        });
        if repolarisation.is_none_or(|end| end.apd90 >= criteria.shortest) {
            found.push(Excursion { begin: depolarisation, end: repolarisation });
            rest = voltage.get(i).copied().unwrap_or(rest);
        }
        i += 1;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const CRITERIA: Criteria = Criteria { level: -30.0, shortest: 10.0 };

    /// Potential along straight lines between (time, potential), every `interval` ms.
    fn polyline(points: &[(f64, f64)], interval: f64) -> Vec<f64> {
        let end = points.last().unwrap().0;
        let n = (end / interval).round() as usize;
        let at = |t: f64| {
            let k = points.partition_point(|p| p.0 < t).clamp(1, points.len() - 1);
            let ((t0, v0), (t1, v1)) = (points[k - 1], points[k]);
            v0 + (v1 - v0) * (t - t0) / (t1 - t0)
        };
        (0..=n).map(|i| at(i as f64 * interval)).collect()
    }

    /// Up from -80 to 20 in 2 ms, beginning at `start`; down in a straight line of 200 ms.
    fn triangle(start: f64) -> [(f64, f64); 3] {
        [(start, -80.0), (start + 2.0, 20.0), (start + 202.0, -80.0)]
    }

    fn near(found: f64, expected: f64) {
        assert!((found - expected).abs() < 1e-9, "{found} instead of {expected}");
    }

    #[test]
    fn a_triangle_has_the_durations_of_geometry() {
        // The stimulus begins between two samples.
        let start = 10.13;
        let points = [&[(0.0, -80.0)][..], &triangle(start), &[(400.0, -80.0)]].concat();
        let voltage = polyline(&points, 0.25);
        let [beat] = beats(&voltage, 0.25, &[start], &CRITERIA)[..] else { panic!() };
        let Response::Complete(begin, end) = beat.response else { panic!("{beat:?}") };
        // Corners fall between samples: the upward line is sampled at its inside only.
        near(begin.activation, 1.0);
        assert!((19.8..=20.0).contains(&begin.peak), "{}", begin.peak);
        near(begin.rest, -80.0);
        near(begin.upstroke, 50.0);
        let (amplitude, after_peak) = (begin.peak + 80.0, 202.0 - 1.0);
        near(end.apd90, after_peak - 0.1 * amplitude * 2.0);
        near(end.apd50, after_peak - 0.5 * amplitude * 2.0);
        assert_eq!((beat.start, beat.further), (start, 0));
    }

    #[test]
    fn a_dome_higher_or_lower_than_the_spike_is_one_action_potential() {
        for dome in [10.0, 30.0] {
            // The notch lies below half of the amplitude: the second crossing of it counts.
            let points =
                [(0.0, -80.0), (2.0, 20.0), (5.0, -40.0), (50.0, dome), (300.0, -80.0), (400.0, -80.0)];
            let voltage = polyline(&points, 0.1);
            let [beat] = beats(&voltage, 0.1, &[0.0], &CRITERIA)[..] else { panic!() };
            let Response::Complete(begin, end) = beat.response else { panic!("{beat:?}") };
            let peak = dome.max(20.0);
            near(begin.peak, peak);
            let fall = |level: f64| 50.0 + (dome - level) / (dome + 80.0) * 250.0;
            near(end.apd50, fall((peak - 80.0) / 2.0) - 1.0);
            near(end.apd90, fall(-80.0 + 0.1 * (peak + 80.0)) - 1.0);
            assert_eq!(beat.further, 0);
        }
    }

    #[test]
    fn beats_that_fail_are_told_apart() {
        let passive = [(500.0, -80.0), (502.0, -20.0), (506.0, -80.0)];
        let small = [(1000.0, -80.0), (1002.0, -40.0), (1100.0, -80.0)];
        let points = [
            &[(0.0, -80.0)][..],
            &triangle(0.01),
            &passive,
            &small,
            &triangle(1500.0),
            &triangle(1750.0),
            &[(2000.0, -80.0), (2002.0, 20.0), (2400.0, 0.0), (2600.0, -10.0)],
        ]
        .concat();
        let mut voltage = polyline(&points, 0.1);
        let starts = [0.0, 500.0, 1000.0, 1500.0, 2000.0, 2500.0];
        let found = beats(&voltage, 0.1, &starts, &CRITERIA);
        assert!(found[0].response.apd90().is_some());
        assert_eq!(found[1].response, Response::None, "too short");
        assert_eq!(found[2].response, Response::None, "too small");
        assert!(found[3].response.apd90().is_some());
        assert_eq!(found.iter().map(|b| b.further).collect::<Vec<_>>(), [0, 0, 0, 1, 0, 0]);
        assert!(matches!(found[4].response, Response::NotRepolarised(d) if d.peak == 20.0));
        assert_eq!(found[5].response, Response::None, "still depolarised");
        voltage[12_000] = f64::NAN;
        let found = beats(&voltage, 0.1, &starts, &CRITERIA);
        assert_eq!(found[2].response, Response::NotFinite);
        assert!(found[1].response == Response::None && found[3].response.apd90().is_some());
        assert!(beats(&[], 0.1, &[0.0], &CRITERIA)[0].response == Response::None);
        assert!(beats(&voltage, 0.1, &[1e9], &CRITERIA)[0].response == Response::None);
    }

    #[test]
    fn a_last_beat_that_is_cut_off_has_not_repolarised() {
        let points = [&[(0.0, -80.0)][..], &triangle(0.01), &[(300.0, -80.0)], &triangle(300.01)].concat();
        let voltage = polyline(&points, 0.1);
        let cut = &voltage[..4000];
        let found = beats(cut, 0.1, &[0.0, 300.0], &CRITERIA);
        assert!(found[0].response.apd90().is_some());
        assert!(matches!(found[1].response, Response::NotRepolarised(_)));
    }

    #[test]
    fn an_elevated_rest_gives_a_local_amplitude() {
        let points = [(0.0, -60.0), (2.0, 20.0), (202.0, -80.0), (300.0, -80.0)];
        let voltage = polyline(&points, 0.05);
        let [beat] = beats(&voltage, 0.05, &[0.0], &CRITERIA)[..] else { panic!() };
        let Response::Complete(begin, end) = beat.response else { panic!() };
        near(begin.rest, -60.0);
        near(end.apd90, 2.0 + 2.0 * 72.0 - 0.75);
    }

    #[test]
    fn criteria_come_from_an_action_potential_of_any_unit() {
        for scale in [1.0, 0.01] {
            let points: Vec<_> = [&[(0.0, -80.0)][..], &triangle(0.01), &[(400.0, -80.0)]]
                .concat()
                .into_iter()
                .map(|(t, v)| (t, v * scale))
                .collect();
            let voltage = polyline(&points, 0.1);
            let criteria = Criteria::from_normal(&voltage, 0.1).unwrap();
            assert!((criteria.level / scale + 30.0).abs() < 0.1);
            assert!((criteria.shortest - 18.0).abs() < 0.3, "{criteria:?}");
            assert!(beats(&voltage, 0.1, &[0.0], &criteria)[0].response.apd90().is_some());
        }
        assert!(Criteria::from_normal(&[-80.0; 100], 0.1).is_none());
        assert!(Criteria::from_normal(&polyline(&[(0.0, -80.0), (100.0, 20.0)], 0.1), 0.1).is_none());
    }
}
