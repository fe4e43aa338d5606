//! The functions that a cell model is made of, evaluated by asking it.

use super::ask::{Asker, solve};
use crate::error::Result;
use crate::structure::{Increment, Monomial, Role, StateIndex, Structure};

/// A function of some states, found in the answers to one or more questions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Quantity {
    /// a of a gate, y' = a + (1 − k)·y.
    Drive(StateIndex),
    /// k of a gate.
    Rate(StateIndex),
    /// Next value of a memoryless state.
    Value(StateIndex),
    /// Coefficient of a monomial of a group of an increment, by their positions in the structure.
    Coefficient { increment: usize, group: usize, monomial: usize },
    /// What an increment is without the members of its groups.
    Remainder { increment: usize },
}

/// How the coefficient of a monomial follows from increments at nodes: every combination of values of its factors, all others being 0.
struct Nodes {
    factors: Vec<StateIndex>,
    /// Node after node, one number a factor.
    places: Vec<f64>,
    /// One a node.
    weights: Vec<f64>,
}

/// What is asked about an increment.
struct OfIncrement {
    /// All factors of its products: they are 0 unless a node says otherwise.
    factors: Vec<StateIndex>,
    /// By group and monomial.
    nodes: Vec<Vec<Nodes>>,
}

/// Asks for quantities of one structure.
pub struct Quantities<'s> {
    structure: &'s Structure,
    /// Values of states that a quantity does not depend on.
    reference: Vec<f64>,
    /// Largest values of the states.
    sizes: Vec<f64>,
    gates: Vec<StateIndex>,
    increments: Vec<OfIncrement>,
}

impl Nodes {
    /// For `monomial`, one of those of a group; `sizes` are the largest values of states.
    fn new(monomial: &Monomial, group: &[Monomial], sizes: &[f64]) -> Result<Self> {
        let axis = |&(state, degree): &(StateIndex, u32)| -> Vec<f64> {
            (0..=degree).map(|i| sizes[state] * f64::from(i) / f64::from(degree)).collect()
        };
        let factors: Vec<StateIndex> = monomial.exponents.iter().map(|e| e.0).collect();
        // Of the same factors another monomial may have a higher power.
        let highest = |state: StateIndex| {
            let of = |m: &Monomial| m.exponents.iter().find(|e| e.0 == state).map_or(0, |e| e.1);
            group.iter().map(of).max().unwrap_or(1)
        };
        let axes: Vec<Vec<f64>> = factors.iter().map(|&state| axis(&(state, highest(state)))).collect();
        let n_nodes: usize = axes.iter().map(Vec::len).product();
        let mut places = Vec::with_capacity(n_nodes * factors.len());
        for mut i in 0..n_nodes {
            places.extend(axes.iter().map(|axis| (axis[i % axis.len()], i /= axis.len()).0));
        }
        let inside = |m: &&Monomial| m.exponents.iter().all(|e| factors.contains(&e.0));
        let exponents = |m: &Monomial| -> Vec<i32> {
            let of = |state| m.exponents.iter().find(|e| e.0 == state).map_or(0, |e| e.1 as i32);
            factors.iter().map(|&f| of(f)).collect()
        };
        // Least squares for the monomials that occur and the rest of the increment, which is the same at all nodes: products
        // that do not occur would only spread rounding.
        let mut occurring: Vec<Vec<i32>> = vec![exponents(monomial)];
        occurring.extend(group.iter().filter(inside).filter(|m| *m != monomial).map(exponents));
        occurring.push(vec![0; factors.len()]);
        let n = occurring.len();
        let product = |e: &[i32], x: &[f64]| -> f64 { e.iter().zip(x).map(|(&e, x)| x.powi(e)).product() };
        let largest: Vec<f64> = factors.iter().map(|&f| sizes[f]).collect();
        let scales: Vec<f64> = occurring.iter().map(|e| product(e, &largest)).collect();
        let rows: Vec<Vec<f64>> = places
            .chunks(factors.len())
            .map(|x| occurring.iter().zip(&scales).map(|(e, s)| product(e, x) / s).collect())
            .collect();
        let square: Vec<f64> =
            (0..n * n).map(|k| rows.iter().map(|row| row[k / n] * row[k % n]).sum()).collect();
        let transposed: Vec<f64> = (0..n).flat_map(|k| rows.iter().map(move |row| row[k])).collect();
        let mut weights = solve(&square, &transposed, n)?;
        weights.truncate(n_nodes);
        weights.iter_mut().for_each(|w| *w /= scales[0]);
        Ok(Self { factors, places, weights })
    }
}

