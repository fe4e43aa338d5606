//! A cell model asked in other coordinates: some states are given by their values after the step.
//!
//! Many models update their gates first and compute currents from the new values. In the old ones such a current is a long
//! polynomial, in the new ones a product.

use std::collections::HashMap;

use super::increments::{Depth, Finding, Known};
use super::probes::Probes;
use super::questions::Questions;
use super::{Increment, Role, State, StateIndex};
use crate::error::Result;
use crate::step_function::StepFunction;

/// Those increments that are simpler in terms of values after the step than their `sketches`, taken apart; and the number of
/// questions that this took.
pub fn simpler(
    model: &mut dyn StepFunction,
    probes: &mut Probes,
    known: &Known,
    states: &[State],
    [dt, unit]: [f64; 2],
    sketches: &[Finding],
) -> Result<(Vec<Finding>, u64)> {
    let levels = levels(states);
    let (mut simpler, mut asked) = (Vec::new(), 0);
    if levels.is_empty() || !has_parts_of_products(&sketches[0].0) {
        return Ok((simpler, asked));
    }
    let level = |i: StateIndex| levels.iter().position(|level| level.contains(&i)).unwrap_or(levels.len());
    // A state sees the levels below its own; V and those of no level see all, and V tells whether it is worth it.
    for n_levels in (1..=levels.len()).rev() {
        let concerned: Vec<&Increment> = sketches
            .iter()
            .map(|(sketch, _)| sketch)
            .filter(|sketch| level(sketch.state) == n_levels)
            .collect();
        if concerned.is_empty() {
            continue;
        }
        let all = n_levels == levels.len();
        let given = levels[..n_levels].to_vec();
        let mut substituted: Vec<StateIndex> = given.concat();
        substituted.sort_unstable();
        let mut base = known.base.states.clone();
        for (c, cell) in base.chunks_mut(states.len()).enumerate() {
            substituted.iter().for_each(|&j| cell[j] = known.base.next(c, j));
        }
        let levels = given.into_iter().map(|level| Level::new(level, states)).collect();
        let mut after = After { model: &mut *model, levels, asked: 0 };
        let mut questions = Questions::new(&mut after, dt, unit);
        let base = questions.ask(base)?;
        let known = Known::new(&mut questions, probes, base, known.inputs.clone())?;
        let v_alone = usize::from(all);
        let mut better = Vec::new();
        for part in [&concerned[..v_alone], &concerned[v_alone..]] {
            let these: Vec<StateIndex> = part.iter().map(|sketch| sketch.state).collect();
            let found = known.take_apart(&mut questions, probes, &these, Depth::Products)?;
            let improved = found.iter().zip(part).filter(|((new, _), old)| complexity(new) < complexity(old));
            better.extend(improved.map(|((new, _), _)| new.state));
            if all && better.is_empty() {
                break;
            }
        }
        for mut finding in known.take_apart(&mut questions, probes, &better, Depth::Coefficients)? {
            let seen = |j: &StateIndex| known.sweep.depends(finding.0.state, *j);
            finding.0.after = substituted.iter().copied().filter(seen).collect();
            simpler.push(finding);
        }
        asked += after.asked;
        if simpler.is_empty() {
            break;
        }
    }
    Ok((simpler, asked))
}

/// `model` asked with values after the step instead of before it, for the states in `after` and those that come no later than they.
/// Of the answers, those of other states count.
pub fn after<'a>(
    model: &'a mut dyn StepFunction,
    states: &[State],
    after: &[StateIndex],
) -> impl StepFunction + 'a {
    let mut levels = levels(states);
    let n_levels =
        levels.iter().rposition(|level| level.iter().any(|j| after.contains(j))).map_or(0, |last| last + 1);
    levels.truncate(n_levels);
    After { model, levels: levels.into_iter().map(|level| Level::new(level, states)).collect(), asked: 0 }
}

/// States whose values after the step may be what others see: gates of V, then what is affine in itself, of the size of a gate, and
/// depends on no other of these but earlier ones.
fn levels(states: &[State]) -> Vec<Vec<StateIndex>> {
    let with_role = |role| move |&i: &StateIndex| states[i].role == role;
    let gates: Vec<StateIndex> = (0..states.len()).filter(with_role(Role::Gate)).collect();
    let is_fraction = |i: &StateIndex| states[*i].visited[0] >= -0.1 && states[*i].visited[1] <= 1.1;
    let mut left: Vec<StateIndex> =
        (0..states.len()).filter(with_role(Role::Affine)).filter(is_fraction).collect();
    let mut levels = vec![gates];
    loop {
        let (next, rest): (Vec<_>, Vec<_>) =
            left.iter().partition(|&&i| !states[i].parents.iter().any(|j| left.contains(j)));
        if next.is_empty() {
            levels.retain(|level| !level.is_empty());
            return levels;
        }
        levels.push(next);
        left = rest;
    }
}

