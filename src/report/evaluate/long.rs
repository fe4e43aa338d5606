//! Thousands of steps in a row: whether a step map stays in its domain, and whether it keeps time.

use std::sync::Arc;

use ndarray::{Array2, s};
use serde::Serialize;

use super::super::counterpart::Counterpart;
use super::samples::{Schedule, of_reference};
use crate::dataset::sampling;
use crate::error::{Error, Result};
use crate::session::{Cells, Session, SessionOptions};
use crate::surrogate::{Kind, Role, Surrogate};
use crate::view::{View, ViewMut};

/// Milliseconds after which cells have forgotten where they started.
const SETTLED: f64 = 200.0;
/// Milliseconds of the reference after that.
const REFERENCE: f64 = 400.0;
/// Milliseconds between samples of the reference.
const REFERENCE_EVERY: f64 = 0.1;
/// Part of the domain's width that a state must swing through to oscillate.
const SWING: f64 = 0.05;
/// Periods that a cell must show for its mean period to be one.
const PERIODS: u64 = 3;

/// How a step map behaves over thousands of steps, beside the reference.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LongRollout {
    /// Steps of each cell.
    pub steps: u64,
    /// Milliseconds of a step.
    pub dt: f64,
    /// Cells drawn uniformly in the domain.
    pub cells: usize,
    /// Seed they were drawn with.
    pub seed: u64,
    /// Share of cells that ended in something else than finite numbers.
    pub not_finite: f64,
    /// Farthest that any state of the surrogate was outside its range, in widths of the range; 0 if
    /// none ever was.
    pub excursion: f64,
    /// The same of the reference, whose states may leave the range, too.
    pub reference_excursion: f64,
    /// Share of cells that oscillate in the reference, by the first output.
    pub oscillating: f64,
    /// Share of cells that oscillate only in the reference or only in the surrogate.
    pub collapsed: f64,
    /// Error of the mean period as a part of it: mean over cells that oscillate in both.
    pub period_error_mean: Option<f64>,
    /// The same: largest.
    pub period_error_maximum: Option<f64>,
}

/// Rolls `surrogate` out over `steps` steps of `cells` cells; nothing for other surrogates than step maps.
///
/// # Errors
/// No cells or too few steps to see a period, inputs without a range, a surrogate that this machine cannot run.
pub fn long_rollout(
    surrogate: &Arc<Surrogate>,
    counterpart: &Counterpart,
    steps: u64,
    cells: usize,
    seed: u64,
    n_threads: usize,
) -> Result<Option<LongRollout>> {
    let Kind::StepMap { dt } = surrogate.kind() else { return Ok(None) };
    let settled_after = (SETTLED / dt).ceil() as u64;
    if cells == 0 || steps <= settled_after {
        return Err(Error::invalid(format!("{steps} steps of {dt} ms of {cells} cells in a row"))
            .remedy(format!("ask for more than {settled_after} steps, in which cells settle")));
    }
    let inputs = sampling::uniform(&super::domain(surrogate)?, cells, seed)?;
    let states = surrogate.columns_of(Role::State);
    let ranges: Vec<[f64; 2]> =
        states.iter().map(|&column| surrogate.inputs()[column].range.unwrap_or_default()).collect();
    let width = ranges[0][1] - ranges[0][0];

    let n_samples = ((SETTLED + REFERENCE) / REFERENCE_EVERY) as usize;
    let schedule = Schedule::every(REFERENCE_EVERY, n_samples, 1);
    let reference = of_reference(counterpart, &inputs, &schedule, n_threads)?;
    let n_settled = (SETTLED / REFERENCE_EVERY) as usize;
    let mut exact: Vec<Crossings> = reference
        .slice(s![.., n_settled.., 0])
        .rows()
        .into_iter()
        .map(|row| Crossings::halfway(row.iter().copied()))
        .collect();
    for (cell, crossings) in exact.iter_mut().enumerate() {
        let row = reference.slice(s![cell, n_settled.., 0]);
        row.iter().enumerate().for_each(|(i, &x)| crossings.observe(i as f64 * REFERENCE_EVERY, x));
    }
    let reference_excursion = reference
        .rows()
        .into_iter()
        .map(|sample| outside(sample.iter().copied(), &ranges))
        .fold(0.0, f64::max);

    let mut given: Vec<Crossings> = exact.iter().map(Crossings::again).collect();
    let mut excursion = 0.0_f64;
    let mut rollout = Rollout::new(surrogate, &inputs)?;
    for step in 1..=steps {
        rollout.step(dt)?;
        for (cell, state) in rollout.state.chunks_exact(states.len()).enumerate() {
            excursion = excursion.max(outside(state.iter().copied(), &ranges));
            if step >= settled_after {
                given[cell].observe(step as f64 * dt, state[0]);
            }
        }
    }
    let finite = rollout.state.chunks_exact(states.len()).filter(|x| x.iter().all(|x| x.is_finite())).count();

    let period = |crossings: &Crossings| crossings.period().filter(|_| crossings.swing() > SWING * width);
    let (mut errors, mut oscillating, mut collapsed) = (Vec::new(), 0, 0);
    for (exact, given) in exact.iter().zip(&given) {
        oscillating += usize::from(period(exact).is_some());
        match (period(exact), period(given)) {
            (Some(exact), Some(given)) => errors.push((given / exact - 1.0).abs()),
            (None, None) => {}
            _ => collapsed += 1,
        }
    }
    let share = |n: usize| n as f64 / cells as f64;
    Ok(Some(LongRollout {
        steps,
        dt,
        cells,
        seed,
        not_finite: 1.0 - share(finite),
        excursion,
        reference_excursion,
        oscillating: share(oscillating),
        collapsed: share(collapsed),
        period_error_mean: (!errors.is_empty()).then(|| errors.iter().sum::<f64>() / errors.len() as f64),
        period_error_maximum: errors.iter().copied().reduce(f64::max),
    }))
}

