//! Long pacing: where slow concentrations go in hundreds of beats, which seconds of pacing do not show.

use crate::error::{Error, Result};
use crate::harvest::Visited;
use crate::protocol::{Beat, Criteria, Pulse, Sampling, Schedule, Trace, beats, pace_from};
use crate::step_function::StepFunction;

/// How often cells are looked at on the way.
const LOOKS: u32 = 8;
/// Beats of a look: two show what alternates.
const BEATS: u32 = 2;
/// A state is kept where V has moved by this part of the beat's range since the last one …
const MOVED: f64 = 0.02;
/// … or after this time, ms.
const RESTED: f64 = 5.0;

/// Cells paced for many beats, one a cycle length.
#[derive(Clone, Debug)]
pub struct LongPacing {
    plan: Plan,
    /// Their last beats, one entry a cycle length.
    last: Vec<Vec<Beat>>,
    visited: Visited,
}

#[derive(Clone, Debug)]
struct Plan {
    dt: f64,
    pulse: Pulse,
    cycle_lengths: Vec<f64>,
    n_beats: u32,
    criteria: Criteria,
}

impl LongPacing {
    /// Paces `model` for `n_beats` beats of each of `cycle_lengths` (ms).
    ///
    /// # Errors
    /// No beats, a stimulus that does not excite the model, and whatever it answers.
    pub fn of(
        model: &mut dyn StepFunction,
        dt: f64,
        pulse: Pulse,
        cycle_lengths: &[f64],
        n_beats: u32,
    ) -> Result<Self> {
        if n_beats < BEATS {
            return Err(Error::invalid(format!("{n_beats} beats of long pacing"))
                .remedy(format!("pace {BEATS} beats at least")));
        }
        let criteria = Criteria::of(model, dt, pulse)?;
        Plan { dt, pulse, cycle_lengths: cycle_lengths.to_vec(), n_beats, criteria }.pace(model)
    }

    /// The same pacing of other cells.
    ///
    /// # Errors
    /// Whatever they answer.
    pub fn repeated(&self, cells: &mut dyn StepFunction) -> Result<Self> {
        self.plan.clone().pace(cells)
    }

    /// Number of beats.
    pub fn n_beats(&self) -> u32 {
        self.plan.n_beats
    }

    /// States that were passed, from early to late beats of all cycle lengths.
    pub fn visited(&self) -> &Visited {
        &self.visited
    }

    /// Relative errors of the durations of `other`'s last action potentials, one a cycle length of which these are whole; ∞ where
    /// one is missing. Durations that alternate count by their mean, because which comes first is chance.
    pub fn errors(&self, other: &Self) -> Vec<f64> {
        let mean = |beats: &[Beat]| {
            let durations: Option<Vec<f64>> = beats.iter().map(|beat| beat.response.apd90()).collect();
            durations.map(|d| d.iter().sum::<f64>() / d.len() as f64)
        };
        let pairs = self.last.iter().zip(&other.last);
        let error = |(own, other): (&Vec<Beat>, &Vec<Beat>)| {
            mean(own).map(|own| mean(other).map_or(f64::INFINITY, |other| (other / own - 1.0).abs()))
        };
        pairs.filter_map(error).collect()
    }
}

impl Plan {
    fn pace(self, model: &mut dyn StepFunction) -> Result<LongPacing> {
        let n_states = model.n_states();
        let mut states = model.initial_state().repeat(self.cycle_lengths.len());
        let mut visited = Visited { n_states, ..Visited::default() };
        let mut last = Vec::new();
        let mut done = 0;
        for look in 1..=LOOKS {
            let until = (u64::from(self.n_beats) * u64::from(look) / u64::from(LOOKS)) as u32;
            let unseen = (until - done).saturating_sub(BEATS);
            if unseen > 0 {
                let rarely = Sampling { every: u32::MAX, states: 0 };
                states =
                    self.follow(model, &states, unseen, rarely)?.into_iter().flat_map(|t| t.last).collect();
            }
            let seen = until - done - unseen;
            if seen == 0 {
                continue;
            }
            let traces =
                self.follow(model, &states, seen, Sampling { states: 1, ..Sampling::fine(self.dt) })?;
            traces.iter().for_each(|trace| keep(trace, n_states, &mut visited));
            last = self.read(&traces, seen)?;
            states = traces.into_iter().flat_map(|trace| trace.last).collect();
            done = until;
        }
        Ok(LongPacing { plan: self, last, visited })
    }

    fn schedules(&self, n_beats: u32) -> Result<Vec<Schedule>> {
        self.cycle_lengths.iter().map(|&c| Schedule::regular(self.pulse, c, n_beats, self.dt)).collect()
    }

    fn follow(
        &self,
        model: &mut dyn StepFunction,
        states: &[f64],
        n_beats: u32,
        sampling: Sampling,
    ) -> Result<Vec<Trace>> {
        pace_from(model, self.dt, states, &self.schedules(n_beats)?, sampling)
    }

    fn read(&self, traces: &[Trace], n_beats: u32) -> Result<Vec<Vec<Beat>>> {
        let of = |(trace, schedule): (&Trace, Schedule)| {
            let starts: Vec<f64> = schedule.starts.iter().map(|&s| s as f64 * self.dt).collect();
            beats(&trace.voltage, trace.interval, &starts, &self.criteria)
        };
        Ok(traces.iter().zip(self.schedules(n_beats)?).map(of).collect())
    }
}

/// Keeps the finite states of a trace, closer in time where V moves.
fn keep(trace: &Trace, n_states: usize, visited: &mut Visited) {
    let finite = || trace.voltage.iter().filter(|v| v.is_finite());
    let range = finite().fold(f64::MIN, |a, &b| a.max(b)) - finite().fold(f64::MAX, |a, &b| a.min(b));
    let mut kept: Option<(usize, f64)> = None;
    for (i, cell) in trace.states.chunks_exact(n_states).enumerate() {
        let far = |(j, v): (usize, f64)| {
            (i - j) as f64 * trace.interval >= RESTED || (cell[0] - v).abs() > MOVED * range
        };
        if cell.iter().all(|x| x.is_finite()) && kept.is_none_or(far) {
            kept = Some((i, cell[0]));
            visited.states.extend_from_slice(cell);
            visited.stimulus.push(0.0);
        }
    }
}
