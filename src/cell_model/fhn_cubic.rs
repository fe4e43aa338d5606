//! FitzHugh–Nagumo with a cubic in threshold form, the cardiac variant.
//!
//! du/dt = rate · [u (u − threshold)(1 − u) − w + s],  dw/dt = gain · u − decay · w

use super::equations::{Equations, Parameter, State, Stimulus};
use super::real::Real;

/// Marker of the equations.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FhnCubic;

const SOURCE: &str = "cardiac FitzHugh–Nagumo problems A–D of the Pinn-Torch publications";

impl Equations<2, 4, 5> for FhnCubic {
    const NAME: &'static str = "fhn_cubic";

    // The rest state without stimulus.
    const STATES: [State; 2] =
        [State { name: "u", unit: "1", initial: 0.0 }, State { name: "w", unit: "1", initial: 0.0 }];

    const PARAMETERS: [Parameter; 4] = [
        Parameter { name: "rate", unit: "1/ms", default: 10.0, source: SOURCE },
        Parameter { name: "threshold", unit: "1", default: 0.4, source: SOURCE },
        Parameter { name: "gain", unit: "1/ms", default: 0.04, source: SOURCE },
        Parameter { name: "decay", unit: "1/ms", default: 0.16, source: SOURCE },
    ];

    const STIMULUS: Stimulus =
        Stimulus { name: "s", unit: "1", default: 0.0, role: "added inside the bracket of du/dt" };

    #[inline(always)]
    fn coefficients<R: Real>(self, [rate, threshold, gain, decay]: &[R; 4], time_unit: f64) -> [R; 5] {
        [
            rate.clone().scale(time_unit),
            threshold.clone(),
            threshold.clone().offset(1.0),
            gain.clone().scale(time_unit),
            decay.clone().scale(time_unit),
        ]
    }

    #[inline(always)]
    fn add_rates<R: Real>(
        self,
        [rate, threshold, one_and_threshold, gain, decay]: &[R; 5],
        [u, w]: &[R; 2],
        stimulus: &R,
        [onto_u, onto_w]: [R; 2],
    ) -> [R; 2] {
        // (u − threshold)(1 − u) in Horner's form: a subtraction and one fused operation.
        let hill = (one_and_threshold.clone() - u.clone()).mul_add(u.clone(), -threshold.clone());
        let bracket = hill.mul_add(u.clone(), stimulus.clone() - w.clone());
        let du = bracket.mul_add(rate.clone(), onto_u);
        let dw = gain.clone().mul_add(u.clone(), (-decay.clone()).mul_add(w.clone(), onto_w));
        [du, dw]
    }
}
