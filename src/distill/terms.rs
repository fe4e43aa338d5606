//! What a surrogate computes exactly, up to the tables: products of functions of one state and of states.

use std::sync::Arc;

use super::ask::Asker;
use super::driven::{Candidate, Driven, candidates};
use super::factor::{Factors, Wanted, largest};
use super::function::{Coordinate, Function};
use super::pieces::{Piece, Powers, Use, pieces};
use super::quantity::Quantities;
use super::separate::{Places, Product, Separator};
use crate::error::Result;
use crate::harvest::Visited;
use crate::structure::{Role, StateIndex};

/// Products of states with their weights; none stands for 1.
pub type Polynomial = Vec<(f64, Powers)>;
/// States with the number of times that something is added to them.
pub type Targets = Vec<(StateIndex, f64)>;

/// Σ of products, which one or more terms are multiplied with or divided by.
#[derive(Debug)]
pub struct Sum {
    pub products: Vec<Product>,
    pub divides: bool,
}

/// Part of increments: Π functions · Π sums^±1 · Σ weight · powers, times a number for each state that it changes.
#[derive(Clone, Debug)]
pub struct Term {
    pub functions: Product,
    /// Sums that several terms share are the same.
    pub sums: Vec<Arc<Sum>>,
    pub polynomial: Polynomial,
    pub targets: Targets,
}

/// How the next value of every state comes about.
#[derive(Debug, Default)]
pub struct Formula {
    pub gates: Vec<StateIndex>,
    pub memoryless: Vec<StateIndex>,
    /// States that never change.
    pub constant: Vec<StateIndex>,
    /// States whose increments are sums of `terms`.
    pub summed: Vec<StateIndex>,
    pub terms: Vec<Term>,
    /// What one unit of stimulus adds to a state.
    pub stimulus: Vec<(StateIndex, f64)>,
    /// States that sums drive. The sum of the one at position k is what `terms` add to "state" n + k, where there are n states.
    pub driven: Vec<Driven>,
    /// States whose increments are not such sums; none of `terms` changes them.
    pub unknown: Vec<StateIndex>,
}

/// Visited cells that are asked for the sizes of increments.
const SAMPLES: usize = 2_000;
const PART_OF_MEAN: f64 = 0.1;
/// Weights that differ by no more than this part are equal.
const EQUAL: f64 = 1e-5;

impl Term {
    /// All that it depends on.
    pub fn coordinates(&self) -> impl Iterator<Item = Coordinate> {
        let powers = self.polynomial.iter().flat_map(|(_, powers)| powers);
        self.all_functions().map(Function::variable).chain(powers.copied())
    }

    /// Its functions and those of its sums.
    pub fn all_functions(&self) -> impl Iterator<Item = &Function> {
        self.functions.iter().chain(self.sums.iter().flat_map(|sum| sum.products.iter().flatten()))
    }

    /// Whether it is one state, or one function of one.
    pub fn is_single(&self) -> bool {
        let powers: usize = self.polynomial.iter().map(|(_, powers)| powers.len()).sum();
        self.sums.is_empty() && self.functions.len() + powers <= 1
    }
}

