//! What networks of increments are fitted to: targets on a curve on which small increments count as much as large ones.

use super::checkpoint::Kept;
use super::fit;
use super::network::Layer;
use crate::activation::Activation;
use crate::error::{Error, Result};

/// Part of a large increment that counts as small: below it errors count absolutely, above it relatively.
const SMALL: f64 = 0.02;
/// Weight of errors of the increment itself beside those of its inverse hyperbolic sine: the former make the velocity, the latter
/// the duration of action potentials.
pub const LINEAR: f64 = 0.3;

/// Parameters on their way to the data: what computes gradients.
pub trait Fit {
    /// Replaces the data: scaled features, cell after cell, and scaled targets, one curve each. Errors of the increments themselves,
    /// in units of their spread, count `linear` times.
    fn set(&mut self, inputs: &[f32], targets: &[f32], curves: &[Curve], linear: f64);
    /// Forgets how the parameters moved so far.
    fn restart(&mut self);
    /// One step of size `rate` down the error on the given cells.
    fn step(&mut self, cells: &[i64], rate: f64);
    /// Weights and biases of each layer in turn.
    fn parameters(&self) -> Vec<f64>;
    /// Parameters and everything else that the next step depends on.
    fn state(&self) -> Vec<f64>;
    /// Takes back what [`Self::state`] gave.
    ///
    /// # Errors
    /// Another number of numbers.
    fn restore(&mut self, state: &[f64]) -> Result<()>;
}

/// target = asinh(increment / scale) / width.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Curve {
    /// Increments below it are small.
    pub scale: f64,
    /// Spread of asinh(increment / scale).
    pub width: f64,
    /// Spread of the increments.
    pub deviation: f64,
}

impl Curve {
    /// No data yet.
    pub const UNIT: Self = Self { scale: 1.0, width: 1.0, deviation: 1.0 };

    /// The curve for `increments` of which those below `scale` are small.
    pub fn of(increments: &[f64], scale: f64) -> Self {
        let curved: Vec<f64> = increments.iter().map(|c| (c / scale).asinh()).collect();
        Self { scale, width: moments(curved.iter()).1, deviation: moments(increments.iter()).1 }
    }

    /// The target for an increment.
    pub fn target(&self, increment: f64) -> f32 {
        ((increment / self.scale).asinh() / self.width) as f32
    }
}

/// Shift and spread of inputs.
#[derive(Clone, Debug, PartialEq)]
pub struct Scaling {
    pub shift: Vec<f64>,
    pub spread: Vec<f64>,
}

impl Scaling {
    /// Leaves `n` inputs as they are.
    pub fn none(n: usize) -> Self {
        Self { shift: vec![0.0; n], spread: vec![1.0; n] }
    }

    /// Brings rows of `n` inputs to mean 0 and spread 1.
    pub fn of(inputs: &[f64], n: usize) -> Self {
        let (shift, spread) = (0..n).map(|j| moments(inputs.iter().skip(j).step_by(n))).unzip();
        Self { shift, spread }
    }

    /// The inputs scaled.
    pub fn apply(&self, inputs: &[f64]) -> Vec<f32> {
        let n = self.shift.len();
        let scaled = inputs.iter().enumerate().map(|(k, x)| (x - self.shift[k % n]) / self.spread[k % n]);
        scaled.map(|x| x as f32).collect()
    }
}

/// A network in training, with the scalings of its data.
pub struct Fitted {
    hidden: Vec<(Activation, usize)>,
    fit: Box<dyn Fit>,
    scaling: Scaling,
    /// One an output.
    pub curves: Vec<Curve>,
}

impl Fitted {
    /// A network that knows no data yet.
    ///
    /// # Errors
    /// A build that cannot train.
    pub fn new(
        n_features: usize,
        n_outputs: usize,
        hidden: &[(Activation, usize)],
        seed: u64,
    ) -> Result<Self> {
        let fit = fit::start(n_features, n_outputs, hidden, seed)?;
        let (scaling, curves) = (Scaling::none(n_features), vec![Curve::UNIT; n_outputs]);
        Ok(Self { hidden: hidden.to_vec(), fit, scaling, curves })
    }

    /// Replaces the data: features, cell after cell, and the increments of each output. Scalings are chosen only before training
    /// begins, because the network is made for them.
    pub fn set(&mut self, features: &[f64], increments: &[Vec<f64>], with_scalings: bool) {
        if with_scalings {
            self.scaling = Scaling::of(features, self.scaling.shift.len());
            self.curves = increments.iter().map(|own| Curve::of(own, small(own))).collect();
        }
        let n_cells = increments[0].len();
        let outputs = || self.curves.iter().zip(increments);
        let targets: Vec<f32> =
            (0..n_cells).flat_map(|i| outputs().map(move |(curve, own)| curve.target(own[i]))).collect();
        self.fit.set(&self.scaling.apply(features), &targets, &self.curves, LINEAR);
        self.fit.restart();
    }

    /// One step of size `rate` down the error on the given cells.
    pub fn step(&mut self, cells: &[i64], rate: f64) {
        self.fit.step(cells, rate);
    }

    /// The layers for features as they are, which end in what the increments are scale · sinh of.
    ///
    /// # Errors
    /// A network that diverged.
    pub fn layers(&self) -> Result<Vec<Layer>> {
        layers(&self.fit.parameters(), &self.hidden, &self.scaling, &self.curves)
    }

