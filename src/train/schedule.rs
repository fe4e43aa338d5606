//! How the learning rate changes in the course of training.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// The factor on the learning rate.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Schedule {
    /// Always 1.
    #[default]
    Constant,
    /// A linear rise from 0, then half a cosine down (Loshchilov and Hutter 2017,
    /// arXiv 1608.03983) to the end of the iterations or of the time limit, whichever is nearer.
    Cosine {
        /// Part of the training that the rise takes, 0 to 1.
        warm_up: f64,
        /// Factor at the end.
        last: f64,
    },
    /// Lowered whenever validation has not improved for a while.
    Plateau {
        /// What the rate is multiplied by each time, below 1.
        factor: f64,
        /// Validations without improvement before that happens.
        patience: u32,
        /// Smallest factor on the learning rate.
        least: f64,
    },
}

impl Schedule {
    /// Rejects constants for which the schedule makes no sense.
    pub(crate) fn check(&self) -> Result<()> {
        let fault = match *self {
            Self::Cosine { warm_up, .. } if !(0.0..1.0).contains(&warm_up) => {
                format!("a warm-up of {warm_up}")
            }
            Self::Cosine { last, .. } if !(0.0..=1.0).contains(&last) => format!("a last factor of {last}"),
            Self::Plateau { factor, .. } if !(factor > 0.0 && factor < 1.0) => {
                format!("a factor of {factor}")
            }
            Self::Plateau { least, .. } if !(0.0..=1.0).contains(&least) => {
                format!("a least factor of {least}")
            }
            Self::Plateau { patience: 0, .. } => "a patience of 0 validations".to_owned(),
            _ => return Ok(()),
        };
        Err(Error::invalid(format!("a schedule with {fault}")).remedy("use parts between 0 and 1"))
    }

    /// The factor after `fraction` (0 to 1) of the training.
    pub(crate) fn factor(&self, fraction: f64, plateau: &Plateau) -> f64 {
        match *self {
            Self::Constant => 1.0,
            Self::Plateau { .. } => plateau.factor,
            Self::Cosine { warm_up, .. } if fraction < warm_up => fraction / warm_up,
            Self::Cosine { warm_up, last } => {
                let angle = std::f64::consts::PI * (fraction - warm_up) / (1.0 - warm_up);
                last + (1.0 - last) * 0.5 * (1.0 + angle.cos())
            }
        }
    }
}

/// Where a [`Schedule::Plateau`] stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Plateau {
    factor: f64,
    best: f64,
    waited: u32,
}

impl Default for Plateau {
    fn default() -> Self {
        Self { factor: 1.0, best: f64::MAX, waited: 0 }
    }
}

impl Plateau {
    /// Takes note of a validation.
    pub fn observe(&mut self, schedule: &Schedule, validation: f64, tolerance: f64) {
        let Schedule::Plateau { factor, patience, least } = *schedule else { return };
        if validation < self.best * (1.0 - tolerance) {
            (self.best, self.waited) = (validation, 0);
            return;
        }
        self.waited += 1;
        if self.waited >= patience {
            self.factor = (self.factor * factor).max(least);
            self.waited = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cosine_rises_and_falls() {
        let cosine = Schedule::Cosine { warm_up: 0.1, last: 0.01 };
        let at = |fraction| cosine.factor(fraction, &Plateau::default());
        assert_eq!(at(0.0), 0.0);
        assert!((at(0.05) - 0.5).abs() < 1e-12);
        assert!((at(0.1) - 1.0).abs() < 1e-12);
        assert!((at(0.55) - 0.505).abs() < 1e-12);
        assert!((at(1.0) - 0.01).abs() < 1e-12);
    }

    #[test]
    fn plateau_waits_for_its_patience_each_time() {
        let schedule = Schedule::Plateau { factor: 0.5, patience: 2, least: 0.2 };
        let mut plateau = Plateau::default();
        let mut factors = Vec::new();
        for validation in [1.0, 0.5, 0.5, 0.4999, 0.1, 0.2, 0.2, 0.2, 0.2, 0.2, 0.2] {
            plateau.observe(&schedule, validation, 0.01);
            factors.push(schedule.factor(0.0, &plateau));
        }
        assert_eq!(factors, [1.0, 1.0, 1.0, 0.5, 0.5, 0.5, 0.25, 0.25, 0.2, 0.2, 0.2]);
        assert!(Schedule::Plateau { factor: 1.5, patience: 2, least: 0.0 }.check().is_err());
    }
}
