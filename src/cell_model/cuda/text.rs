//! A cell model's equations as C++: the right-hand side is evaluated once with numbers that write down what is done to
//! them.

use std::cell::RefCell;
use std::fmt::Write;
use std::ops::{Add, Div, Mul, Neg, Sub};
use std::rc::Rc;

use crate::cell_model::equations::Equations;
use crate::cell_model::{CellModel, Real, with_equations};

/// A number of the kernel, by its name in the text.
#[derive(Clone, Debug)]
struct Written {
    text: Rc<RefCell<Text>>,
    name: String,
}

#[derive(Debug, Default)]
struct Text {
    lines: String,
    n_numbers: usize,
    arithmetic: Arithmetic,
}

/// In which precision a model is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Arithmetic {
    /// Single throughout.
    #[default]
    Single,
    /// Double throughout.
    Double,
    /// States in single, constants and coefficients in double, to which operations with them are then promoted.
    Mixed,
}

impl Arithmetic {
    /// Types of states and of everything else.
    fn cpp(self) -> [&'static str; 2] {
        match self {
            Self::Single => ["float"; 2],
            Self::Double => ["double"; 2],
            Self::Mixed => ["float", "double"],
        }
    }
}

/// Stands for the unit of time where equations make coefficients of it: a number that no model has, written as `dt`.
const UNIT: f64 = 1.0 + 1.0 / (1u64 << 40) as f64;

impl Written {
    fn new(text: &Rc<RefCell<Text>>, name: impl Into<String>) -> Self {
        Self { text: text.clone(), name: name.into() }
    }

    /// The number that `expression` gives.
    fn number(&self, expression: &str) -> Self {
        let mut text = self.text.borrow_mut();
        let name = format!("n{}", text.n_numbers);
        let [_, kind] = text.arithmetic.cpp();
        text.n_numbers += 1;
        writeln!(text.lines, "        {kind} {name} = {expression};").expect("a string");
        drop(text);
        Self { name, ..self.clone() }
    }
}

macro_rules! operator {
    ($trait:ident, $function:ident, $sign:literal) => {
        impl $trait for Written {
            type Output = Self;

            fn $function(self, other: Self) -> Self {
                self.number(&format!("{} {} {}", self.name, $sign, other.name))
            }
        }
    };
}
operator!(Add, add, "+");
operator!(Sub, sub, "-");
operator!(Mul, mul, "*");
operator!(Div, div, "/");

impl Neg for Written {
    type Output = Self;

    fn neg(self) -> Self {
        self.number(&format!("-{}", self.name))
    }
}

impl Real for Written {
    fn constant(&self, value: f64) -> Self {
        let name = match self.text.borrow().arithmetic {
            _ if value == UNIT => "dt".to_owned(),
            Arithmetic::Single => format!("{:?}f", value as f32),
            Arithmetic::Double | Arithmetic::Mixed => format!("{value:?}"),
        };
        Self { name, ..self.clone() }
    }

    fn scale(self, factor: f64) -> Self {
        let factor = self.constant(factor);
        self * factor
    }

    fn offset(self, constant: f64) -> Self {
        let constant = self.constant(constant);
        self + constant
    }

    fn mul_add(self, factor: Self, addend: Self) -> Self {
        let (a, b, c) = (&self.name, &factor.name, &addend.name);
        let arithmetic = self.text.borrow().arithmetic;
        self.number(&match arithmetic {
            Arithmetic::Single => format!("fmaf({a}, {b}, {c})"),
            Arithmetic::Double => format!("fma({a}, {b}, {c})"),
            Arithmetic::Mixed => format!("{a} * {b} + {c}"),
        })
    }
}

/// A struct called `name`, whose functions make one step of forward Euler of the states `x` with the coefficients `c`, and
/// these coefficients for steps of `dt` ms from a cell's own parameters `p`.
pub fn model(model: &CellModel, name: &str, arithmetic: Arithmetic) -> String {
    with_equations!(model.kind, write, name, arithmetic)
}

/// Operations of a step, of which a GPU starts one for each of its multiply-adds.
pub fn operations(model: &CellModel) -> usize {
    let text = self::model(model, "Model", Arithmetic::Single);
    let step = text.split("static void coefficients").next().unwrap_or_default();
    // A change of sign is part of the operation that reads it.
    step.lines().filter(|line| line.contains(" = ") && line.contains(" n") && !line.contains("= -")).count()
}

