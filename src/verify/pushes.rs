//! States beyond the domain: whether the surrogate survives them and comes back.

use serde::Serialize;

use super::options::Options;
use super::reference::Paced;
use crate::error::Result;
use crate::protocol::{Criteria, Sampling, Schedule, pace_from, steps_in};
use crate::step_function::StepFunction;
use crate::surrogate::{Role, Surrogate};

/// How far beyond its range a state is pushed, in widths of the range.
const BEYOND: f64 = 0.2;
/// Moments of a beat, ms after the stimulus, and in shares of the action potential after that.
const MOMENTS: [(f64, f64); 3] = [(0.0, 0.0), (5.0, 0.0), (0.0, 0.6)];

/// A push after which the surrogate did not come back.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Push {
    /// Name of the state that was pushed.
    pub state: String,
    /// Its value after the push.
    pub value: f64,
    /// Time of the beat at which it was pushed, ms.
    pub moment: f64,
    /// Whether numbers that are not finite came of it; otherwise the potential did not come back.
    pub not_finite: bool,
}

/// What became of cells with a state beyond its range, left alone afterwards.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PushesResult {
    /// Cells that were pushed: each state, up and down, at three moments of a beat.
    pub cells: usize,
    /// How far beyond its range a state was pushed, in widths of the range.
    pub beyond: f64,
    /// How long the cells were followed, ms.
    pub time: f64,
    /// Cells whose numbers did not stay finite.
    pub not_finite: usize,
    /// Cells whose potential was not back in its range and at rest in the end.
    pub not_returned: usize,
    /// The cells that did not stay finite or come back.
    pub failures: Vec<Push>,
}

/// Pushes cells out of the domain; none if the surrogate tells no ranges.
pub fn push(
    surrogate: &Surrogate,
    cells: &mut dyn StepFunction,
    dt: f64,
    options: &Options,
    criteria: &Criteria,
    own: &Paced,
) -> Result<Option<PushesResult>> {
    let variables: Vec<_> = surrogate.inputs().iter().filter(|v| v.role == Role::State).collect();
    let n_states = cells.n_states();
    let trace = &own.traces[0];
    let sample =
        trace.interval * (trace.voltage.len() as f64 / (trace.states.len() / n_states) as f64).round();
    let apd90 = own.beats[0].first().and_then(|beat| beat.response.apd90()).unwrap_or(0.0);
    let (mut states, mut pushes) = (Vec::new(), Vec::new());
    for (after, share) in MOMENTS {
        let moment = after + share * apd90;
        let i = ((moment / sample) as usize).min(trace.states.len() / n_states - 1);
        let cell = &trace.states[i * n_states..(i + 1) * n_states];
        for (j, variable) in variables.iter().enumerate() {
            let Some([low, high]) = variable.range.filter(|[low, high]| high > low) else { continue };
            for value in [low - BEYOND * (high - low), high + BEYOND * (high - low)] {
                states.extend_from_slice(cell);
                let place = states.len() - n_states + j;
                states[place] = value;
                pushes.push(Push { state: variable.name.clone(), value, moment, not_finite: false });
            }
        }
    }
    let Some([low, high]) = variables.first().and_then(|v| v.range).filter(|_| !pushes.is_empty()) else {
        return Ok(None);
    };
    let schedule = Schedule {
        starts: Vec::new(),
        ..Schedule::new(options.pulse, vec![], steps_in(options.push_time, dt)?, dt)?
    };
    let sampling = Sampling { every: (10.0 / dt).round().max(1.0) as u32, states: 1 };
    let traces = pace_from(cells, dt, &states, &vec![schedule; pushes.len()], sampling)?;
    let margin = 0.05 * (high - low);
    let mut result = PushesResult {
        cells: pushes.len(),
        beyond: BEYOND,
        time: options.push_time,
        not_finite: 0,
        not_returned: 0,
        failures: Vec::new(),
    };
    for (push, trace) in pushes.into_iter().zip(&traces) {
        let not_finite = trace.states.iter().chain(&trace.last).any(|x| !x.is_finite());
        let potential = trace.last[0];
        let returned = (low - margin..=high + margin).contains(&potential) && potential < criteria.level;
        if not_finite || !returned {
            result.not_finite += usize::from(not_finite);
            result.not_returned += usize::from(!not_finite);
            result.failures.push(Push { not_finite, ..push });
        }
    }
    Ok(Some(result))
}
