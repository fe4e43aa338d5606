//! Increments taken apart into groups of factors, their monomials and a remainder.

use std::collections::BTreeMap;

use super::interactions::Interactions;
use super::noise::Noise;
use super::polynomial::Grid;
use super::probes::Probes;
use super::questions::{Answers, Questions};
use super::sweep::Sweep;
use super::terms::Terms;
use super::{Group, Increment, Monomial, StateIndex, graph, state_name};
use crate::error::Result;

/// Points of the grid on which coefficients are solved for, at most.
const LARGEST_GRID: usize = 4096;

/// What is known when increments are taken apart.
pub struct Known {
    pub noise: Noise,
    pub base: Answers,
    pub sweep: Sweep,
    /// The states that change.
    pub inputs: Vec<StateIndex>,
    /// Largest increment of each state.
    pub sizes: Vec<f64>,
}

/// How far an increment is taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// Into products of factors and a remainder, with the parents of each.
    Products,
    /// Coefficients and the remainder too.
    Coefficients,
}

/// An increment and what could not be decided about it.
pub type Finding = (Increment, Vec<String>);

impl Known {
    /// Varies each of `inputs` at the probes of `base`.
    pub fn new(
        questions: &mut Questions,
        probes: &mut Probes,
        base: Answers,
        inputs: Vec<StateIndex>,
    ) -> Result<Self> {
        let noise = Noise::measure(questions, probes, &base)?;
        let sweep = Sweep::run(questions, probes, &noise, &base, &inputs)?;
        let size = |i| (0..base.len()).map(|c| base.increment(c, i).abs()).fold(f64::MIN_POSITIVE, f64::max);
        let sizes = (0..base.n_states()).map(size).collect();
        Ok(Self { noise, base, sweep, inputs, sizes })
    }

    /// Takes the increments of some `states` apart.
    pub fn take_apart(
        &self,
        questions: &mut Questions,
        probes: &mut Probes,
        states: &[StateIndex],
        depth: Depth,
    ) -> Result<Vec<Finding>> {
        let wanted = |i, j, k| states.contains(&i) && self.sweep.depends(i, j) && self.sweep.depends(i, k);
        let interactions =
            Interactions::measure(questions, probes, &self.noise, &self.base, &self.inputs, wanted)?;
        let mut found = Vec::with_capacity(states.len());
        for &i in states {
            found.push(take_apart(questions, probes, self, &interactions, i, depth)?);
        }
        Ok(found)
    }
}

