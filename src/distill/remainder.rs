//! Tables with networks for what they do not describe, in training.

use std::sync::Arc;

use super::ask::Asker;
use super::checkpoint::Kept;
use super::exact::Exact;
use super::learn::Learner;
use super::rounds::Trainee;
use crate::error::Result;
use crate::harvest::{self, Visited};
use crate::program::Program;
use crate::surrogate::Surrogate;
use crate::verify::SurrogateCells;

/// Networks for the remainder.
pub struct Remainder<'a> {
    pub learner: Learner<'a>,
    pub exact: &'a Exact,
    /// A surrogate of a program.
    pub make: &'a dyn Fn(Program) -> Result<Surrogate>,
    /// How cells are driven.
    pub driven: harvest::Options,
}

impl Trainee for Remainder<'_> {
    fn effort(&self) -> (f64, f64) {
        self.learner.effort()
    }

    fn begin(&mut self) -> Result<()> {
        self.learner.begin()
    }

    fn step(&mut self, rate: f64) {
        self.learner.step(rate);
    }

    fn surrogate(&self) -> Result<Surrogate> {
        (self.make)(self.exact.program(&self.learner.learned()?)?)
    }

    fn visit(
        &mut self,
        asker: &mut Asker,
        surrogate: &Arc<Surrogate>,
        late: Option<Visited>,
        seed: u64,
    ) -> Result<()> {
        let own = harvest::Options { seed, ..self.driven.clone() };
        let own = harvest::harvest(&mut SurrogateCells::new(surrogate)?, &own)?;
        self.learner.add(asker, &own)?;
        late.map_or(Ok(()), |late| self.learner.add(asker, &late))
    }

    fn keep(&self, kept: &mut Kept) {
        self.learner.keep(kept);
    }

    fn take_back(&mut self, kept: &Kept) -> Result<()> {
        self.learner.take_back(kept)
    }
}