impl OfIncrement {
    fn new(increment: &Increment, sizes: &[f64]) -> Result<Self> {
        let members = increment.groups.iter().flat_map(|g| &g.members);
        let mut nodes = Vec::new();
        for group in &increment.groups {
            let of = |m: &Monomial| Nodes::new(m, &group.monomials, sizes);
            nodes.push(group.monomials.iter().map(of).collect::<Result<Vec<_>>>()?);
        }
        Ok(Self { factors: members.map(|m| m.0).collect(), nodes })
    }
}

impl<'s> Quantities<'s> {
    /// `ranges` are those of all states in which the quantities are to be asked for.
    pub fn new(structure: &'s Structure, asker: &Asker, ranges: &[[f64; 2]]) -> Result<Self> {
        let states = structure.states.iter().enumerate();
        let gates = states.filter(|(_, s)| s.role == Role::Gate).map(|(i, _)| i).collect();
        let sizes: Vec<f64> = ranges.iter().map(|r| r[0].abs().max(r[1].abs())).collect();
        let increments = structure.increments.iter().map(|i| OfIncrement::new(i, &sizes));
        let increments = increments.collect::<Result<_>>()?;
        Ok(Self { structure, reference: asker.initial_state().to_vec(), sizes, gates, increments })
    }

    pub fn structure(&self) -> &'s Structure {
        self.structure
    }

    /// The state at which quantities are anchored.
    pub fn reference(&self) -> &[f64] {
        &self.reference
    }

    /// The values of `wanted` where the states `varied` have the values `points` (point after point) and all others those of
    /// the reference; point after point, one number a quantity, not finite where the model's answer is not.
    pub fn at(
        &self,
        asker: &mut Asker,
        wanted: &[Quantity],
        varied: &[StateIndex],
        points: &[f64],
    ) -> Result<Vec<f64>> {
        let n_points = points.len() / varied.len().max(1);
        let n = self.reference.len();
        let base: Vec<f64> = points
            .chunks(varied.len().max(1))
            .flat_map(|point| {
                let mut cell = self.reference.clone();
                varied.iter().zip(point).for_each(|(&state, &x)| cell[state] = x);
                cell
            })
            .collect();
        let mut values = vec![f64::NAN; n_points * wanted.len()];
        let mut put = |column: usize, of_point: &dyn Fn(usize) -> f64| {
            (0..n_points).for_each(|p| values[p * wanted.len() + column] = of_point(p));
        };
        let asks_gates =
            wanted.iter().any(|q| matches!(q, Quantity::Drive(_) | Quantity::Rate(_) | Quantity::Value(_)));
        let [closed, open] = match asks_gates {
            true => [0.0, 1.0].map(|value| {
                let mut cells = base.clone();
                for cell in cells.chunks_mut(n) {
                    self.gates.iter().for_each(|&g| cell[g] = value);
                }
                asker.next_unstimulated(&cells)
            }),
            false => [Ok(Vec::new()), Ok(Vec::new())],
        };
        let (closed, open) = (closed?, open?);
        let mut answers = Answers { quantities: self, base: &base, asked: Vec::new() };
        for (column, quantity) in wanted.iter().enumerate() {
            match *quantity {
                Quantity::Drive(j) => put(column, &|p| closed[p * n + j]),
                Quantity::Rate(j) => put(column, &|p| 1.0 - (open[p * n + j] - closed[p * n + j])),
                Quantity::Value(j) => put(column, &|p| closed[p * n + j]),
                Quantity::Coefficient { increment, group, monomial } => {
                    let nodes = &self.increments[increment].nodes[group][monomial];
                    let (state, n_nodes) = (self.state(increment), nodes.weights.len());
                    let found = answers.of(asker, increment, &nodes.factors, &nodes.places)?;
                    let at = |p: usize, k: usize| nodes.weights[k] * found[(p * n_nodes + k) * n + state];
                    put(column, &|p| (0..n_nodes).map(|k| at(p, k)).sum());
                }
                Quantity::Remainder { increment } => {
                    let state = self.state(increment);
                    let found = answers.of(asker, increment, &[], &[])?;
                    put(column, &|p| found[p * n + state]);
                }
            }
        }
        Ok(values)
    }

    /// What rounding in the model's answers does to a quantity, at most.
    pub fn noise(&self, quantity: Quantity) -> f64 {
        let rounding = |state: StateIndex| 16.0 * f64::EPSILON * self.sizes[state];
        match quantity {
            Quantity::Drive(j) | Quantity::Rate(j) | Quantity::Value(j) => rounding(j).max(f64::EPSILON),
            Quantity::Coefficient { increment, group, monomial } => {
                let weights = &self.increments[increment].nodes[group][monomial].weights;
                rounding(self.state(increment)) * weights.iter().map(|w| w.abs()).sum::<f64>()
            }
            Quantity::Remainder { increment } => rounding(self.state(increment)),
        }
    }

    fn state(&self, increment: usize) -> StateIndex {
        self.structure.increments[increment].state
    }
}

