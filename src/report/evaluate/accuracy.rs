//! Errors of a surrogate on cells that it was not trained on, and Euler's own beside them.

use std::sync::Arc;

use ndarray::{Array2, Array3, ArrayView1, s};
use serde::Serialize;

use super::super::counterpart::Counterpart;
use super::samples::{Schedule, of_euler, of_reference, of_surrogate};
use crate::dataset::sampling;
use crate::error::{Error, Result};
use crate::surrogate::{Kind, Role, Surrogate};

/// Step of the forward Euler solution with which the published networks were trained and
/// compared, in milliseconds.
pub const EULER_DT: f64 = 0.01;
/// Longer Euler steps that may be as accurate as the surrogate, in milliseconds, ascending.
const LONGER_STEPS: [f64; 7] = [0.02, 0.04, 0.05, 0.1, 0.2, 0.25, 0.5];
/// Milliseconds that a step map is rolled out: the horizon of problem D.
const ROLLOUT: f64 = 50.0;
/// Samples of a cell over the horizon.
const N_SAMPLES: usize = 100;
/// The error that [`Errors::always_within`] allows.
const WITHIN: f64 = 0.05;
/// A cell fires when u exceeds this …
const FIRED_ABOVE: f64 = 0.6;
/// … in this time, in milliseconds. Later every cell of problem C has fired.
const FIRED_WITHIN: [f64; 2] = [1.0, 6.0];

/// Errors over one box of cells.
#[derive(Clone, Debug, Serialize)]
pub struct Accuracy {
    /// What the box is.
    pub cells_from: String,
    /// The box.
    pub ranges: Vec<InputRange>,
    /// Cells drawn uniformly in it.
    pub cells: usize,
    /// Seed they were drawn with.
    pub seed: u64,
    /// Milliseconds evaluated or rolled out.
    pub horizon: f64,
    /// Samples of a cell, evenly spread over the horizon.
    pub samples: usize,
    /// Share of cells for which the surrogate gave something else than finite numbers; they are
    /// left out of all errors.
    pub not_finite: f64,
    /// Share of cells that fire early in the reference, where that means something.
    pub excited: Option<f64>,
    /// The surrogate's errors against the reference.
    pub surrogate: Errors,
    /// Forward Euler's errors against the reference, on the same cells.
    pub euler: Errors,
    /// Euler's step in milliseconds.
    pub euler_dt: f64,
    /// The longest tried Euler step whose mean absolute error is not larger than the
    /// surrogate's, in milliseconds.
    pub equal_euler_dt: Option<f64>,
    /// A step map's errors after one step.
    pub one_step: Option<Errors>,
    /// Errors at each sample time.
    pub over_time: OverTime,
}

/// One side of a box.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct InputRange {
    /// Name of the input.
    pub name: String,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// Errors against the reference.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Errors {
    /// Mean absolute error over states, samples and cells.
    pub mean_absolute: f64,
    /// Share of cells that fire early only here or only in the reference.
    pub excitation_wrong: Option<f64>,
    /// Share of cells that stay within 0.05 of the reference in every state at all samples; none where states have
    /// units.
    pub always_within: Option<f64>,
    /// Errors of each state.
    pub states: Vec<StateErrors>,
}

/// Errors of one state, in its unit; over all samples and cells.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StateErrors {
    /// Name of the state.
    pub name: String,
    /// Mean absolute error.
    pub mean_absolute: f64,
    /// Root of the mean squared error.
    pub root_mean_square: f64,
    /// Median absolute error.
    pub median: f64,
    /// 99th percentile of the absolute error.
    pub p99: f64,
    /// Largest absolute error.
    pub maximum: f64,
    /// ‖error‖ / ‖reference‖ over a cell's samples: mean over cells.
    pub relative_l2_mean: f64,
    /// The same: 99th percentile over cells.
    pub relative_l2_p99: f64,
}

/// Absolute errors at each sample time, state by state.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct OverTime {
    /// Milliseconds.
    pub times: Vec<f64>,
    /// Mean over cells, for each state.
    pub mean: Vec<Vec<f64>>,
    /// 99th percentile over cells, for each state.
    pub p99: Vec<Vec<f64>>,
    /// Mean of Euler's error, for each state.
    pub euler_mean: Vec<Vec<f64>>,
}

