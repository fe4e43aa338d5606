//! Gates and current on libtorch.

use tch::{Device, Kind, Tensor};

use super::Fit;
use super::gates::Gates;
use super::sequences::Sequences;
use crate::activation::Activation;
use crate::distill::fit::{error, restore, row, state};
use crate::distill::fitting::{Curve, LINEAR, Scaling, layers};
use crate::distill::network::Layer;
use crate::error::Result;
use crate::train::{Adam, FullyConnected, GradientMethod, Network};

/// Widths of the hidden layers of the network that shapes the gates.
const SHAPES: [(Activation, usize); 2] = [(Activation::Tanh, 24), (Activation::Tanh, 24)];
/// Intervals of the grid on which gates are evaluated.
const INTERVALS: usize = 512;
/// How far the outputs of the network move steady states and logarithms of time constants.
const REACH: f64 = 3.0;
/// Time constants with which gates begin, ms: from those that last from beat to beat down to those of activation, which few gates have
/// to leave to the current, as if it followed the potential at once.
const TIMES: [f64; 2] = [1000.0, 0.1];
/// Most that a gate is faster than the one before it.
const FASTER: f64 = 30.0;
/// Shortest and longest time constant, ms.
const LIMITS: [f64; 2] = [5e-3, 2e4];
/// Potentials at which gates are half open in the beginning, in half widths of the range around its middle, and the width of that step.
const CENTRES: [f64; 2] = [-0.4, 0.4];
const STEEPNESS: f64 = 0.12;

/// `n_gates` gates and a current with the given hidden layers, for potentials in `range`.
pub fn start(
    n_gates: usize,
    hidden: &[(Activation, usize)],
    range: [f64; 2],
    seed: u64,
) -> Result<Box<dyn Fit>> {
    let mut shapes = FullyConnected::new(1, 2 * n_gates, &SHAPES)?;
    shapes.initialise(seed);
    let mut current = FullyConnected::new(1 + n_gates, 1, hidden)?;
    current.initialise(!seed);
    let network = Network::of_parts(vec![shapes, current])?;
    let method = adam(&network);
    let grid: Vec<f32> = (0..=INTERVALS).map(|i| 2.0 * i as f32 / INTERVALS as f32 - 1.0).collect();
    let grid = Tensor::from_slice(&grid).view([-1, 1]);
    let [slowest, fastest] = TIMES.map(f64::ln);
    let fastest = fastest.max(slowest - FASTER.ln() * (n_gates - 1) as f64);
    let (steps, times) = (beginnings(n_gates, CENTRES), beginnings(n_gates, [slowest, fastest]));
    // Gates that open and gates that close take turns.
    let signs: Vec<f32> = (0..n_gates).map(|k| if k % 2 == 0 { 1.0 } else { -1.0 }).collect();
    let opening = (&grid - steps) * Tensor::from_slice(&signs) / STEEPNESS;
    let nothing = || Tensor::zeros([0], (Kind::Float, Device::Cpu));
    Ok(Box::new(Torch {
        network,
        method,
        n_gates,
        hidden: hidden.to_vec(),
        range,
        grid,
        opening,
        times,
        data: [(); 5].map(|()| nothing()),
        samples: Vec::new(),
        curve: Curve::UNIT,
    }))
}

/// Evenly spread between two numbers, one a gate.
fn beginnings(n: usize, [first, last]: [f64; 2]) -> Tensor {
    let at = |k: usize| first + (last - first) * k as f64 / (n - 1).max(1) as f64;
    Tensor::from_slice(&(0..n).map(|k| at(k) as f32).collect::<Vec<_>>())
}

struct Torch {
    /// The gates' shapes, of the scaled potential; the current, of the scaled potential and the gates.
    network: Network,
    method: Box<dyn GradientMethod>,
    n_gates: usize,
    hidden: Vec<(Activation, usize)>,
    range: [f64; 2],
    /// Scaled potentials [points, 1] at which gates are evaluated.
    grid: Tensor,
    /// [points, gates]: arguments of the logistic function with which steady states begin.
    opening: Tensor,
    /// Logarithms of the time constants with which gates begin.
    times: Tensor,
    /// [recordings, samples]: intervals, scaled potentials, places of the mean potential on the grid (row and part), targets.
    data: [Tensor; 5],
    samples: Vec<usize>,
    curve: Curve,
}

fn adam(network: &Network) -> Box<dyn GradientMethod> {
    Box::new(Adam::default().start(network))
}

/// z of each sample, from z₀ = `first` on, with z' = a·z + b from sample to sample; all [recordings, samples, gates], `first` without
/// samples. Each pass joins neighbours twice as far apart.
fn scan(a: &Tensor, b: &Tensor, first: &Tensor) -> Tensor {
    let n = a.size()[1];
    let (mut a, mut b) = (a.shallow_clone(), b.shallow_clone());
    let mut reach = 1;
    while reach < n {
        let (late, early) = ((reach, n - reach), (0, n - reach));
        let part = |t: &Tensor, (start, length): (i64, i64)| t.narrow(1, start, length);
        let joined = part(&a, late) * part(&b, early) + part(&b, late);
        b = Tensor::cat(&[part(&b, (0, reach)), joined], 1);
        let joined = part(&a, late) * part(&a, early);
        a = Tensor::cat(&[part(&a, (0, reach)), joined], 1);
        reach *= 2;
    }
    let first = first.unsqueeze(1);
    let after = a * &first + b;
    Tensor::cat(&[first, after.narrow(1, 0, n - 1)], 1)
}

