//! A fibre of cells: the one-dimensional monodomain equation, split as tissue simulators split it.

use super::action_potential::{Beat, Criteria, beats};
use super::pacing::{Pulse, Sampling, Schedule, steps_in};
use crate::error::{Error, Result};
use crate::step_function::StepFunction;

/// A fibre and how it is stimulated.
#[derive(Clone, Debug, PartialEq)]
pub struct CableOptions {
    /// Number of cells.
    pub n_cells: usize,
    /// From one cell to the next, mm.
    pub spacing: f64,
    /// Diffusion coefficient of the potential: conductivity / (surface to volume × capacitance), mm²/ms.
    pub diffusion: f64,
    /// Stimulus at time 0.
    pub pulse: Pulse,
    /// Number of cells at the beginning of the fibre that are stimulated.
    pub stimulated: usize,
    /// How long the fibre is followed, ms.
    pub time: f64,
}

impl CableOptions {
    /// A fibre of 100 cells of 0.1 mm, of which the first 5 are stimulated, with the conductivity 0.0001334 mS/µm, surface to
    /// volume ratio 0.14 /µm and capacitance 1 µF/cm² of MonoAlg3D's examples; followed for 600 ms.
    pub fn new(pulse: Pulse) -> Self {
        Self { n_cells: 100, spacing: 0.1, diffusion: 0.095_29, pulse, stimulated: 5, time: 600.0 }
    }
}

/// What was recorded of a fibre.
#[derive(Clone, Debug, PartialEq)]
pub struct Cable {
    /// Number of cells.
    pub n_cells: usize,
    /// From one cell to the next, mm.
    pub spacing: f64,
    /// From one sample to the next, ms.
    pub interval: f64,
    /// Potential, sample after sample, cell after cell. Sample 0 is the initial state.
    pub voltage: Vec<f64>,
}

impl Cable {
    /// Potential of one cell over time.
    pub fn trace(&self, cell: usize) -> Vec<f64> {
        self.voltage.iter().skip(cell).step_by(self.n_cells).copied().collect()
    }

    /// What became of each cell; times count from the stimulus.
    pub fn responses(&self, criteria: &Criteria) -> Vec<Beat> {
        let cells = (0..self.n_cells).map(|i| beats(&self.trace(i), self.interval, &[0.0], criteria)[0]);
        cells.collect()
    }

    /// Conduction velocity between the first and the last quarter of the fibre, mm/ms, if the action potential passes both.
    pub fn velocity(&self, criteria: &Criteria) -> Option<f64> {
        let (first, last) = (self.n_cells / 4, self.n_cells - 1 - self.n_cells / 4);
        let activation = |cell: usize| {
            let beat = beats(&self.trace(cell), self.interval, &[0.0], criteria)[0];
            beat.response.depolarisation().map(|d| d.activation)
        };
        let time = activation(last)? - activation(first)?;
        (time > 0.0).then(|| (last - first) as f64 * self.spacing / time)
    }
}

/// A fibre must be excited this time after the stimulus if it is to be at all, ms …
const SOON: f64 = 60.0;
/// … this number of cells beyond those that are stimulated.
const BEYOND: usize = 10;
const DOUBLINGS: u32 = 6;

/// The options with their stimulus doubled until it excites the fibre: cells that have neighbours to charge need more than a single
/// one.
///
/// # Errors
/// As [`cable`], and a fibre that 64 times the strength does not excite.
pub fn excite(
    model: &mut dyn StepFunction,
    dt: f64,
    options: &CableOptions,
    criteria: &Criteria,
) -> Result<CableOptions> {
    let n_cells = options.n_cells.min(options.stimulated + 3 * BEYOND);
    let mut short = CableOptions { n_cells, time: SOON.min(options.time), ..options.clone() };
    for _ in 0..=DOUBLINGS {
        let cell = (options.stimulated + BEYOND).min(n_cells - 1);
        let trace = cable(model, dt, &short)?.trace(cell);
        if trace.iter().any(|&v| v >= criteria.level) {
            return Ok(CableOptions { pulse: short.pulse, ..options.clone() });
        }
        short.pulse.strength *= 2.0;
    }
    Err(Error::numeric(format!("a stimulus of {} does not excite the fibre", short.pulse.strength / 2.0))
        .remedy("name a longer stimulus, or check the model's unit of time and the diffusion coefficient"))
}

/// Computes the fibre: cells make their step, then the potential diffuses and is handed back to the cells, with no flux at the ends.
/// Diffusion takes explicit steps, as many in a step of the cells as are stable.
///
/// # Errors
/// A fibre too short to conduct, numbers that are not positive, and whatever the model answers.
pub fn cable(model: &mut dyn StepFunction, dt: f64, options: &CableOptions) -> Result<Cable> {
    let &CableOptions { n_cells, spacing, diffusion, pulse, stimulated, time } = options;
    if n_cells < 4 || stimulated == 0 || stimulated > n_cells {
        return Err(Error::invalid(format!("a fibre of {n_cells} cells, {stimulated} of them stimulated"))
            .remedy("take at least 4 cells and stimulate some of them"));
    }
    let ratio = diffusion * dt / (spacing * spacing);
    if !(ratio.is_finite() && ratio > 0.0) {
        return Err(Error::invalid(format!(
            "a fibre of spacing {spacing} mm and diffusion {diffusion} mm²/ms"
        ))
        .remedy("give positive numbers"));
    }
    // Explicit diffusion is stable below 1/2 and keeps the order of potentials below 1/4.
    let substeps = (ratio / 0.25).ceil().max(1.0) as u32;
    let ratio = ratio / f64::from(substeps);
    let schedule = Schedule::new(pulse, vec![0], steps_in(time, dt)?, dt)?;
    let every = u64::from(Sampling::fine(dt).every);
    let n_states = model.n_states();
    let mut states = model.initial_state().repeat(n_cells);
    let mut voltage: Vec<f64> = states.iter().step_by(n_states).copied().collect();
    let mut recorded = voltage.clone();
    let mut before = voltage.clone();
    let mut stimulus = vec![0.0; n_cells];
    for step in 0..schedule.end {
        stimulus[..stimulated].fill(if step < schedule.width { pulse.strength } else { 0.0 });
        model.step(&mut states, &stimulus, dt, 1)?;
        for (v, cell) in voltage.iter_mut().zip(states.chunks_exact(n_states)) {
            *v = cell[0];
        }
        for _ in 0..substeps {
            before.copy_from_slice(&voltage);
            for i in 0..n_cells {
                let (left, right) = (before[i.saturating_sub(1)], before[(i + 1).min(n_cells - 1)]);
                voltage[i] += ratio * ((left - before[i]) + (right - before[i]));
            }
        }
        for (cell, &v) in states.chunks_exact_mut(n_states).zip(&voltage) {
            cell[0] = v;
        }
        if (step + 1) % every == 0 {
            recorded.extend_from_slice(&voltage);
        }
    }
    Ok(Cable { n_cells, spacing, interval: dt * every as f64, voltage: recorded })
}
