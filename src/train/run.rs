//! One call of [`Trainer::train`]: the loop, its bookkeeping, and its checkpoint.

use std::sync::atomic::Ordering;
use std::time::Instant;

use tch::Tensor;

use super::balance::Balancer;
use super::checkpoint::{Checkpoint, Progressed};
use super::network::numbers;
use super::objective::Objective;
use super::optimizer::{Method, Taken};
use super::outputs::Row;
use super::pace::Pace;
use super::schedule::Plateau;
use super::trainer::{Outcome, Progress, Trainer};
use crate::error::{Error, ErrorKind, Result};

/// Iterations whose losses are read at once: reading waits for the device.
const READ_EVERY: usize = 32;
/// Seconds between calls of the progress callback.
const PROGRESS_EVERY: f64 = 0.2;
/// Seconds between writings of `losses.csv` while training.
const LOSSES_EVERY: f64 = 2.0;

/// One call of [`Trainer::train`] on one window of time, or on all of it.
pub(super) struct Run {
    /// The window that is trained, of how many; the first of one where they are trained together.
    window: usize,
    n_windows: usize,
    /// What earlier windows took and gave.
    before: Before,
    method: Box<dyn Method>,
    iteration: u64,
    seconds_before: f64,
    started: Instant,
    iteration_at_start: u64,
    pub(super) best: Tensor,
    best_validation: f64,
    best_iteration: u64,
    reference_validation: f64,
    waited: u32,
    plateau: Plateau,
    pace: Pace,
    rows: Vec<Row>,
    balancer: Option<Balancer>,
    /// The losses' present weights.
    weights: Vec<f64>,
    /// Losses of iterations not read yet, `[losses]` each.
    unread: Vec<Tensor>,
    /// Sum of each loss since the last row, and how many iterations.
    sums: Vec<f64>,
    summed: u64,
    gradients: Vec<Tensor>,
    pub(super) finished: Option<String>,
    /// Seconds at the end, once it is reached.
    pub(super) total_seconds: Option<f64>,
    last_progress: f64,
    last_losses: f64,
    last_checkpoint: f64,
}

/// What is known of the windows that are trained already.
#[derive(Clone, Debug, Default)]
struct Before {
    iterations: u64,
    seconds: f64,
    /// Rows of `losses.csv`.
    n_rows: usize,
    /// The largest of their validation errors.
    validation: f64,
}

impl Run {
    /// A run on window `window` of `n_windows`, after `previous`.
    pub(super) fn start(
        trainer: &Trainer,
        iterations: u64,
        [window, n_windows]: [usize; 2],
        previous: Option<Self>,
    ) -> Self {
        let network = trainer.model.network();
        let (before, rows, started, seconds_before) = match previous {
            None => (Before::default(), Vec::new(), Instant::now(), 0.0),
            Some(run) => (run.before_next(), run.rows, run.started, run.seconds_before),
        };
        Self {
            window,
            n_windows,
            before,
            method: trainer.optimizer.start(network),
            iteration: 0,
            seconds_before,
            started,
            iteration_at_start: 0,
            best: network.parameters().copy(),
            best_validation: f64::INFINITY,
            best_iteration: 0,
            reference_validation: f64::INFINITY,
            waited: 0,
            plateau: Plateau::default(),
            pace: Pace::new(iterations),
            rows,
            balancer: trainer.balance.map(|balance| Balancer::new(balance, trainer.losses.len())),
            weights: trainer.weights(),
            unread: Vec::with_capacity(READ_EVERY),
            sums: vec![0.0; trainer.losses.len()],
            summed: 0,
            gradients: Vec::new(),
            finished: None,
            total_seconds: None,
            last_progress: 0.0,
            last_losses: 0.0,
            last_checkpoint: 0.0,
        }
    }

    fn before_next(&self) -> Before {
        Before {
            iterations: self.before.iterations + self.iteration,
            seconds: self.seconds(),
            n_rows: self.rows.len(),
            validation: self.before.validation.max(self.best_validation),
        }
    }

    pub(super) fn seconds(&self) -> f64 {
        self.total_seconds.unwrap_or_else(|| self.seconds_before + self.started.elapsed().as_secs_f64())
    }

    /// Iterates to the end and says why it is one.
    pub(super) fn iterate(&mut self, trainer: &mut Trainer, iterations: u64) -> Result<String> {
        (self.last_losses, self.last_checkpoint) = (self.seconds(), self.seconds());
        loop {
            let seconds = self.seconds();
            let due = self.iteration.is_multiple_of(trainer.validate_every);
            if let Some(limit) = trainer.stop.seconds {
                // Windows share the time that is left evenly.
                let here = seconds - self.before.seconds;
                let limit = (limit - self.before.seconds) / (self.n_windows - self.window) as f64;
                if due || here >= limit {
                    self.pace.observe(self.iteration, here, limit);
                }
            }
            let fraction = self.pace.fraction(self.iteration);
            let rate = match trainer.optimizer.finds_its_steps() {
                true => 1.0,
                false => trainer.rate * trainer.schedule.factor(fraction, &self.plateau),
            };

            let ended = fraction >= 1.0;
            // A resumed training does not repeat the validation that the checkpoint has.
            let here = &self.rows[self.before.n_rows..];
            let done = here.last().is_some_and(|row| row.iteration == self.total_iterations());
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
            if seconds - self.last_checkpoint >= trainer.checkpoint_every {
                self.read(trainer)?;
                self.save(trainer)?;
                self.last_checkpoint = seconds;
            }
            if seconds - self.last_progress >= PROGRESS_EVERY {
                self.report(trainer, iterations, fraction, rate);
            }
            let taken = self.step(trainer, fraction, rate);
            // Methods that find their steps have waited for the device already.
            if self.unread.len() >= READ_EVERY || trainer.optimizer.finds_its_steps() {
                self.read(trainer)?;
            }
            if taken == Taken::Stuck {
                self.validate(trainer, rate)?;
                return Ok(format!("{} finds nothing better", trainer.optimizer.name()));
            }
        }
    }