impl Torch {
    /// [points, 2 gates]: steady states and logarithms of time constants.
    fn table(&self) -> Tensor {
        let n = self.n_gates as i64;
        let moved = self.network.parts()[0].forward(&self.grid) * REACH;
        let steady = (&self.opening + moved.narrow(1, 0, n)).sigmoid();
        let times = (&self.times + moved.narrow(1, n, n)).clamp(LIMITS[0].ln(), LIMITS[1].ln());
        Tensor::cat(&[steady, times], 1)
    }

    fn loss(&self, chosen: &[i64]) -> Tensor {
        let n = self.n_gates as i64;
        let longest = chosen.iter().map(|&i| self.samples[i as usize]).max().unwrap_or(0) as i64;
        let rows = Tensor::from_slice(chosen);
        let [interval, voltage, place, part, target] =
            [0, 1, 2, 3, 4].map(|k| self.data[k].index_select(0, &rows).narrow(1, 0, longest).contiguous());
        let size = [chosen.len() as i64, longest, 2 * n];
        let table = self.table();
        let place = place.view([-1]);
        let part = part.view([-1, 1]);
        let below = table.index_select(0, &place);
        let above = table.index_select(0, &(place + 1));
        let gates = (&below + (above - &below) * part).view(size);
        let (steady, times) = (gates.narrow(2, 0, n), gates.narrow(2, n, n));
        let kept = (-interval.unsqueeze(-1) * (-times).exp()).exp();
        let driven = &steady * (1.0 - &kept);
        // Cells begin at rest: the first mean is the potential in which they start.
        let z = scan(&kept, &driven, &steady.select(1, 0));
        let features = Tensor::cat(&[voltage.unsqueeze(-1), z * 2.0 - 1.0], -1);
        let found = self.network.parts()[1].forward(&features.view([-1, 1 + n])).view([size[0], longest]);
        let mask = interval.sign();
        let count = mask.sum(Kind::Float);
        let (width, scale) = (
            Tensor::from(self.curve.width as f32),
            Tensor::from((self.curve.scale / self.curve.deviation) as f32),
        );
        let numbers = (size[0] * longest) as f64;
        error(&(found * &mask), &(target * &mask), &width, &scale, LINEAR) * numbers / count
    }
}

impl Fit for Torch {
    fn set(&mut self, sequences: &Sequences, curve: Curve) {
        let [low, high] = self.range;
        let size = [sequences.samples.len() as i64, sequences.length as i64];
        let tensor = |numbers: &[f32]| Tensor::from_slice(numbers).view(size);
        let unit = |v: &Tensor| (v - low) * (1.0 / (high - low));
        let place = (unit(&tensor(&sequences.mean)) * INTERVALS as f64).clamp(0.0, INTERVALS as f64);
        let below = place.floor().clamp(0.0, INTERVALS as f64 - 1.0);
        self.data = [
            tensor(&sequences.interval),
            unit(&tensor(&sequences.voltage)) * 2.0 - 1.0,
            below.to_kind(Kind::Int64),
            place - below,
            tensor(&sequences.target),
        ];
        self.samples.clone_from(&sequences.samples);
        self.curve = curve;
    }

    fn restart(&mut self) {
        self.method = adam(&self.network);
    }

    fn step(&mut self, chosen: &[i64], rate: f64) {
        let gradients = Tensor::run_backward(&[self.loss(chosen)], &self.network.leaves(), false, false);
        tch::no_grad(|| self.method.follow(&self.network, &gradients, rate));
    }

    fn gates(&self) -> Gates {
        Gates { n: self.n_gates, range: self.range, rows: tch::no_grad(|| row(&self.table())) }
    }

    fn layers(&self) -> Result<Vec<Layer>> {
        let [low, high] = self.range;
        let of_potential = [0.5 * (low + high), 0.5 * (high - low)];
        let column = |i: usize| std::iter::once(of_potential[i]).chain(vec![0.5; self.n_gates]).collect();
        let scaling = Scaling { shift: column(0), spread: column(1) };
        layers(&row(self.network.parts()[1].parameters()), &self.hidden, &scaling, &[self.curve])
    }

    fn state(&self) -> Vec<f64> {
        state(&self.network, &*self.method)
    }

    fn restore(&mut self, numbers: &[f64]) -> Result<()> {
        restore(&mut self.network, &mut *self.method, numbers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scan_is_the_recurrence() {
        for n in [1, 2, 5, 8, 13] {
            let uniform = |low: f64| Tensor::rand([2, n, 3], (Kind::Double, Device::Cpu)) * (1.0 - low) + low;
            let (a, b, first) = (uniform(0.5), uniform(0.0), uniform(0.0).select(1, 0));
            let found = scan(&a, &b, &first);
            let mut z = first;
            for i in 0..n {
                let error = (found.select(1, i) - &z).abs().max().double_value(&[]);
                assert!(error < 1e-13, "{error} at {i} of {n}");
                z = a.select(1, i) * &z + b.select(1, i);
            }
        }
    }
}