/// Takes the increment of state `i` apart.
fn take_apart(
    questions: &mut Questions,
    probes: &mut Probes,
    known: &Known,
    interactions: &Interactions,
    i: StateIndex,
    depth: Depth,
) -> Result<Finding> {
    let mut undecided = Vec::new();
    let interact = |j, k| interactions.interact(i, j, k);
    let drivers = known.inputs.iter().copied().filter(|&j| known.sweep.depends(i, j));
    let (mut factors, mut rest): (Vec<_>, Vec<_>) =
        drivers.partition(|&j| is_factor(known, i, j, &mut undecided));
    let degree = |j: StateIndex| known.sweep.response(i, j).degree.expect("a factor has a degree");
    for clique in graph::cliques(&factors, &interact) {
        let points = clique.iter().fold(1, |n: usize, &j| n.saturating_mul(degree(j) as usize + 1));
        if points > LARGEST_GRID {
            undecided.push(format!(
                "{} factors of Δ{} multiply each other: too many to find out in which products",
                clique.len(),
                state_name(i)
            ));
            factors.retain(|j| !clique.contains(j));
            rest.extend(clique);
        }
    }
    rest.sort_unstable();
    rest.dedup();
    let terms = |members: &[StateIndex], probes: &Probes| {
        let axes: Vec<(StateIndex, u32)> = members.iter().map(|&j| (j, degree(j))).collect();
        let grid = Grid::new(&axes, |j| probes.ranges[j].outer());
        Terms { state: i, grid, factors: &factors, noise: &known.noise, base: &known.base }
    };

    let mut groups = Vec::new();
    for members in graph::components(&factors, &interact) {
        // Products occur only of factors that all interact: a small grid for each set of these is enough.
        let mut monomials: BTreeMap<Vec<(StateIndex, u32)>, Monomial> = BTreeMap::new();
        for clique in graph::cliques(&members, &interact) {
            let terms = terms(&clique, probes);
            let interacts = |k: &StateIndex| clique.iter().any(|&j| interact(j, *k));
            let candidates: Vec<StateIndex> = rest.iter().copied().filter(interacts).collect();
            for monomial in products(questions, probes, &terms, &candidates, known.sizes[i])? {
                monomials.entry(monomial.exponents.clone()).or_insert(monomial);
            }
        }
        let mut monomials: Vec<Monomial> = monomials.into_values().collect();
        for monomial in monomials.iter_mut().filter(|_| depth == Depth::Coefficients) {
            let support: Vec<StateIndex> = monomial.exponents.iter().map(|(j, _)| *j).collect();
            let terms = terms(&support, probes);
            let m = (0..terms.grid.len()).find(|&m| terms.grid.exponents(m) == monomial.exponents);
            let m = m.expect("the grid of its factors has the monomial");
            monomial.coefficient = terms.sums(questions, probes, m, &monomial.parents, known.sizes[i])?;
        }
        let mut coefficient_parents: Vec<StateIndex> =
            monomials.iter().flat_map(|monomial| monomial.parents.iter().copied()).collect();
        coefficient_parents.sort_unstable();
        coefficient_parents.dedup();
        let members = members.iter().map(|&j| (j, degree(j))).collect();
        groups.push(Group { members, monomials, coefficient_parents });
    }

    let without = terms(&[], probes);
    let cells = without.cells();
    let original = without.solve(questions, &cells)?;
    let remainder_parents = without.parents(questions, probes, &cells, &original, &rest)?.remove(0);
    let remainder = match depth {
        Depth::Products => Vec::new(),
        Depth::Coefficients => without.sums(questions, probes, 0, &remainder_parents, known.sizes[i])?,
    };
    Ok((Increment { state: i, after: Vec::new(), groups, remainder_parents, remainder }, undecided))
}

fn is_factor(known: &Known, i: StateIndex, j: StateIndex, undecided: &mut Vec<String>) -> bool {
    let response = known.sweep.response(i, j);
    let polynomial = j != 0 && response.degree.is_some_and(|d| d > 0) && response.holds_at_zero;
    if let Some(ratio) = response.nearly.filter(|_| j != 0) {
        undecided.push(format!(
            "Δ{} departs from a polynomial of {} by {ratio:.1} times the rounding: taken for none",
            state_name(i),
            state_name(j)
        ));
    }
    if polynomial && response.unresolved {
        undecided.push(format!(
            "Δ{} may be a polynomial of {}: its effect is too small, or its range too narrow, to be sure; taken for no factor",
            state_name(i),
            state_name(j)
        ));
    }
    polynomial && !response.unresolved
}

/// The products of the factors of `terms` that occur, with the parents of their coefficients among `candidates`.
fn products(
    questions: &mut Questions,
    probes: &mut Probes,
    terms: &Terms,
    candidates: &[StateIndex],
    size: f64,
) -> Result<Vec<Monomial>> {
    let cells = terms.cells();
    let solution = terms.solve(questions, &cells)?;
    let parents = terms.parents(questions, probes, &cells, &solution, candidates)?;
    let n_cells = cells.len() / questions.n_states();
    let mut found = Vec::new();
    for (m, parents) in parents.into_iter().enumerate() {
        let exponents = terms.grid.exponents(m);
        let real =
            (0..n_cells).map(|cell| solution.at(cell, m)).filter(|(c, tolerance)| c.abs() > *tolerance);
        let largest = real.map(|(c, _)| c.abs()).fold(0.0, f64::max);
        if largest > 0.0 && !exponents.is_empty() {
            found.push(Monomial { exponents, weight: largest / size, parents, coefficient: Vec::new() });
        }
    }
    Ok(found)
}
