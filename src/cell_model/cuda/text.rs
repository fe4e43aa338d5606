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
    literal: Literal,
}

/// In which precision constants and coefficients are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Literal {
    /// Single, as are all operations then.
    #[default]
    Single,
    /// Double, to which operations with them are then promoted.
    Double,
}

impl Literal {
    fn cpp(self) -> &'static str {
        match self {
            Self::Single => "float",
            Self::Double => "double",
        }
    }
}

impl Written {
    fn new(text: &Rc<RefCell<Text>>, name: impl Into<String>) -> Self {
        Self { text: text.clone(), name: name.into() }
    }

    /// The number that `expression` gives.
    fn number(&self, expression: &str) -> Self {
        let mut text = self.text.borrow_mut();
        let name = format!("n{}", text.n_numbers);
        let kind = text.literal.cpp();
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
        let name = match self.text.borrow().literal {
            Literal::Single => format!("{:?}f", value as f32),
            Literal::Double => format!("{value:?}"),
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
        let literal = self.text.borrow().literal;
        self.number(&match literal {
            Literal::Single => format!("fmaf({a}, {b}, {c})"),
            Literal::Double => format!("{a} * {b} + {c}"),
        })
    }
}

/// A struct called `name`, whose function makes one step of forward Euler of the states `x` with the coefficients `c`.
pub fn model(model: &CellModel, name: &str, literal: Literal) -> String {
    with_equations!(model.kind, write, name, literal)
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
    literal: Literal,
) -> String {
    let text = Rc::new(RefCell::new(Text { literal, ..Text::default() }));
    let number = |name: String| Written::new(&text, name);
    let coefficients: [Written; C] = std::array::from_fn(|i| number(format!("c[{i}]")));
    let state: [Written; S] = std::array::from_fn(|i| number(format!("x[{i}]")));
    let stimulus = number("stimulus".to_owned());
    let next = equations.add_rates(&coefficients, &state, &stimulus, state.clone());
    let stores: String =
        next.iter().enumerate().map(|(i, x)| format!("        x[{i}] = float({});\n", x.name)).collect();
    let lines = text.borrow().lines.clone();
    format!(
        "struct {name} {{
    static constexpr int STATES = {S}, COEFFICIENTS = {C};
    typedef {} Coefficient;
    EMUCELL_DEVICE static void step(float (&x)[STATES], const Coefficient (&c)[COEFFICIENTS], float stimulus) {{
{lines}{stores}    }}
}};

",
        literal.cpp()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_written_with_fused_operations_in_single_precision() {
        let text = model(&CellModel::fhn_cubic(), "Model", Literal::Single);
        assert_eq!(text.matches("fmaf(").count(), 5, "{text}");
        assert!(!text.contains("double") && !text.contains("/ "), "{text}");
        let canonical = model(&CellModel::fhn_canonical(), "Model", Literal::Single);
        assert!(canonical.contains("-0.33333334f"), "{canonical}");
        let published = model(&CellModel::fhn_canonical(), "Model", Literal::Double);
        assert!(published.contains("-0.3333333333333333") && !published.contains("fmaf"), "{published}");
    }
}
