//! How cells are driven while their states are collected: paced alone, pulled at by a neighbour, or coupled in short cables.

use super::Options;
use super::random::Random;

/// Cells of a cable.
const CABLE: usize = 16;
/// Cells at the end of a cable that are stimulated.
const STIMULATED: usize = 4;
/// Diffusion coefficient over the square of the spacing, 1/ms: from 0.25 to 0.1 mm with the 0.1 mm²/ms of ventricles.
const COUPLING: [f64; 2] = [1.0, 10.0];
/// Conductance to a single neighbour far away in phase, 1/ms: from what hardly shows to what holds a cell.
const PULL: [f64; 2] = [0.002, 0.2];
/// Factors of the strength that excites a cell alone, and of its duration.
const STRENGTHS: [f64; 2] = [0.6, 1.5];
const DURATIONS: [f64; 2] = [0.5, 1.5];
/// A cable needs more, because the stimulated cells charge their neighbours.
const CABLE_STRENGTHS: [f64; 2] = [1.0, 4.0];
/// Part of the stimuli that are too weak on purpose, and how weak.
const WEAK: f64 = 0.1;
const WEAK_STRENGTHS: [f64; 2] = [0.05, 0.5];

/// One cell's stimuli.
struct Beats {
    /// Start, end and strength of each.
    beats: Vec<(f64, f64, f64)>,
    next: usize,
}

impl Beats {
    fn draw(options: &Options, strengths: [f64; 2], random: &mut Random) -> Self {
        let [shortest, longest] = options.cycle_lengths;
        let cycle = random.uniform(shortest, longest);
        // Every other cell is paced irregularly, which visits what follows beats that come early and late.
        let irregular = random.below(2) == 0;
        let strength = options.strength * random.uniform(strengths[0], strengths[1]);
        let duration = options.duration * random.uniform(DURATIONS[0], DURATIONS[1]);
        let mut beats = Vec::new();
        let mut start = random.uniform(0.0, 100f64.min(shortest));
        while start < options.time {
            let weak = random.uniform(0.0, 1.0) < WEAK;
            let factor = if weak { random.uniform(WEAK_STRENGTHS[0], WEAK_STRENGTHS[1]) } else { 1.0 };
            beats.push((start, start + duration, strength * factor));
            start += if irregular { random.uniform(shortest, longest) } else { cycle };
        }
        Self { beats, next: 0 }
    }

    fn at(&mut self, time: f64) -> f64 {
        while self.beats.get(self.next).is_some_and(|&(_, end, _)| time >= end) {
            self.next += 1;
        }
        match self.beats.get(self.next) {
            Some(&(start, _, strength)) if time >= start => strength,
            _ => 0.0,
        }
    }
}

/// What acts on the potential of a cell beside its own currents.
enum Neighbours {
    None,
    /// Another cell, with this conductance in 1/ms; it does not feel anything itself.
    One(usize, f64),
}

/// A row of cells.
struct Cable {
    first: usize,
    /// 1/ms.
    coupling: f64,
}

/// All cells.
pub struct Drive {
    stimuli: Vec<Beats>,
    neighbours: Vec<Neighbours>,
    cables: Vec<Cable>,
    before: Vec<f64>,
}

impl Drive {
    pub fn new(options: &Options, random: &mut Random) -> Self {
        let n = options.n_cells;
        let in_cables =
            ((n as f64 * options.in_cables / CABLE as f64).round() as usize * CABLE).min(n / CABLE * CABLE);
        let pulled = ((n as f64 * options.pulled) as usize).min(n - in_cables);
        let alone = n - in_cables - pulled;
        let mut drive = Self {
            stimuli: Vec::with_capacity(n),
            neighbours: Vec::with_capacity(n),
            cables: Vec::new(),
            before: vec![0.0; n],
        };
        for i in 0..alone + pulled {
            drive.stimuli.push(Beats::draw(options, STRENGTHS, random));
            drive.neighbours.push(match i < alone {
                true => Neighbours::None,
                // A cell that is paced alone, if there is one.
                false => Neighbours::One(
                    random.below(if alone > 0 { alone } else { n }),
                    random.log_uniform(PULL[0], PULL[1]),
                ),
            });
        }
        for first in (alone + pulled..n).step_by(CABLE) {
            drive.cables.push(Cable { first, coupling: random.log_uniform(COUPLING[0], COUPLING[1]) });
            let seed = random.below(usize::MAX) as u64;
            for i in 0..CABLE {
                // The stimulated cells have the same stimuli.
                let beats = Beats::draw(options, CABLE_STRENGTHS, &mut Random::new(seed));
                let none = Beats { beats: Vec::new(), next: 0 };
                drive.stimuli.push(if i < STIMULATED { beats } else { none });
                drive.neighbours.push(Neighbours::None);
            }
        }
        drive
    }

