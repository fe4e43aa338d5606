//! A loss that a function computes.

use std::fmt;

use tch::Tensor;

use super::Loss;
use crate::error::{Error, Result};
use crate::train::model::Model;

/// Shape of a tensor of one number.
const ONE_NUMBER: [i64; 0] = [];

/// The loss of an iteration.
type OnBatch = dyn FnMut(&Model, u64) -> Tensor;
/// The loss on what was held out.
type OnValidation = dyn Fn(&Model) -> Tensor;

/// A loss of one's own: a conservation law, a penalty on parameters, data of another shape.
///
/// ```no_run
/// # fn main() -> emucell::Result<()> {
/// use emucell::Activation;
/// use emucell::train::{CustomLoss, FullyConnected, Trainer};
/// let network = FullyConnected::new(2, 1, &[(Activation::Tanh, 16)])?;
/// let mut trainer = Trainer::new(network, "results")?;
/// let small = CustomLoss::new("weight decay", |model, _| {
///     let leaves = model.network().leaves();
///     leaves.iter().map(|leaf| leaf.square().sum(leaf.kind())).reduce(|a, b| a + b).unwrap()
/// });
/// trainer.add_loss(small, 1e-6);
/// # Ok(())
/// # }
/// ```
pub struct CustomLoss {
    name: String,
    on_batch: Box<OnBatch>,
    on_validation: Option<Box<OnValidation>>,
}

impl fmt::Debug for CustomLoss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CustomLoss").field("name", &self.name).finish_non_exhaustive()
    }
}

impl CustomLoss {
    /// The loss that `on_batch` computes from the model and the iteration's number: a tensor of one number that
    /// depends, through its graph, on the model's parameters. What is random about it should follow from the
    /// iteration's number, or a resumed training will not give the same numbers. It is called once with the number 0
    /// before training, to see that it gives what is wanted, and several times in an iteration by methods that search
    /// along a line and where losses are balanced.
    ///
    /// It has no part in the validation error; see [`Self::validation`].
    pub fn new(name: &str, on_batch: impl FnMut(&Model, u64) -> Tensor + 'static) -> Self {
        Self { name: name.to_owned(), on_batch: Box::new(on_batch), on_validation: None }
    }

    /// Adds the number that `on_validation` computes, times the loss's weight, to the validation error.
    #[must_use]
    pub fn validation(mut self, on_validation: impl Fn(&Model) -> Tensor + 'static) -> Self {
        self.on_validation = Some(Box::new(on_validation));
        self
    }
}

impl Loss for CustomLoss {
    fn name(&self) -> &str {
        &self.name
    }

    fn prepare(&mut self, model: &Model, _: u64) -> Result<()> {
        let fault = |what: String, remedy: &str| {
            Err(Error::invalid(what).at(format!("loss \"{}\"", self.name)).remedy(remedy))
        };
        let check = |value: &Tensor| match value.numel() {
            1 => Ok(()),
            _ => {
                fault(format!("a tensor of shape {:?}", value.size()), "give one number, a mean for example")
            }
        };
        let value = (self.on_batch)(model, 0);
        check(&value)?;
        if !value.requires_grad() {
            return fault(
                "a number that does not depend on the model's parameters".to_owned(),
                "compute it from Model::forward or the network's leaves, without detaching",
            );
        }
        self.on_validation.as_ref().map_or(Ok(()), |f| check(&tch::with_grad(|| f(model))))
    }

    fn on_batch(&mut self, model: &Model, iteration: u64) -> Tensor {
        (self.on_batch)(model, iteration).reshape(ONE_NUMBER)
    }

    fn on_validation(&self, model: &Model) -> Option<Tensor> {
        // A derivative in time needs a graph even where the parameters do not.
        self.on_validation.as_ref().map(|f| tch::with_grad(|| f(model)).detach().reshape(ONE_NUMBER))
    }
}
