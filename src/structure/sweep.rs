//! One input varied at a time: who depends on whom, and how.

use super::noise::Noise;
use super::probes::Probes;
use super::questions::{Answers, Questions};
use super::{MAX_DEGREE, StateIndex};
use crate::error::Result;

/// Equidistant values over the range of an input, through which polynomials are laid.
const NODES: usize = 9;
/// Further values that were visited: a dependence may live in a small part of the range.
const VISITED: usize = 3;
/// Values asked of an input at every probe. The last one is zero, where coefficients of polynomials are read.
const VALUES: usize = NODES + VISITED + 1;
/// The nodes through which a polynomial of degree 0, 1, … is laid; the others must lie on it.
const SUPPORT: [&[usize]; MAX_DEGREE as usize + 1] =
    [&[4], &[0, 8], &[0, 4, 8], &[0, 2, 6, 8], &[0, 1, 4, 7, 8]];
/// A degree counts if what a smooth function that is no polynomial would have left of it exceeds this many tolerances.
const RESOLVED: f64 = 30.0;
/// Departures from a polynomial below this many tolerances are told of.
const NEARLY: f64 = 10.0;

/// What varying one input did to one state.
#[derive(Clone, Copy, Debug, Default)]
pub struct Response {
    /// Largest change of the increment.
    pub change: f64,
    /// The same in tolerances: above 1 it is real.
    pub change_ratio: f64,
    /// Largest change of the next value; differs from `change` for the state's own value.
    pub next_change: f64,
    /// The same in tolerances.
    pub next_ratio: f64,
    /// Degree of the increment as a polynomial of the input, if it is one.
    pub degree: Option<u32>,
    /// Largest departure from that polynomial.
    pub departure: f64,
    /// Departure from a polynomial in tolerances, if it is none but nearly.
    pub nearly: Option<f64>,
    /// Whether the polynomial holds at zero too, where its coefficients are read.
    pub holds_at_zero: bool,
    /// The input's effect, or its range, is too small to tell a polynomial from another smooth function.
    pub unresolved: bool,
    /// The largest tolerance that a change or departure was compared with.
    pub tolerance: f64,
    /// Answers that were not finite, and all answers.
    pub lost: [u32; 2],
}

/// Responses of all states to all inputs.
pub struct Sweep {
    n_states: usize,
    responses: Vec<Response>,
}

impl Sweep {
    /// Varies each of `inputs` at every probe of `base`.
    pub fn run(
        questions: &mut Questions,
        probes: &mut Probes,
        noise: &Noise,
        base: &Answers,
        inputs: &[StateIndex],
    ) -> Result<Self> {
        let n = questions.n_states();
        let mut responses = vec![Response::default(); n * n];
        for &j in inputs {
            let mut states = Vec::with_capacity(base.states.len() * VALUES);
            for cell in 0..base.len() {
                for k in 0..VALUES {
                    let start = states.len();
                    states.extend_from_slice(base.state(cell));
                    states[start + j] = match k {
                        _ if k < NODES => probes.ranges[j].node(k, NODES),
                        _ if k < VALUES - 1 => probes.visited_value(j),
                        _ => 0.0,
                    };
                }
            }
            let answers = questions.ask(states)?;
            let narrowness = probes.ranges[j].narrowness();
            for i in 0..n {
                responses[i * n + j] = respond(&answers, base, noise, narrowness, i, j);
            }
        }
        Ok(Self { n_states: n, responses })
    }

    /// How the increment of state `i` responds to input `j`.
    pub fn response(&self, i: StateIndex, j: StateIndex) -> &Response {
        &self.responses[i * self.n_states + j]
    }

    /// Whether the increment of `i` depends on `j`.
    pub fn depends(&self, i: StateIndex, j: StateIndex) -> bool {
        self.response(i, j).change_ratio > 1.0
    }
}

