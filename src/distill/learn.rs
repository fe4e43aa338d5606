//! Networks for the states that tables do not describe, each fed only what the state depends on.

use std::time::{Duration, Instant};

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

use super::ask::Asker;
use super::exact::Exact;
use super::fit;
use super::function::Coordinate;
use super::network::{Feature, Layer, Learned};
use crate::activation::Activation;
use crate::error::{Error, Result};
use crate::harvest::Visited;
use crate::structure::{Role, StateIndex, Structure};

/// Widths of the hidden layers.
const HIDDEN: [(Activation, usize); 2] = [(Activation::Tanh, 16), (Activation::Tanh, 16)];
const BATCH: usize = 512;
const RATE: f64 = 5e-3;
/// Most cells kept; of more, a random part.
const MOST: usize = 200_000;
/// Part of a large increment that counts as small: below it errors count absolutely, above it relatively.
const SMALL: f64 = 0.02;
/// Weight of errors of the increment itself beside those of its inverse hyperbolic sine: the former make the velocity, the latter
/// the duration of action potentials.
const LINEAR: f64 = 0.3;

/// Parameters on their way to the data: what computes gradients.
pub trait Fit {
    /// Replaces the data: scaled features, cell after cell, and scaled targets.
    fn set(&mut self, inputs: &[f32], targets: &[f32]);
    /// Forgets how the parameters moved so far.
    fn restart(&mut self);
    /// One step of size `rate` down the error on the given cells: the mean square of targets, and `linear` times that of
    /// scale · sinh(width · target), the increments in units of their spread.
    fn step(&mut self, cells: &[i64], rate: f64, width: f64, scale: f64, linear: f64);
    /// Weights and biases of each layer in turn.
    fn parameters(&self) -> Vec<f64>;
}

/// One network and what it learns.
struct Task {
    state: StateIndex,
    features: Vec<Feature>,
    fit: Box<dyn Fit>,
    /// Of the features.
    shift: Vec<f64>,
    spread: Vec<f64>,
    /// Increments below it are small.
    scale: f64,
    /// Spread of asinh(increment / scale).
    width: f64,
    /// Spread of the increments.
    deviation: f64,
}

