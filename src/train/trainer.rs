//! The training loop: batches, steps, validation, best weights, early stopping, checkpoints.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::balance::Balance;
use super::checkpoint::Checkpoint;
use super::loss::Loss;
use super::model::Model;
use super::optimizer::Optimizer;
use super::outputs::Folder;
use super::rollout::{PreparedRollout, RolloutValidation};
use super::run::Run;
use super::schedule::Schedule;
use crate::activation::Activation;
use crate::error::{Error, Result};

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
    /// The window of time that is trained, counted from 1, and how many there are to be trained.
    pub window: [usize; 2],
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

/// Most numbers of a matrix of Levenberg–Marquardt: a gigabyte, of which it holds some at a time.
const MAX_JACOBIAN: usize = 1 << 27;

/// Trains a model to the sum of its losses and keeps its files up to date:
/// `best_model.pth`, `losses.csv`, `model_stats.txt` and `checkpoint`.
pub struct Trainer {
    pub(super) model: Model,
    pub(super) folder: Folder,
    pub(super) losses: Vec<(Box<dyn Loss>, f64)>,
    pub(super) balance: Option<Balance>,
    pub(super) optimizer: Optimizer,
    pub(super) rate: f64,
    pub(super) schedule: Schedule,
    pub(super) stop: Stop,
    pub(super) clip: Option<f64>,
    pub(super) validate_every: u64,
    pub(super) checkpoint_every: f64,
    pub(super) seed: u64,
    pub(super) recipe: String,
    pub(super) windows_in_turn: bool,
    pub(super) resume: bool,
    rollout: Option<(RolloutValidation, Option<PreparedRollout>)>,
    pub(super) interrupt: Option<Arc<AtomicBool>>,
    pub(super) on_progress: Option<OnProgress>,
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
            balance: None,
            optimizer: Optimizer::default(),
            rate: 3e-3,
            schedule: Schedule::default(),
            stop: Stop::default(),
            clip: None,
            validate_every: 500,
            checkpoint_every: 30.0,
            seed: 0,
            recipe: String::new(),
            windows_in_turn: false,
            resume: false,
            rollout: None,
            interrupt: None,
            on_progress: None,
        })
    }

    /// Adds a term, with its weight in the sum.
    pub fn add_loss(&mut self, loss: impl Loss + 'static, weight: f64) -> &mut Self {
        self.losses.push((Box::new(loss), weight));
        self
    }

    /// Balances the losses by the lengths of their gradients; their weights then say how much longer than the others'
    /// a loss's gradient is. `losses.csv` has the resulting weights in its last columns.
    pub fn balance(&mut self, balance: Balance) -> &mut Self {
        self.balance = Some(balance);
        self
    }

    /// The optimisation method and the learning rate, which methods do not use that find their steps themselves
    /// (L-BFGS, Levenberg–Marquardt).
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

    /// Seconds between checkpoints, the most that a crash can cost; 30 if not called.
    pub fn checkpoint_every(&mut self, seconds: f64) -> &mut Self {
        self.checkpoint_every = seconds;
        self
    }

    /// Validates a step map by its error over many steps in a row, which then decides which weights
    /// are the best and when training ends early, instead of what the losses held out.
    pub fn validate_by_rollout(&mut self, cells: RolloutValidation) -> &mut Self {
        self.rollout = Some((cells, None));
        self
    }

    /// The seed of batches and collocation points; the network has its own.
    pub fn seed(&mut self, seed: u64) -> &mut Self {
        self.seed = seed;
        self
    }

    /// Trains the windows of a model that has any one after another, each from where the one before ended, with as
    /// many iterations a window as [`Self::train`] is given, instead of all at once.
    pub fn windows_in_turn(&mut self) -> &mut Self {
        self.windows_in_turn = true;
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
        super::memory::keep_freed();
        let n_windows = if self.windows_in_turn { self.model.n_windows() } else { 1 };
        let checkpoint = match self.resume {
            true => Checkpoint::load(&self.folder.checkpoint())?,
            false => None,
        };
        let first = checkpoint.as_ref().map_or(0, |c| c.progressed.window.min(n_windows - 1));
        let mut run: Option<Run> = None;
        for window in first..n_windows {
            self.model.train_window((n_windows > 1).then_some(window));
            if let Some(checkpoint) = checkpoint.as_ref().filter(|_| window == first) {
                // What the window starts from comes before its data.
                Run::restore_parameters(self, checkpoint)
                    .map_err(|e| e.in_file(&self.folder.checkpoint()))?;
            }
            self.prepare()?;
            let mut next = Run::start(self, iterations, [window, n_windows], run.take());
            if let Some(checkpoint) = checkpoint.as_ref().filter(|_| window == first) {
                next.restore(self, checkpoint).map_err(|e| e.in_file(&self.folder.checkpoint()))?;
                if let Some(reason) = next.finished.clone() {
                    self.model.network_mut().set_parameters(&next.best);
                    if !self.folder.is_complete() {
                        next.write_files(self)?;
                    }
                    self.model.train_window(None);
                    return Ok(next.outcome(reason, true));
                }
            } else if window > 0 {
                next.save(self)?;
            }
            let ended = next.iterate(self, iterations);
            if let (Ok(reason), true) = (&ended, window + 1 == n_windows) {
                next.total_seconds = Some(next.seconds());
                next.finished = Some(reason.clone());
                next.save(self)?;
            }
            self.model.network_mut().set_parameters(&next.best);
            if ended.is_err() || window + 1 == n_windows {
                let written = next.write_files(self);
                self.model.train_window(None);
                // The first fault is the one to tell, also where a full disk is the reason for both.
                let reason = ended?;
                written?;
                return Ok(next.outcome(reason, false));
            }
            run = Some(next);
        }
        unreachable!("the last window returns")
    }

    fn prepare(&mut self) -> Result<()> {
        for (i, (loss, _)) in self.losses.iter_mut().enumerate() {
            // Losses must not share batches: seeds far apart, whatever the user's seed.
            let seed = self.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(i as u64 + 1);
            loss.prepare(&self.model, seed)?;
        }
        if let Some((cells, prepared)) = &mut self.rollout {
            *prepared = Some(cells.prepare(&self.model)?);
        }
        self.check_method()
    }

    fn check(&self) -> Result<()> {
        self.optimizer.check()?;
        if let Some(balance) = self.balance {
            balance.check(self.losses.len())?;
        }
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

    /// Rejects losses that the method cannot minimise.
    fn check_method(&mut self) -> Result<()> {
        let method = self.optimizer.name();
        if self.optimizer.finds_its_steps() {
            let fault = match (self.clip, self.schedule) {
                _ if self.balance.is_some() => "a balance of the losses",
                (Some(_), _) => "gradient clipping",
                (None, Schedule::Constant) => "",
                _ => "a schedule of the learning rate",
            };
            if !fault.is_empty() {
                return Err(Error::invalid(format!("{fault} with {method}, which finds its steps itself"))
                    .remedy("remove it, or use Adam, AdamW or SOAP"));
            }
        }
        let is_random = |activation| matches!(activation, Activation::RRelu { .. });
        if let Optimizer::Lbfgs(_) = self.optimizer
            && self.model.network().trained_layers().any(|layer| is_random(layer.activation))
        {
            return Err(Error::invalid("random activations (rrelu) with L-BFGS")
                .remedy("use leaky_relu, or Adam, AdamW or SOAP"));
        }
        let n_parameters = self.model.network().trained_parameters().numel();
        for (loss, _) in &mut self.losses {
            let place = format!("loss \"{}\"", loss.name());
            match self.optimizer {
                Optimizer::Lbfgs(_) if !loss.is_fixed() => {
                    let fault = "batches that change from iteration to iteration with L-BFGS";
                    return Err(Error::invalid(fault).at(place).remedy(
                        "raise batch to the number of rows or points (and give points to a residual), or use \
                         Adam, AdamW or SOAP",
                    ));
                }
                Optimizer::LevenbergMarquardt(_) => {
                    let residuals = loss.residuals(&self.model, 0).ok_or_else(|| {
                        Error::invalid("a loss that is no mean of squares with Levenberg–Marquardt")
                            .at(place.clone())
                            .remedy("set its criterion to mse, or use L-BFGS, Adam, AdamW or SOAP")
                    })?;
                    let numbers = n_parameters.max(residuals.numel()) * n_parameters;
                    if numbers > MAX_JACOBIAN {
                        let fault = format!(
                            "{} residuals and {n_parameters} parameters with Levenberg–Marquardt",
                            residuals.numel()
                        );
                        return Err(Error::invalid(fault)
                            .at(place)
                            .remedy("use smaller networks or batches, or L-BFGS, Adam, AdamW or SOAP"));
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    pub(super) fn names(&self) -> Vec<String> {
        self.losses.iter().map(|(loss, _)| loss.name().to_owned()).collect()
    }

    /// What each loss held out, without its weight.
    pub(super) fn held_out(&self) -> Vec<Option<f64>> {
        let value = |(loss, _): &(Box<dyn Loss>, f64)| {
            tch::no_grad(|| loss.on_validation(&self.model)).map(|value| value.double_value(&[]))
        };
        self.losses.iter().map(value).collect()
    }

    /// The weights with which losses were added.
    pub(super) fn weights(&self) -> Vec<f64> {
        self.losses.iter().map(|(_, weight)| *weight).collect()
    }

    /// The error over many steps in a row, if that is what validation goes by.
    pub(super) fn rolled_out(&self) -> Option<f64> {
        let (_, prepared) = self.rollout.as_ref()?;
        Some(prepared.as_ref().expect("prepared before training").error(&self.model))
    }

    pub(super) fn is_rolled_out(&self) -> bool {
        self.rollout.is_some()
    }
}
