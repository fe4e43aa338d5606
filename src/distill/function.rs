//! Functions of one or more states, made of sections through quantities.

use std::fmt::{self, Display, Formatter};

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
    pub weight: f64,
}

/// States with the values at which they are held, ascending.
pub type Held = Vec<(StateIndex, f64)>;

/// constant + Σ weight·section.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sections {
    pub constant: f64,
    pub all: Vec<Section>,
}

/// weight · above / below.
#[derive(Clone, Debug, PartialEq)]
pub struct Fraction {
    pub above: Sections,
    pub below: Sections,
    pub weight: f64,
    /// Smallest absolute value of what is below, and largest of above / below, as far as they are known.
    pub least_below: f64,
    pub largest: f64,
}

/// Σ sections + Σ fractions.
#[derive(Clone, Debug, PartialEq)]
pub struct Function {
    /// Ascending; tables have one.
    pub variables: Vec<Coordinate>,
    pub sections: Sections,
    pub fractions: Vec<Fraction>,
}

impl Display for Function {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        let name = |v: &Coordinate| format!("{}{}", v.state, if v.after { "′" } else { "" });
        let names: Vec<String> = self.variables.iter().map(name).collect();
        write!(f, "function of states {}", names.join(", "))?;
        match self.quantity() {
            Some(quantity) => write!(f, " in {quantity:?}"),
            None => Ok(()),
        }
    }
}

impl Sections {
    fn hold(&mut self, held: &Held) {
        self.all.iter_mut().for_each(|s| hold(&mut s.fixed, held));
    }

    fn scale(&mut self, factor: f64) {
        self.constant *= factor;
        self.all.iter_mut().for_each(|s| s.weight *= factor);
    }

    fn add(&mut self, other: &Self, weight: f64) {
        self.constant += weight * other.constant;
        for section in &other.all {
            let same = |s: &&mut Section| s.quantity == section.quantity && s.fixed == section.fixed;
            match self.all.iter_mut().find(same) {
                Some(own) => own.weight += weight * section.weight,
                None => self.all.push(Section { weight: weight * section.weight, ..section.clone() }),
            }
        }
    }

    fn noise(&self, quantities: &Quantities) -> f64 {
        self.all.iter().map(|s| s.weight.abs() * quantities.noise(s.quantity)).sum()
    }
}

impl Function {
    /// A quantity that depends on nothing but `variables`.
    pub fn of(quantity: Quantity, variables: Vec<Coordinate>) -> Self {
        let section = Section { quantity, fixed: Vec::new(), weight: 1.0 };
        Self::of_sections(Sections { constant: 0.0, all: vec![section] }, variables)
    }

    pub fn of_sections(sections: Sections, variables: Vec<Coordinate>) -> Self {
        Self { variables, sections, fractions: Vec::new() }
    }

    /// `above` / `below` as a function of `variables`, the others being held at their values in `place`, which has one number for each
    /// of the variables of both, which are the same; none if one of them has fractions itself.
    pub fn fraction(above: &Self, below: &Self, variables: &[Coordinate], place: &[f64]) -> Option<Self> {
        let [above, below] = [above, below].map(|f| f.section(variables, place));
        (above.fractions.is_empty() && below.fractions.is_empty())
            .then(|| Self::of_fraction(above.sections, below.sections, variables.to_vec()))
    }

    /// 1/f; none if f has fractions.
    pub fn reciprocal(&self) -> Option<Self> {
        let one = Sections { constant: 1.0, all: Vec::new() };
        let fraction = || Self::of_fraction(one, self.sections.clone(), self.variables.clone());
        self.fractions.is_empty().then(fraction)
    }

    fn of_fraction(above: Sections, below: Sections, variables: Vec<Coordinate>) -> Self {
        let fraction = Fraction { above, below, weight: 1.0, least_below: 0.0, largest: f64::INFINITY };
        Self { variables, sections: Sections::default(), fractions: vec![fraction] }
    }

    /// What a single fraction is divided by.
    pub fn below(&self) -> Option<Self> {
        let [fraction] = &self.fractions[..] else { return None };
        Some(Self::of_sections(fraction.below.clone(), self.variables.clone()))
    }

    /// The first variable, the only one of a function that a table holds.
    pub fn variable(&self) -> Coordinate {
        self.variables[0]
    }

    /// One of the quantities that it is made of, if there is any.
    pub fn quantity(&self) -> Option<Quantity> {
        let mut all = self.sections.all.iter().chain(self.fractions.iter().flat_map(|f| &f.below.all));
        all.next().map(|s| s.quantity)
    }

