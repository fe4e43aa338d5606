//! Coefficients of products of factors as functions of the other states: their parents, and how they come apart further.

use super::noise::Noise;
use super::polynomial::Grid;
use super::probes::Probes;
use super::questions::{Answers, Questions};
use super::{Part, StateIndex, Sum, graph};
use crate::error::Result;

/// Probes at which a coefficient is compared, at least and at most; fewer where one takes many questions.
const PROBES: [usize; 2] = [12, 96];
/// Questions that the probes of one comparison are allotted.
const ALLOTTED: usize = 1024;
/// Values of each of two parents at which their part is tabulated to find its rank.
const RANK_NODES: usize = 12;
/// Probes around which that is done.
const ANCHORS: usize = 3;
/// Products that are tried for a part of two parents.
const LARGEST_RANK: usize = 8;

/// The coefficients of products of some factors in the increment of one state, all other factors being zero.
pub struct Terms<'a> {
    /// Whose increment.
    pub state: StateIndex,
    /// The points from which coefficients are solved.
    pub grid: Grid,
    /// All factors of the increment.
    pub factors: &'a [StateIndex],
    pub noise: &'a Noise,
    pub base: &'a Answers,
}

/// Coefficients with their roundings, one row a cell.
pub struct Solution {
    width: usize,
    values: Vec<f64>,
    tolerances: Vec<f64>,
}

impl Solution {
    /// Coefficient `m` of cell `cell` and how much of it may be rounding.
    pub fn at(&self, cell: usize, m: usize) -> (f64, f64) {
        (self.values[cell * self.width + m], self.tolerances[cell * self.width + m])
    }
}

impl Terms<'_> {
    /// Some probes, their factors zero; the grid sets its own.
    pub fn cells(&self) -> Vec<f64> {
        let n = (ALLOTTED / self.grid.len()).clamp(PROBES[0], PROBES[1]).min(self.base.len());
        let spread = (0..n).map(|k| self.base.state(k * self.base.len() / n));
        let mut cells = spread.collect::<Vec<_>>().concat();
        for cell in cells.chunks_mut(self.base.n_states()) {
            self.factors.iter().for_each(|&j| cell[j] = 0.0);
        }
        cells
    }

    /// `cells` with state `k` moved to another value.
    pub fn moved(&self, probes: &mut Probes, cells: &[f64], k: StateIndex) -> Vec<f64> {
        let mut cells = cells.to_vec();
        cells.chunks_mut(self.base.n_states()).for_each(|cell| cell[k] = probes.other_value(k, cell[k]));
        cells
    }

    /// Solves for all coefficients at `cells`.
    pub fn solve(&self, questions: &mut Questions, cells: &[f64]) -> Result<Solution> {
        let mut states = Vec::with_capacity(cells.len() * self.grid.len());
        cells.chunks(self.base.n_states()).for_each(|cell| self.grid.fill(cell, &mut states));
        let answers = questions.ask(states)?;
        let width = self.grid.len();
        let mut solution = Solution { width, values: Vec::new(), tolerances: Vec::new() };
        for cell in 0..answers.len() / width {
            let (values, tolerances) = self.grid.coefficients(&answers, cell * width, self.state, self.noise);
            solution.values.extend(values);
            solution.tolerances.extend(tolerances);
        }
        Ok(solution)
    }

    /// Which of `candidates` each coefficient depends on.
    pub fn parents(
        &self,
        questions: &mut Questions,
        probes: &mut Probes,
        cells: &[f64],
        original: &Solution,
        candidates: &[StateIndex],
    ) -> Result<Vec<Vec<StateIndex>>> {
        let mut parents = vec![Vec::new(); self.grid.len()];
        for &k in candidates {
            let moved = self.moved(probes, cells, k);
            let moved = self.solve(questions, &moved)?;
            for (m, parents) in parents.iter_mut().enumerate() {
                let differs = (0..cells.len() / self.base.n_states()).any(|cell| {
                    let ((a, one), (b, other)) = (original.at(cell, m), moved.at(cell, m));
                    (a - b).abs() > one + other
                });
                if differs {
                    parents.push(k);
                }
            }
        }
        Ok(parents)
    }

    /// Takes coefficient `m`, which depends on `parents`, apart into a product of sums.
    pub fn sums(
        &self,
        questions: &mut Questions,
        probes: &mut Probes,
        m: usize,
        parents: &[StateIndex],
        size: f64,
    ) -> Result<Vec<Sum>> {
        let cells = self.cells();
        let n_states = self.base.n_states();
        let original = self.solve(questions, &cells)?;
        let mut alone = Vec::new();
        for &k in parents {
            let moved = self.moved(probes, &cells, k);
            let solution = self.solve(questions, &moved)?;
            alone.push((moved, solution));
        }
        let (mut no_sum, mut no_product) = (Vec::new(), Vec::new());
        for a in 0..parents.len() {
            for b in a + 1..parents.len() {
                let mut both = alone[a].0.clone();
                let others = alone[b].0.chunks(n_states);
                both.chunks_mut(n_states)
                    .zip(others)
                    .for_each(|(cell, b_cell)| cell[parents[b]] = b_cell[parents[b]]);
                let both = self.solve(questions, &both)?;
                let corners = |cell| [&original, &alone[a].1, &alone[b].1, &both].map(|s| s.at(cell, m));
                if (0..cells.len() / n_states).any(|cell| is_no_sum(corners(cell))) {
                    no_sum.push((parents[a], parents[b]));
                }
                if (0..cells.len() / n_states).any(|cell| is_no_product(corners(cell))) {
                    no_product.push((parents[a], parents[b]));
                }
            }
        }
        let within = |pairs: &[(StateIndex, StateIndex)], j: StateIndex, k: StateIndex| {
            pairs.contains(&(j.min(k), j.max(k)))
        };
        let mut sums = Vec::new();
        for factor in graph::components(parents, &|j, k| within(&no_product, j, k)) {
            let mut parts = Vec::new();
            for clique in graph::cliques(&factor, &|j, k| within(&no_sum, j, k)) {
                let products = match clique[..] {
                    [a, b] => self.products(questions, probes, m, [a, b], size)?,
                    _ => Vec::new(),
                };
                parts.push(Part { parents: clique, products });
            }
            sums.push(Sum { parts });
        }
        Ok(sums)
    }

    /// What is left of the part of coefficient `m` that two parents share after 1, 2, … products of a function of one and a
    /// function of the other, relative to `size`. The last number is zero if nothing but rounding is left.
    fn products(
        &self,
        questions: &mut Questions,
        probes: &Probes,
        m: usize,
        [a, b]: [StateIndex; 2],
        size: f64,
    ) -> Result<Vec<f64>> {
        let mut most = Vec::new();
        // Other parents may hide at one probe what they show at another.
        for anchor in self.cells().chunks(self.base.n_states()).take(ANCHORS) {
            let mut states = Vec::new();
            for k in 0..RANK_NODES {
                for l in 0..RANK_NODES {
                    let start = states.len();
                    states.extend_from_slice(anchor);
                    states[start + a] = probes.ranges[a].node(k, RANK_NODES);
                    states[start + b] = probes.ranges[b].node(l, RANK_NODES);
                }
            }
            let solution = self.solve(questions, &states)?;
            let left = eliminate(|k, l| solution.at(k * RANK_NODES + l, m), size);
            if left.len() > most.len() {
                most = left;
            }
        }
        Ok(most)
    }
}