    /// Keeps the network under `name`.
    pub fn keep(&self, name: &str, kept: &mut Kept) {
        let Scaling { shift, spread } = &self.scaling;
        let curves: Vec<f64> = self.curves.iter().flat_map(|c| [c.scale, c.width, c.deviation]).collect();
        kept.put(&format!("{name}_network"), &self.fit.state());
        kept.put(&format!("{name}_shift"), shift);
        kept.put(&format!("{name}_spread"), spread);
        kept.put(&format!("{name}_curves"), &curves);
    }

    /// Takes the scalings back, which the data are set with.
    ///
    /// # Errors
    /// Those of another network.
    pub fn take_back_scalings(&mut self, name: &str, kept: &Kept) -> Result<()> {
        let numbers = |what: &str| kept.numbers(&format!("{name}_{what}"));
        let (shift, spread, curves) = (numbers("shift")?, numbers("spread")?, numbers("curves")?);
        let n = self.scaling.shift.len();
        if shift.len() != n || spread.len() != n || curves.len() != 3 * self.curves.len() {
            return Err(Error::format(format!("another network {name} in the checkpoint")));
        }
        self.scaling = Scaling { shift: shift.to_vec(), spread: spread.to_vec() };
        let curve = |c: &[f64]| Curve { scale: c[0], width: c[1], deviation: c[2] };
        self.curves = curves.chunks_exact(3).map(curve).collect();
        Ok(())
    }

    /// Takes back the network itself.
    ///
    /// # Errors
    /// Another network.
    pub fn take_back(&mut self, name: &str, kept: &Kept) -> Result<()> {
        self.fit.restore(kept.numbers(&format!("{name}_network"))?)
    }
}

/// The increment below which increments are small.
fn small(increments: &[f64]) -> f64 {
    let mut sizes: Vec<f64> = increments.iter().map(|c| c.abs()).collect();
    sizes.sort_by(f64::total_cmp);
    (SMALL * sizes[sizes.len() * 95 / 100]).max(1e-30)
}

/// The layers of a network of which the parameters lie in `flat`, for unscaled inputs and for outputs of asinh(increment / scale).
///
/// # Errors
/// Parameters that are not finite.
pub fn layers(
    flat: &[f64],
    hidden: &[(Activation, usize)],
    scaling: &Scaling,
    curves: &[Curve],
) -> Result<Vec<Layer>> {
    if flat.iter().any(|w| !w.is_finite()) {
        return Err(Error::numeric("a network diverged"));
    }
    let n = scaling.shift.len();
    let mut widths = vec![n];
    widths.extend(hidden.iter().map(|h| h.1).chain([curves.len()]));
    let activations = hidden.iter().map(|h| h.0).chain([Activation::Linear]);
    let mut rest = flat;
    let mut layers = Vec::new();
    for (pair, activation) in widths.windows(2).zip(activations) {
        let (weights, after) = rest.split_at(pair[0] * pair[1]);
        let (bias, after) = after.split_at(pair[1]);
        rest = after;
        layers.push(Layer { weights: weights.to_vec(), bias: bias.to_vec(), activation });
    }
    let first = &mut layers[0];
    for (row, bias) in first.weights.chunks_mut(n).zip(&mut first.bias) {
        for (j, weight) in row.iter_mut().enumerate() {
            *weight /= scaling.spread[j];
            *bias -= *weight * scaling.shift[j];
        }
    }
    let last = layers.last_mut().expect("layers");
    let width = last.weights.len() / curves.len();
    for ((row, bias), curve) in last.weights.chunks_mut(width).zip(&mut last.bias).zip(curves) {
        row.iter_mut().chain([bias]).for_each(|w| *w *= curve.width);
    }
    Ok(layers)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_take_inputs_as_they_are_and_give_what_sinh_is_taken_of() {
        // One hidden unit that is linear; two outputs.
        let flat = [2.0, -1.0, 0.5, 3.0, -2.0, 0.1, 0.2];
        let scaling = Scaling { shift: vec![10.0, -5.0], spread: vec![4.0, 0.5] };
        let curve = |width| Curve { scale: 7.0, width, deviation: 1.0 };
        let hidden = [(Activation::Linear, 1)];
        let made = layers(&flat, &hidden, &scaling, &[curve(1.5), curve(0.25)]).unwrap();
        let (x, y) = (13.0, -4.2);
        let h = 2.0 * (x - 10.0) / 4.0 - (y + 5.0) / 0.5 + 0.5;
        let unit = made[0].weights[0] * x + made[0].weights[1] * y + made[0].bias[0];
        assert!((unit - h).abs() < 1e-12);
        let outputs: Vec<f64> = (0..2).map(|i| made[1].weights[i] * unit + made[1].bias[i]).collect();
        assert!((outputs[0] - 1.5 * (3.0 * h + 0.1)).abs() < 1e-12);
        assert!((outputs[1] - 0.25 * (-2.0 * h + 0.2)).abs() < 1e-12);
        assert!(layers(&[f64::NAN; 7], &hidden, &scaling, &[curve(1.0), curve(1.0)]).is_err());
    }

    #[test]
    fn scaled_inputs_have_mean_0_and_spread_1() {
        let inputs = [1.0, 7.0, 3.0, 7.0, 5.0, 7.0];
        let scaled = Scaling::of(&inputs, 2).apply(&inputs);
        let root = 1.5f32.sqrt();
        let expected = [-root, 0.0, 0.0, 0.0, root, 0.0];
        assert!(scaled.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6), "{scaled:?}");
    }
}
