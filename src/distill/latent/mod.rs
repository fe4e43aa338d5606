//! The potential and a few gates that nobody named, learned from the potential and its changes alone.
//!
//! z' = z + (1 − exp(−Δt/τ(V)))·(z∞(V) − z), V' = V + I(V, z) + effect·stimulus. While gates are driven by a recorded potential, their
//! whole course is a linear recurrence: no step waits for the network's own potential of the step before.

#[cfg(feature = "train")]
mod fit;
#[cfg(not(feature = "train"))]
#[path = "fit_missing.rs"]
mod fit;
mod gates;
mod program;
mod sequences;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use rand_chacha::rand_core::RngCore;

use self::gates::Gates;
use self::sequences::Sequences;
use super::ask::Asker;
use super::checkpoint::Kept;
use super::fitting::Curve;
use super::network::Layer;
use super::rounds::{Random, Trainee};
use crate::activation::Activation;
use crate::error::Result;
use crate::harvest::{self, Recording, Visited};
use crate::surrogate::{CellModelDescription, Kind, Role, Surrogate, Variable};
use crate::verify::SurrogateCells;

/// Widths of the hidden layers of the current, which reads the potential and the gates.
const HIDDEN: [(Activation, usize); 2] = [(Activation::Tanh, 20), (Activation::Tanh, 20)];
/// Recordings of a batch.
const BATCH: usize = 8;
const RATE: f64 = 3e-3;
/// Iterations of all rounds, where the budget suffices.
const ITERATIONS: f64 = 12_000.0;
/// Most recordings kept; of more, a random part.
const MOST: usize = 256;
/// Most latent gates.
pub const MOST_GATES: usize = 64;

/// What a latent surrogate has to know of its cell model.
#[derive(Clone, Debug)]
pub struct Membrane {
    /// Name of the cell model.
    pub name: String,
    /// ms.
    pub dt: f64,
    /// Potential in which a cell starts.
    pub rest: f64,
    /// Range of the potential in which tables hold.
    pub range: [f64; 2],
    /// Change of the potential in one step for one unit of stimulus.
    pub effect: f64,
}

/// Gates and current in training: what computes gradients.
pub trait Fit {
    /// Replaces the data.
    fn set(&mut self, sequences: &Sequences, curve: Curve);
    /// Forgets how the parameters moved so far.
    fn restart(&mut self);
    /// One step of size `rate` down the error on the given recordings.
    fn step(&mut self, chosen: &[i64], rate: f64);
    /// The gates as they are now.
    fn gates(&self) -> Gates;
    /// The layers of the current, of the scaled potential and the gates, which end in what the change is scale · sinh of.
    ///
    /// # Errors
    /// A network that diverged.
    fn layers(&self) -> Result<Vec<Layer>>;
    /// Parameters and everything else that the next step depends on.
    fn state(&self) -> Vec<f64>;
    /// Takes back what [`Self::state`] gave.
    ///
    /// # Errors
    /// Another number of numbers.
    fn restore(&mut self, state: &[f64]) -> Result<()>;
}

/// The surrogate in training.
pub struct Latent {
    membrane: Membrane,
    fit: Box<dyn Fit>,
    curve: Curve,
    recordings: Vec<Recording>,
    random: Random,
    driven: harvest::Options,
}

impl Latent {
    /// `n_gates` latent gates that learn from `recordings`; more recordings come from cells driven as in `driven`.
    ///
    /// # Errors
    /// A build that cannot train.
    pub fn new(
        membrane: Membrane,
        n_gates: usize,
        recordings: Vec<Recording>,
        driven: harvest::Options,
    ) -> Result<Self> {
        let fit = fit::start(n_gates, &HIDDEN, membrane.range, driven.seed)?;
        let curve = sequences::curve(&recordings, membrane.effect);
        let random = Random::new(driven.seed);
        Ok(Self { membrane, fit, curve, recordings, random, driven })
    }

    fn set(&mut self) {
        let sequences = Sequences::new(&self.recordings, self.membrane.effect, self.curve);
        self.fit.set(&sequences, self.curve);
    }
}

impl Trainee for Latent {
    fn effort(&self) -> (f64, f64) {
        (ITERATIONS, RATE)
    }

    fn begin(&mut self) -> Result<()> {
        self.set();
        self.fit.restart();
        Ok(())
    }

    fn step(&mut self, rate: f64) {
        let n = self.recordings.len() as u64;
        let chosen: Vec<i64> = (0..BATCH).map(|_| (self.random.numbers.next_u64() % n) as i64).collect();
        self.fit.step(&chosen, rate);
    }

    fn surrogate(&self) -> Result<Surrogate> {
        let Membrane { name, dt, rest, range, effect } = &self.membrane;
        let gates = self.fit.gates();
        let program = program::program(&gates, &self.fit.layers()?, self.curve.scale, *range, *effect, *dt)?;
        let mut outputs = vec![Variable::new("V", "", Role::State).with_range(range[0], range[1])];
        for k in 1..=gates.n {
            outputs.push(Variable::new(&format!("z{k}"), "", Role::State).with_range(0.0, 1.0));
        }
        let mut inputs = outputs.clone();
        inputs.push(Variable::new("stimulus", "", Role::Stimulus));
        let initial = std::iter::once(*rest).chain(gates.steady(*rest)).collect();
        let cell_model = CellModelDescription { name: name.clone(), ..Default::default() };
        Ok(Surrogate::new(Kind::StepMap { dt: *dt }, inputs, outputs, program)?
            .with_initial_state(initial)?
            .with_cell_model(cell_model))
    }

    fn visit(
        &mut self,
        asker: &mut Asker,
        surrogate: &Arc<Surrogate>,
        _: Option<Visited>,
        seed: u64,
    ) -> Result<()> {
        let options = harvest::Options { seed, ..self.driven.clone() };
        self.recordings.extend(asker.clamped(&mut SurrogateCells::new(surrogate)?, &options)?);
        while self.recordings.len() > MOST {
            let gone = self.random.numbers.next_u64() % self.recordings.len() as u64;
            self.recordings.swap_remove(gone as usize);
        }
        Ok(())
    }

    fn keep(&self, kept: &mut Kept) {
        sequences::keep(&self.recordings, kept);
        kept.put("curve", &[self.curve.scale, self.curve.width, self.curve.deviation]);
        kept.put("latent_network", &self.fit.state());
        self.random.keep(kept);
    }

    fn take_back(&mut self, kept: &Kept) -> Result<()> {
        self.recordings = sequences::take_back(kept)?;
        if let &[scale, width, deviation] = kept.numbers("curve")? {
            self.curve = Curve { scale, width, deviation };
        }
        self.set();
        self.fit.restore(kept.numbers("latent_network")?)?;
        self.random.take_back(kept)
    }
}
