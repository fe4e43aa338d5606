//! The loss on data: predictions against targets.

use ndarray::{Array2, Axis};
use tch::{Kind, Tensor};

use super::batches::{Batches, rows_within};
use super::density::Density;
use super::{Adaptive, Loss};
use crate::error::{Error, Result};
use crate::train::criterion::Criterion;
use crate::train::model::{Model, Prepared};

/// The distance of a model's outputs from targets: in units of the model's output scaling, or of the data where the
/// criterion [compares those](Criterion::compares_raw).
#[derive(Debug)]
pub struct DataLoss {
    name: String,
    criterion: Criterion,
    inputs: Array2<f64>,
    targets: Array2<f64>,
    held_out: HeldOut,
    batch: usize,
    adaptive: Option<Adaptive>,
    prepared: Option<Tables>,
}

#[derive(Debug)]
enum HeldOut {
    Fraction(f64),
    Separate(Array2<f64>, Array2<f64>),
}

#[derive(Debug)]
struct Tables {
    batches: Batches,
    /// Rows in the order given.
    training: Prepared,
    /// Rows in the order of `epoch`.
    shuffled: Option<(u64, Prepared)>,
    validation: Option<Prepared>,
    density: Option<Density>,
}

/// Rows whose errors are measured at once.
const ROWS_AT_ONCE: i64 = 8192;

impl DataLoss {
    /// The loss on raw `inputs` `[n, n_inputs]` and raw `targets` `[n, n_outputs]`; a tenth of
    /// the rows, drawn at random, is held out for validation.
    pub fn new(criterion: Criterion, inputs: Array2<f64>, targets: Array2<f64>) -> Self {
        Self {
            name: "data".into(),
            criterion,
            inputs,
            targets,
            held_out: HeldOut::Fraction(0.1),
            batch: 1024,
            adaptive: None,
            prepared: None,
        }
    }

    /// Rows of a batch; 1024 if not called.
    #[must_use]
    pub fn batch_size(mut self, rows: usize) -> Self {
        self.batch = rows;
        self
    }

    /// Draws rows of large error more often than others.
    #[must_use]
    pub fn adaptive(mut self, adaptive: Adaptive) -> Self {
        self.adaptive = Some(adaptive);
        self
    }

    /// The name in progress lines and files; `data` if not called.
    #[must_use]
    pub fn named(mut self, name: &str) -> Self {
        self.name = name.to_owned();
        self
    }

    /// Holds out this fraction of the rows; 0 validates on the training rows themselves.
    #[must_use]
    pub fn validation_fraction(mut self, fraction: f64) -> Self {
        self.held_out = HeldOut::Fraction(fraction);
        self
    }

    /// Validates on these rows instead; the right choice where rows belong together, as those
    /// of one trajectory do.
    #[must_use]
    pub fn validation_data(mut self, inputs: Array2<f64>, targets: Array2<f64>) -> Self {
        self.held_out = HeldOut::Separate(inputs, targets);
        self
    }
}

impl DataLoss {
    /// Predictions and targets of the batch of `iteration`, to compare.
    fn predict(&mut self, model: &Model, iteration: u64) -> (Tensor, Tensor) {
        let tables = self.prepared.as_mut().expect("prepared before training");
        if let Some(density) = &mut tables.density {
            if density.is_due(iteration) {
                density.measure(&errors(model, &tables.training), iteration);
            }
            let n = tables.batches.size() as usize;
            if let Some(drawn) = density.draw(n, iteration, model.network().device()) {
                return model.compare_prepared(&tables.training.select(&drawn));
            }
        }
        if tables.batches.is_whole() {
            return model.compare_prepared(&tables.training);
        }
        let (epoch, start) = tables.batches.locate(iteration);
        if tables.shuffled.as_ref().is_none_or(|(e, _)| *e != epoch) {
            let order = tables.batches.order(epoch, model.network().device());
            tables.shuffled = Some((epoch, tables.training.select(&order)));
        }
        let (_, shuffled) = tables.shuffled.as_ref().expect("shuffled above");
        model.compare_prepared(&shuffled.rows(start, tables.batches.size()))
    }
}

/// Mean absolute error of each row `[n]`.
fn errors(model: &Model, rows: &Prepared) -> Tensor {
    tch::no_grad(|| {
        let starts = (0..rows.n_rows()).step_by(ROWS_AT_ONCE as usize);
        let parts: Vec<Tensor> = starts
            .map(|start| {
                let part = rows.rows(start, ROWS_AT_ONCE.min(rows.n_rows() - start));
                let (predictions, targets) = model.compare_prepared(&part);
                (predictions - targets).abs().mean_dim(1, false, Kind::Double)
            })
            .collect();
        Tensor::cat(&parts, 0)
    })
}

