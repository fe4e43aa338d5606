//! What a cell model consists of.

use super::real::Real;

/// A state of a cell model.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct State {
    /// Name, for example `u`.
    pub name: &'static str,
    /// Unit, `1` for dimensionless.
    pub unit: &'static str,
    /// Value in which a cell starts unless told otherwise.
    pub initial: f64,
}

/// A constant of a cell model that can be set.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Parameter {
    /// Name, for example `threshold`.
    pub name: &'static str,
    /// Unit, `1` for dimensionless.
    pub unit: &'static str,
    /// Value unless told otherwise.
    pub default: f64,
    /// Where the default comes from.
    pub source: &'static str,
}

/// What the tissue simulator applies to a cell from outside; constant within one call.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stimulus {
    /// Name, for example `s`.
    pub name: &'static str,
    /// Unit, `1` for dimensionless.
    pub unit: &'static str,
    /// Value unless told otherwise.
    pub default: f64,
    /// Where it enters the equations.
    pub role: &'static str,
}

/// The equations of a cell model with `S` states, `P` parameters and `C` coefficients.
///
/// This is the one place where a model's right-hand side is written: solvers, residual losses and
/// the reference solution all evaluate it with their own [`Real`]. Time is in milliseconds.
pub(crate) trait Equations<const S: usize, const P: usize, const C: usize>: Copy + Sync {
    const NAME: &'static str;
    const STATES: [State; S];
    const PARAMETERS: [Parameter; P];
    const STIMULUS: Stimulus;

    /// What the parameters contribute, with `time_unit` milliseconds as the unit of time: with a
    /// solver's dt the products dt · parameter are formed once instead of at every step.
    fn coefficients<R: Real>(self, parameters: &[R; P], time_unit: f64) -> [R; C];

    /// `onto` + rates of change. With `onto` the state itself and the solver's dt as unit of time
    /// this is a step of forward Euler, whose additions then fuse with the last multiplications.
    fn add_rates<R: Real>(self, coefficients: &[R; C], state: &[R; S], stimulus: &R, onto: [R; S]) -> [R; S];
}