/// Increments at nodes, asked once where several quantities need the same.
struct Answers<'a> {
    quantities: &'a Quantities<'a>,
    base: &'a [f64],
    asked: Vec<Asked<'a>>,
}

struct Asked<'a> {
    increment: usize,
    factors: &'a [StateIndex],
    places: &'a [f64],
    found: Vec<f64>,
}

impl<'a> Answers<'a> {
    /// Increments of all states at each point with `factors` at each of `places`, those of no concern being 0; without factors, at
    /// each point.
    fn of(
        &mut self,
        asker: &mut Asker,
        increment: usize,
        factors: &'a [StateIndex],
        places: &'a [f64],
    ) -> Result<&[f64]> {
        let known = self.quantities;
        let same = |a: &Asked| {
            let (one, other) =
                (&known.structure.increments[a.increment], &known.structure.increments[increment]);
            let zeros = |i: usize| &known.increments[i].factors;
            a.factors == factors
                && a.places == places
                && one.after == other.after
                && zeros(a.increment) == zeros(increment)
        };
        let i = match self.asked.iter().position(same) {
            Some(i) => i,
            None => {
                let n_nodes = places.len().checked_div(factors.len()).unwrap_or(1);
                let mut cells = Vec::with_capacity(self.base.len() * n_nodes);
                for cell in self.base.chunks(known.reference.len()) {
                    for node in 0..n_nodes {
                        let start = cells.len();
                        cells.extend_from_slice(cell);
                        known.increments[increment].factors.iter().for_each(|&f| cells[start + f] = 0.0);
                        let place = &places[node * factors.len()..][..factors.len()];
                        factors.iter().zip(place).for_each(|(&f, &x)| cells[start + f] = x);
                    }
                }
                let after = &known.structure.increments[increment].after;
                let mut found = asker.next_from_after(&cells, &known.structure.states, after)?;
                found.iter_mut().zip(&cells).for_each(|(next, x)| *next -= x);
                self.asked.push(Asked { increment, factors, places, found });
                self.asked.len() - 1
            }
        };
        Ok(&self.asked[i].found)
    }
}