    /// The stimulus of each cell at `time`, which only grows.
    pub fn stimulus(&mut self, time: f64, stimulus: &mut [f64]) {
        for (stimulus, beats) in stimulus.iter_mut().zip(&mut self.stimuli) {
            *stimulus = beats.at(time);
        }
    }

    /// Lets neighbours act on potentials for `dt`.
    pub fn couple(&mut self, states: &mut [f64], n_states: usize, dt: f64) {
        for (before, cell) in self.before.iter_mut().zip(states.chunks_exact(n_states)) {
            *before = cell[0];
        }
        for (i, neighbours) in self.neighbours.iter().enumerate() {
            if let &Neighbours::One(other, conductance) = neighbours {
                // The exact solution at a constant potential of the neighbour: stable at any Δt.
                let share = -(-conductance * dt).exp_m1();
                states[i * n_states] += share * (self.before[other] - self.before[i]);
            }
        }
        for cable in &self.cables {
            let cells = cable.first..cable.first + CABLE;
            diffuse(&mut self.before[cells.clone()], cable.coupling * dt);
            for i in cells {
                states[i * n_states] = self.before[i];
            }
        }
    }
}

/// Explicit diffusion along a row without flux at its ends, in as many parts as are stable.
fn diffuse(potential: &mut [f64], ratio: f64) {
    let parts = (ratio / 0.25).ceil().max(1.0);
    let ratio = ratio / parts;
    for _ in 0..parts as u32 {
        let mut left = potential[0];
        for i in 0..potential.len() {
            let here = potential[i];
            let right = potential[(i + 1).min(potential.len() - 1)];
            potential[i] += ratio * (left - 2.0 * here + right);
            left = here;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn diffusion_keeps_the_sum_and_flattens() {
        let mut potential = vec![0.0; 16];
        potential[3] = 16.0;
        diffuse(&mut potential, 2.0);
        assert!((potential.iter().sum::<f64>() - 16.0).abs() < 1e-12);
        assert!(potential.iter().all(|&v| (0.0..16.0).contains(&v)));
        diffuse(&mut potential, 4000.0);
        assert!(potential.iter().all(|v| (v - 1.0).abs() < 1e-6));
    }

    #[test]
    fn every_share_of_cells_is_driven() {
        let options = Options { n_cells: 64, time: 2000.0, ..Options::default() };
        let mut drive = Drive::new(&options, &mut Random::new(1));
        assert_eq!((drive.stimuli.len(), drive.cables.len()), (64, 1));
        let pulled = drive.neighbours.iter().filter(|n| matches!(n, Neighbours::One(..))).count();
        assert_eq!(pulled, 16);
        let mut stimulus = [0.0; 64];
        let mut stimulated = [false; 64];
        for k in 0..4000 {
            drive.stimulus(0.5 * f64::from(k), &mut stimulus);
            for (seen, &s) in stimulated.iter_mut().zip(&stimulus) {
                *seen |= s != 0.0;
                assert!(s <= 0.0 && s >= 4.0 * options.strength);
            }
        }
        assert_eq!(stimulated.iter().filter(|&&s| s).count(), 64 - 12);
        // The stimulated cells of a cable are stimulated together.
        drive.stimulus(f64::MAX, &mut stimulus);
        assert!(stimulus.iter().all(|&s| s == 0.0));
    }
}