    /// The function times a number.
    pub fn scaled(mut self, factor: f64) -> Self {
        self.sections.scale(factor);
        self.fractions.iter_mut().for_each(|f| f.weight *= factor);
        self
    }

    /// The function of `variables`, the others being held at their values in `place`, which has one number for each of its variables.
    pub fn section(&self, variables: &[Coordinate], place: &[f64]) -> Self {
        let held = self.variables.iter().zip(place).filter(|(v, _)| !variables.contains(v));
        let held: Held = held.map(|(v, &x)| (v.state, x)).collect();
        Self { variables: variables.to_vec(), ..self.clone() }.held(&held)
    }

    fn held(mut self, held: &Held) -> Self {
        self.sections.hold(held);
        for fraction in &mut self.fractions {
            fraction.above.hold(held);
            fraction.below.hold(held);
        }
        self
    }

    /// The function with one of its variables held, which it then ignores.
    pub fn ignoring(&self, variable: Coordinate, at: f64) -> Self {
        self.clone().held(&vec![(variable.state, at)])
    }

    /// What rounding in the model's answers does to it, at most.
    pub fn noise(&self, quantities: &Quantities) -> f64 {
        let of_fraction = |f: &Fraction| {
            let noise = f.above.noise(quantities) + f.largest * f.below.noise(quantities);
            f.weight.abs() * noise / f.least_below
        };
        self.sections.noise(quantities) + self.fractions.iter().map(of_fraction).sum::<f64>()
    }

    /// Adds `weight`·`other`, a function of the same variables.
    pub fn add(&mut self, other: &Self, weight: f64) {
        debug_assert_eq!(self.variables, other.variables);
        self.sections.add(&other.sections, weight);
        for fraction in &other.fractions {
            let same = |f: &&mut Fraction| f.above == fraction.above && f.below == fraction.below;
            match self.fractions.iter_mut().find(same) {
                Some(own) => own.weight += weight * fraction.weight,
                None => {
                    self.fractions.push(Fraction { weight: weight * fraction.weight, ..fraction.clone() })
                }
            }
        }
    }

    fn all_sections(&self) -> impl Iterator<Item = &Section> {
        let of_fractions = self.fractions.iter().flat_map(|f| f.above.all.iter().chain(&f.below.all));
        self.sections.all.iter().chain(of_fractions)
    }
}

/// A divisor that is no more than so many times what rounding makes of nothing is nothing.
const NOTHING: f64 = 1e4;

/// Holds more states; one that is held already stays where it is.
fn hold(fixed: &mut Held, more: &[(StateIndex, f64)]) {
    for &(state, x) in more {
        if fixed.iter().all(|f| f.0 != state) {
            fixed.push((state, x));
        }
    }
    fixed.sort_by_key(|f| f.0);
}

/// Values of `functions` of the same variables at `points`, one number a variable: point after point, one number a function. Not a number
/// where the model's answer is none, and where a divisor vanishes.
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
    for Section { quantity, fixed, .. } in functions.iter().flat_map(Function::all_sections) {
        match asked.iter_mut().find(|(known, _)| *known == fixed) {
            Some((_, wanted)) => wanted.push(*quantity),
            None => asked.push((fixed, vec![*quantity])),
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
    let sum = |sections: &Sections| {
        let mut sum = vec![sections.constant; n_points];
        for Section { quantity, fixed, weight } in &sections.all {
            let place = asked.iter().position(|(known, _)| *known == fixed).expect("asked for");
            let wanted = &asked[place].1;
            let column = wanted.binary_search(quantity).expect("asked for");
            let values = found[place][column..].iter().step_by(wanted.len());
            sum.iter_mut().zip(values).for_each(|(sum, x)| *sum += weight * x);
        }
        sum
    };
    let mut values = vec![0.0; n_points * functions.len()];
    for (j, function) in functions.iter().enumerate() {
        let mut own = sum(&function.sections);
        for Fraction { above, below, weight, .. } in &function.fractions {
            let least = NOTHING * below.noise(quantities);
            let quotient =
                |(above, below): (f64, f64)| if below.abs() > least { above / below } else { f64::NAN };
            let quotients = sum(above).into_iter().zip(sum(below)).map(quotient);
            own.iter_mut().zip(quotients).for_each(|(sum, quotient)| *sum += weight * quotient);
        }
        values[j..].iter_mut().step_by(functions.len()).zip(own).for_each(|(value, own)| *value = own);
    }
    Ok(values)
}