/// A box with everything sampled in it; what pictures are drawn from.
#[derive(Clone, Debug)]
pub struct Comparison {
    /// Cells × inputs.
    pub inputs: Array2<f64>,
    /// The surrogate's outputs: cells × samples × outputs.
    pub surrogate: Array3<f64>,
    /// The reference's.
    pub reference: Array3<f64>,
    /// Forward Euler's.
    pub euler: Array3<f64>,
    /// Their numbers.
    pub accuracy: Accuracy,
}

/// How many cells, and how drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Draw {
    /// Number of cells in each box.
    pub cells: usize,
    /// Seed; another than training's.
    pub seed: u64,
    /// Threads of the reference solver; they do not change the numbers.
    pub n_threads: usize,
}

/// Compares `surrogate` with its cell model over its domain and, for a step map that covers it,
/// over problem D's box.
///
/// # Errors
/// Inputs without a range, or an integration that fails.
pub fn compare(surrogate: &Arc<Surrogate>, counterpart: &Counterpart, draw: Draw) -> Result<Vec<Comparison>> {
    let domain = domain(surrogate)?;
    let box_d = match surrogate.kind() {
        Kind::StepMap { .. } => counterpart.box_of_problem_d(domain.len()),
        Kind::SolutionMap | Kind::Derivative => None,
    };
    let covers = |outer: &[[f64; 2]], inner: &[[f64; 2]]| {
        outer.iter().zip(inner).all(|(o, i)| o[0] <= i[0] + 1e-9 && i[1] <= o[1] + 1e-9)
    };
    let mut comparisons = Vec::new();
    match box_d.filter(|inner| covers(&domain, inner)) {
        Some(inner) if covers(&inner, &domain) => {
            comparisons.push(compare_in(
                surrogate,
                counterpart,
                "the domain, which is problem D's box",
                &domain,
                draw,
            )?);
        }
        inner => {
            comparisons.push(compare_in(surrogate, counterpart, "the domain", &domain, draw)?);
            if let Some(inner) = inner {
                comparisons.push(compare_in(surrogate, counterpart, "problem D's box", &inner, draw)?);
            }
        }
    }
    Ok(comparisons)
}

/// Ranges of all inputs.
///
/// # Errors
/// An input without a range.
pub fn domain(surrogate: &Surrogate) -> Result<Vec<[f64; 2]>> {
    let range = |v: &crate::surrogate::Variable| {
        v.range.ok_or_else(|| {
            Error::unsupported(format!("input \"{}\" has no range to draw cells from", v.name))
                .remedy("export the surrogate with the ranges that it was trained on")
        })
    };
    surrogate.inputs().iter().map(range).collect()
}

/// Milliseconds over which `surrogate` is compared.
pub fn horizon(surrogate: &Surrogate) -> f64 {
    match surrogate.kind() {
        // At least ten steps, however long they are.
        Kind::StepMap { dt } => ROLLOUT.max(10.0 * dt),
        Kind::SolutionMap | Kind::Derivative => {
            let time = surrogate.columns_of(Role::Time).first().and_then(|&c| surrogate.inputs()[c].range);
            time.map(|[_, end]| end).or(surrogate.times().last().copied()).unwrap_or(ROLLOUT)
        }
    }
}

