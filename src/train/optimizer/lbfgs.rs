//! L-BFGS (Liu and Nocedal 1989): Newton steps with a curvature made from the latest changes of the gradient.

use std::collections::{BTreeMap, VecDeque};

use tch::{Kind, Tensor};

use super::line_search::{Point, search};
use super::{Method, Taken};
use crate::error::{Error, Result};
use crate::train::objective::{Evaluation, Objective};

/// The method's constants.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Lbfgs {
    /// Changes of the gradient that are remembered.
    pub history: usize,
}

impl Default for Lbfgs {
    fn default() -> Self {
        Self { history: 20 }
    }
}

/// A change of the parameters and the change of the gradient that came of it.
struct Change {
    parameters: Tensor,
    gradient: Tensor,
}

/// Smallest product of both changes that counts as curvature.
const LEAST_CURVATURE: f64 = 1e-10;

pub(super) struct Running {
    constants: Lbfgs,
    /// The oldest first.
    changes: VecDeque<Change>,
    /// Where the last step ended: the line search has evaluated it.
    latest: Option<std::rc::Rc<Evaluation>>,
}

impl Running {
    pub fn new(constants: Lbfgs) -> Self {
        Self { constants, changes: VecDeque::new(), latest: None }
    }

    /// The inverse curvature applied to −gradient, by the two loops over all changes.
    fn direction(&self, gradient: &Tensor) -> Tensor {
        let mut direction = -gradient;
        let mut parts = Vec::with_capacity(self.changes.len());
        for change in self.changes.iter().rev() {
            let inverse = 1.0 / dot(&change.parameters, &change.gradient);
            let part = dot(&change.parameters, &direction) * inverse;
            direction -= &change.gradient * part;
            parts.push((part, inverse));
        }
        if let Some(Change { parameters, gradient }) = self.changes.back() {
            direction *= dot(parameters, gradient) / dot(gradient, gradient);
        }
        for (change, (part, inverse)) in self.changes.iter().zip(parts.into_iter().rev()) {
            let other = dot(&change.gradient, &direction) * inverse;
            direction += &change.parameters * (part - other);
        }
        direction
    }

    fn remember(&mut self, change: Change) {
        if dot(&change.parameters, &change.gradient) > LEAST_CURVATURE {
            if self.changes.len() == self.constants.history {
                self.changes.pop_front();
            }
            self.changes.push_back(change);
        }
    }
}

impl Method for Running {
    fn step(&mut self, objective: &mut Objective, _: f64) -> Taken {
        let start = self.latest.take().unwrap_or_else(|| objective.evaluate().into());
        objective.take(&start);
        if !start.is_finite() {
            return Taken::Moved;
        }
        let mut parameters = objective.network().trained_parameters();
        let before = parameters.to_kind(Kind::Double).copy();
        loop {
            let direction = self.direction(&start.gradient);
            let slope = dot(&direction, &start.gradient);
            let first = match self.changes.is_empty() {
                // Nothing is known about the curvature yet.
                true => (1.0 / start.gradient.abs().sum(Kind::Double).double_value(&[])).min(1.0),
                false => 1.0,
            };
            let from = Point { step: 0.0, value: start.value, slope, what: start.clone() };
            let found = (slope < 0.0).then(|| {
                search(&from, first, |step| {
                    parameters.copy_(&(&before + &direction * step));
                    let there = objective.evaluate();
                    let slope = dot(&direction, &there.gradient);
                    Point { step, value: there.value, slope, what: there.into() }
                })
            });
            if let Some(Some(Point { step, what: there, .. })) = found {
                let taken = &direction * step;
                parameters.copy_(&(&before + &taken));
                self.remember(Change { parameters: taken, gradient: &there.gradient - &start.gradient });
                self.latest = Some(there);
                return Taken::Moved;
            }
            parameters.copy_(&before);
            if self.changes.is_empty() {
                return Taken::Stuck;
            }
            // What is remembered may have become wrong; the gradient itself is not.
            self.changes.clear();
        }
    }

    fn state(&self) -> BTreeMap<String, Tensor> {
        let named = |(i, change): (usize, &Change)| {
            [
                (format!("{i:04}.parameters"), change.parameters.copy()),
                (format!("{i:04}.gradient"), change.gradient.copy()),
            ]
        };
        self.changes.iter().enumerate().flat_map(named).collect()
    }

    fn restore(&mut self, state: &BTreeMap<String, Tensor>) -> Result<()> {
        self.latest = None;
        self.changes.clear();
        for i in 0..state.len() / 2 {
            let tensor = |what: &str| {
                let name = format!("{i:04}.{what}");
                let tensor = state.get(&name).map(Tensor::copy);
                tensor.ok_or_else(|| Error::format(format!("no tensor \"{name}\"")))
            };
            self.changes
                .push_back(Change { parameters: tensor("parameters")?, gradient: tensor("gradient")? });
        }
        Ok(())
    }
}

fn dot(a: &Tensor, b: &Tensor) -> f64 {
    a.dot(b).double_value(&[])
}
