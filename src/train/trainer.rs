//! The training loop: batches, steps, validation, best weights, early stopping, checkpoints.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use tch::Tensor;

use super::checkpoint::{Checkpoint, Progressed};
use super::loss::Loss;
use super::model::Model;
use super::network::numbers;
use super::optimizer::{Method, Optimizer};
use super::outputs::{Folder, Row};
use super::schedule::{Plateau, Schedule};
use crate::error::{Error, ErrorKind, Result};

/// Iterations whose losses are read at once: reading waits for the device.
const READ_EVERY: usize = 32;
/// Seconds between calls of the progress callback.
const PROGRESS_EVERY: f64 = 0.2;
/// Seconds between writings of `losses.csv` while training.
const LOSSES_EVERY: f64 = 2.0;
/// Seconds between checkpoints while training.
const CHECKPOINT_EVERY: f64 = 30.0;

/// When training ends, besides at its last iteration.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stop {
    /// Seconds of training, over all resumptions. A [`Schedule::Cosine`] ends with them, when
    /// they run out before the iterations.
    pub seconds: Option<f64>,
    /// Validations without improvement.
    pub patience: Option<u32>,
    /// Part of the validation error by which it must fall to count as an improvement.
    pub tolerance: f64,
}

impl Default for Stop {
    fn default() -> Self {
        Self { seconds: None, patience: None, tolerance: 1e-4 }
    }
}

/// Where a training stands.
#[derive(Clone, Debug)]
pub struct Progress<'a> {
    /// Iterations done.
    pub iteration: u64,
    /// Iterations to do at most.
    pub iterations: u64,
    /// Part done, 0 to 1, by iterations or by time, whichever is further.
    pub fraction: f64,
    /// Name and latest mean of each loss.
    pub losses: Vec<(&'a str, f64)>,
    /// Latest validation error.
    pub validation: f64,
    /// Lowest validation error.
    pub best_validation: f64,
    /// Learning rate.
    pub rate: f64,
    /// Iterations a second.
    pub speed: f64,
    /// Seconds of training so far, over all resumptions.
    pub seconds: f64,
    /// Seconds left at most.
    pub remaining: f64,
}

/// What a training calls to tell where it stands.
pub type OnProgress = Box<dyn FnMut(&Progress)>;

/// How a training ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// Why it ended.
    pub reason: String,
    /// Iterations done.
    pub iterations: u64,
    /// Iteration of the lowest validation error, whose weights the model has now.
    pub best_iteration: u64,
    /// Lowest validation error, in units of the losses.
    pub best_validation: f64,
    /// Seconds of training, over all resumptions.
    pub seconds: f64,
    /// True when the folder held this training finished, and nothing was done.
    pub was_finished: bool,
}

/// Trains a model to the sum of its losses and keeps its files up to date:
/// `best_model.pth`, `losses.csv`, `model_stats.txt` and `checkpoint`.
pub struct Trainer {
    model: Model,
    folder: Folder,
    losses: Vec<(Box<dyn Loss>, f64)>,
    optimizer: Optimizer,
    rate: f64,
    schedule: Schedule,
    stop: Stop,
    clip: Option<f64>,
    validate_every: u64,
    seed: u64,
    recipe: String,
    resume: bool,
    interrupt: Option<Arc<AtomicBool>>,
    on_progress: Option<OnProgress>,
}

impl Trainer {
    /// A trainer of `model` that writes to `folder`, with SOAP at a rate of 3e-3.
    ///
    /// # Errors
    /// The system's refusal to make the folder.
    pub fn new(model: impl Into<Model>, folder: impl AsRef<Path>) -> Result<Self> {
        let folder = Folder::new(folder.as_ref());
        folder.create()?;
        Ok(Self {
            model: model.into(),
            folder,
            losses: Vec::new(),
            optimizer: Optimizer::default(),
            rate: 3e-3,
            schedule: Schedule::default(),
            stop: Stop::default(),
            clip: None,
            validate_every: 500,
            seed: 0,
            recipe: String::new(),
            resume: false,
            interrupt: None,
            on_progress: None,
        })
    }

    /// Adds a term, with its weight in the sum.
    pub fn add_loss(&mut self, loss: impl Loss + 'static, weight: f64) -> &mut Self {
        self.losses.push((Box::new(loss), weight));
        self
    }

    /// The optimisation method and the learning rate.
    pub fn optimizer(&mut self, optimizer: Optimizer, rate: f64) -> &mut Self {
        (self.optimizer, self.rate) = (optimizer, rate);
        self
    }

