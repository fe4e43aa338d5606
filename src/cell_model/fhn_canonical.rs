//! FitzHugh–Nagumo in its canonical form.
//!
//! du/dt = c (u − u³/3 − w) + I,  dw/dt = (u + a − b w) / tau

use super::equations::{Equations, Parameter, State, Stimulus};
use super::real::Real;

/// Marker of the equations.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FhnCanonical;

const SOURCE: &str = "FitzHugh 1961, doi 10.1016/S0006-3495(61)86902-6; time scale as in Pinn-Torch";

impl Equations<2, 4, 5> for FhnCanonical {
    const NAME: &'static str = "fhn_canonical";

    const STATES: [State; 2] =
        [State { name: "u", unit: "1", initial: 0.0 }, State { name: "w", unit: "1", initial: 0.0 }];

    const PARAMETERS: [Parameter; 4] = [
        Parameter { name: "a", unit: "1", default: 0.7, source: SOURCE },
        Parameter { name: "b", unit: "1", default: 0.8, source: SOURCE },
        Parameter { name: "c", unit: "1/ms", default: 1.0, source: SOURCE },
        Parameter { name: "tau", unit: "ms", default: 12.5, source: SOURCE },
    ];

    const STIMULUS: Stimulus = Stimulus { name: "I", unit: "1/ms", default: 0.5, role: "added to du/dt" };

    #[inline(always)]
    fn coefficients<R: Real>(self, [a, b, c, tau]: &[R; 4], time_unit: f64) -> [R; 5] {
        let unit = a.constant(time_unit);
        [a.clone(), b.clone(), c.clone().scale(time_unit), unit.clone() / tau.clone(), unit]
    }

    #[inline(always)]
    fn add_rates<R: Real>(
        self,
        [a, b, c, recovery, unit]: &[R; 5],
        [u, w]: &[R; 2],
        stimulus: &R,
        [onto_u, onto_w]: [R; 2],
    ) -> [R; 2] {
        // u − u³/3 − w = u (1 − u²/3) − w
        let slope = (u.clone() * u.clone()).mul_add(u.constant(-1.0 / 3.0), u.constant(1.0));
        let bracket = slope.mul_add(u.clone(), -w.clone());
        let du = bracket.mul_add(c.clone(), stimulus.clone().mul_add(unit.clone(), onto_u));
        let drive = (-b.clone()).mul_add(w.clone(), u.clone() + a.clone());
        [du, drive.mul_add(recovery.clone(), onto_w)]
    }
}
