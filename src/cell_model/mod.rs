//! Cell models, the systems of ODEs that surrogates stand for, and their solvers: the source of
//! training data, the thing to beat, and the fallback where a surrogate is not to be trusted.

#[cfg(feature = "cuda")]
pub mod cuda;
mod equations;
pub mod euler;
mod fhn_canonical;
mod fhn_cubic;
mod real;
#[cfg(feature = "data")]
pub mod reference;

use std::collections::BTreeMap;

pub use equations::{Parameter, State, Stimulus};
pub use real::Real;

use crate::error::{Error, Result};
use equations::Equations;
use fhn_canonical::FhnCanonical;
use fhn_cubic::FhnCubic;

/// A cell model with a value for each of its parameters.
#[derive(Clone, Debug, PartialEq)]
pub struct CellModel {
    kind: Kind,
    parameters: Vec<f64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    FhnCubic,
    FhnCanonical,
}

/// Calls a function that is generic over the equations with those of `kind`.
macro_rules! with_equations {
    ($kind:expr, $function:path $(, $argument:expr)*) => {
        match $kind {
            $crate::cell_model::Kind::FhnCubic => $function($crate::cell_model::FhnCubic $(, $argument)*),
            $crate::cell_model::Kind::FhnCanonical => {
                $function($crate::cell_model::FhnCanonical $(, $argument)*)
            }
        }
    };
}
pub(crate) use with_equations;

impl CellModel {
    /// Names of all cell models.
    pub const NAMES: [&'static str; 2] = [FhnCubic::NAME, FhnCanonical::NAME];

    /// The FitzHugh–Nagumo model in cubic (cardiac) form, with its default parameters:
    /// du/dt = rate · [u (u − threshold)(1 − u) − w + s], dw/dt = gain · u − decay · w.
    pub fn fhn_cubic() -> Self {
        Self { kind: Kind::FhnCubic, parameters: defaults(&FhnCubic::PARAMETERS) }
    }

    /// The FitzHugh–Nagumo model in canonical form, with its default parameters:
    /// du/dt = c (u − u³/3 − w) + I, dw/dt = (u + a − b w) / tau.
    pub fn fhn_canonical() -> Self {
        Self { kind: Kind::FhnCanonical, parameters: defaults(&FhnCanonical::PARAMETERS) }
    }

    /// The cell model called `name` with the given parameters; the others keep their defaults.
    ///
    /// # Errors
    /// An unknown name or parameter, with the list of known ones; a value that is not finite.
    pub fn from_name(name: &str, parameters: &BTreeMap<String, f64>) -> Result<Self> {
        let model = match name {
            FhnCubic::NAME => Self::fhn_cubic(),
            FhnCanonical::NAME => Self::fhn_canonical(),
            _ => {
                return Err(Error::invalid(format!("unknown cell model \"{name}\""))
                    .remedy(format!("use one of {}", Self::NAMES.join(", "))));
            }
        };
        parameters.iter().try_fold(model, |model, (name, &value)| model.with_parameter(name, value))
    }

    /// The same cell model with another value of one parameter, in the parameter's unit.
    ///
    /// # Errors
    /// An unknown name, with the list of known ones; a value that is not finite.
    pub fn with_parameter(mut self, name: &str, value: f64) -> Result<Self> {
        let Some(i) = self.parameters().iter().position(|p| p.name == name) else {
            let known: Vec<_> = self.parameters().iter().map(|p| p.name).collect();
            return Err(Error::invalid(format!("unknown parameter \"{name}\" of {}", self.name()))
                .remedy(format!("use one of {}", known.join(", "))));
        };
        if !value.is_finite() {
            return Err(Error::invalid(format!("parameter \"{name}\" of {} is {value}", self.name()))
                .remedy("give a finite number"));
        }
        self.parameters[i] = value;
        Ok(self)
    }

    /// Name, for example `fhn_cubic`.
    pub fn name(&self) -> &'static str {
        fn get<E: Equations<S, P, C>, const S: usize, const P: usize, const C: usize>(_: E) -> &'static str {
            E::NAME
        }
        with_equations!(self.kind, get)
    }

    /// States, in the order of every view and array.
    pub fn states(&self) -> &'static [State] {
        fn get<E: Equations<S, P, C>, const S: usize, const P: usize, const C: usize>(
            _: E,
        ) -> &'static [State] {
            const { &E::STATES }
        }
        with_equations!(self.kind, get)
    }

    /// Parameters, in the order of every view and array.
    pub fn parameters(&self) -> &'static [Parameter] {
        fn get<E: Equations<S, P, C>, const S: usize, const P: usize, const C: usize>(
            _: E,
        ) -> &'static [Parameter] {
            const { &E::PARAMETERS }
        }
        with_equations!(self.kind, get)
    }

    /// The stimulus.
    pub fn stimulus(&self) -> Stimulus {
        fn get<E: Equations<S, P, C>, const S: usize, const P: usize, const C: usize>(_: E) -> Stimulus {
            E::STIMULUS
        }
        with_equations!(self.kind, get)
    }

    /// Values of the parameters, in the order of [`parameters`](Self::parameters).
    pub fn parameter_values(&self) -> &[f64] {
        &self.parameters
    }

    /// Names and values of the parameters.
    pub fn parameter_map(&self) -> BTreeMap<String, f64> {
        let names = self.parameters().iter().map(|p| p.name.to_owned());
        names.zip(self.parameters.iter().copied()).collect()
    }

    /// The state in which a cell starts unless told otherwise.
    pub fn initial_state(&self) -> Vec<f64> {
        self.states().iter().map(|s| s.initial).collect()
    }

    /// Rates of change of the states, per millisecond, with the model's own parameters.
    ///
    /// # Panics
    /// If `state` has not one element for each state.
    pub fn rates<R: Real>(&self, state: &[R], stimulus: &R) -> Vec<R> {
        let parameters: Vec<R> = self.parameters.iter().map(|&p| stimulus.constant(p)).collect();
        self.rates_with(&parameters, state, stimulus)
    }

    /// Rates of change of the states, per millisecond, with `parameters` in the order of
    /// [`parameters`](Self::parameters) instead of the model's own.
    ///
    /// # Panics
    /// If `state` or `parameters` has not one element for each state or parameter.
    pub fn rates_with<R: Real>(&self, parameters: &[R], state: &[R], stimulus: &R) -> Vec<R> {
        with_equations!(self.kind, rates, parameters, state, stimulus)
    }
}