    fn step(&mut self, trainer: &mut Trainer, fraction: f64, rate: f64) -> Taken {
        let given = trainer.weights();
        let Trainer { model, losses, clip, seed, .. } = trainer;
        losses.iter_mut().for_each(|(loss, _)| loss.on_progress(fraction));
        if let Some(balancer) = self.balancer.as_mut().filter(|b| b.is_due(self.iteration)) {
            let mut objective = Objective::new(model, losses, &self.weights, *seed, self.iteration, None);
            let lengths = objective.gradient_lengths();
            balancer.observe(&given, &lengths);
            self.weights = balancer.weights(&given);
        }
        let mut objective = Objective::new(model, losses, &self.weights, *seed, self.iteration, *clip);
        let taken = tch::no_grad(|| self.method.step(&mut objective, rate));
        let (terms, gradients) = objective.finish();
        self.unread.extend(terms);
        self.gradients = gradients;
        self.iteration += 1;
        taken
    }

    /// Reads the losses of the latest iterations.
    fn read(&mut self, trainer: &Trainer) -> Result<()> {
        if self.unread.is_empty() {
            return Ok(());
        }
        let n_losses = trainer.losses.len();
        let values = numbers(&Tensor::stack(&self.unread, 0));
        let first = self.total_iterations() - self.unread.len() as u64;
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
        let mut held_out = trainer.held_out();
        if let Some(balancer) = &mut self.balancer {
            held_out = balancer.relative(held_out);
        }
        let held_out: f64 = held_out.iter().zip(trainer.weights()).filter_map(|(v, w)| Some((*v)? * w)).sum();
        if !held_out.is_finite() {
            return Err(Error::numeric(format!(
                "the validation error became {held_out} at iteration {}",
                self.total_iterations()
            ))
            .at(trainer.folder.path().display().to_string())
            .remedy(format!(
                "lower the learning rate or clip the gradient; the best weights, of iteration {}, are kept",
                self.best_iteration
            )));
        }
        let validation = trainer.rolled_out().unwrap_or(held_out);
        if validation < self.best_validation {
            (self.best_validation, self.best_iteration) = (validation, self.total_iterations());
            self.best.copy_(trainer.model.network().parameters());
        }
        if validation < self.reference_validation * (1.0 - trainer.stop.tolerance) {
            (self.reference_validation, self.waited) = (validation, 0);
        } else {
            self.waited += 1;
        }
        self.plateau.observe(&trainer.schedule, validation, trainer.stop.tolerance);
        let losses = self.means();
        let total = losses.iter().zip(&self.weights).map(|(l, weight)| l * weight).sum();
        let weights = if self.balancer.is_some() { self.weights.clone() } else { Vec::new() };
        let seconds = self.seconds();
        let iteration = self.total_iterations();
        self.rows.push(Row { iteration, losses, weights, total, validation, held_out, rate, seconds });
        self.sums.fill(0.0);
        self.summed = 0;
        if seconds - self.last_losses >= LOSSES_EVERY {
            trainer.folder.write_losses(&trainer.names(), &self.rows, trainer.is_rolled_out())?;
            self.last_losses = seconds;
        }
        Ok(())
    }