impl Formula {
    /// Takes the structure apart into terms, as far as it is separable with errors of no more than `separation` times the typical
    /// increment.
    pub fn new(
        quantities: &Quantities,
        asker: &mut Asker,
        visited: &Visited,
        ranges: &[[f64; 2]],
        separation: f64,
    ) -> Result<Self> {
        let structure = quantities.structure();
        let of_role = |role: Role| -> Vec<StateIndex> {
            let states = structure.states.iter().enumerate();
            states.filter(|(_, s)| s.role == role).map(|(i, _)| i).collect()
        };
        let mut formula = Self {
            gates: of_role(Role::Gate),
            memoryless: of_role(Role::Memoryless),
            constant: of_role(Role::Constant),
            stimulus: structure.stimulus.iter().map(|e| (e.state, e.per_unit)).collect(),
            ..Self::default()
        };
        let sizes = typical_increments(asker, visited)?;
        let places = Places::new(asker, visited, ranges)?;
        let mut separator = Separator { quantities, asker, places: &places };
        let mut wanted: Vec<Wanted> = Vec::new();
        for piece in pieces(&mut separator)? {
            let tolerance = piece.uses.iter().map(|u| separation * sizes[u.target] / u.most(ranges));
            let tolerance = tolerance.fold(f64::INFINITY, f64::min).max(piece.function.noise(quantities));
            wanted.push(Wanted { piece, tolerance });
        }
        let mut factors = separator.factors(&mut wanted)?;
        formula.drive(&mut separator, &mut wanted, &factors, visited, ranges)?;
        let driven: Vec<StateIndex> = formula.driven.iter().map(|d| d.state).collect();
        if !driven.is_empty() {
            wanted.iter_mut().for_each(|w| w.piece.uses.retain(|u| !driven.contains(&u.target)));
            wanted.retain(|w| !w.piece.uses.is_empty());
            factors = separator.factors(&mut wanted)?;
        }
        for (Wanted { piece, .. }, factors) in wanted.iter().zip(factors) {
            match factors {
                Some(factors) => {
                    log::info!("{}: {factors}, used {} times", piece.function, piece.uses.len());
                    formula.add(factors, &piece.uses);
                }
                None => {
                    log::info!("{}: not separable", piece.function);
                    formula.unknown.extend(piece.uses.iter().map(|u| u.target));
                }
            }
        }
        let unknown = std::mem::take(&mut formula.unknown);
        formula.give_up(&unknown);
        for increment in &structure.increments {
            if !formula.unknown.contains(&increment.state) && !driven.contains(&increment.state) {
                formula.summed.push(increment.state);
            }
        }
        Ok(formula)
    }

    /// Looks for the sums that drive states whose pieces have no `factors`, and has other pieces used in them.
    fn drive(
        &mut self,
        separator: &mut Separator,
        wanted: &mut [Wanted],
        factors: &[Option<Factors>],
        visited: &Visited,
        ranges: &[[f64; 2]],
    ) -> Result<()> {
        let structure = separator.quantities.structure();
        let inseparable = wanted.iter().zip(factors).filter(|(_, factors)| factors.is_none());
        let mut states: Vec<StateIndex> =
            inseparable.flat_map(|(w, _)| w.piece.uses.iter().map(|u| u.target)).collect();
        states.sort_unstable();
        states.dedup();
        let usable: Vec<bool> = factors.iter().map(Option::is_some).collect();
        for state in states {
            let mut parents = structure.states[state].parents.clone();
            parents.push(state);
            let pieces: Vec<&Piece> = wanted.iter().map(|w| &w.piece).collect();
            let candidates = candidates(&pieces, &usable, &parents);
            let Some(found) = separator.driven(state, &candidates, &pieces, visited)? else { continue };
            let target = structure.states.len() + self.driven.len();
            let tolerance = found.tolerance / found.sum.len() as f64;
            for (Candidate { piece, functions, powers }, weight) in found.sum {
                let mut largest_product = 1.0;
                for function in &functions {
                    largest_product *= largest(&separator.values(function)?);
                }
                let one_use = Use { weight, functions, largest: largest_product, powers, target };
                match piece {
                    Some(k) => {
                        let noise = wanted[k].piece.function.noise(separator.quantities);
                        let own = (tolerance / one_use.most(ranges)).max(noise);
                        wanted[k].tolerance = wanted[k].tolerance.min(own);
                        wanted[k].piece.uses.push(one_use);
                    }
                    None => self.add(Factors::default(), &[one_use]),
                }
            }
            self.driven.push(found.driven);
        }
        Ok(())
    }

    /// Adds what a piece, the product of `factors`, brings wherever it is used.
    fn add(&mut self, factors: Factors, uses: &[Use]) {
        if factors.number == 0.0 {
            return;
        }
        let mut alike: Vec<(&Product, Vec<&Use>)> = Vec::new();
        for u in uses {
            match alike.iter_mut().find(|(functions, _)| **functions == u.functions) {
                Some((_, of_functions)) => of_functions.push(u),
                None => alike.push((&u.functions, vec![u])),
            }
        }
        for (functions, uses) in alike {
            for (polynomial, targets) in factorised(&uses) {
                let targets =
                    targets.iter().map(|&(state, weight)| (state, weight * factors.number)).collect();
                let functions = [&factors.functions[..], functions].concat();
                self.terms.push(Term { functions, sums: factors.sums.clone(), polynomial, targets });
            }
        }
    }

