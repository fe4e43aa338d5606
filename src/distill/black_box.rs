//! One network for all states, fed all of them and the stimulus.

use std::sync::Arc;

use super::ask::Asker;
use super::checkpoint::Kept;
use super::fitting::Fitted;
use super::network::increments;
use super::pairs::Pairs;
use super::rounds::{Random, Trainee};
use crate::activation::Activation;
use crate::error::Result;
use crate::harvest::{self, Visited};
use crate::program::{BinaryOperator, BlockId, Program, ProgramBuilder};
use crate::surrogate::Surrogate;
use crate::verify::SurrogateCells;

/// Widths of the hidden layers.
const HIDDEN: [(Activation, usize); 2] = [(Activation::Tanh, 64), (Activation::Tanh, 64)];
const BATCH: usize = 512;
const RATE: f64 = 4e-3;
/// Iterations of all rounds, where the budget suffices.
const ITERATIONS: f64 = 150_000.0;
/// Under which the network is kept.
const NAME: &str = "black_box";

/// The network in training.
pub struct BlackBox<'a> {
    domain: &'a [[f64; 2]],
    fitted: Fitted,
    pairs: Pairs,
    random: Random,
    /// A surrogate of a program.
    make: &'a dyn Fn(Program) -> Result<Surrogate>,
    /// How cells are driven.
    driven: harvest::Options,
}

impl<'a> BlackBox<'a> {
    /// A network that learns from steps of `visited` cells.
    ///
    /// # Errors
    /// A build that cannot train, and whatever the model answers.
    pub fn new(
        domain: &'a [[f64; 2]],
        asker: &mut Asker,
        visited: &Visited,
        make: &'a dyn Fn(Program) -> Result<Surrogate>,
        driven: harvest::Options,
    ) -> Result<Self> {
        let n = domain.len();
        let seed = driven.seed;
        let fitted = Fitted::new(n + 1, n, &HIDDEN, seed)?;
        let (mut pairs, mut random) = (Pairs::new(domain), Random::new(seed));
        pairs.add(asker, visited, true, &mut random.numbers)?;
        let mut own = Self { domain, fitted, pairs, random, make, driven };
        own.set(true);
        Ok(own)
    }

    fn set(&mut self, with_scalings: bool) {
        let cells = self.pairs.cells.chunks(self.domain.len()).zip(&self.pairs.stimulus);
        let inputs: Vec<f64> =
            cells.flat_map(|(cell, stimulus)| cell.iter().chain([stimulus])).copied().collect();
        let changes: Vec<Vec<f64>> = (0..self.domain.len()).map(|state| self.pairs.changes(state)).collect();
        self.fitted.set(&inputs, &changes, with_scalings);
    }

    fn program(&self) -> Result<Program> {
        let n = self.domain.len();
        let scales: Vec<f64> = self.fitted.curves.iter().map(|curve| curve.scale).collect();
        let mut b = ProgramBuilder::new(n + 1)?;
        let change = increments(&mut b, BlockId::INPUT, &self.fitted.layers()?, &scales)?;
        let states = b.slice(BlockId::INPUT, 0, n)?;
        let sum = b.binary(BinaryOperator::Add, states, change)?;
        let bound = |i: usize| self.domain.iter().map(|range| range[i] as f32).collect::<Vec<_>>();
        let (low, high) = (b.constant(bound(0))?, b.constant(bound(1))?);
        let above = b.binary(BinaryOperator::Maximum, sum, low)?;
        let inside = b.binary(BinaryOperator::Minimum, above, high)?;
        Ok(b.finish(inside))
    }
}

impl Trainee for BlackBox<'_> {
    fn effort(&self) -> (f64, f64) {
        (ITERATIONS, RATE)
    }

    fn begin(&mut self) -> Result<()> {
        self.set(false);
        Ok(())
    }

    fn step(&mut self, rate: f64) {
        let chosen = self.pairs.batch(BATCH, &mut self.random.numbers);
        self.fitted.step(&chosen, rate);
    }

    fn surrogate(&self) -> Result<Surrogate> {
        (self.make)(self.program()?)
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
        for visited in [Some(own), late].iter().flatten() {
            self.pairs.add(asker, visited, true, &mut self.random.numbers)?;
        }
        Ok(())
    }

    fn keep(&self, kept: &mut Kept) {
        self.pairs.keep(kept);
        self.fitted.keep(NAME, kept);
        self.random.keep(kept);
    }

    fn take_back(&mut self, kept: &Kept) -> Result<()> {
        self.pairs.take_back(kept)?;
        self.fitted.take_back_scalings(NAME, kept)?;
        self.set(false);
        self.fitted.take_back(NAME, kept)?;
        self.random.take_back(kept)
    }
}
