//! SOAP: Adam in the eigenbasis of Shampoo's preconditioner (Vyas et al. 2024, arXiv 2409.11321).

use std::collections::BTreeMap;

use tch::{Kind, Tensor};

use super::adam::step_size;
use super::{GradientMethod, take, take_number};
use crate::error::Result;
use crate::train::network::{Layer, Network};

/// SOAP's constants; the defaults are the paper's.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Soap {
    /// Decay of the mean gradient.
    pub beta1: f64,
    /// Decay of the mean squared gradient in the eigenbasis.
    pub beta2: f64,
    /// Decay of the mean outer products of gradients.
    pub gram_decay: f64,
    /// Added to the root of the mean square.
    pub epsilon: f64,
    /// Steps between updates of the eigenbasis.
    pub refresh_every: u64,
    /// A side longer than this keeps its own axes, because a step costs the cube of it.
    pub longest_side: usize,
}

impl Default for Soap {
    fn default() -> Self {
        Self {
            beta1: 0.95,
            beta2: 0.95,
            gram_decay: 0.95,
            epsilon: 1e-8,
            refresh_every: 10,
            longest_side: 1024,
        }
    }
}

pub(super) struct Running {
    constants: Soap,
    blocks: Vec<Block>,
    steps: i64,
}

/// One layer's parameters as a matrix: the weights with the bias as their last column, so that
/// their correlations count and a layer is one matrix.
struct Block {
    /// Mean gradient in the eigenbasis.
    mean: Tensor,
    /// Mean squared gradient in the eigenbasis.
    square: Tensor,
    left: Option<Side>,
    right: Option<Side>,
}

/// One side's mean outer product of gradients and its (approximate) eigenvectors in columns.
struct Side {
    gram: Tensor,
    basis: Tensor,
}

impl Running {
    pub fn new(constants: Soap, network: &Network) -> Self {
        let blocks = network.trained_layers().map(|l| Block::new(l, constants.longest_side)).collect();
        Self { constants, blocks, steps: 0 }
    }
}

impl GradientMethod for Running {
    fn follow(&mut self, network: &Network, gradients: &[Tensor], rate: f64) {
        self.steps += 1;
        let size = step_size(rate, self.constants.beta1, self.constants.beta2, self.steps);
        let refresh = (self.steps as u64).is_multiple_of(self.constants.refresh_every);
        let layers = network.trained_layers().zip(gradients.chunks_exact(2));
        for (block, (layer, gradient)) in self.blocks.iter_mut().zip(layers) {
            let gradient = Tensor::cat(&[&gradient[0], &gradient[1].unsqueeze(1)], 1);
            if self.steps == 1 {
                block.start_bases(&gradient);
            }
            let change = block.direction(&gradient, &self.constants) * -size;
            let n_inputs = change.size()[1] - 1;
            let _ = layer.weight.shallow_clone().g_add_(&change.narrow(1, 0, n_inputs));
            let _ = layer.bias.shallow_clone().g_add_(&change.select(1, n_inputs));
            block.gather(&gradient, 1.0 - self.constants.gram_decay);
            if refresh {
                block.refresh_bases();
            }
        }
    }

    fn state(&self) -> BTreeMap<String, Tensor> {
        let mut state = BTreeMap::new();
        state.insert("steps".to_owned(), Tensor::from_slice(&[self.steps as f64]));
        for (i, block) in self.blocks.iter().enumerate() {
            for (name, tensor) in block.tensors() {
                state.insert(format!("{i}.{name}"), tensor.copy());
            }
        }
        state
    }

    fn restore(&mut self, state: &BTreeMap<String, Tensor>) -> Result<()> {
        self.steps = take_number(state, "steps")? as i64;
        for (i, block) in self.blocks.iter_mut().enumerate() {
            for (name, mut tensor) in block.tensors() {
                take(state, &format!("{i}.{name}"), &mut tensor)?;
            }
        }
        Ok(())
    }
}

impl Block {
    fn new(layer: &Layer, longest_side: usize) -> Self {
        let [n_outputs, n_inputs] = layer.shape();
        let options = (layer.weight.kind(), layer.weight.device());
        let zeros = |rows: usize, columns: usize| Tensor::zeros([rows as i64, columns as i64], options);
        let side = |n: usize| {
            (n <= longest_side).then(|| Side { gram: zeros(n, n), basis: Tensor::eye(n as i64, options) })
        };
        Self {
            mean: zeros(n_outputs, n_inputs + 1),
            square: zeros(n_outputs, n_inputs + 1),
            left: side(n_outputs),
            right: side(n_inputs + 1),
        }
    }