fn compare_in(
    surrogate: &Arc<Surrogate>,
    counterpart: &Counterpart,
    cells_from: &str,
    ranges: &[[f64; 2]],
    draw: Draw,
) -> Result<Comparison> {
    let inputs = sampling::uniform(ranges, draw.cells, draw.seed)?;
    let schedule = Schedule::of(surrogate, horizon(surrogate), N_SAMPLES)?;
    let mut given = of_surrogate(surrogate, &inputs, &schedule)?;
    let reference = of_reference(counterpart, &inputs, &schedule, draw.n_threads)?;
    let euler = of_euler(counterpart, &inputs, &schedule, EULER_DT)?;

    let finite: Vec<usize> =
        (0..draw.cells).filter(|&i| given.slice(s![i, .., ..]).iter().all(|x| x.is_finite())).collect();
    let not_finite = 1.0 - finite.len() as f64 / draw.cells as f64;
    let inputs_of_finite = inputs.select(ndarray::Axis(0), &finite);
    let [given_finite, reference_finite, euler_finite] =
        [&given, &reference, &euler].map(|a| a.select(ndarray::Axis(0), &finite));
    // Pictures show such a cell as a gap.
    given.mapv_inplace(|x| if x.is_finite() { x } else { f64::NAN });

    let names: Vec<String> = surrogate.states().into_iter().map(|v| v.name).collect();
    let fired = counterpart.is_excitable_cubic().then(|| {
        let u = counterpart.outputs().iter().position(|&state| state == 0).expect("u is an output");
        Firing { u, times: schedule.times() }
    });
    let errors = |a: &Array3<f64>, b: &Array3<f64>| errors(&names, a, b, fired.as_ref());
    let own = errors(&given_finite, &reference_finite);
    let mut equal_euler_dt = None;
    for dt in LONGER_STEPS.into_iter().take_while(|&dt| dt <= schedule.interval) {
        let euler = of_euler(counterpart, &inputs_of_finite, &schedule, dt)?;
        if errors(&euler, &reference_finite).mean_absolute <= own.mean_absolute {
            equal_euler_dt = Some(schedule.euler_dt(dt));
        }
    }
    let euler_errors = errors(&euler_finite, &reference_finite);
    if equal_euler_dt.is_none() && euler_errors.mean_absolute <= own.mean_absolute {
        equal_euler_dt = Some(schedule.euler_dt(EULER_DT));
    }
    let (mean, p99) = over_time(&given_finite, &reference_finite);
    let accuracy = Accuracy {
        cells_from: cells_from.to_owned(),
        ranges: ranges_of(surrogate, ranges),
        cells: draw.cells,
        seed: draw.seed,
        horizon: schedule.horizon(),
        samples: schedule.n_samples(),
        not_finite,
        excited: fired.as_ref().map(|f| f.share(&reference)).filter(|x| x.is_finite()),
        surrogate: own,
        euler: euler_errors,
        euler_dt: schedule.euler_dt(EULER_DT),
        equal_euler_dt,
        one_step: one_step(surrogate, counterpart, &inputs, &names, draw)?,
        over_time: OverTime {
            times: schedule.times(),
            mean,
            p99,
            euler_mean: over_time(&euler_finite, &reference_finite).0,
        },
    };
    Ok(Comparison { inputs, surrogate: given, reference, euler, accuracy })
}

fn ranges_of(surrogate: &Surrogate, ranges: &[[f64; 2]]) -> Vec<InputRange> {
    let named = surrogate.inputs().iter().zip(ranges).filter(|(v, _)| v.role != Role::Time);
    named.map(|(v, &[low, high])| InputRange { name: v.name.clone(), low, high }).collect()
}

fn one_step(
    surrogate: &Arc<Surrogate>,
    counterpart: &Counterpart,
    inputs: &Array2<f64>,
    names: &[String],
    draw: Draw,
) -> Result<Option<Errors>> {
    let Kind::StepMap { dt } = surrogate.kind() else { return Ok(None) };
    let schedule = Schedule::every(dt, 1, 1);
    let given = of_surrogate(surrogate, inputs, &schedule)?;
    if !given.iter().all(|x| x.is_finite()) {
        return Ok(None);
    }
    let reference = of_reference(counterpart, inputs, &schedule, draw.n_threads)?;
    Ok(Some(errors(names, &given, &reference, None)))
}

/// Which cells fire early.
struct Firing {
    /// Output that is u.
    u: usize,
    times: Vec<f64>,
}

impl Firing {
    fn cell(&self, states: &Array3<f64>, cell: usize) -> bool {
        let within = |t: f64| FIRED_WITHIN[0] < t && t <= FIRED_WITHIN[1] + 1e-9;
        let samples = self.times.iter().enumerate().filter(|(_, t)| within(**t));
        samples.into_iter().any(|(i, _)| states[[cell, i, self.u]] > FIRED_ABOVE)
    }

    fn is_sampled(&self) -> bool {
        self.times.iter().any(|&t| FIRED_WITHIN[0] < t && t <= FIRED_WITHIN[1])
    }