    /// How the learning rate changes.
    pub fn schedule(&mut self, schedule: Schedule) -> &mut Self {
        self.schedule = schedule;
        self
    }

    /// When to end, besides at the last iteration.
    pub fn stop(&mut self, stop: Stop) -> &mut Self {
        self.stop = stop;
        self
    }

    /// Scales gradients down to this norm over all parameters.
    pub fn clip_gradient(&mut self, norm: f64) -> &mut Self {
        self.clip = Some(norm);
        self
    }

    /// Iterations between validations; 500 if not called.
    pub fn validate_every(&mut self, iterations: u64) -> &mut Self {
        self.validate_every = iterations;
        self
    }

    /// The seed of batches and collocation points; the network has its own.
    pub fn seed(&mut self, seed: u64) -> &mut Self {
        self.seed = seed;
        self
    }

    /// Goes on from the folder's checkpoint, if there is one and it was made with the same
    /// `recipe`: any text that tells this training from others.
    pub fn resume(&mut self, recipe: &str) -> &mut Self {
        (self.resume, self.recipe) = (true, recipe.to_owned());
        self
    }

    /// Ends cleanly, with a checkpoint, soon after the flag is set.
    pub fn interrupt_by(&mut self, flag: Arc<AtomicBool>) -> &mut Self {
        self.interrupt = Some(flag);
        self
    }

    /// Calls `f` about five times a second.
    pub fn on_progress(&mut self, f: impl FnMut(&Progress) + 'static) -> &mut Self {
        self.on_progress = Some(Box::new(f));
        self
    }

    /// The model; after training with the best weights.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// Trains for `iterations` at most, and leaves the best weights in the model.
    ///
    /// # Errors
    /// Settings or data that make no sense; a loss that is not finite (the best weights are
    /// kept); an interruption (a checkpoint is written); a checkpoint of another training.
    pub fn train(&mut self, iterations: u64) -> Result<Outcome> {
        self.check()?;
        for (i, (loss, _)) in self.losses.iter_mut().enumerate() {
            // Losses must not share batches: seeds far apart, whatever the user's seed.
            let seed = self.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(i as u64 + 1);
            loss.prepare(&self.model, seed)?;
        }
        let mut run = Run::start(self)?;
        if self.resume
            && let Some(checkpoint) = Checkpoint::load(&self.folder.checkpoint())?
        {
            run.restore(self, &checkpoint).map_err(|e| e.in_file(&self.folder.checkpoint()))?;
            if let Some(reason) = run.finished.clone() {
                self.model.network_mut().set_parameters(&run.best);
                return Ok(run.outcome(reason, true));
            }
        }
        match run.iterate(self, iterations) {
            Ok(reason) => {
                run.total_seconds = Some(run.seconds());
                run.finished = Some(reason.clone());
                run.save(self)?;
                self.model.network_mut().set_parameters(&run.best);
                run.write_files(self)?;
                Ok(run.outcome(reason, false))
            }
            Err(error) => {
                self.model.network_mut().set_parameters(&run.best);
                run.write_files(self)?;
                Err(error)
            }
        }
    }

    fn check(&self) -> Result<()> {
        self.optimizer.check()?;
        self.schedule.check()?;
        let positive = |x: f64| x.is_finite() && x > 0.0;
        let weight = self.losses.iter().find(|(_, weight)| !positive(*weight));
        let fault = if self.losses.is_empty() {
            "no loss to train on".to_owned()
        } else if let Some((loss, weight)) = weight {
            format!("loss \"{}\" has the weight {weight}", loss.name())
        } else if !positive(self.rate) {
            format!("a learning rate of {}", self.rate)
        } else if self.clip.is_some_and(|c| !positive(c)) || self.stop.seconds.is_some_and(|s| !positive(s)) {
            format!("a gradient norm of {:?}, a time limit of {:?} s", self.clip, self.stop.seconds)
        } else if self.validate_every == 0 {
            "0 iterations between validations".to_owned()
        } else if !(0.0..1.0).contains(&self.stop.tolerance) {
            format!("a tolerance of {}", self.stop.tolerance)
        } else {
            return Ok(());
        };
        Err(Error::invalid(fault).remedy("give a positive number"))
    }

    fn names(&self) -> Vec<String> {
        self.losses.iter().map(|(loss, _)| loss.name().to_owned()).collect()
    }

    /// The validation error: the weighted sum of what the losses held out.
    fn validation(&self) -> f64 {
        let terms = self.losses.iter().filter_map(|(loss, weight)| {
            let value = tch::no_grad(|| loss.on_validation(&self.model))?;
            Some(value.double_value(&[]) * weight)
        });
        terms.sum()
    }
}