fn rates<E: Equations<S, P, C>, R: Real, const S: usize, const P: usize, const C: usize>(
    equations: E,
    parameters: &[R],
    state: &[R],
    stimulus: &R,
) -> Vec<R> {
    let parameters = parameters.first_chunk().filter(|_| parameters.len() == P);
    let state = state.first_chunk().filter(|_| state.len() == S);
    let (Some(parameters), Some(state)) = (parameters, state) else {
        panic!("{} has {S} states and {P} parameters", E::NAME)
    };
    let zeros = std::array::from_fn(|_| stimulus.constant(0.0));
    equations.add_rates(&equations.coefficients(parameters, 1.0), state, stimulus, zeros).into()
}

fn defaults(parameters: &[Parameter]) -> Vec<f64> {
    parameters.iter().map(|p| p.default).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_the_published_equations() {
        let (u, w, s): (f64, f64, f64) = (0.3, 0.05, 0.1);
        let cubic = CellModel::fhn_cubic().rates(&[u, w], &s);
        let expected = [10.0 * (u * (u - 0.4) * (1.0 - u) - w + s), 0.04 * u - 0.16 * w];
        for (rate, expected) in cubic.iter().zip(expected) {
            assert!((rate - expected).abs() < 1e-14, "{rate} {expected}");
        }
        let (u, w, i): (f64, f64, f64) = (-1.3, 0.4, 0.5);
        let canonical = CellModel::fhn_canonical().with_parameter("c", 3.0).unwrap().rates(&[u, w], &i);
        let expected = [3.0 * (u - u * u * u / 3.0 - w) + i, (u + 0.7 - 0.8 * w) / 12.5];
        for (rate, expected) in canonical.iter().zip(expected) {
            assert!((rate - expected).abs() < 1e-14, "{rate} {expected}");
        }
    }

    #[test]
    fn every_name_makes_its_model_and_others_are_refused_with_the_known_ones() {
        for name in CellModel::NAMES {
            let model = CellModel::from_name(name, &BTreeMap::new()).unwrap();
            assert_eq!(model.name(), name);
            let again = CellModel::from_name(name, &model.parameter_map()).unwrap();
            assert_eq!(again, model);
        }
        let message = CellModel::from_name("fhn", &BTreeMap::new()).unwrap_err().to_string();
        assert!(message.contains("fhn_cubic, fhn_canonical"), "{message}");
        let unknown = BTreeMap::from([("treshold".to_owned(), 0.3)]);
        let message = CellModel::from_name("fhn_cubic", &unknown).unwrap_err().to_string();
        assert!(
            message.contains("treshold") && message.contains("rate, threshold, gain, decay"),
            "{message}"
        );
        assert!(CellModel::fhn_cubic().with_parameter("gain", f64::NAN).is_err());
    }
}