    fn share(&self, states: &Array3<f64>) -> f64 {
        if !self.is_sampled() {
            return f64::NAN;
        }
        let n = states.dim().0;
        (0..n).filter(|&i| self.cell(states, i)).count() as f64 / n as f64
    }

    fn wrong(&self, given: &Array3<f64>, reference: &Array3<f64>) -> Option<f64> {
        let n = given.dim().0;
        let wrong = (0..n).filter(|&i| self.cell(given, i) != self.cell(reference, i)).count();
        (self.is_sampled() && n > 0).then(|| wrong as f64 / n as f64)
    }
}

fn errors(names: &[String], given: &Array3<f64>, reference: &Array3<f64>, firing: Option<&Firing>) -> Errors {
    let state = |(j, name): (usize, &String)| {
        let (given, reference) = (given.slice(s![.., .., j]), reference.slice(s![.., .., j]));
        let difference = &given - &reference;
        let sorted = sorted(difference.iter().map(|x| x.abs()));
        let n = sorted.len() as f64;
        let norm = |a: ArrayView1<f64>| a.iter().map(|x| x * x).sum::<f64>().sqrt();
        let relative = difference.outer_iter().zip(reference.outer_iter());
        // A state that stays zero has no relative error.
        let relative = relative.map(|(d, r)| norm(d) / norm(r).max(f64::MIN_POSITIVE));
        let relative = self::sorted(relative);
        StateErrors {
            name: name.clone(),
            mean_absolute: sorted.iter().sum::<f64>() / n,
            root_mean_square: (sorted.iter().map(|x| x * x).sum::<f64>() / n).sqrt(),
            median: percentile(&sorted, 0.5),
            p99: percentile(&sorted, 0.99),
            maximum: percentile(&sorted, 1.0),
            relative_l2_mean: relative.iter().sum::<f64>() / relative.len() as f64,
            relative_l2_p99: percentile(&relative, 0.99),
        }
    };
    let states: Vec<StateErrors> = names.iter().enumerate().map(state).collect();
    Errors {
        mean_absolute: states.iter().map(|s| s.mean_absolute).sum::<f64>() / states.len() as f64,
        excitation_wrong: firing.and_then(|f| f.wrong(given, reference)),
        always_within: firing.map(|_| always_within(given, reference)),
        states,
    }
}

/// Share of cells whose error never exceeds [`WITHIN`].
fn always_within(given: &Array3<f64>, reference: &Array3<f64>) -> f64 {
    let cells = given.outer_iter().zip(reference.outer_iter());
    let within = cells.filter(|(g, r)| g.iter().zip(r).all(|(a, b)| (a - b).abs() <= WITHIN)).count();
    within as f64 / given.dim().0 as f64
}

/// Mean and 99th percentile over cells, for each state and sample.
fn over_time(given: &Array3<f64>, reference: &Array3<f64>) -> (Vec<Vec<f64>>, Vec<Vec<f64>>) {
    let (_, n_samples, n_states) = given.dim();
    let (mut means, mut p99s) = (vec![Vec::new(); n_states], vec![Vec::new(); n_states]);
    for j in 0..n_states {
        for i in 0..n_samples {
            let (given, reference) = (given.slice(s![.., i, j]), reference.slice(s![.., i, j]));
            let sorted = sorted(given.iter().zip(reference).map(|(a, b)| (a - b).abs()));
            means[j].push(sorted.iter().sum::<f64>() / sorted.len() as f64);
            p99s[j].push(percentile(&sorted, 0.99));
        }
    }
    (means, p99s)
}

fn sorted(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_unstable_by(f64::total_cmp);
    values
}

/// The smallest of `sorted` that is not exceeded by the part `p` of them; NaN if there are none.
pub fn percentile(sorted: &[f64], p: f64) -> f64 {
    let rank = (p * sorted.len() as f64).ceil().max(1.0) as usize;
    sorted.get(rank - 1).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_the_nearest_rank() {
        let values: Vec<f64> = (1..=200).map(f64::from).collect();
        assert_eq!(percentile(&values, 0.5), 100.0);
        assert_eq!(percentile(&values, 0.99), 198.0);
        assert_eq!(percentile(&values, 1.0), 200.0);
        assert_eq!(percentile(&values[..1], 0.01), 1.0);
        assert!(percentile(&[], 0.5).is_nan());
    }
}
