//! What a method minimises: the weighted sum of the losses on the batch of one iteration.

use tch::{Kind, Tensor};

use super::loss::Loss;
use super::model::Model;
use super::network::Network;

/// The weighted sum of the losses on the batch of one iteration, wherever a method moves the parameters.
pub(crate) struct Objective<'a> {
    model: &'a mut Model,
    losses: &'a mut [(Box<dyn Loss>, f64)],
    /// The losses' present weights.
    weights: &'a [f64],
    seed: u64,
    iteration: u64,
    clip: Option<f64>,
    /// Each loss without its weight at the parameters first asked about, `[losses]`.
    terms: Option<Tensor>,
    gradients: Vec<Tensor>,
}

/// The objective at some parameters.
pub(crate) struct Evaluation {
    pub value: f64,
    /// One number a trained parameter, in double precision.
    pub gradient: Tensor,
    terms: Tensor,
}

/// Residuals `[m]`, whose squares add up to the objective, and their derivatives `[m, parameters]`.
pub(crate) struct Jacobian {
    pub residuals: Tensor,
    pub derivatives: Tensor,
}

impl Evaluation {
    pub fn is_finite(&self) -> bool {
        self.value.is_finite() && self.gradient.isfinite().all().int64_value(&[]) == 1
    }
}

impl<'a> Objective<'a> {
    pub fn new(
        model: &'a mut Model,
        losses: &'a mut [(Box<dyn Loss>, f64)],
        weights: &'a [f64],
        seed: u64,
        iteration: u64,
        clip: Option<f64>,
    ) -> Self {
        Self { model, losses, weights, seed, iteration, clip, terms: None, gradients: Vec::new() }
    }

    pub fn network(&self) -> &Network {
        self.model.network()
    }

    /// The losses at the parameters that the iteration began with, and the latest gradient.
    pub fn finish(self) -> (Option<Tensor>, Vec<Tensor>) {
        (self.terms, self.gradients)
    }

    /// True when all iterations have the same objective.
    pub fn is_fixed(&self) -> bool {
        self.losses.iter().all(|(loss, _)| loss.is_fixed())
    }

    /// The gradient here, clipped, one tensor for each of [`Network::leaves`]; does not wait for the device.
    pub fn gradients(&mut self) -> Vec<Tensor> {
        let (total, _) = tch::with_grad(|| self.total());
        self.backward(&total);
        if let Some(limit) = self.clip {
            clip_gradients(&mut self.gradients, limit);
        }
        self.gradients.iter().map(Tensor::shallow_clone).collect()
    }

    /// The lengths of the losses' gradients here, without their weights.
    pub fn gradient_lengths(&mut self) -> Vec<f64> {
        let Self { model, losses, seed, iteration, .. } = self;
        let leaves = model.network().leaves();
        let length = |(loss, _): &mut (Box<dyn Loss>, f64)| {
            let on_batch = || loss.on_batch(model, *iteration);
            let term = tch::with_grad(|| model.network().in_training(*seed, *iteration, on_batch));
            let gradients = Tensor::run_backward(&[term], &leaves, false, false);
            norm(&gradients).double_value(&[])
        };
        losses.iter_mut().map(length).collect()
    }

    /// The objective and its gradient here.
    pub fn evaluate(&mut self) -> Evaluation {
        let (total, terms) = tch::with_grad(|| self.total());
        self.backward(&total);
        Evaluation { value: total.double_value(&[]), gradient: flat(&self.gradients), terms }
    }

    /// Takes what [`Self::evaluate`] gave here at the end of the iteration before.
    pub fn take(&mut self, evaluation: &Evaluation) {
        self.terms = Some(evaluation.terms.shallow_clone());
        self.gradients = self.like_leaves(&evaluation.gradient);
    }

    /// The objective here.
    pub fn value(&mut self) -> f64 {
        // Residuals need a graph for their derivative in time.
        tch::with_grad(|| self.total()).0.double_value(&[])
    }

    /// Residuals and their derivatives here, in double precision.
    ///
    /// # Panics
    /// If a loss is no mean square, which is found before training starts.
    pub fn jacobian(&mut self) -> Jacobian {
        let Self { model, losses, seed, iteration, .. } = self;
        let mut blocks = Vec::new();
        let mut terms = Vec::new();
        for ((loss, _), weight) in losses.iter_mut().zip(self.weights) {
            let mut ask = |model: &Model| {
                let residuals = || loss.residuals(model, *iteration).expect("a mean of squares");
                model.network().in_training(*seed, *iteration, residuals)
            };
            let residuals = tch::with_grad(|| ask(model)).detach();
            terms.push(residuals.square().mean(residuals.kind()));
            let scale = (*weight / residuals.numel() as f64).sqrt();
            let derivatives = derivatives(model, residuals.size()[0], &mut ask);
            let double = |t: &Tensor| t.to_kind(Kind::Double) * scale;
            // Column after column, as the derivatives are.
            blocks.push((double(&residuals.tr().reshape([-1])), double(&derivatives)));
        }
        self.terms.get_or_insert_with(|| Tensor::stack(&terms, 0));
        let (residuals, derivatives): (Vec<_>, Vec<_>) = blocks.into_iter().unzip();
        let jacobian =
            Jacobian { residuals: Tensor::cat(&residuals, 0), derivatives: Tensor::cat(&derivatives, 0) };
        let gradient = jacobian.derivatives.tr().mv(&jacobian.residuals) * 2.0;
        self.gradients = self.like_leaves(&gradient);
        jacobian
    }

