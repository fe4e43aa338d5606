//! The functions that a cell model is made of, evaluated by asking it.

use super::ask::{Asker, solve};
use super::domain::FRACTION;
use crate::error::Result;
use crate::structure::{Group, Monomial, Role, StateIndex, Structure};

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

/// How the coefficients of a group follow from increments at nodes: every combination of one value a member.
struct Polynomial {
    members: Vec<StateIndex>,
    /// Node after node, one number a member.
    nodes: Vec<f64>,
    /// Monomial after monomial, one weight a node.
    weights: Vec<f64>,
    /// The monomials' values at the reference state.
    at_reference: Vec<f64>,
}

/// Asks for quantities of one structure.
pub struct Quantities<'s> {
    structure: &'s Structure,
    /// Values of states that a quantity does not depend on.
    reference: Vec<f64>,
    /// Largest values of the states.
    sizes: Vec<f64>,
    gates: Vec<StateIndex>,
    /// By increment and group.
    polynomials: Vec<Vec<Polynomial>>,
}

impl Polynomial {
    fn new(group: &Group, ranges: &[[f64; 2]], reference: &[f64]) -> Result<Self> {
        let axes: Vec<Vec<f64>> = group
            .members
            .iter()
            .map(|&(state, degree)| {
                let [low, high] = ranges[state];
                (0..=degree).map(|i| low + (high - low) * f64::from(i) / f64::from(degree.max(1))).collect()
            })
            .collect();
        let members: Vec<StateIndex> = group.members.iter().map(|m| m.0).collect();
        let n_nodes: usize = axes.iter().map(Vec::len).product();
        let mut nodes = Vec::with_capacity(n_nodes * members.len());
        for mut i in 0..n_nodes {
            nodes.extend(axes.iter().map(|axis| (axis[i % axis.len()], i /= axis.len()).0));
        }
        let exponents = |monomial: &Monomial| -> Vec<u32> {
            let of = |state| monomial.exponents.iter().find(|e| e.0 == state).map_or(0, |e| e.1);
            members.iter().map(|&m| of(m)).collect()
        };
        let wanted: Vec<Vec<u32>> = group.monomials.iter().map(exponents).collect();
        let product =
            |e: &[u32], x: &[f64]| -> f64 { e.iter().zip(x).map(|(&e, x)| x.powi(e as i32)).product() };
        // Least squares for the monomials that occur and the rest of the increment, which is the same at all nodes: products
        // that do not occur would only spread rounding.
        let n = wanted.len() + 1;
        let largest: Vec<f64> = members.iter().map(|&m| ranges[m][0].abs().max(ranges[m][1].abs())).collect();
        let scales: Vec<f64> = wanted.iter().map(|e| product(e, &largest)).collect();
        let rows: Vec<Vec<f64>> = nodes
            .chunks(members.len())
            .map(|x| wanted.iter().zip(&scales).map(|(e, s)| product(e, x) / s).chain([1.0]).collect())
            .collect();
        let square: Vec<f64> =
            (0..n * n).map(|k| rows.iter().map(|row| row[k / n] * row[k % n]).sum()).collect();
        let transposed: Vec<f64> = (0..n).flat_map(|k| rows.iter().map(move |row| row[k])).collect();
        let mut weights = solve(&square, &transposed, n)?;
        weights.truncate(wanted.len() * n_nodes);
        for (row, scale) in weights.chunks_mut(n_nodes).zip(&scales) {
            row.iter_mut().for_each(|w| *w /= scale);
        }
        let there: Vec<f64> = members.iter().map(|&m| reference[m]).collect();
        let at_reference = wanted.iter().map(|e| product(e, &there)).collect();
        Ok(Self { members, nodes, weights, at_reference })
    }

    fn n_nodes(&self) -> usize {
        self.nodes.len() / self.members.len()
    }
}

