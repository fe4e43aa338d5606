//! States that cells visit, and what they do there: the questions put to a cell model.

mod drive;
mod pairs;
mod random;
mod record;
pub mod stimulus;
mod strata;

use self::drive::Drive;
pub use self::pairs::pairs;
use self::random::Random;
pub use self::record::{Recording, record};
use self::strata::Strata;
use crate::error::{Error, Result};
use crate::step_function::StepFunction;

/// How cells are driven while their states are collected.
#[derive(Clone, Debug)]
pub struct Options {
    /// Length of a step, ms.
    pub dt: f64,
    /// Amplitude of the stimulus around which strengths are drawn, in the model's unit and sign.
    pub strength: f64,
    /// Length of the stimulus, ms, around which lengths are drawn.
    pub duration: f64,
    /// Smallest and largest cycle length, ms.
    pub cycle_lengths: [f64; 2],
    /// Length of the pacing, ms.
    pub time: f64,
    /// Number of cells paced side by side.
    pub n_cells: usize,
    /// Part of the cells on which another cell acts through a random conductance, as neighbours in a tissue would.
    pub pulled: f64,
    /// Part of the cells that are coupled in short cables, 16 cells each.
    pub in_cables: f64,
    /// Number of states to keep, about.
    pub n_samples: usize,
    /// Seed of everything random.
    pub seed: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            dt: 0.02,
            strength: -50.0,
            duration: 2.0,
            cycle_lengths: [300.0, 1000.0],
            time: 1500.0,
            n_cells: 64,
            pulled: 0.25,
            in_cables: 0.25,
            n_samples: 8000,
            seed: 0,
        }
    }
}

/// States of cells, with the stimulus that each was under, in random order.
#[derive(Clone, Debug, Default)]
pub struct Visited {
    /// Number of states of a cell.
    pub n_states: usize,
    /// Cell after cell.
    pub states: Vec<f64>,
    /// One number a cell.
    pub stimulus: Vec<f64>,
}

impl Visited {
    /// Number of collected states.
    pub fn len(&self) -> usize {
        self.stimulus.len()
    }

    /// Whether nothing was collected.
    pub fn is_empty(&self) -> bool {
        self.stimulus.is_empty()
    }

    /// Adds the states of `other`, which are of the same model.
    pub fn append(&mut self, other: &Self) {
        debug_assert_eq!(self.n_states, other.n_states);
        self.states.extend_from_slice(&other.states);
        self.stimulus.extend_from_slice(&other.stimulus);
    }

    /// The states of cell `i`.
    pub fn cell(&self, i: usize) -> &[f64] {
        &self.states[i * self.n_states..(i + 1) * self.n_states]
    }
}

/// A cell whose potential is this many times the height of an action potential away from it is not finite for long.
const RUNAWAY: f64 = 10.0;
/// Length of the look at an action potential that gives the range of the potential, ms.
const LOOK: f64 = 30.0;

/// Paces cells, alone, under diffusive currents and in short cables, and collects states that they pass, alike many of every
/// potential and speed of the potential. The same options give the same states.
///
/// # Errors
/// Options that cannot be meant, a model of which most states are not finite, and whatever the model answers.
pub fn harvest(model: &mut dyn StepFunction, options: &Options) -> Result<Visited> {
    harvest_and_count(model, options).map(|(visited, _)| visited)
}

/// As [`harvest`], and how often a cell was dropped because its state ran away or was not finite; another started in its place.
///
/// # Errors
/// As for [`harvest`].
pub fn harvest_and_count(model: &mut dyn StepFunction, options: &Options) -> Result<(Visited, u64)> {
    check(options)?;
    let mut random = Random::new(options.seed);
    let mut drive = Drive::new(options, &mut random);
    let (n, n_states) = (options.n_cells, model.n_states());
    let potentials = potentials(model, options)?;
    let mut strata = Strata::new(potentials, options.n_samples, n_states, Random::new(!options.seed));
    let reach = RUNAWAY * (potentials[1] - potentials[0]);
    let possible = potentials[0] - reach..=potentials[1] + reach;
    let initial = model.initial_state().to_vec();
    let mut states = initial.repeat(n);
    let mut stimulus = vec![0.0; n];
    let mut before: Vec<f64> = states.iter().step_by(n_states).copied().collect();
    let mut dropped = 0;
    let n_steps = (options.time / options.dt) as u64;
    for k in 0..n_steps {
        drive.stimulus(k as f64 * options.dt, &mut stimulus);
        for ((cell, &stimulus), before) in states.chunks_exact(n_states).zip(&stimulus).zip(&mut before) {
            strata.offer(cell, stimulus, (cell[0] - *before) / options.dt);
            *before = cell[0];
        }
        model.step(&mut states, &stimulus, options.dt, 1)?;
        for (i, cell) in states.chunks_exact_mut(n_states).enumerate() {
            if !(possible.contains(&cell[0]) && cell.iter().all(|x| x.is_finite())) {
                cell.copy_from_slice(&initial);
                before[i] = initial[0];
                dropped += 1;
            }
        }
        // Cells that fail again and again show nothing but their first steps.
        if dropped > 10 * n as u64 {
            return Err(Error::numeric(format!(
                "{dropped} times the state of a cell ran away or was not finite within {:.1} ms",
                k as f64 * options.dt
            ))
            .remedy("take a smaller Δt or a weaker stimulus, and check the model"));
        }
        drive.couple(&mut states, n_states, options.dt);
    }
    let (states, stimulus) = strata.finish();
    Ok((Visited { n_states, states, stimulus }, dropped))
}

/// Lowest and highest potential of a cell under the stimulus.
fn potentials(model: &mut dyn StepFunction, options: &Options) -> Result<[f64; 2]> {
    let mut cell = model.initial_state().to_vec();
    let (mut low, mut high) = (cell[0], cell[0]);
    for k in 0..(LOOK / options.dt) as u32 {
        let stimulus = if f64::from(k) * options.dt < options.duration { options.strength } else { 0.0 };
        model.step(&mut cell, &[stimulus], options.dt, 1)?;
        if cell[0].is_finite() {
            (low, high) = (low.min(cell[0]), high.max(cell[0]));
        }
    }
    Ok([low, high])
}

fn check(options: &Options) -> Result<()> {
    let positive = [
        ("dt", options.dt),
        ("duration", options.duration),
        ("the shortest cycle length", options.cycle_lengths[0]),
        ("time", options.time),
    ];
    for (name, value) in positive {
        if !(value.is_finite() && value > 0.0) {
            return Err(Error::invalid(format!("{name} {value}")).remedy("give a positive number"));
        }
    }
    if options.cycle_lengths[1] < options.cycle_lengths[0] || !options.strength.is_finite() {
        return Err(Error::invalid(format!(
            "cycle lengths from {} to {} ms with a strength of {}",
            options.cycle_lengths[0], options.cycle_lengths[1], options.strength
        ))
        .remedy("give the smaller cycle length first, and a finite strength"));
    }
    let shares = [options.pulled, options.in_cables];
    if shares.iter().any(|s| !(0.0..=1.0).contains(s)) || shares.iter().sum::<f64>() > 1.0 {
        return Err(Error::invalid(format!("{} and {} of the cells", shares[0], shares[1]))
            .remedy("give parts of 1 that are 1 together at most"));
    }
    if options.n_cells == 0 || options.n_samples == 0 {
        return Err(Error::invalid("nothing to harvest").remedy("ask for at least one cell and one sample"));
    }
    Ok(())
}
