//! The cable: velocity, activation times, duration in its middle.

use serde::Serialize;

use super::options::Options;
use crate::error::{Error, Result};
use crate::protocol::{Beat, Cable, CableOptions, Criteria, cable, excite};
use crate::step_function::StepFunction;

/// The comparison of two cables.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CableResult {
    /// Number of cells.
    pub n_cells: usize,
    /// From one cell to the next, mm.
    pub spacing: f64,
    /// Diffusion coefficient, mm²/ms.
    pub diffusion: f64,
    /// Strength of the stimulus, which may be a multiple of that of single cells.
    pub strength: f64,
    /// Velocity in the reference, mm/ms.
    pub reference_velocity: f64,
    /// Velocity in the surrogate, mm/ms; none if it does not conduct.
    pub velocity: Option<f64>,
    /// Error of the velocity, %.
    pub velocity_percent: Option<f64>,
    /// Duration in the middle of the reference, ms; none if it was not followed for so long.
    pub reference_apd90: Option<f64>,
    /// Duration in the middle of the surrogate.
    pub apd90: Option<f64>,
    /// Error of that duration, %.
    pub apd90_percent: Option<f64>,
    /// Root mean square error of activation times over the cells that both excite, ms.
    pub activation_rms: Option<f64>,
    /// Largest error of an activation time, ms.
    pub activation_worst: Option<f64>,
    /// Cells that the reference excites and the surrogate does not, or that are not finite.
    pub lost: usize,
}

/// The cable of a model; none if it was not asked for.
///
/// # Errors
/// Of kind numeric, if no stimulus excites it or the front does not reach its last quarter in time.
pub fn measure(
    model: &mut dyn StepFunction,
    dt: f64,
    options: &Options,
    criteria: &Criteria,
) -> Result<Option<(CableOptions, Cable)>> {
    if options.cable_time == 0.0 {
        return Ok(None);
    }
    let fibre = CableOptions {
        n_cells: options.cable_cells,
        time: options.cable_time,
        ..CableOptions::new(options.pulse)
    };
    let fibre = excite(model, dt, &fibre, criteria)?;
    let cable = cable(model, dt, &fibre)?;
    if cable.velocity(criteria).is_none() {
        return Err(Error::numeric(format!(
            "the reference does not conduct to the end of a fibre of {} mm within {} ms",
            fibre.n_cells as f64 * fibre.spacing,
            fibre.time
        )));
    }
    Ok(Some((fibre, cable)))
}

/// Compares two cables cell by cell.
pub fn compare(fibre: &CableOptions, reference: &Cable, own: &Cable, criteria: &Criteria) -> CableResult {
    let [cells, own_cells] = [reference, own].map(|cable| cable.responses(criteria));
    let activation = |beat: &Beat| beat.response.depolarisation().map(|d| d.activation);
    let pairs = cells.iter().zip(&own_cells).map(|(a, b)| (activation(a), activation(b)));
    let errors: Vec<f64> = pairs.clone().filter_map(|(a, b)| Some((a? - b?).abs())).collect();
    let mean_square = errors.iter().map(|e| e * e).sum::<f64>() / errors.len().max(1) as f64;
    let middle = fibre.n_cells / 2;
    let [reference_apd90, apd90] = [&cells, &own_cells].map(|cells| cells[middle].response.apd90());
    let reference_velocity = reference.velocity(criteria).unwrap_or(f64::NAN);
    let velocity = own.velocity(criteria);
    let percent = |own: f64, reference: f64| 100.0 * (own / reference - 1.0).abs();
    CableResult {
        n_cells: fibre.n_cells,
        spacing: fibre.spacing,
        diffusion: fibre.diffusion,
        strength: fibre.pulse.strength,
        reference_velocity,
        velocity,
        velocity_percent: velocity.map(|own| percent(own, reference_velocity)),
        reference_apd90,
        apd90,
        apd90_percent: reference_apd90.zip(apd90).map(|(reference, own)| percent(own, reference)),
        activation_rms: (!errors.is_empty()).then(|| mean_square.sqrt()),
        activation_worst: errors.iter().copied().reduce(f64::max),
        lost: pairs.filter(|(a, b)| a.is_some() && b.is_none()).count(),
    }
}