fn respond(
    answers: &Answers,
    base: &Answers,
    noise: &Noise,
    narrowness: f64,
    i: StateIndex,
    j: StateIndex,
) -> Response {
    let mut response = Response { holds_at_zero: true, ..Response::default() };
    // Largest departure from each degree, in tolerances and as it is.
    let mut departures = [(0.0_f64, 0.0_f64); MAX_DEGREE as usize + 1];
    let mut holds_at_zero = [true; MAX_DEGREE as usize + 1];
    for cell in 0..base.len() {
        let first = cell * VALUES;
        let increments: Vec<f64> = (first..first + VALUES).map(|c| answers.increment(c, i)).collect();
        let inside = &increments[..VALUES - 1];
        let tolerances = (first..first + VALUES - 1).map(|c| noise.tolerance(answers, c, i));
        let tolerance = largest(tolerances).max(noise.tolerance(base, cell, i));
        response.lost[0] += inside.iter().filter(|g| !g.is_finite()).count() as u32;
        response.lost[1] += inside.len() as u32;
        let change = largest(inside.iter().map(|g| (g - base.increment(cell, i)).abs()));
        let next = (first..first + VALUES - 1).map(|c| (answers.next(c, i) - base.next(cell, i)).abs());
        let next = largest(next);
        response.change = response.change.max(change);
        response.tolerance = response.tolerance.max(tolerance);
        response.change_ratio = response.change_ratio.max(change / tolerance);
        response.next_change = response.next_change.max(next);
        response.next_ratio = response.next_ratio.max(next / tolerance);
        if inside.iter().any(|g| !g.is_finite()) {
            continue;
        }
        let at: Vec<f64> = (first..first + VALUES).map(|c| answers.state(c)[j]).collect();
        for (degree, support) in SUPPORT.iter().enumerate() {
            let at_node = |k: usize| lagrange(support, &at, &increments, at[k]);
            let departure = largest((0..VALUES - 1).map(|k| {
                let (value, weight) = at_node(k);
                (increments[k] - value).abs() / (1.0 + weight)
            }));
            departures[degree].0 = departures[degree].0.max(departure / tolerance);
            departures[degree].1 = departures[degree].1.max(departure);
            let (value, weight) = at_node(VALUES - 1);
            let tolerance = tolerance.max(noise.tolerance(answers, first + VALUES - 1, i));
            let departure = (increments[VALUES - 1] - value).abs();
            // NaN does not hold.
            holds_at_zero[degree] &= departure.is_finite() && departure <= tolerance * (1.0 + weight);
        }
    }
    if response.lost[0] < response.lost[1] {
        let degree = departures.iter().position(|(ratio, _)| *ratio <= 1.0);
        let least = departures[1..].iter().map(|(ratio, _)| *ratio).fold(f64::INFINITY, f64::min);
        response.nearly = (degree.is_none() && least < NEARLY).then_some(least);
        response.degree = degree.map(|d| d as u32);
        response.departure = degree.map_or(f64::INFINITY, |d| departures[d].1);
        response.holds_at_zero = degree.is_some_and(|d| holds_at_zero[d]);
        response.unresolved = degree.is_some_and(|d| {
            let ratio = match d {
                0 | 1 => narrowness,
                _ => departures[d - 1].1 / departures[d - 2].1,
            };
            d > 0 && departures[d - 1].1 * ratio.min(1.0) <= RESOLVED * response.tolerance
        });
    }
    response
}

/// The polynomial through the `support`, at `x`; and the sum of the weights' sizes, which amplifies rounding.
fn lagrange(support: &[usize], at: &[f64], values: &[f64], x: f64) -> (f64, f64) {
    let (mut sum, mut size) = (0.0, 0.0);
    for &a in support {
        let others = support.iter().filter(|&&b| b != a);
        let weight: f64 = others.map(|&b| (x - at[b]) / (at[a] - at[b])).product();
        sum += weight * values[a];
        size += weight.abs();
    }
    (sum, size)
}

/// The largest finite one.
fn largest(values: impl Iterator<Item = f64>) -> f64 {
    values.filter(|x| x.is_finite()).fold(0.0, f64::max)
}