    /// The weighted sum with its graph, and its terms without.
    fn total(&mut self) -> (Tensor, Tensor) {
        let Self { model, losses, seed, iteration, .. } = self;
        let on_batch = || losses.iter_mut().map(|(loss, _)| loss.on_batch(model, *iteration)).collect();
        let terms: Vec<Tensor> = model.network().in_training(*seed, *iteration, on_batch);
        let values = match terms.as_slice() {
            [single] => single.detach().view([1]),
            several => tch::no_grad(|| Tensor::stack(several, 0)),
        };
        self.terms.get_or_insert_with(|| values.shallow_clone());
        let weighted = terms.iter().zip(self.weights);
        let total = weighted
            .map(|(term, weight)| if *weight == 1.0 { term.shallow_clone() } else { term * *weight })
            .reduce(|sum, term| sum + term)
            .expect("at least one loss");
        (total, values)
    }

    fn backward(&mut self, total: &Tensor) {
        self.gradients = Tensor::run_backward(&[total], &self.model.network().leaves(), false, false);
    }

    /// A row of one number a parameter as tensors of the leaves' shapes.
    fn like_leaves(&self, row: &Tensor) -> Vec<Tensor> {
        let mut start = 0;
        let part = |leaf: &Tensor| {
            let length = leaf.numel() as i64;
            start += length;
            row.narrow(0, start - length, length).view(leaf.size().as_slice())
        };
        self.model.network().leaves().into_iter().map(part).collect()
    }
}

/// d residual / d parameter, `[columns · n, parameters]`, column after column: with parameters of each row's own, a
/// backward pass of a column's sum gives the derivatives of all its rows.
fn derivatives(model: &mut Model, n_rows: i64, residuals: &mut impl FnMut(&Model) -> Tensor) -> Tensor {
    if model.mixes_rows() {
        return derivatives_one_by_one(model, residuals);
    }
    model.network_mut().part_rows(n_rows);
    let sums = tch::with_grad(|| {
        let residuals = residuals(model);
        residuals.sum_dim_intlist(0, false, residuals.kind()).unbind(0)
    });
    let leaves = model.network().leaves();
    let columns = sums.iter().map(|sum| {
        let parts = Tensor::run_backward(&[sum], &leaves, true, false);
        let parts: Vec<Tensor> = parts.iter().map(|g| g.reshape([n_rows, -1])).collect();
        Tensor::cat(&parts, 1)
    });
    let derivatives = Tensor::cat(&columns.collect::<Vec<_>>(), 0);
    model.network_mut().join_rows();
    derivatives
}

/// The same with a backward pass for each residual.
fn derivatives_one_by_one(model: &Model, residuals: &mut impl FnMut(&Model) -> Tensor) -> Tensor {
    let all = tch::with_grad(|| residuals(model).tr().reshape([-1]).unbind(0));
    let leaves = model.network().leaves();
    let rows = all.iter().map(|residual| {
        let parts = Tensor::run_backward(&[residual], &leaves, true, false);
        Tensor::cat(&parts.iter().map(|g| g.reshape([-1])).collect::<Vec<_>>(), 0)
    });
    Tensor::stack(&rows.collect::<Vec<_>>(), 0)
}

/// Gradients as one row of doubles.
fn flat(gradients: &[Tensor]) -> Tensor {
    let parts: Vec<Tensor> = gradients.iter().map(|g| g.reshape([-1])).collect();
    Tensor::cat(&parts, 0).to_kind(Kind::Double)
}

/// Scales all gradients by min(1, limit / norm), without waiting for the device.
fn clip_gradients(gradients: &mut [Tensor], limit: f64) {
    let factor = (limit / (norm(gradients) + 1e-12)).clamp_max(1.0);
    gradients.iter_mut().for_each(|g| *g = &*g * &factor);
}

fn norm(gradients: &[Tensor]) -> Tensor {
    let squares = gradients.iter().map(|g| g.square().sum(g.kind()));
    squares.reduce(|a, b| a + b).expect("a network has parameters").sqrt()
}