/// Networks in training, with the cells that they learn from.
pub struct Learner<'a> {
    exact: &'a Exact,
    domain: &'a [[f64; 2]],
    tasks: Vec<Task>,
    /// Cell after cell, and their states after one step without stimulus.
    cells: Vec<f64>,
    next: Vec<f64>,
    random: ChaCha8Rng,
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
        let random = ChaCha8Rng::seed_from_u64(seed);
        let mut learner =
            Self { exact, domain, tasks: Vec::new(), cells: Vec::new(), next: Vec::new(), random };
        for &state in &exact.formula.unknown {
            let features = learner.choose_features(structure, state, visited);
            let n = features.len();
            let fit = fit::start(n, &HIDDEN, seed ^ state as u64).map_err(|e| {
                let names = exact.formula.unknown.iter().map(|&s| structure.states[s].name.as_str());
                e.at(format!("{}, which tables do not describe", names.collect::<Vec<_>>().join(", ")))
            })?;
            learner.tasks.push(Task {
                state,
                features,
                fit,
                shift: vec![0.0; n],
                spread: vec![1.0; n],
                scale: 1.0,
                width: 1.0,
                deviation: 1.0,
            });
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
            if parent > 0 && low > 0.0 && high > 4.0 * low && high < 100.0 {
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
        let n = visited.n_states;
        let mut cells = Vec::new();
        for i in 0..visited.len() {
            let cell = visited.cell(i);
            if cell.iter().zip(self.domain).all(|(x, d)| (d[0]..=d[1]).contains(x)) {
                cells.extend_from_slice(cell);
                for amount in [0.003, 0.03] {
                    cells.extend(self.beside(cell, amount));
                }
            }
        }
        let next = asker.next_unstimulated(&cells)?;
        for (cell, next) in cells.chunks(n).zip(next.chunks(n)) {
            if next.iter().all(|x| x.is_finite()) {
                self.cells.extend_from_slice(cell);
                self.next.extend_from_slice(next);
            }
        }
        while self.cells.len() / n > MOST {
            let last = self.cells.len() / n - 1;
            let gone = self.random.next_u64() as usize % (last + 1);
            for list in [&mut self.cells, &mut self.next] {
                list.copy_within(last * n..(last + 1) * n, gone * n);
                list.truncate(last * n);
            }
        }
        match self.cells.is_empty() {
            true => Err(Error::numeric("no visited state has a finite next one")),
            false => Ok(()),
        }
    }

    /// A cell moved by up to `amount` of each range; positive states by a factor.
    fn beside(&mut self, cell: &[f64], amount: f64) -> Vec<f64> {
        let domain = self.domain;
        let mut moved = Vec::with_capacity(cell.len());
        for (x, [low, high]) in cell.iter().zip(domain) {
            let by = amount * (2.0 * (self.random.next_u32() as f64 / u32::MAX as f64) - 1.0);
            let new = match *low > 0.0 {
                true => x * (by * (high / low).ln()).exp(),
                false => x + by * (high - low),
            };
            moved.push(new.clamp(*low, *high));
        }
        moved
    }

    /// Tensors of all cells; scalings only when training begins, because the networks are made for them.
    fn prepare(&mut self, with_scalings: bool) -> Result<()> {
        let n_states = self.domain.len();
        let n_cells = self.cells.len() / n_states;
        for task in &mut self.tasks {
            let program = self.exact.features(&task.features)?;
            let n = task.features.len();
            let mut inputs = Vec::with_capacity(n_cells * n);
            for cell in self.cells.chunks(n_states) {
                let with_stimulus: Vec<f64> = cell.iter().copied().chain([0.0]).collect();
                inputs.extend(program.evaluate_reference(&with_stimulus));
            }
            let changes: Vec<f64> = self
                .cells
                .chunks(n_states)
                .zip(self.next.chunks(n_states))
                .map(|(cell, next)| next[task.state] - cell[task.state])
                .collect();
            if with_scalings {
                for j in 0..n {
                    let column = || inputs.iter().skip(j).step_by(n);
                    (task.shift[j], task.spread[j]) = moments(column());
                }
                let mut sizes: Vec<f64> = changes.iter().map(|c| c.abs()).collect();
                sizes.sort_by(f64::total_cmp);
                task.scale = (SMALL * sizes[sizes.len() * 95 / 100]).max(1e-30);
                task.deviation = moments(changes.iter()).1;
                let curved: Vec<f64> = changes.iter().map(|c| (c / task.scale).asinh()).collect();
                task.width = moments(curved.iter()).1;
            }
            let scaled: Vec<f32> = inputs
                .iter()
                .enumerate()
                .map(|(k, x)| ((x - task.shift[k % n]) / task.spread[k % n]) as f32)
                .collect();
            let curved: Vec<f32> =
                changes.iter().map(|c| ((c / task.scale).asinh() / task.width) as f32).collect();
            task.fit.set(&scaled, &curved);
        }
        Ok(())
    }

    /// Trains for `iterations`, or for `time` if that is over earlier, all networks side by side, with a rate that falls to 0. Where
    /// time suffices, the clock has no part in it. `go_on` is asked before each iteration.
    pub fn train(
        &mut self,
        iterations: u64,
        time: Duration,
        go_on: &dyn Fn() -> bool,
    ) -> Result<Vec<Learned>> {
        self.prepare(false)?;
        let began = Instant::now();
        self.tasks.iter_mut().for_each(|task| task.fit.restart());
        let n_cells = (self.cells.len() / self.domain.len()) as u64;
        let mut fraction = 0.0;
        let mut iteration = 0_u64;
        while fraction < 1.0 && go_on() {
            let warm = ((iteration + 1) as f64 / 100.0).min(1.0);
            let rate = RATE * warm * (0.5 * (1.0 + (std::f64::consts::PI * fraction).cos())).max(1e-3);
            for task in &mut self.tasks {
                let chosen: Vec<i64> =
                    (0..BATCH).map(|_| (self.random.next_u64() % n_cells) as i64).collect();
                task.fit.step(&chosen, rate, task.width, task.scale / task.deviation, LINEAR);
            }
            iteration += 1;
            let of_time = began.elapsed().as_secs_f64() / time.as_secs_f64();
            fraction = (iteration as f64 / iterations as f64).max(of_time);
        }
        log::info!("{iteration} iterations on {} cells", self.cells.len() / self.domain.len());
        self.tasks.iter().map(|task| task.learned(self.domain)).collect()
    }
}

impl Task {
    fn learned(&self, domain: &[[f64; 2]]) -> Result<Learned> {
        let flat = self.fit.parameters();
        if flat.iter().any(|w| !w.is_finite()) {
            return Err(Error::numeric(format!("the network of state {} diverged", self.state)));
        }
        let mut widths = vec![self.features.len()];
        widths.extend(HIDDEN.iter().map(|h| h.1).chain([1]));
        let activations = HIDDEN.iter().map(|h| h.0).chain([Activation::Linear]);
        let mut rest = &flat[..];
        let mut layers = Vec::new();
        for (pair, activation) in widths.windows(2).zip(activations) {
            let (weights, after) = rest.split_at(pair[0] * pair[1]);
            let (bias, after) = after.split_at(pair[1]);
            rest = after;
            layers.push(Layer { weights: weights.to_vec(), bias: bias.to_vec(), activation });
        }
        let n = self.features.len();
        let first = &mut layers[0];
        for (row, bias) in first.weights.chunks_mut(n).zip(&mut first.bias) {
            for (j, weight) in row.iter_mut().enumerate() {
                *weight /= self.spread[j];
                *bias -= *weight * self.shift[j];
            }
        }
        let last = layers.last_mut().expect("layers");
        last.weights.iter_mut().chain(&mut last.bias).for_each(|w| *w *= self.width);
        let bounds = domain[self.state];
        Ok(Learned { state: self.state, features: self.features.clone(), layers, scale: self.scale, bounds })
    }
}

/// Mean and standard deviation; 1 instead of 0.
fn moments<'a>(values: impl Iterator<Item = &'a f64>) -> (f64, f64) {
    let (mut n, mut mean, mut square) = (0.0, 0.0, 0.0);
    for x in values {
        n += 1.0;
        let before = x - mean;
        mean += before / n;
        square += before * (x - mean);
    }
    let deviation = (square / f64::max(n, 1.0)).sqrt();
    (mean, if deviation > 1e-12 * mean.abs() { deviation } else { 1.0 })
}