/// The coefficients of [`model`] for steps of `dt` ms.
pub fn coefficients(model: &CellModel, dt: f64) -> Vec<f64> {
    with_equations!(model.kind, evaluate, model.parameter_values(), dt)
}

fn evaluate<E: Equations<S, P, C>, const S: usize, const P: usize, const C: usize>(
    equations: E,
    parameters: &[f64],
    dt: f64,
) -> Vec<f64> {
    let parameters = parameters.first_chunk().expect("a value for each parameter");
    equations.coefficients(parameters, dt).into()
}

fn write<E: Equations<S, P, C>, const S: usize, const P: usize, const C: usize>(
    equations: E,
    name: &str,
    arithmetic: Arithmetic,
) -> String {
    let text = Rc::new(RefCell::new(Text { arithmetic, ..Text::default() }));
    let number = |name: String| Written::new(&text, name);
    let coefficients: [Written; C] = std::array::from_fn(|i| number(format!("c[{i}]")));
    let state: [Written; S] = std::array::from_fn(|i| number(format!("x[{i}]")));
    let stimulus = number("stimulus".to_owned());
    let [of_state, of_number] = arithmetic.cpp();
    let next = equations.add_rates(&coefficients, &state, &stimulus, state.clone());
    let step = std::mem::take(&mut text.borrow_mut().lines) + &stores("x", of_state, &next);
    let parameters: [Written; P] = std::array::from_fn(|i| number(format!("p[{i}]")));
    let made = equations.coefficients(&parameters, UNIT);
    let coefficients = std::mem::take(&mut text.borrow_mut().lines) + &stores("c", of_number, &made);
    format!(
        "struct {name} {{
    static constexpr int STATES = {S}, PARAMETERS = {P}, COEFFICIENTS = {C};
    typedef {of_state} State;
    typedef {of_number} Number;
    EMUCELL_DEVICE static void step(State (&x)[STATES], const Number (&c)[COEFFICIENTS], State stimulus) {{
{step}    }}
    EMUCELL_DEVICE static void coefficients(const Number (&p)[PARAMETERS], Number dt, Number (&c)[COEFFICIENTS]) {{
{coefficients}    }}
}};

"
    )
}

fn stores(array: &str, kind: &str, numbers: &[Written]) -> String {
    let store = |(i, x): (usize, &Written)| format!("        {array}[{i}] = {kind}({});\n", x.name);
    numbers.iter().enumerate().map(store).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_written_with_fused_operations_in_single_precision() {
        let text = model(&CellModel::fhn_cubic(), "Model", Arithmetic::Single);
        assert_eq!(text.matches("fmaf(").count(), 5, "{text}");
        assert!(!text.contains("double") && !text.contains("/ "), "{text}");
        let canonical = model(&CellModel::fhn_canonical(), "Model", Arithmetic::Single);
        assert!(canonical.contains("-0.33333334f"), "{canonical}");
        let published = model(&CellModel::fhn_canonical(), "Model", Arithmetic::Mixed);
        assert!(published.contains("-0.3333333333333333") && !published.contains("fma"), "{published}");
        let exact = model(&CellModel::fhn_cubic(), "Exact", Arithmetic::Double);
        assert!(exact.matches("fma(").count() == 5 && !exact.contains("float"), "{exact}");
    }

    #[test]
    fn operations_of_a_step_are_counted() {
        // Subtractions within the first bracket and of w, and five fused operations.
        assert_eq!(operations(&CellModel::fhn_cubic()), 7);
        // u², u + a, and six fused ones.
        assert_eq!(operations(&CellModel::fhn_canonical()), 8);
    }

    #[test]
    fn the_unit_of_time_stands_in_no_other_number() {
        for name in CellModel::NAMES {
            let made = CellModel::from_name(name, &Default::default()).unwrap();
            let text = model(&made, "Exact", Arithmetic::Double);
            assert!(text.contains("dt;") || text.contains("(dt)"), "{text}");
            // Whatever else became of it would have as many digits.
            let digits = |word: &str| word.chars().filter(char::is_ascii_digit).count();
            let words = || text.split(|c: char| !(c.is_ascii_digit() || c == '.'));
            assert!(words().all(|word| digits(word) < 12 || word == "0.3333333333333333"), "{text}");
        }
    }
}