    /// The terms of which something is added to a state, or to a sum that drives one.
    pub fn terms_of(&self, sum: StateIndex) -> impl Iterator<Item = &Term> {
        self.terms.iter().filter(move |t| t.targets.iter().any(|target| target.0 == sum))
    }

    /// Number of products of which increments are sums.
    pub fn n_products(&self) -> usize {
        let mut sums: Vec<&Arc<Sum>> = Vec::new();
        for sum in self.terms.iter().flat_map(|t| &t.sums) {
            if !sums.iter().any(|known| Arc::ptr_eq(known, sum)) {
                sums.push(sum);
            }
        }
        self.terms.len() + sums.iter().map(|sum| sum.products.len()).sum::<usize>()
    }

    /// Leaves `states` to be learned.
    pub fn give_up(&mut self, states: &[StateIndex]) {
        self.unknown.extend_from_slice(states);
        self.unknown.sort_unstable();
        self.unknown.dedup();
        let unknown = &self.unknown;
        self.summed.retain(|s| !unknown.contains(s));
        self.terms.iter_mut().for_each(|t| t.targets.retain(|(s, _)| !unknown.contains(s)));
        self.terms.retain(|t| !t.targets.is_empty());
    }
}

/// Sums of products of states, each with the states that it changes: products that change the same ones in the same proportion add up
/// before they are multiplied with a function.
fn factorised(uses: &[&Use]) -> Vec<(Polynomial, Targets)> {
    let mut of_powers: Vec<(Powers, Targets)> = Vec::new();
    for u in uses {
        match of_powers.iter_mut().find(|(powers, _)| *powers == u.powers) {
            Some((_, targets)) => match targets.iter_mut().find(|(state, _)| *state == u.target) {
                Some((_, weight)) => *weight += u.weight,
                None => targets.push((u.target, u.weight)),
            },
            None => of_powers.push((u.powers.clone(), vec![(u.target, u.weight)])),
        }
    }
    let mut found: Vec<(Polynomial, Targets)> = Vec::new();
    for (powers, mut targets) in of_powers {
        targets.sort_by_key(|t| t.0);
        let ratio = |known: &[(StateIndex, f64)]| {
            let ratio = targets[0].1 / known[0].1;
            let same = |(a, b): (&(StateIndex, f64), &(StateIndex, f64))| {
                a.0 == b.0 && (a.1 - ratio * b.1).abs() <= EQUAL * a.1.abs()
            };
            (known.len() == targets.len() && targets.iter().zip(known).all(same)).then_some(ratio)
        };
        match found.iter_mut().find_map(|(polynomial, known)| ratio(known).map(|r| (polynomial, r))) {
            Some((polynomial, ratio)) => polynomial.push((ratio, powers)),
            None => found.push((vec![(1.0, powers)], targets)),
        }
    }
    for (polynomial, _) in &mut found {
        if matches!(&polynomial[..], [(weight, powers)] if *weight == 1.0 && powers.is_empty()) {
            polynomial.clear();
        }
    }
    found
}

/// The size that changes of each state typically have: the median of those that are not exactly 0 or, where a state moves at times only, a
/// part of the mean.
fn typical_increments(asker: &mut Asker, visited: &Visited) -> Result<Vec<f64>> {
    let n = visited.n_states;
    let stride = (visited.len() / SAMPLES).max(1);
    let chosen: Vec<usize> = (0..visited.len()).step_by(stride).collect();
    let cells: Vec<f64> = chosen.iter().flat_map(|&i| visited.cell(i).to_vec()).collect();
    let next = asker.next_unstimulated(&cells)?;
    let typical = |j: usize| {
        let mut sizes: Vec<f64> =
            next.iter().zip(&cells).skip(j).step_by(n).map(|(a, b)| (a - b).abs()).collect();
        sizes.retain(|&s| s > 0.0 && s.is_finite());
        sizes.sort_by(f64::total_cmp);
        let median = sizes.get(sizes.len() / 2).copied().unwrap_or(f64::MIN_POSITIVE);
        median.max(PART_OF_MEAN * sizes.iter().sum::<f64>() / sizes.len().max(1) as f64)
    };
    Ok((0..n).map(typical).collect())
}