impl<'s> Quantities<'s> {
    /// `ranges` are those of all states in which the quantities are to be asked for.
    pub fn new(structure: &'s Structure, asker: &Asker, ranges: &[[f64; 2]]) -> Result<Self> {
        let mut reference = asker.initial_state().to_vec();
        // Gates at 0 take whole currents out of a remainder, exactly.
        for &(member, _) in structure.increments.iter().flat_map(|i| &i.groups).flat_map(|g| &g.members) {
            if ranges[member] == FRACTION {
                reference[member] = 0.0;
            }
        }
        let of_groups = |groups: &[Group]| -> Result<Vec<Polynomial>> {
            groups.iter().map(|g| Polynomial::new(g, ranges, &reference)).collect()
        };
        let polynomials = structure.increments.iter().map(|i| of_groups(&i.groups)).collect::<Result<_>>()?;
        let states = structure.states.iter().enumerate();
        let gates = states.filter(|(_, s)| s.role == Role::Gate).map(|(i, _)| i).collect();
        let sizes = ranges.iter().map(|r| r[0].abs().max(r[1].abs())).collect();
        Ok(Self { structure, reference, sizes, gates, polynomials })
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
        let mut increments_at = Answers { base: &base, n, varied, asked: Vec::new() };
        for (column, quantity) in wanted.iter().enumerate() {
            match *quantity {
                Quantity::Drive(j) => put(column, &|p| closed[p * n + j]),
                Quantity::Rate(j) => put(column, &|p| 1.0 - (open[p * n + j] - closed[p * n + j])),
                Quantity::Value(j) => put(column, &|p| closed[p * n + j]),
                Quantity::Coefficient { increment, group, monomial } => {
                    let (polynomial, state) = (&self.polynomials[increment][group], self.state(increment));
                    let answers = increments_at.of(asker, polynomial)?;
                    let coefficient = coefficients(polynomial, answers, n, state, monomial);
                    put(column, &coefficient);
                }
                Quantity::Remainder { increment } => {
                    let state = self.state(increment);
                    let next = asker.next_unstimulated(&base)?;
                    let mut sums: Vec<f64> =
                        (0..n_points).map(|p| next[p * n + state] - base[p * n + state]).collect();
                    for polynomial in &self.polynomials[increment] {
                        if polynomial.at_reference.iter().all(|&x| x == 0.0) {
                            continue;
                        }
                        let answers = increments_at.of(asker, polynomial)?;
                        for (monomial, &x) in polynomial.at_reference.iter().enumerate() {
                            let coefficient = coefficients(polynomial, answers, n, state, monomial);
                            sums.iter_mut().enumerate().for_each(|(p, sum)| *sum -= x * coefficient(p));
                        }
                    }
                    put(column, &|p| sums[p]);
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
                let polynomial = &self.polynomials[increment][group];
                let weights = &polynomial.weights[monomial * polynomial.n_nodes()..][..polynomial.n_nodes()];
                rounding(self.state(increment)) * weights.iter().map(|w| w.abs()).sum::<f64>()
            }
            Quantity::Remainder { increment } => {
                let of = |(group, polynomial): (usize, &Polynomial)| -> f64 {
                    let at = polynomial.at_reference.iter().enumerate();
                    let noise = at.map(|(monomial, x)| match *x {
                        0.0 => 0.0,
                        x => x.abs() * self.noise(Quantity::Coefficient { increment, group, monomial }),
                    });
                    noise.sum()
                };
                let groups = self.polynomials[increment].iter().enumerate().map(of).sum::<f64>();
                rounding(self.state(increment)) + groups
            }
        }
    }

    fn state(&self, increment: usize) -> StateIndex {
        self.structure.increments[increment].state
    }
}

/// The coefficient of a monomial at each point, from increments of all states at the nodes of each point.
fn coefficients<'a>(
    polynomial: &'a Polynomial,
    increments: &'a [f64],
    n: usize,
    state: StateIndex,
    monomial: usize,
) -> impl Fn(usize) -> f64 + 'a {
    let n_nodes = polynomial.n_nodes();
    let weights = &polynomial.weights[monomial * n_nodes..][..n_nodes];
    move |p| (0..n_nodes).map(|node| weights[node] * increments[(p * n_nodes + node) * n + state]).sum()
}

/// Increments at the nodes of groups, asked once where several increments have a group in common.
struct Answers<'a> {
    base: &'a [f64],
    n: usize,
    varied: &'a [StateIndex],
    /// Members, nodes and increments.
    asked: Vec<(Vec<StateIndex>, Vec<f64>, Vec<f64>)>,
}

impl Answers<'_> {
    fn of(&mut self, asker: &mut Asker, polynomial: &Polynomial) -> Result<&[f64]> {
        let known = |(members, nodes, _): &(Vec<StateIndex>, Vec<f64>, Vec<f64>)| {
            *members == polynomial.members && *nodes == polynomial.nodes
        };
        let i = match self.asked.iter().position(known) {
            Some(i) => i,
            None => {
                debug_assert!(self.varied.iter().all(|v| !polynomial.members.contains(v)));
                let mut cells = Vec::with_capacity(self.base.len() * polynomial.n_nodes());
                for cell in self.base.chunks(self.n) {
                    for node in polynomial.nodes.chunks(polynomial.members.len()) {
                        let start = cells.len();
                        cells.extend_from_slice(cell);
                        polynomial.members.iter().zip(node).for_each(|(&m, &x)| cells[start + m] = x);
                    }
                }
                let mut increments = asker.next_unstimulated(&cells)?;
                increments.iter_mut().zip(&cells).for_each(|(next, x)| *next -= x);
                self.asked.push((polynomial.members.clone(), polynomial.nodes.clone(), increments));
                self.asked.len() - 1
            }
        };
        Ok(&self.asked[i].2)
    }
}