/// One call of [`Trainer::train`].
struct Run {
    method: Box<dyn Method>,
    leaves: Vec<Tensor>,
    iteration: u64,
    seconds_before: f64,
    started: Instant,
    iteration_at_start: u64,
    best: Tensor,
    best_validation: f64,
    best_iteration: u64,
    reference_validation: f64,
    waited: u32,
    plateau: Plateau,
    rows: Vec<Row>,
    /// Losses of iterations not read yet, `[losses]` each.
    unread: Vec<Tensor>,
    /// Sum of each loss since the last row, and how many iterations.
    sums: Vec<f64>,
    summed: u64,
    gradients: Vec<Tensor>,
    finished: Option<String>,
    /// Seconds at the end, once it is reached.
    total_seconds: Option<f64>,
    last_progress: f64,
    last_losses: f64,
    last_checkpoint: f64,
}

impl Run {
    fn start(trainer: &Trainer) -> Result<Self> {
        let network = trainer.model.network();
        Ok(Self {
            method: trainer.optimizer.start(network),
            leaves: network.leaves().into_iter().map(Tensor::shallow_clone).collect(),
            iteration: 0,
            seconds_before: 0.0,
            started: Instant::now(),
            iteration_at_start: 0,
            best: network.parameters().copy(),
            best_validation: f64::INFINITY,
            best_iteration: 0,
            reference_validation: f64::INFINITY,
            waited: 0,
            plateau: Plateau::default(),
            rows: Vec::new(),
            unread: Vec::with_capacity(READ_EVERY),
            sums: vec![0.0; trainer.losses.len()],
            summed: 0,
            gradients: Vec::new(),
            finished: None,
            total_seconds: None,
            last_progress: 0.0,
            last_losses: 0.0,
            last_checkpoint: 0.0,
        })
    }

    fn seconds(&self) -> f64 {
        self.total_seconds.unwrap_or_else(|| self.seconds_before + self.started.elapsed().as_secs_f64())
    }

    /// Iterates to the end and says why it is one.
    fn iterate(&mut self, trainer: &mut Trainer, iterations: u64) -> Result<String> {
        (self.last_losses, self.last_checkpoint) = (self.seconds(), self.seconds());
        loop {
            let seconds = self.seconds();
            let by_time = trainer.stop.seconds.map_or(0.0, |limit| seconds / limit);
            let by_count = self.iteration as f64 / iterations.max(1) as f64;
            let fraction = by_time.max(by_count).min(1.0);
            let rate = trainer.rate * trainer.schedule.factor(fraction, &self.plateau);

            let ended = fraction >= 1.0 || self.iteration >= iterations;
            let due = self.iteration.is_multiple_of(trainer.validate_every);
            // A resumed training does not repeat the validation that the checkpoint has.
            let done = self.rows.last().is_some_and(|row| row.iteration == self.iteration);
            if (ended || due) && !done {
                self.validate(trainer, rate)?;
            }
            if ended {
                let reason =
                    if self.iteration >= iterations { "iterations done" } else { "time limit reached" };
                return Ok(reason.to_owned());
            }
            if let Some(patience) = trainer.stop.patience
                && self.waited >= patience
            {
                return Ok(format!("no improvement in {patience} validations"));
            }
            if trainer.interrupt.as_ref().is_some_and(|flag| flag.load(Ordering::Relaxed)) {
                self.read(trainer)?;
                self.save(trainer)?;
                return Err(Error::new(ErrorKind::Interrupted, "training was interrupted")
                    .remedy("run the same command again to go on"));
            }
            if seconds - self.last_checkpoint >= CHECKPOINT_EVERY {
                self.read(trainer)?;
                self.save(trainer)?;
                self.last_checkpoint = seconds;
            }
            if seconds - self.last_progress >= PROGRESS_EVERY {
                self.report(trainer, iterations, fraction, rate);
            }
            self.step(trainer, rate);
            if self.unread.len() >= READ_EVERY {
                self.read(trainer)?;
            }
        }
    }