/// Whether two inputs act on a coefficient other than by a sum: as it is, with one moved, with the other, with both.
fn is_no_sum([none, one, other, both]: [(f64, f64); 4]) -> bool {
    (both.0 - one.0 - other.0 + none.0).abs() > both.1 + one.1 + other.1 + none.1
}

/// Whether two inputs act on a coefficient other than by a product.
fn is_no_product([none, one, other, both]: [(f64, f64); 4]) -> bool {
    let rounding = |a: (f64, f64), b: (f64, f64)| a.0.abs() * b.1 + b.0.abs() * a.1;
    (both.0 * none.0 - one.0 * other.0).abs() > rounding(both, none) + rounding(one, other)
}

/// What is left of a table of two inputs, its sums of functions of one input taken out, after 1, 2, … products. `value` gives an
/// entry and its rounding.
fn eliminate(value: impl Fn(usize, usize) -> (f64, f64), size: f64) -> Vec<f64> {
    let entry = |k: usize, l: usize| value(k, l).0 - value(0, l).0 - value(k, 0).0 + value(0, 0).0;
    let mut rows: Vec<Vec<f64>> =
        (0..RANK_NODES).map(|k| (0..RANK_NODES).map(|l| entry(k, l)).collect()).collect();
    let mut tolerance = 0.0_f64;
    (0..RANK_NODES)
        .for_each(|k| (0..RANK_NODES).for_each(|l| tolerance = tolerance.max(4.0 * value(k, l).1)));
    let mut left = Vec::new();
    let mut pivot = largest(&rows);
    while left.len() < LARGEST_RANK
        && rows[pivot.0][pivot.1].is_finite()
        && rows[pivot.0][pivot.1].abs() > tolerance
    {
        let pivot_row = rows[pivot.0].clone();
        for row in &mut rows {
            let factor = row[pivot.1] / pivot_row[pivot.1];
            row.iter_mut().zip(&pivot_row).for_each(|(x, p)| *x -= factor * p);
        }
        pivot = largest(&rows);
        // Elimination with complete pivoting at most doubles an error in a step.
        tolerance *= 2.0;
        let rest = rows[pivot.0][pivot.1].abs();
        left.push(if rest <= tolerance { 0.0 } else { rest / size });
    }
    left
}

/// Place of the largest element.
fn largest(rows: &[Vec<f64>]) -> (usize, usize) {
    let places = (0..rows.len()).flat_map(|k| (0..rows[k].len()).map(move |l| (k, l)));
    let size = |&(k, l): &(usize, usize)| rows[k][l].abs();
    places.max_by(|a, b| size(a).total_cmp(&size(b))).expect("a matrix is not empty")
}
