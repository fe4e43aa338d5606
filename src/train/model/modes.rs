//! A trunk that begins at what trajectories are mostly made of.

use ndarray::ArrayView2;
use tch::{Kind, Tensor};

use super::{Body, Model};
use crate::error::{Error, Result};

/// Ridge of the least squares relative to the largest entry: random features of one time are nearly dependent.
const RIDGE: f64 = 1e-9;

impl Model {
    /// Sets the last layer of the trunk of a product at given times such that it gives, as well as it can, the proper
    /// orthogonal modes of trajectories, for coefficients of size one. `inputs` and `targets` are raw, one row a cell.
    ///
    /// # Errors
    /// Another shape of model, data that do not fit it, more terms than times.
    pub(crate) fn start_trunk_at_modes(
        &mut self,
        inputs: ArrayView2<f64>,
        targets: ArrayView2<f64>,
    ) -> Result<()> {
        let prepared = self.prepare(inputs, targets)?;
        let Body::Product(product) = &self.body else {
            return Err(Error::invalid("modes of a model without a trunk"));
        };
        let Some(at) = &product.at else {
            return Err(Error::invalid("modes of a trunk whose times are not known"));
        };
        let trunk = &self.network.parts()[1];
        let (n_times, n_states) = (at.nrows() as i64, product.n_states as i64);
        let rank = trunk.n_outputs() as i64 / n_states;
        if rank > n_times {
            return Err(Error::invalid(format!("{rank} modes of trajectories at {n_times} times"))
                .remedy("give a rank of at most the number of times"));
        }
        tch::no_grad(|| {
            let numbers = prepared.targets.to_kind(Kind::Double).view([-1, n_times, n_states]);
            let modes: Vec<Tensor> = (0..n_states)
                .map(|j| {
                    let of_state = numbers.select(2, j);
                    let second_moments = of_state.transpose(0, 1).matmul(&of_state) / numbers.size()[0];
                    let (sizes, modes) = second_moments.linalg_eigh("L");
                    // Ascending: the largest are the last.
                    let sizes = sizes.narrow(0, n_times - rank, rank).clamp_min(0.0).sqrt();
                    modes.narrow(1, n_times - rank, rank) * sizes
                })
                .collect();
            let modes = Tensor::cat(&modes, 1);
            let hidden = trunk.hidden_outputs(&self.tensor(at.view())).to_kind(Kind::Double);
            let ones = Tensor::ones([n_times, 1], (Kind::Double, hidden.device()));
            let features = Tensor::cat(&[hidden, ones], 1);
            let n = features.size()[1];
            let normal = features.transpose(0, 1).matmul(&features);
            let ridge = Tensor::eye(n, (Kind::Double, features.device())) * (normal.abs().max() * RIDGE);
            let solution =
                Tensor::linalg_solve(&(normal + ridge), &features.transpose(0, 1).matmul(&modes), true);
            trunk.set_last_layer(&solution.narrow(0, 0, n - 1).transpose(0, 1), &solution.select(0, n - 1));
        });
        Ok(())
    }
}