    fn step(&mut self, trainer: &mut Trainer, rate: f64) {
        let Trainer { model, losses, clip, .. } = trainer;
        let terms: Vec<Tensor> = losses.iter_mut().map(|(l, _)| l.on_batch(model, self.iteration)).collect();
        let weighted = terms.iter().zip(losses.iter());
        let total = weighted
            .map(|(term, (_, weight))| if *weight == 1.0 { term.shallow_clone() } else { term * *weight })
            .reduce(|sum, term| sum + term)
            .expect("at least one loss");
        self.gradients = Tensor::run_backward(&[total], &self.leaves, false, false);
        tch::no_grad(|| {
            self.unread.push(match terms.as_slice() {
                [single] => single.detach().view([1]),
                several => Tensor::stack(several, 0),
            });
            if let Some(limit) = clip {
                clip_gradients(&mut self.gradients, *limit);
            }
            self.method.step(model.network_mut(), &self.gradients, rate);
        });
        self.iteration += 1;
    }

    /// Reads the losses of the latest iterations.
    fn read(&mut self, trainer: &Trainer) -> Result<()> {
        if self.unread.is_empty() {
            return Ok(());
        }
        let n_losses = trainer.losses.len();
        let values = numbers(&Tensor::stack(&self.unread, 0));
        let first = self.iteration - self.unread.len() as u64;
        self.unread.clear();
        for (i, values) in values.chunks_exact(n_losses).enumerate() {
            if let Some(j) = values.iter().position(|v| !v.is_finite()) {
                return Err(self.diverged(trainer, j, values[j], first + i as u64));
            }
            self.sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
            self.summed += 1;
        }
        Ok(())
    }

    fn diverged(&self, trainer: &Trainer, loss: usize, value: f64, iteration: u64) -> Error {
        let name = trainer.losses[loss].0.name();
        Error::numeric(format!("loss \"{name}\" became {value} at iteration {iteration}"))
            .at(trainer.folder.path().display().to_string())
            .remedy(format!(
                "lower the learning rate or clip the gradient; the best weights, of iteration {}, are kept",
                self.best_iteration
            ))
    }

    /// Measures the validation error, keeps the weights if they are the best, writes a row.
    fn validate(&mut self, trainer: &mut Trainer, rate: f64) -> Result<()> {
        self.read(trainer)?;
        let validation = trainer.validation();
        if !validation.is_finite() {
            return Err(Error::numeric(format!(
                "the validation error became {validation} at iteration {}",
                self.iteration
            ))
            .at(trainer.folder.path().display().to_string())
            .remedy(format!(
                "lower the learning rate or clip the gradient; the best weights, of iteration {}, are kept",
                self.best_iteration
            )));
        }
        if validation < self.best_validation {
            (self.best_validation, self.best_iteration) = (validation, self.iteration);
            self.best.copy_(trainer.model.network().parameters());
        }
        if validation < self.reference_validation * (1.0 - trainer.stop.tolerance) {
            (self.reference_validation, self.waited) = (validation, 0);
        } else {
            self.waited += 1;
        }
        self.plateau.observe(&trainer.schedule, validation, trainer.stop.tolerance);
        let losses = self.means();
        let total = losses.iter().zip(&trainer.losses).map(|(l, (_, weight))| l * weight).sum();
        let seconds = self.seconds();
        self.rows.push(Row { iteration: self.iteration, losses, total, validation, rate, seconds });
        self.sums.fill(0.0);
        self.summed = 0;
        if seconds - self.last_losses >= LOSSES_EVERY {
            trainer.folder.write_losses(&trainer.names(), &self.rows)?;
            self.last_losses = seconds;
        }
        Ok(())
    }

    /// Mean of each loss since the last row; NaN before the first iteration.
    fn means(&self) -> Vec<f64> {
        self.sums.iter().map(|sum| sum / self.summed as f64).collect()
    }

    fn report(&mut self, trainer: &mut Trainer, iterations: u64, fraction: f64, rate: f64) {
        let seconds = self.seconds();
        self.last_progress = seconds;
        let Some(f) = &mut trainer.on_progress else { return };
        let means = match (self.summed, self.rows.last()) {
            (0, Some(row)) => row.losses.clone(),
            _ => self.sums.iter().map(|sum| sum / self.summed as f64).collect(),
        };
        let here = self.started.elapsed().as_secs_f64();
        let names = trainer.losses.iter().map(|(loss, _)| loss.name());
        f(&Progress {
            iteration: self.iteration,
            iterations,
            fraction,
            losses: names.zip(means).collect(),
            validation: self.rows.last().map_or(f64::NAN, |row| row.validation),
            best_validation: self.best_validation,
            rate,
            speed: (self.iteration - self.iteration_at_start) as f64 / here.max(1e-9),
            seconds,
            remaining: if fraction > 0.0 { seconds * (1.0 - fraction) / fraction } else { f64::NAN },
        });
    }

