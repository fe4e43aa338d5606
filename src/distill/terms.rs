//! What a surrogate computes exactly, up to the tables: products of functions of one state and of states.

use super::ask::Asker;
use super::function::Function;
use super::quantity::{Quantities, Quantity};
use super::separate::{Box, Product, separate};
use crate::error::Result;
use crate::harvest::Visited;
use crate::structure::{Role, StateIndex};

/// Part of increments: Π functions · Π states, times a number for each state that it changes.
#[derive(Clone, Debug)]
pub struct Term {
    /// At most one a variable, ascending in the variable.
    pub functions: Vec<Function>,
    /// Factors, repeated where a power is meant.
    pub states: Vec<StateIndex>,
    pub targets: Vec<(StateIndex, f64)>,
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
    /// States whose increments are not such sums; none of `terms` changes them.
    pub unknown: Vec<StateIndex>,
}

/// How exact a separation has to be, as a part of the median increment.
const SEPARATION: f64 = 1e-4;
/// Visited cells that are asked for the sizes of increments.
const SAMPLES: usize = 2_000;

/// A part of an increment with what it depends on.
struct Part {
    quantity: Quantity,
    parents: Vec<StateIndex>,
    states: Vec<StateIndex>,
    target: StateIndex,
}

impl Formula {
    /// Takes the structure apart into terms, as far as it is separable.
    pub fn new(
        quantities: &Quantities,
        asker: &mut Asker,
        visited: &Visited,
        ranges: &[[f64; 2]],
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
        let sizes = median_increments(asker, visited)?;
        let mut shared: Vec<(Part, Vec<(StateIndex, f64)>)> = Vec::new();
        for (increment, of_state) in structure.increments.iter().enumerate() {
            for part in parts(increment, of_state) {
                let twin = shared.iter_mut().find_map(|(known, targets)| {
                    match proportion(quantities, asker, known, &part, visited) {
                        Ok(Some(factor)) => Some(Ok((targets, factor))),
                        Ok(None) => None,
                        Err(error) => Some(Err(error)),
                    }
                });
                match twin.transpose()? {
                    Some((targets, factor)) => targets.push((part.target, factor)),
                    None => {
                        let target = part.target;
                        shared.push((part, vec![(target, 1.0)]));
                    }
                }
            }
        }
        for (part, targets) in shared {
            let tolerances = targets.iter().map(|&(s, f)| SEPARATION * sizes[s] / f.abs());
            let largest: f64 =
                part.states.iter().map(|&s| ranges[s][0].abs().max(ranges[s][1].abs())).product();
            let tolerance = tolerances.fold(f64::INFINITY, f64::min) / largest.max(1e-300);
            let space = Box { ranges, tolerance };
            match separate(quantities, asker, part.quantity, &part.parents, &space)? {
                Some(products) => formula.add(products, &part.states, &targets),
                None => formula.unknown.extend(targets.iter().map(|t| t.0)),
            }
        }
        let unknown = std::mem::take(&mut formula.unknown);
        formula.give_up(&unknown);
        for increment in &structure.increments {
            if !formula.unknown.contains(&increment.state) {
                formula.summed.push(increment.state);
            }
        }
        formula.terms.sort_by_key(|t| std::cmp::Reverse(t.functions.len() + t.states.len()));
        Ok(formula)
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

    /// Adds products; those of one function that multiply the same states are one term.
    fn add(&mut self, products: Vec<Product>, states: &[StateIndex], targets: &[(StateIndex, f64)]) {
        for mut functions in products {
            functions.sort_by_key(|f| f.variable);
            let twin = self.terms.iter_mut().find(|t| {
                t.states == states
                    && t.targets == targets
                    && matches!((&t.functions[..], &functions[..]), ([a], [b]) if a.variable == b.variable)
            });
            match twin {
                Some(term) => term.functions[0].add(&functions[0], 1.0),
                None => {
                    self.terms.push(Term { functions, states: states.to_vec(), targets: targets.to_vec() })
                }
            }
        }
    }
}

fn parts(increment: usize, of_state: &crate::structure::Increment) -> Vec<Part> {
    let target = of_state.state;
    let mut parts = Vec::new();
    for (group, of_group) in of_state.groups.iter().enumerate() {
        for (monomial, product) in of_group.monomials.iter().enumerate() {
            let power = |&(state, exponent): &(StateIndex, u32)| vec![state; exponent as usize];
            parts.push(Part {
                quantity: Quantity::Coefficient { increment, group, monomial },
                parents: product.parents.clone(),
                states: product.exponents.iter().flat_map(power).collect(),
                target,
            });
        }
    }
    let parents = of_state.remainder_parents.clone();
    parts.push(Part { quantity: Quantity::Remainder { increment }, parents, states: Vec::new(), target });
    parts
}

/// The number that turns `known` into `part`, if there is one: a current changes V and a concentration.
fn proportion(
    quantities: &Quantities,
    asker: &mut Asker,
    known: &Part,
    part: &Part,
    visited: &Visited,
) -> Result<Option<f64>> {
    let alike = known.target != part.target && known.states == part.states && known.parents == part.parents;
    if !alike || part.parents.is_empty() || part.states.is_empty() {
        return Ok(None);
    }
    let stride = (visited.len() / 64).max(1);
    let cells = (0..visited.len()).step_by(stride).map(|i| visited.cell(i));
    let points: Vec<f64> = cells.flat_map(|cell| part.parents.iter().map(|&p| cell[p])).collect();
    let values = quantities.at(asker, &[known.quantity, part.quantity], &part.parents, &points)?;
    let product = |a: usize, b: usize| values.chunks(2).map(|v| v[a] * v[b]).sum::<f64>();
    let factor = product(0, 1) / product(0, 0);
    let rest: f64 = values.chunks(2).map(|v| (v[1] - factor * v[0]).powi(2)).sum();
    Ok((factor.is_finite() && factor != 0.0 && rest <= 1e-14 * product(1, 1)).then_some(factor))
}

/// The size that changes of each state have on the median, without those that are exactly 0.
fn median_increments(asker: &mut Asker, visited: &Visited) -> Result<Vec<f64>> {
    let n = visited.n_states;
    let stride = (visited.len() / SAMPLES).max(1);
    let chosen: Vec<usize> = (0..visited.len()).step_by(stride).collect();
    let cells: Vec<f64> = chosen.iter().flat_map(|&i| visited.cell(i).to_vec()).collect();
    let next = asker.next_unstimulated(&cells)?;
    let median = |j: usize| {
        let mut sizes: Vec<f64> =
            next.iter().zip(&cells).skip(j).step_by(n).map(|(a, b)| (a - b).abs()).collect();
        sizes.retain(|&s| s > 0.0 && s.is_finite());
        sizes.sort_by(f64::total_cmp);
        sizes.get(sizes.len() / 2).copied().unwrap_or(f64::MIN_POSITIVE)
    };
    Ok((0..n).map(median).collect())
}
