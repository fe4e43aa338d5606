//! Increments taken apart into groups of factors, their monomials and a remainder.

use super::interactions::Interactions;
use super::noise::Noise;
use super::polynomial::Grid;
use super::probes::Probes;
use super::questions::{Answers, Questions};
use super::sweep::Sweep;
use super::{Group, Increment, Monomial, StateIndex};
use crate::error::Result;

/// Probes at which coefficients are solved for.
const SOLVED: usize = 16;
/// Grid points of a group, at most.
const LARGEST_GRID: usize = 4096;
/// Values asked of each candidate for a parent of the remainder, at every probe.
const ALTERNATIVES: usize = 3;

/// What is known when increments are taken apart.
pub struct Known<'a> {
    pub noise: &'a Noise,
    pub base: &'a Answers,
    pub sweep: &'a Sweep,
    pub interactions: &'a Interactions,
    /// The states that change.
    pub inputs: &'a [StateIndex],
    /// Largest increment of each state.
    pub sizes: &'a [f64],
}

/// Takes the increment of state `i` apart.
pub fn take_apart(
    questions: &mut Questions,
    probes: &mut Probes,
    known: &Known,
    i: StateIndex,
    undecided: &mut Vec<String>,
) -> Result<Increment> {
    let drivers: Vec<StateIndex> =
        known.inputs.iter().copied().filter(|&j| known.sweep.depends(i, j)).collect();
    let (mut factors, mut rest): (Vec<_>, Vec<_>) =
        drivers.iter().partition(|&&j| j != 0 && is_factor(known, i, j));
    let mut components = Vec::new();
    for component in known.interactions.components(i, &factors) {
        let members: Vec<(StateIndex, u32)> = component
            .iter()
            .map(|&j| (j, known.sweep.response(i, j).degree.expect("a factor has a degree")))
            .collect();
        if Grid::n_points(&members) > LARGEST_GRID {
            undecided.push(format!(
                "Δ{}: {} factors multiply each other, too many to solve for their coefficients",
                name(i),
                members.len()
            ));
            factors.retain(|j| !component.contains(j));
            rest.extend(&component);
            continue;
        }
        components.push(members);
    }
    rest.sort_unstable();
    let mut groups = Vec::new();
    for members in components {
        groups.push(solve(questions, probes, known, i, members, &rest)?);
    }
    let remainder_parents = remainder(questions, probes, known, i, &factors, &rest)?;
    Ok(Increment { state: i, groups, remainder_parents })
}

fn is_factor(known: &Known, i: StateIndex, j: StateIndex) -> bool {
    let response = known.sweep.response(i, j);
    response.degree.is_some_and(|d| d > 0) && response.holds_at_zero && !response.unresolved
}

/// Solves for the coefficients of all products of `members` at some probes, and again with each other driver moved.
fn solve(
    questions: &mut Questions,
    probes: &mut Probes,
    known: &Known,
    i: StateIndex,
    members: Vec<(StateIndex, u32)>,
    rest: &[StateIndex],
) -> Result<Group> {
    let others: Vec<StateIndex> = rest
        .iter()
        .copied()
        .filter(|&k| members.iter().any(|&(j, _)| known.interactions.interact(i, j, k)))
        .collect();
    let grid = Grid::new(&members, |j| probes.ranges[j].outer());
    let n_probes = known.base.len().min(SOLVED);
    // The cells of one probe: as it is, then with each other driver moved.
    let mut states = Vec::new();
    for cell in 0..n_probes {
        let cell = known.base.state(cell * known.base.len() / n_probes);
        for moved in std::iter::once(None).chain(others.iter().map(Some)) {
            let mut cell = cell.to_vec();
            if let Some(&k) = moved {
                cell[k] = probes.other_value(k, cell[k]);
            }
            grid.fill(&cell, &mut states);
        }
    }
    let answers = questions.ask(states)?;
    let mut weights = vec![0.0_f64; grid.len()];
    let mut found = vec![false; grid.len()];
    let mut parents = vec![vec![false; others.len()]; grid.len()];
    for probe in 0..n_probes {
        let first = probe * (1 + others.len());
        let solutions: Vec<_> = (first..=first + others.len())
            .map(|block| grid.coefficients(&answers, block * grid.len(), i, known.noise))
            .collect();
        for m in 0..grid.len() {
            for (which, (coefficients, tolerances)) in solutions.iter().enumerate() {
                // The products vanish where a coefficient cannot be told from zero.
                if coefficients[m].abs() > tolerances[m] {
                    found[m] = true;
                    weights[m] = weights[m].max(coefficients[m].abs());
                }
                let tolerance = tolerances[m] + solutions[0].1[m];
                if which > 0 && (coefficients[m] - solutions[0].0[m]).abs() > tolerance {
                    parents[m][which - 1] = true;
                }
            }
        }
    }
    let monomials =
        (0..grid.len()).filter(|&m| found[m] && !grid.exponents(m).is_empty()).map(|m| Monomial {
            exponents: grid.exponents(m),
            weight: weights[m] / known.sizes[i],
            parents: others.iter().zip(&parents[m]).filter(|(_, is)| **is).map(|(k, _)| *k).collect(),
        });
    let monomials = monomials.collect();
    Ok(Group { members, monomials, coefficient_parents: others })
}

/// The drivers that still matter where all factors are zero.
fn remainder(
    questions: &mut Questions,
    probes: &mut Probes,
    known: &Known,
    i: StateIndex,
    factors: &[StateIndex],
    rest: &[StateIndex],
) -> Result<Vec<StateIndex>> {
    let mut states = known.base.states.clone();
    let n = questions.n_states();
    for cell in states.chunks_mut(n) {
        factors.iter().for_each(|&j| cell[j] = 0.0);
    }
    let without = questions.ask(states)?;
    let mut parents = Vec::new();
    for &k in rest {
        let mut states = without.states.repeat(ALTERNATIVES);
        for cell in states.chunks_mut(n) {
            cell[k] = probes.other_value(k, cell[k]);
        }
        let moved = questions.ask(states)?;
        let matters = (0..moved.len()).any(|c| {
            let cell = c % without.len();
            let change = (moved.increment(c, i) - without.increment(cell, i)).abs();
            let magnitude = moved.magnitude(c, i).max(without.magnitude(cell, i));
            change > 2.0 * known.noise.tolerance(i, magnitude)
        });
        if matters {
            parents.push(k);
        }
    }
    Ok(parents)
}

fn name(i: StateIndex) -> String {
    super::state_name(i)
}