    /// Iterations done in all windows so far.
    fn total_iterations(&self) -> u64 {
        self.before.iterations + self.iteration
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
        let fraction = (self.window as f64 + fraction) / self.n_windows as f64;
        f(&Progress {
            window: [self.window + 1, self.n_windows],
            iteration: self.total_iterations(),
            iterations: self.before.iterations + iterations * (self.n_windows - self.window) as u64,
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

    pub(super) fn write_files(&self, trainer: &Trainer) -> Result<()> {
        trainer.folder.write_weights(&trainer.model)?;
        trainer.folder.write_losses(&trainer.names(), &self.rows, trainer.is_rolled_out())?;
        trainer.folder.write_statistics(&trainer.model, &self.gradients)
    }

    pub(super) fn outcome(&self, reason: String, was_finished: bool) -> Outcome {
        Outcome {
            reason,
            iterations: self.total_iterations(),
            best_iteration: self.best_iteration,
            best_validation: self.before.validation.max(self.best_validation),
            seconds: self.seconds(),
            was_finished,
        }
    }

    pub(super) fn save(&self, trainer: &Trainer) -> Result<()> {
        let mut tensors = self.method.state();
        tensors = tensors.into_iter().map(|(name, t)| (format!("optimizer.{name}"), t)).collect();
        tensors.insert("parameters".to_owned(), trainer.model.network().parameters().copy());
        tensors.insert("best".to_owned(), self.best.copy());
        let losses = trainer.losses.iter().enumerate();
        let states = losses.filter_map(|(i, (loss, _))| Some((format!("loss.{i}"), loss.state()?)));
        tensors.extend(states);
        let rows: Vec<f64> = self.rows.iter().flat_map(Row::numbers).collect();
        if let Some(balancer) = &self.balancer {
            tensors.insert("balance".to_owned(), balancer.state());
        }
        let width = Row::width(trainer.losses.len(), self.balancer.is_some()) as i64;
        tensors.insert("rows".to_owned(), Tensor::from_slice(&rows).view([-1, width]));
        let sums: Vec<f64> = self.sums.iter().copied().chain([self.summed as f64]).collect();
        tensors.insert("sums".to_owned(), Tensor::from_slice(&sums));
        let progressed = Progressed {
            recipe: trainer.recipe.clone(),
            seed: trainer.seed,
            window: self.window,
            iterations_before: self.before.iterations,
            seconds_before: self.before.seconds,
            rows_before: self.before.n_rows,
            validation_before: self.before.validation.to_bits(),
            iteration: self.iteration,
            seconds: self.seconds(),
            best_validation: self.best_validation.to_bits(),
            best_iteration: self.best_iteration,
            reference_validation: self.reference_validation.to_bits(),
            waited: self.waited,
            plateau: self.plateau.clone(),
            pace: self.pace,
            finished: self.finished.clone(),
            losses: trainer.names(),
        };
        Checkpoint { progressed, tensors }.save(&trainer.folder.checkpoint())
    }

    /// Takes the parameters back, of this window and of those before it.
    pub(super) fn restore_parameters(trainer: &mut Trainer, checkpoint: &Checkpoint) -> Result<()> {
        let Checkpoint { progressed: p, .. } = checkpoint;
        if p.recipe != trainer.recipe || p.seed != trainer.seed || p.losses != trainer.names() {
            return Err(Error::invalid("the checkpoint belongs to another recipe or seed")
                .remedy("choose another output folder, or start anew with --force"));
        }
        for name in ["parameters", "best"] {
            if checkpoint.tensor(name)?.numel() != trainer.model.network().n_parameters() {
                return Err(Error::format("the checkpoint is of another network"));
            }
        }
        trainer.model.network_mut().set_parameters(checkpoint.tensor("parameters")?);
        Ok(())
    }

    /// Takes back all else.
    pub(super) fn restore(&mut self, trainer: &mut Trainer, checkpoint: &Checkpoint) -> Result<()> {
        let Checkpoint { progressed: p, tensors } = checkpoint;
        tch::no_grad(|| self.best.copy_(checkpoint.tensor("best").expect("looked at before")));
        for (i, (loss, _)) in trainer.losses.iter_mut().enumerate() {
            if let Some(state) = tensors.get(&format!("loss.{i}")) {
                loss.restore(state)?;
            }
        }
        let state = tensors.iter().filter_map(|(name, tensor)| {
            Some((name.strip_prefix("optimizer.")?.to_owned(), tensor.shallow_clone()))
        });
        let state = state.collect();
        tch::no_grad(|| self.method.restore(&state))?;
        if let Some(balancer) = &mut self.balancer {
            balancer.restore(checkpoint.tensor("balance")?)?;
            self.weights = balancer.weights(&trainer.weights());
        }
        let (n_losses, is_balanced) = (trainer.losses.len(), self.balancer.is_some());
        let rows = numbers(checkpoint.tensor("rows")?);
        let rows = rows.chunks_exact(Row::width(n_losses, is_balanced));
        self.rows = rows.filter_map(|row| Row::from_numbers(row, n_losses)).collect();
        let sums = numbers(checkpoint.tensor("sums")?);
        let (count, sums) = sums.split_last().ok_or_else(|| Error::format("the checkpoint has no sums"))?;
        (self.sums, self.summed) = (sums.to_vec(), *count as u64);
        self.before = Before {
            iterations: p.iterations_before,
            seconds: p.seconds_before,
            n_rows: p.rows_before,
            validation: f64::from_bits(p.validation_before),
        };
        if self.rows.len() < self.before.n_rows {
            return Err(Error::format("the checkpoint has too few rows"));
        }
        self.iteration = p.iteration;
        self.iteration_at_start = p.iteration;
        self.seconds_before = p.seconds;
        self.best_validation = f64::from_bits(p.best_validation);
        self.best_iteration = p.best_iteration;
        self.reference_validation = f64::from_bits(p.reference_validation);
        self.waited = p.waited;
        self.plateau = p.plateau.clone();
        self.pace = p.pace;
        self.finished = p.finished.clone();
        self.total_seconds = p.finished.as_ref().map(|_| p.seconds);
        Ok(())
    }
}