impl Loss for DataLoss {
    fn name(&self) -> &str {
        &self.name
    }

    fn prepare(&mut self, model: &Model, seed: u64) -> Result<()> {
        let criterion = self.criterion.check_columns(model.n_outputs());
        criterion.map_err(|e| e.at(format!("loss \"{}\"", self.name)))?;
        if self.batch == 0 {
            return Err(Error::invalid("a batch of 0 rows").at(self.name.clone()));
        }
        if matches!(self.criterion, Criterion::RelativeL2 | Criterion::RelativeL2Squared)
            && self.targets.iter().all(|&target| target == 0.0)
        {
            return Err(Error::invalid("errors relative to targets that are all zero")
                .at(format!("loss \"{}\"", self.name))
                .remedy("use mse or mae"));
        }
        if self.criterion.compares_raw() && model.repeats_a_stage() {
            return Err(Error::invalid("a criterion in the units of the data for a repeated stage")
                .at(format!("loss \"{}\"", self.name))
                .remedy("use mse, mae or huber"));
        }
        let prepare = |inputs: &Array2<f64>, targets: &Array2<f64>| {
            let within = match model.trained_times() {
                None => None,
                Some((time, times)) => Some(rows_within(inputs, time, times)?),
            };
            let select = |table: &Array2<f64>| match &within {
                None => table.clone(),
                Some(rows) => table.select(Axis(0), rows),
            };
            let (inputs, targets) = (select(inputs), select(targets));
            let mut rows = model.prepare(inputs.view(), targets.view())?;
            rows.raw_targets = self.criterion.compares_raw().then(|| model.tensor(targets.view()));
            Ok(rows)
        };
        let all: Result<Prepared> = prepare(&self.inputs, &self.targets);
        let all = all.map_err(|e| e.at(format!("the data of loss \"{}\"", self.name)))?;
        let (training, validation) = match &self.held_out {
            HeldOut::Separate(inputs, targets) => {
                let validation = prepare(inputs, targets);
                let place = format!("the validation data of loss \"{}\"", self.name);
                (all, Some(validation.map_err(|e| e.at(place))?))
            }
            HeldOut::Fraction(fraction) if *fraction == 0.0 => (all, None),
            HeldOut::Fraction(fraction) => {
                let n_held_out = (fraction * all.n_rows() as f64).round() as i64;
                if !(0.0..1.0).contains(fraction) || n_held_out >= all.n_rows() {
                    return Err(Error::invalid(format!("a validation fraction of {fraction}"))
                        .remedy("use a number of at least 0 and below 1"));
                }
                // The order of no epoch, so that the split does not follow the first shuffle.
                let split =
                    Batches::new(all.n_rows() as usize, 1, seed).order(u64::MAX, model.network().device());
                let n_kept = all.n_rows() - n_held_out;
                let held_out = (n_held_out > 0).then(|| all.select(&split.narrow(0, n_kept, n_held_out)));
                (all.select(&split.narrow(0, 0, n_kept)), held_out)
            }
        };
        let batches = Batches::new(training.n_rows() as usize, self.batch, seed);
        if let Some(adaptive) = &self.adaptive {
            adaptive.check().map_err(|e| e.at(format!("loss \"{}\"", self.name)))?;
        }
        let density = self.adaptive.map(|settings| Density::new(settings, seed));
        self.prepared = Some(Tables { batches, training, shuffled: None, validation, density });
        Ok(())
    }

    fn on_batch(&mut self, model: &Model, iteration: u64) -> Tensor {
        let (predictions, targets) = self.predict(model, iteration);
        self.criterion.evaluate(&predictions, &targets)
    }

    fn residuals(&mut self, model: &Model, iteration: u64) -> Option<Tensor> {
        matches!(self.criterion, Criterion::Mse).then(|| {
            let (predictions, targets) = self.predict(model, iteration);
            predictions - targets
        })
    }

    fn is_fixed(&self) -> bool {
        let tables = self.prepared.as_ref().expect("prepared before training");
        tables.density.is_none() && tables.batches.is_whole()
    }

    fn state(&self) -> Option<Tensor> {
        self.prepared.as_ref()?.density.as_ref().map(Density::state)
    }

    fn restore(&mut self, state: &Tensor) -> Result<()> {
        let density = self.prepared.as_mut().and_then(|tables| tables.density.as_mut());
        density.map_or(Ok(()), |density| density.restore(state))
    }

    fn on_validation(&self, model: &Model) -> Option<Tensor> {
        let tables = self.prepared.as_ref().expect("prepared before training");
        let rows = tables.validation.as_ref().unwrap_or(&tables.training);
        let (predictions, targets) = model.compare_prepared(rows);
        Some(self.criterion.evaluate(&predictions, &targets))
    }
}