/// Whether a product occurs beside a part of it, as when a new value, a sum of two terms, is a factor.
fn has_parts_of_products(increment: &Increment) -> bool {
    increment.groups.iter().any(|group| {
        let is_part = |a: &[(StateIndex, u32)], b: &[(StateIndex, u32)]| {
            a != b && a.iter().all(|(j, e)| b.iter().any(|(k, f)| j == k && e <= f))
        };
        let monomials = || group.monomials.iter().map(|monomial| &monomial.exponents);
        monomials().any(|a| monomials().any(|b| is_part(a, b)))
    })
}

/// Number of products; then of states that coefficients and the rest are functions of.
fn complexity(increment: &Increment) -> (usize, usize) {
    let monomials = || increment.groups.iter().flat_map(|group| &group.monomials);
    let parents: usize = monomials().map(|monomial| monomial.parents.len()).sum();
    (monomials().count(), parents + increment.remainder_parents.len())
}

/// A model whose questions name values after the step for the states in `levels`.
struct After<'a> {
    model: &'a mut dyn StepFunction,
    levels: Vec<Level>,
    /// Cells asked so far.
    asked: u64,
}

/// States that are affine in themselves and depend on none of their own or a later level.
#[derive(Clone)]
struct Level {
    states: Vec<StateIndex>,
    /// What they depend on.
    parents: Vec<StateIndex>,
}

impl Level {
    fn new(level: Vec<StateIndex>, states: &[State]) -> Self {
        let mut parents: Vec<StateIndex> = level.iter().flat_map(|&i| states[i].parents.clone()).collect();
        parents.sort_unstable();
        parents.dedup();
        Self { states: level, parents }
    }
}

impl After<'_> {
    /// The next values of the states of `level` from 0 and from 1, between which they are affine; cells that agree in all parents
    /// are asked once.
    fn ends(&mut self, level: &Level, states: &[f64], dt: f64) -> Result<Vec<[Vec<f64>; 2]>> {
        let n = self.model.n_states();
        let (mut places, mut different, mut place_of) = (HashMap::new(), Vec::new(), Vec::new());
        for cell in states.chunks(n) {
            let key: Vec<u64> = level.parents.iter().map(|&j| cell[j].to_bits()).collect();
            let next = places.len();
            place_of.push(*places.entry(key).or_insert_with(|| {
                different.extend_from_slice(cell);
                next
            }));
        }
        self.asked += 2 * places.len() as u64;
        let no_stimulus = vec![0.0; different.len() / n];
        let mut asked = Vec::new();
        for value in [0.0, 1.0] {
            let mut cells = different.clone();
            cells.chunks_mut(n).for_each(|cell| level.states.iter().for_each(|&j| cell[j] = value));
            self.model.step(&mut cells, &no_stimulus, dt, 1)?;
            asked.push(cells);
        }
        let of = |cells: &[f64], k: usize| level.states.iter().map(|&j| cells[k * n + j]).collect();
        Ok(place_of.into_iter().map(|k| [of(&asked[0], k), of(&asked[1], k)]).collect())
    }
}

impl StepFunction for After<'_> {
    fn n_states(&self) -> usize {
        self.model.n_states()
    }

    fn initial_state(&self) -> &[f64] {
        self.model.initial_state()
    }

    fn step(&mut self, states: &mut [f64], stimulus: &[f64], dt: f64, n_steps: u32) -> Result<()> {
        let n = self.model.n_states();
        for level in self.levels.clone() {
            let ends = self.ends(&level, states, dt)?;
            for (cell, [at_zero, at_one]) in states.chunks_mut(n).zip(ends) {
                for (k, &j) in level.states.iter().enumerate() {
                    // A state whose old value has no effect keeps it.
                    if at_one[k] != at_zero[k] {
                        cell[j] = (cell[j] - at_zero[k]) / (at_one[k] - at_zero[k]);
                    }
                }
            }
        }
        self.asked += stimulus.len() as u64;
        self.model.step(states, stimulus, dt, n_steps)
    }
}