/// How far a state is outside `ranges`, in widths; the farthest of them. What is not finite is not counted.
fn outside(state: impl Iterator<Item = f64>, ranges: &[[f64; 2]]) -> f64 {
    let one =
        |(x, &[low, high]): (f64, &[f64; 2])| (low - x).max(x - high) / (high - low).max(f64::MIN_POSITIVE);
    state.zip(ranges).map(one).filter(|x| x.is_finite()).fold(0.0, f64::max)
}

/// A session with its cells.
struct Rollout {
    session: Session,
    n_states: usize,
    state: Vec<f64>,
    stimulus: (usize, Vec<f64>),
    parameters: (usize, Vec<f64>),
}

impl Rollout {
    fn new(surrogate: &Arc<Surrogate>, inputs: &Array2<f64>) -> Result<Self> {
        let columns = |role| {
            let columns = surrogate.columns_of(role);
            let values = inputs.rows().into_iter().flat_map(|row| columns.iter().map(move |&c| row[c]));
            (columns.len(), values.collect::<Vec<_>>())
        };
        let (n_states, state) = columns(Role::State);
        Ok(Self {
            session: Session::new(Arc::clone(surrogate), &SessionOptions::default())?,
            n_states,
            state,
            stimulus: columns(Role::Stimulus),
            parameters: columns(Role::Parameter),
        })
    }

    fn step(&mut self, dt: f64) -> Result<()> {
        fn view((n, values): &(usize, Vec<f64>)) -> Result<Option<View<'_>>> {
            (*n > 0).then(|| View::array_of_structures(values, *n)).transpose()
        }
        let mut cells = Cells::new(ViewMut::array_of_structures(&mut self.state, self.n_states)?);
        cells.stimulus = view(&self.stimulus)?;
        cells.parameters = view(&self.parameters)?.map(Into::into);
        self.session.step(cells, dt, 1)
    }
}

/// Upward crossings of a level.
#[derive(Clone, Debug, PartialEq)]
struct Crossings {
    level: f64,
    lowest: f64,
    highest: f64,
    before: Option<(f64, f64)>,
    first: Option<f64>,
    last: f64,
    n: u64,
}

impl Crossings {
    fn of(level: f64) -> Self {
        let (lowest, highest) = (f64::INFINITY, f64::NEG_INFINITY);
        Self { level, lowest, highest, before: None, first: None, last: 0.0, n: 0 }
    }

    /// Of the level half way between the smallest and the largest value.
    fn halfway(values: impl Iterator<Item = f64>) -> Self {
        let (low, high) =
            values.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), x| (f64::min(l, x), f64::max(h, x)));
        Self::of((low + high) / 2.0)
    }

    /// Nothing observed, the same level.
    fn again(&self) -> Self {
        Self::of(self.level)
    }

    fn observe(&mut self, time: f64, value: f64) {
        (self.lowest, self.highest) = (self.lowest.min(value), self.highest.max(value));
        if let Some((earlier, below)) = self.before
            && below < self.level
            && value >= self.level
        {
            let crossed = earlier + (time - earlier) * (self.level - below) / (value - below);
            self.first.get_or_insert(crossed);
            (self.last, self.n) = (crossed, self.n + 1);
        }
        self.before = Some((time, value));
    }

    fn swing(&self) -> f64 {
        self.highest - self.lowest
    }

    /// The mean time between crossings.
    fn period(&self) -> Option<f64> {
        let first = self.first.filter(|_| self.n > PERIODS)?;
        Some((self.last - first) / (self.n - 1) as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_period_of_a_sine_is_found_between_samples() {
        let mut crossings = Crossings::of(0.3);
        (0..1000).for_each(|i| {
            crossings.observe(f64::from(i), (f64::from(i) / 19.37 * std::f64::consts::TAU).sin())
        });
        assert!((crossings.period().unwrap() / 19.37 - 1.0).abs() < 1e-4, "{:?}", crossings.period());
        assert!(crossings.swing() > 1.99);
        let mut still = Crossings::of(0.3);
        (0..1000).for_each(|i| still.observe(f64::from(i), 0.3));
        assert_eq!(still.period(), None);
    }

    #[test]
    fn excursions_are_counted_in_widths() {
        let ranges = [[-1.0, 1.0], [0.0, 10.0]];
        assert_eq!(outside([0.5, 10.0].into_iter(), &ranges), 0.0);
        assert_eq!(outside([-1.5, 20.0].into_iter(), &ranges), 1.0);
        assert_eq!(outside([-1.5, f64::NAN].into_iter(), &ranges), 0.25);
    }
}
