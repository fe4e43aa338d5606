//! From a recipe to a trainer; what makes no sense is rejected before any work is done.

use std::path::Path;

use super::Recipe;
use super::data::{Data, DataSection};
use crate::error::{Error, Result};
use crate::train::network::check_hidden;
use crate::train::{Model, Stop, Task, Trainer};

/// Rows of data that no machine's memory holds.
const MAX_ROWS: f64 = 1e9;

impl Recipe {
    /// An error at `key` of this recipe.
    pub(super) fn fault(&self, what: impl Into<String>, key: &str, remedy: impl Into<String>) -> Error {
        self.place(Error::invalid(what).remedy(remedy), key)
    }

    pub(super) fn place(&self, error: Error, key: &str) -> Error {
        let error = error.at(format!("key \"{key}\""));
        // A recipe that was not read from a file has no path.
        if self.path.as_os_str().is_empty() { error } else { error.in_file(&self.path) }
    }

    /// The trainer with its losses and settings.
    pub(super) fn trainer(
        &self,
        task: &Task,
        data: Option<Data>,
        model: Model,
        folder: &Path,
    ) -> Result<Trainer> {
        let mut trainer = Trainer::new(model, folder)?;
        let mut data = data.map(|d| (d.training, d.validation));
        for loss in &self.loss {
            self.add_loss(&mut trainer, task, &mut data, loss)?;
        }
        if self.windows_in_turn() {
            trainer.windows_in_turn();
        }
        let section = &self.optimizer;
        trainer.optimizer(self.method()?, self.rate()).seed(self.seed);
        trainer.schedule(self.schedule());
        let defaults = Stop::default();
        trainer.stop(Stop {
            seconds: self.stop.time_limit.map(|s| s.0),
            patience: self.stop.patience,
            tolerance: self.stop.tolerance.unwrap_or(defaults.tolerance),
        });
        if let Some(balance) = self.balancing()? {
            trainer.balance(balance);
        }
        if let Some(norm) = section.clip {
            trainer.clip_gradient(norm);
        }
        if let Some(iterations) = self.stop.validate_every {
            trainer.validate_every(iterations);
        }
        if let Some(seconds) = self.stop.checkpoint_every {
            trainer.checkpoint_every(seconds.0);
        }
        Ok(trainer)
    }

    /// Rejects what makes no sense before any work is done: impossible numbers, unknown names,
    /// keys that contradict each other.
    ///
    /// # Errors
    /// The first such fault, with its key and what to do about it.
    pub fn validate(&self) -> Result<()> {
        self.check()?;
        let task = self.task()?;
        self.edges(&task)?;
        self.cells(&task, 1).map(|_| ())
    }

    /// Rejects impossible numbers.
    pub(super) fn check(&self) -> Result<()> {
        let positive = |value: Option<f64>, key: &str| match value {
            Some(x) if !(x.is_finite() && x > 0.0) => {
                Err(self.fault(format!("the number {x}"), key, "give a positive number"))
            }
            _ => Ok(()),
        };
        if self.loss.is_empty() {
            return Err(self.fault("nothing to minimise", "loss", "add a [[loss]] section"));
        }
        self.check_names()?;
        for loss in &self.loss {
            self.criterion(loss)?;
            self.adaptive(loss)?;
            positive(Some(loss.weight), "loss.weight")?;
            positive(loss.batch.map(|n| n as f64), "loss.batch")?;
            positive(loss.points.map(|n| n as f64), "loss.points")?;
        }
        check_hidden(&self.network.layers()).map_err(|e| self.place(e, "network.hidden"))?;
        self.method()?;
        self.check_validation()?;
        self.balancing()?;
        self.schedule().check().map_err(|e| self.place(e, "schedule"))?;
        positive(self.optimizer.rate, "optimizer.rate")?;
        positive(self.optimizer.clip, "optimizer.clip")?;
        positive(self.optimizer.refresh_every.map(|n| n as f64), "optimizer.refresh_every")?;
        positive(Some(self.stop.iterations as f64), "stop.iterations")?;
        positive(self.stop.validate_every.map(|n| n as f64), "stop.validate_every")?;
        positive(self.stop.patience.map(f64::from), "stop.patience")?;
        positive(self.stop.tolerance, "stop.tolerance")?;
        positive(self.evaluation.cells.map(|n| n as f64), "evaluation.cells")?;
        let DataSection { cells, times, pairs, along, validation, .. } = &self.data;
        for (counts, key) in [
            (&[*cells, *times][..], "data.cells"),
            (&[*validation, *times], "data.validation"),
            (&[*pairs], "data.pairs"),
            (&[*along], "data.along"),
            (&[self.evaluation.cells], "evaluation.cells"),
        ] {
            let rows: f64 = counts.iter().map(|n| n.unwrap_or(1) as f64).product();
            if rows > MAX_ROWS {
                let remedy = format!("{MAX_ROWS:.0e} rows at most");
                return Err(self.fault(format!("{rows:.3e} rows"), key, remedy));
            }
        }
        Ok(())
    }
}
