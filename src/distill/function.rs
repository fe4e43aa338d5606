//! Functions of one or more states, made of sections through quantities.

use super::ask::Asker;
use super::quantity::{Quantities, Quantity};
use crate::error::Result;
use crate::structure::StateIndex;

/// A state as an argument: before the step, or after it where the model updates it before it is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Coordinate {
    pub state: StateIndex,
    pub after: bool,
}

impl Coordinate {
    pub fn before(state: StateIndex) -> Self {
        Self { state, after: false }
    }
}

/// A quantity along some states while others are held at chosen values, variables among them if it ignores these.
#[derive(Clone, Debug, PartialEq)]
pub struct Section {
    pub quantity: Quantity,
    /// States that the quantity depends on beside the variables, with the values at which they are held.
    pub fixed: Vec<(StateIndex, f64)>,
    pub weight: f64,
}

/// constant + Σ weight·section.
#[derive(Clone, Debug, PartialEq)]
pub struct Function {
    /// Ascending; tables have one.
    pub variables: Vec<Coordinate>,
    pub constant: f64,
    pub sections: Vec<Section>,
}

impl Function {
    /// A quantity that depends on nothing but `variables`.
    pub fn of(quantity: Quantity, variables: Vec<Coordinate>) -> Self {
        let section = Section { quantity, fixed: Vec::new(), weight: 1.0 };
        Self { variables, constant: 0.0, sections: vec![section] }
    }

    /// The first variable, the only one of a function that a table holds.
    pub fn variable(&self) -> Coordinate {
        self.variables[0]
    }

    /// The function times a number.
    pub fn scaled(mut self, factor: f64) -> Self {
        self.constant *= factor;
        self.sections.iter_mut().for_each(|s| s.weight *= factor);
        self
    }

    /// The function of `variables`, the others being held at their values in `place`, which has one number for each of its variables.
    pub fn section(&self, variables: &[Coordinate], place: &[f64]) -> Self {
        let held = self.variables.iter().zip(place).filter(|(v, _)| !variables.contains(v));
        let held: Vec<(StateIndex, f64)> = held.map(|(v, &x)| (v.state, x)).collect();
        let mut section = Self { variables: variables.to_vec(), ..self.clone() };
        for part in &mut section.sections {
            // What a part holds already, it does not see.
            let free: Vec<_> =
                held.iter().filter(|h| part.fixed.iter().all(|f| f.0 != h.0)).copied().collect();
            part.fixed.extend(free);
            part.fixed.sort_by_key(|f| f.0);
        }
        section
    }

    /// What rounding in the model's answers does to it, at most.
    pub fn noise(&self, quantities: &Quantities) -> f64 {
        self.sections.iter().map(|s| s.weight.abs() * quantities.noise(s.quantity)).sum()
    }

    /// Adds `weight`·`other`, a function of the same variables.
    pub fn add(&mut self, other: &Self, weight: f64) {
        debug_assert_eq!(self.variables, other.variables);
        self.constant += weight * other.constant;
        for section in &other.sections {
            let same = |s: &&mut Section| s.quantity == section.quantity && s.fixed == section.fixed;
            match self.sections.iter_mut().find(same) {
                Some(own) => own.weight += weight * section.weight,
                None => self.sections.push(Section { weight: weight * section.weight, ..section.clone() }),
            }
        }
    }
}

/// Values of `functions` of the same variables at `points`, one number a variable: point after point, one number a function.
pub fn evaluate(
    quantities: &Quantities,
    asker: &mut Asker,
    functions: &[Function],
    points: &[f64],
) -> Result<Vec<f64>> {
    let Some(first) = functions.first() else { return Ok(Vec::new()) };
    let n_variables = first.variables.len();
    let n_points = points.len() / n_variables;
    let mut values: Vec<f64> = (0..n_points).flat_map(|_| functions.iter().map(|f| f.constant)).collect();
    let sections = || functions.iter().flat_map(|f| &f.sections);
    let mut places: Vec<&[(StateIndex, f64)]> = Vec::new();
    for section in sections() {
        if !places.contains(&section.fixed.as_slice()) {
            places.push(&section.fixed);
        }
    }
    for place in places {
        let mut wanted: Vec<Quantity> = sections().filter(|s| s.fixed == place).map(|s| s.quantity).collect();
        wanted.sort_unstable();
        wanted.dedup();
        let varied: Vec<StateIndex> =
            first.variables.iter().map(|v| v.state).chain(place.iter().map(|p| p.0)).collect();
        let whole =
            |point: &[f64]| point.iter().copied().chain(place.iter().map(|p| p.1)).collect::<Vec<_>>();
        let whole: Vec<f64> = points.chunks(n_variables).flat_map(whole).collect();
        let found = quantities.at(asker, &wanted, &varied, &whole)?;
        for (j, function) in functions.iter().enumerate() {
            for section in function.sections.iter().filter(|s| s.fixed == place) {
                let column = wanted.binary_search(&section.quantity).expect("asked for");
                for i in 0..n_points {
                    values[i * functions.len() + j] += section.weight * found[i * wanted.len() + column];
                }
            }
        }
    }
    Ok(values)
}