    /// Adam's direction in the eigenbasis, turned back.
    fn direction(&mut self, gradient: &Tensor, constants: &Soap) -> Tensor {
        let turned = self.turn(gradient, |left, x| left.tr().matmul(x), |x, right| x.matmul(right));
        let _ = self.mean.lerp_(&turned, 1.0 - constants.beta1);
        let _ = self.square.lerp_(&turned.square(), 1.0 - constants.beta2);
        let direction = &self.mean / (self.square.sqrt() + constants.epsilon);
        self.turn(&direction, |left, x| left.matmul(x), |x, right| x.matmul(&right.tr()))
    }

    fn turn(
        &self,
        x: &Tensor,
        left: impl Fn(&Tensor, &Tensor) -> Tensor,
        right: impl Fn(&Tensor, &Tensor) -> Tensor,
    ) -> Tensor {
        let x = self.left.as_ref().map_or_else(|| x.shallow_clone(), |side| left(&side.basis, x));
        self.right.as_ref().map_or_else(|| x.shallow_clone(), |side| right(&x, &side.basis))
    }

    /// Adds a gradient to the mean outer products of both sides.
    fn gather(&mut self, gradient: &Tensor, weight: f64) {
        if let Some(side) = &mut self.left {
            let _ = side.gram.lerp_(&gradient.matmul(&gradient.tr()), weight);
        }
        if let Some(side) = &mut self.right {
            let _ = side.gram.lerp_(&gradient.tr().matmul(gradient), weight);
        }
    }

    /// Starts from the eigenvectors of the first gradient's outer products.
    fn start_bases(&mut self, gradient: &Tensor) {
        self.gather(gradient, 1.0);
        for side in [&mut self.left, &mut self.right].into_iter().flatten() {
            let (_, vectors) = side.gram.to_kind(Kind::Double).linalg_eigh("L");
            side.basis.copy_(&vectors);
        }
    }

    /// One step of orthogonal iteration on each side; the means are turned along. The squares
    /// stay where they are, as the paper does: the basis turns little between updates.
    fn refresh_bases(&mut self) {
        if let Some(side) = &mut self.left {
            let (order, turn) = side.refresh();
            self.mean = turn.matmul(&self.mean.index_select(0, &order));
            self.square = self.square.index_select(0, &order);
        }
        if let Some(side) = &mut self.right {
            let (order, turn) = side.refresh();
            self.mean = self.mean.index_select(1, &order).matmul(&turn.tr());
            self.square = self.square.index_select(1, &order);
        }
    }

    /// What is saved, sharing memory.
    fn tensors(&self) -> Vec<(&'static str, Tensor)> {
        let mut tensors = vec![("mean", self.mean.shallow_clone()), ("square", self.square.shallow_clone())];
        if let Some(side) = &self.left {
            tensors.extend([
                ("left.gram", side.gram.shallow_clone()),
                ("left.basis", side.basis.shallow_clone()),
            ]);
        }
        if let Some(side) = &self.right {
            tensors.extend([
                ("right.gram", side.gram.shallow_clone()),
                ("right.basis", side.basis.shallow_clone()),
            ]);
        }
        tensors
    }
}

impl Side {
    /// The new order of the old eigenvectors (largest eigenvalue first, on which the iteration's
    /// convergence depends) and the rotation from the reordered old basis to the new one.
    fn refresh(&mut self) -> (Tensor, Tensor) {
        let product = self.gram.matmul(&self.basis);
        let eigenvalues = (&product * &self.basis).sum_dim_intlist(0, false, self.gram.kind());
        let order = eigenvalues.argsort(0, true);
        let old = self.basis.index_select(1, &order);
        let (new, _) = Tensor::linalg_qr(&product.index_select(1, &order), "reduced");
        let turn = new.tr().matmul(&old);
        // LAPACK's columns are rows here: rounding, and so a resumed training, depends on the layout.
        self.basis = new.contiguous();
        (order, turn)
    }
}
