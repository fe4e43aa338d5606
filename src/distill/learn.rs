//! Networks for the states that tables do not describe, each fed only what the state depends on.

use super::ask::Asker;
use super::checkpoint::Kept;
use super::exact::Exact;
use super::fitting::Fitted;
use super::function::Coordinate;
use super::network::{Feature, Learned};
use super::pairs::Pairs;
use super::rounds::Random;
use crate::activation::Activation;
use crate::error::Result;
use crate::harvest::Visited;
use crate::structure::{Role, StateIndex, Structure};

/// Widths of the hidden layers.
const HIDDEN: [(Activation, usize); 2] = [(Activation::Tanh, 16), (Activation::Tanh, 16)];
const BATCH: usize = 512;
const RATE: f64 = 5e-3;
/// Iterations of all rounds, where the budget suffices.
const ITERATIONS: f64 = 150_000.0;

/// States that become smaller than this are as good as zero, which saturates nothing.
const LEAST: f64 = 1e-20;

/// One network and what it learns.
struct Task {
    state: StateIndex,
    features: Vec<Feature>,
    fitted: Fitted,
}

/// Networks in training, with the cells that they learn from.
pub struct Learner<'a> {
    exact: &'a Exact,
    domain: &'a [[f64; 2]],
    tasks: Vec<Task>,
    /// Steps without stimulus.
    pairs: Pairs,
    random: Random,
}

impl<'a> Learner<'a> {
    /// Networks for what `exact` does not describe.
    pub fn new(
        exact: &'a Exact,
        structure: &Structure,
        domain: &'a [[f64; 2]],
        asker: &mut Asker,
        visited: &Visited,
        seed: u64,
    ) -> Result<Self> {
        let (pairs, random) = (Pairs::new(domain), Random::new(seed));
        let mut learner = Self { exact, domain, tasks: Vec::new(), pairs, random };
        for &state in &exact.formula.unknown {
            let features = learner.choose_features(structure, state, visited);
            let fitted = Fitted::new(features.len(), 1, &HIDDEN, seed ^ state as u64).map_err(|e| {
                let names = exact.formula.unknown.iter().map(|&s| structure.states[s].name.as_str());
                e.at(format!("{}, which tables do not describe", names.collect::<Vec<_>>().join(", ")))
            })?;
            learner.tasks.push(Task { state, features, fitted });
        }
        learner.add(asker, visited)?;
        learner.prepare(true)?;
        Ok(learner)
    }

    /// The parents, and the currents that they make.
    fn choose_features(&self, structure: &Structure, state: StateIndex, visited: &Visited) -> Vec<Feature> {
        let n_states = structure.states.len();
        let mut parents = match self.exact.formula.unknown.len() == n_states {
            true => (0..n_states).filter(|&s| s != state).collect(),
            false => structure.states[state].parents.clone(),
        };
        if structure.states[state].role != Role::Memoryless {
            parents.push(state);
        }
        let mut features = Vec::new();
        for &parent in &parents {
            features.push(Feature::State(parent));
            let column = || (0..visited.len()).map(|i| visited.cell(i)[parent]);
            let (low, high) = (column().fold(f64::MAX, f64::min), column().fold(f64::MIN, f64::max));
            if parent > 0 && low > LEAST && high > 4.0 * low && high < 100.0 {
                let half = (low * high).sqrt();
                features.push(Feature::Saturation { state: parent, half });
            }
        }
        for (i, term) in self.exact.formula.terms.iter().enumerate() {
            // After the step, only gates are known before networks speak.
            let known = |c: Coordinate| {
                parents.contains(&c.state) && (!c.after || structure.states[c.state].role == Role::Gate)
            };
            if term.coordinates().all(known) && !term.is_single() {
                features.push(Feature::Term(i));
            }
        }
        features
    }

    /// Adds visited cells and others beside them, with what the model makes of them.
    pub fn add(&mut self, asker: &mut Asker, visited: &Visited) -> Result<()> {
        self.pairs.add(asker, visited, false, &mut self.random.numbers)
    }

    /// Tensors of all cells; scalings only before training begins, because the networks are made for them.
    fn prepare(&mut self, with_scalings: bool) -> Result<()> {
        let n_states = self.domain.len();
        for task in &mut self.tasks {
            let program = self.exact.features(&task.features)?;
            let mut inputs = Vec::with_capacity(self.pairs.len() * task.features.len());
            for cell in self.pairs.cells.chunks(n_states) {
                let with_stimulus: Vec<f64> = cell.iter().copied().chain([0.0]).collect();
                inputs.extend(program.evaluate_reference(&with_stimulus));
            }
            task.fitted.set(&inputs, &[self.pairs.changes(task.state)], with_scalings);
        }
        Ok(())
    }

    /// Gets ready for a round with the cells that are there now.
    pub fn begin(&mut self) -> Result<()> {
        self.prepare(false)
    }

    /// One step of size `rate` of all networks, side by side.
    pub fn step(&mut self, rate: f64) {
        for task in &mut self.tasks {
            let chosen = self.pairs.batch(BATCH, &mut self.random.numbers);
            task.fitted.step(&chosen, rate);
        }
    }

    /// What was learned so far.
    ///
    /// # Errors
    /// A network that diverged.
    pub fn learned(&self) -> Result<Vec<Learned>> {
        self.tasks.iter().map(|task| task.learned(self.domain)).collect()
    }

    /// Keeps everything that the next step depends on.
    pub fn keep(&self, kept: &mut Kept) {
        self.pairs.keep(kept);
        self.random.keep(kept);
        self.tasks.iter().for_each(|task| task.fitted.keep(&task.name(), kept));
    }

    /// Takes it back, in place of [`Self::begin`].
    ///
    /// # Errors
    /// What was kept of other networks.
    pub fn take_back(&mut self, kept: &Kept) -> Result<()> {
        self.pairs.take_back(kept)?;
        for task in &mut self.tasks {
            task.fitted.take_back_scalings(&task.name(), kept)?;
        }
        self.prepare(false)?;
        for task in &mut self.tasks {
            task.fitted.take_back(&task.name(), kept)?;
        }
        self.random.take_back(kept)
    }

    /// Iterations of all rounds, and the largest rate.
    pub fn effort(&self) -> (f64, f64) {
        (ITERATIONS, RATE)
    }
}

impl Task {
    /// Under which it is kept.
    fn name(&self) -> String {
        format!("state_{}", self.state)
    }

    fn learned(&self, domain: &[[f64; 2]]) -> Result<Learned> {
        let layers = self.fitted.layers().map_err(|e| e.at(format!("state {}", self.state)))?;
        let (features, bounds) = (self.features.clone(), domain[self.state]);
        Ok(Learned { state: self.state, features, layers, scale: self.fitted.curves[0].scale, bounds })
    }
}