    fn write_files(&self, trainer: &Trainer) -> Result<()> {
        trainer.folder.write_weights(&trainer.model)?;
        trainer.folder.write_losses(&trainer.names(), &self.rows)?;
        trainer.folder.write_statistics(&trainer.model, &self.gradients)
    }

    fn outcome(&self, reason: String, was_finished: bool) -> Outcome {
        Outcome {
            reason,
            iterations: self.iteration,
            best_iteration: self.best_iteration,
            best_validation: self.best_validation,
            seconds: self.seconds(),
            was_finished,
        }
    }

    fn save(&self, trainer: &Trainer) -> Result<()> {
        let mut tensors = self.method.state();
        tensors = tensors.into_iter().map(|(name, t)| (format!("optimizer.{name}"), t)).collect();
        tensors.insert("parameters".to_owned(), trainer.model.network().parameters().copy());
        tensors.insert("best".to_owned(), self.best.copy());
        let rows: Vec<f64> = self.rows.iter().flat_map(Row::numbers).collect();
        let width = (trainer.losses.len() + 5) as i64;
        tensors.insert("rows".to_owned(), Tensor::from_slice(&rows).view([-1, width]));
        let sums: Vec<f64> = self.sums.iter().copied().chain([self.summed as f64]).collect();
        tensors.insert("sums".to_owned(), Tensor::from_slice(&sums));
        let progressed = Progressed {
            recipe: trainer.recipe.clone(),
            seed: trainer.seed,
            iteration: self.iteration,
            seconds: self.seconds(),
            best_validation: self.best_validation.to_bits(),
            best_iteration: self.best_iteration,
            reference_validation: self.reference_validation.to_bits(),
            waited: self.waited,
            plateau: self.plateau.clone(),
            finished: self.finished.clone(),
            losses: trainer.names(),
        };
        Checkpoint { progressed, tensors }.save(&trainer.folder.checkpoint())
    }

    fn restore(&mut self, trainer: &mut Trainer, checkpoint: &Checkpoint) -> Result<()> {
        let Checkpoint { progressed: p, tensors } = checkpoint;
        if p.recipe != trainer.recipe || p.seed != trainer.seed || p.losses != trainer.names() {
            return Err(Error::invalid("the checkpoint belongs to another recipe or seed")
                .remedy("choose another output folder, or start anew with --force"));
        }
        let tensor = |name: &str| {
            tensors.get(name).ok_or_else(|| Error::format(format!("the checkpoint has no tensor \"{name}\"")))
        };
        let parameters = tensor("parameters")?;
        let best = tensor("best")?;
        let n_parameters = trainer.model.network().n_parameters();
        if [parameters, best].iter().any(|t| t.numel() != n_parameters) {
            return Err(Error::format("the checkpoint is of another network"));
        }
        trainer.model.network_mut().set_parameters(parameters);
        tch::no_grad(|| self.best.copy_(best));
        let state = tensors.iter().filter_map(|(name, tensor)| {
            Some((name.strip_prefix("optimizer.")?.to_owned(), tensor.shallow_clone()))
        });
        let state = state.collect();
        tch::no_grad(|| self.method.restore(&state))?;
        let width = trainer.losses.len() + 5;
        self.rows = numbers(tensor("rows")?).chunks_exact(width).filter_map(Row::from_numbers).collect();
        let sums = numbers(tensor("sums")?);
        let (count, sums) = sums.split_last().ok_or_else(|| Error::format("the checkpoint has no sums"))?;
        (self.sums, self.summed) = (sums.to_vec(), *count as u64);
        self.iteration = p.iteration;
        self.iteration_at_start = p.iteration;
        self.seconds_before = p.seconds;
        self.best_validation = f64::from_bits(p.best_validation);
        self.best_iteration = p.best_iteration;
        self.reference_validation = f64::from_bits(p.reference_validation);
        self.waited = p.waited;
        self.plateau = p.plateau.clone();
        self.finished = p.finished.clone();
        self.total_seconds = p.finished.as_ref().map(|_| p.seconds);
        Ok(())
    }
}

/// Scales all gradients by min(1, limit / norm), without waiting for the device.
fn clip_gradients(gradients: &mut [Tensor], limit: f64) {
    let squares = gradients.iter().map(|g| g.square().sum(g.kind()));
    let norm = squares.reduce(|a, b| a + b).expect("a network has parameters").sqrt();
    let factor = (limit / (norm + 1e-12)).clamp_max(1.0);
    gradients.iter_mut().for_each(|g| *g = &*g * &factor);
}
