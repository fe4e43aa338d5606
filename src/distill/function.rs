//! Functions of one state, made of sections through quantities.

use super::ask::Asker;
use super::quantity::{Quantities, Quantity};
use crate::error::Result;
use crate::structure::StateIndex;

/// A quantity along one state while others are held at chosen values.
#[derive(Clone, Debug, PartialEq)]
pub struct Section {
    pub quantity: Quantity,
    /// States that the quantity depends on beside the variable, with the values at which they are held.
    pub fixed: Vec<(StateIndex, f64)>,
    pub weight: f64,
}

/// constant + Σ weight·section, a function of the state `variable`.
#[derive(Clone, Debug, PartialEq)]
pub struct Function {
    pub variable: StateIndex,
    pub constant: f64,
    pub sections: Vec<Section>,
}

impl Function {
    /// A quantity that depends on nothing but `variable`.
    pub fn of(quantity: Quantity, variable: StateIndex) -> Self {
        let section = Section { quantity, fixed: Vec::new(), weight: 1.0 };
        Self { variable, constant: 0.0, sections: vec![section] }
    }

    /// The function times a number.
    pub fn scaled(mut self, factor: f64) -> Self {
        self.constant *= factor;
        self.sections.iter_mut().for_each(|s| s.weight *= factor);
        self
    }

    /// What rounding in the model's answers does to it, at most.
    pub fn noise(&self, quantities: &Quantities) -> f64 {
        self.sections.iter().map(|s| s.weight.abs() * quantities.noise(s.quantity)).sum()
    }

    /// Adds `weight`·`other`, a function of the same variable.
    pub fn add(&mut self, other: &Self, weight: f64) {
        debug_assert_eq!(self.variable, other.variable);
        self.constant += weight * other.constant;
        for section in &other.sections {
            match self
                .sections
                .iter_mut()
                .find(|s| s.quantity == section.quantity && s.fixed == section.fixed)
            {
                Some(own) => own.weight += weight * section.weight,
                None => {
                    self.sections.push(Section { weight: weight * section.weight, ..section.clone() });
                }
            }
        }
    }
}

/// Values of `functions` of one variable at `xs`: value after value, one number a function.
pub fn evaluate(
    quantities: &Quantities,
    asker: &mut Asker,
    functions: &[Function],
    xs: &[f64],
) -> Result<Vec<f64>> {
    let mut values: Vec<f64> = xs.iter().flat_map(|_| functions.iter().map(|f| f.constant)).collect();
    let Some(first) = functions.first() else { return Ok(values) };
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
        let varied: Vec<StateIndex> = [first.variable].into_iter().chain(place.iter().map(|p| p.0)).collect();
        let point = |&x: &f64| [x].into_iter().chain(place.iter().map(|p| p.1));
        let points: Vec<f64> = xs.iter().flat_map(point).collect();
        let found = quantities.at(asker, &wanted, &varied, &points)?;
        for (j, function) in functions.iter().enumerate() {
            for section in function.sections.iter().filter(|s| s.fixed == place) {
                let column = wanted.binary_search(&section.quantity).expect("asked for");
                for i in 0..xs.len() {
                    values[i * functions.len() + j] += section.weight * found[i * wanted.len() + column];
                }
            }
        }
    }
    Ok(values)
}
