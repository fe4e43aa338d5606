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
    pub fixed: Held,
    /// What it is divided by, if by anything.
    pub divisor: Option<Divisor>,
    pub weight: f64,
}

/// States with the values at which they are held, ascending.
pub type Held = Vec<(StateIndex, f64)>;

/// The same quantity with more states held.
#[derive(Clone, Debug, PartialEq)]
pub struct Divisor {
    pub fixed: Held,
    /// Its smallest absolute value.
    pub least: f64,
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
        let section = Section { quantity, fixed: Vec::new(), divisor: None, weight: 1.0 };
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
        let held: Held = held.map(|(v, &x)| (v.state, x)).collect();
        let mut section = Self { variables: variables.to_vec(), ..self.clone() };
        for part in &mut section.sections {
            hold(&mut part.fixed, &held);
            if let Some(divisor) = &mut part.divisor {
                hold(&mut divisor.fixed, &held);
            }
        }
        section
    }

    /// f / f with `one` held at `at`, as a function of `one` and `shared`, all others being held at their values in `place`; none if f is more than one
    /// section of a quantity.
    pub fn quotient(&self, one: Coordinate, at: f64, shared: Coordinate, place: &[f64]) -> Option<Self> {
        let mut variables = vec![one, shared];
        variables.sort_unstable();
        let mut quotient = self.section(&variables, place);
        let [part] = &mut quotient.sections[..] else { return None };
        if part.divisor.is_some() || self.constant != 0.0 {
            return None;
        }
        let mut fixed = part.fixed.clone();
        hold(&mut fixed, &[(one.state, at)]);
        part.divisor = Some(Divisor { fixed, least: 0.0 });
        part.weight = 1.0;
        Some(quotient)
    }

    /// What a quotient is divided by.
    pub fn divisor(&self) -> Self {
        let below =
            |s: &Section| s.divisor.clone().map(|d| Section { fixed: d.fixed, divisor: None, ..s.clone() });
        Self { sections: self.sections.iter().filter_map(below).collect(), ..self.clone() }
    }

    /// What rounding in the model's answers does to it, at most.
    pub fn noise(&self, quantities: &Quantities) -> f64 {
        let size = |s: &Section| s.weight.abs() / s.divisor.as_ref().map_or(1.0, |d| d.least);
        self.sections.iter().map(|s| size(s) * quantities.noise(s.quantity)).sum()
    }

    /// Adds `weight`·`other`, a function of the same variables.
    pub fn add(&mut self, other: &Self, weight: f64) {
        debug_assert_eq!(self.variables, other.variables);
        self.constant += weight * other.constant;
        for section in &other.sections {
            let same = |s: &&mut Section| {
                s.quantity == section.quantity && s.fixed == section.fixed && s.divisor == section.divisor
            };
            match self.sections.iter_mut().find(same) {
                Some(own) => own.weight += weight * section.weight,
                None => self.sections.push(Section { weight: weight * section.weight, ..section.clone() }),
            }
        }
    }
}

/// Holds more states; one that is held already stays where it is.
fn hold(fixed: &mut Held, more: &[(StateIndex, f64)]) {
    for &(state, x) in more {
        if fixed.iter().all(|f| f.0 != state) {
            fixed.push((state, x));
        }
    }
    fixed.sort_by_key(|f| f.0);
}

/// Values of `functions` of the same variables at `points`, one number a variable: point after point, one number a function.
pub fn evaluate(
    quantities: &Quantities,
    asker: &mut Asker,
    functions: &[Function],
    points: &[f64],
) -> Result<Vec<f64>> {
    let Some(first) = functions.first() else { return Ok(Vec::new()) };
    if points.is_empty() {
        return Ok(Vec::new());
    }
    let n_variables = first.variables.len();
    let n_points = points.len() / n_variables;
    // Quantities by the states that are held.
    let mut asked: Vec<(&Held, Vec<Quantity>)> = Vec::new();
    for section in functions.iter().flat_map(|f| &f.sections) {
        for held in std::iter::once(&section.fixed).chain(section.divisor.iter().map(|d| &d.fixed)) {
            match asked.iter_mut().find(|(known, _)| *known == held) {
                Some((_, wanted)) => wanted.push(section.quantity),
                None => asked.push((held, vec![section.quantity])),
            }
        }
    }
    let mut found = Vec::new();
    for (held, wanted) in &mut asked {
        wanted.sort_unstable();
        wanted.dedup();
        let varied: Vec<StateIndex> =
            first.variables.iter().map(|v| v.state).chain(held.iter().map(|h| h.0)).collect();
        let whole = |point: &[f64]| point.iter().copied().chain(held.iter().map(|h| h.1)).collect::<Vec<_>>();
        let whole: Vec<f64> = points.chunks(n_variables).flat_map(whole).collect();
        found.push(quantities.at(asker, wanted, &varied, &whole)?);
    }
    let column = |held: &Held, quantity: Quantity| {
        let place = asked.iter().position(|(known, _)| *known == held).expect("asked for");
        let wanted = &asked[place].1;
        let column = wanted.binary_search(&quantity).expect("asked for");
        found[place][column..].iter().step_by(wanted.len())
    };
    let mut values: Vec<f64> = (0..n_points).flat_map(|_| functions.iter().map(|f| f.constant)).collect();
    for (j, function) in functions.iter().enumerate() {
        for Section { quantity, fixed, divisor, weight } in &function.sections {
            let sum = values[j..].iter_mut().step_by(functions.len()).zip(column(fixed, *quantity));
            match divisor {
                None => sum.for_each(|(sum, x)| *sum += weight * x),
                Some(d) => {
                    sum.zip(column(&d.fixed, *quantity)).for_each(|((sum, x), by)| *sum += weight * x / by)
                }
            }
        }
    }
    Ok(values)
}
