//! Surrogates made from a cell model that was taken apart: tables, monomials, and networks for the remainder.

mod ask;
mod assemble;
mod closed_loop;
mod domain;
mod exact;
mod function;
mod grid;
mod quantity;
mod separate;
mod terms;

use std::sync::Arc;
use std::time::Instant;

use serde::Serialize;
use serde_json::json;

use self::ask::Asker;
use self::closed_loop::ClosedLoop;
use self::exact::Exact;
use self::quantity::Quantities;
use crate::error::{Error, Result};
use crate::harvest::Visited;
use crate::protocol::Pulse;
use crate::step_function::StepFunction;
use crate::structure::{StateIndex, Structure};
use crate::surrogate::{CellModelDescription, Kind, Role, Surrogate, Variable};
use crate::verify::SurrogateCells;

pub use self::closed_loop::Departure;

/// How a surrogate is distilled.
#[derive(Clone, Debug)]
pub struct Options {
    /// Stimulus of the cells that are paced.
    pub pulse: Pulse,
    /// Largest relative error of an action potential's duration.
    pub apd90: f64,
    /// Cycle lengths at which the surrogate is tried while it is made, ms; those of its verification have to be others.
    pub cycle_lengths: Vec<f64>,
    /// Beats at each of them.
    pub beats: u32,
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct Distilled {
    /// The surrogate.
    pub surrogate: Surrogate,
    /// How it was found and how good it is.
    pub summary: Summary,
}

/// How a surrogate was found and how good it is at the cycle lengths of its making.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    /// Cycle lengths of the cells that were paced to make it, ms.
    pub training_cycle_lengths: Vec<f64>,
    /// Relative errors of action potentials and root mean square error of V.
    pub departure: Departure,
    /// Table intervals by state.
    pub intervals: std::collections::BTreeMap<StateIndex, usize>,
    /// Number of products of which increments are sums.
    pub terms: usize,
    /// Time it took, s.
    pub seconds: f64,
}

/// Parts of the target that are left to the tables' spacing.
const TABLES_SHARE: f64 = 0.25;

/// Relative departure of single steps with which the choice of the spacing begins.
const ONE_STEP: f64 = 1e-3;

/// Makes a surrogate of `model`, whose `structure` was found near the states it `visited`.
///
/// # Errors
/// States that no table describes, a model that the stimulus does not excite, and whatever it answers.
pub fn distill(
    model: &mut dyn StepFunction,
    visited: &Visited,
    structure: &Structure,
    options: &Options,
    progress: &mut dyn FnMut(&str),
) -> Result<Distilled> {
    let began = Instant::now();
    let domain = domain::domain(visited);
    progress("pacing the model");
    let closed_loop =
        ClosedLoop::new(model, structure.dt, options.pulse, &options.cycle_lengths, options.beats)?;
    let mut asker = Asker::new(model, structure.dt);
    let quantities = Quantities::new(structure, &asker, &domain)?;
    progress("tabulating");
    let accuracy = TABLES_SHARE * options.apd90;
    let mut exact = Exact::new(&quantities, &mut asker, visited, &domain, ONE_STEP)?;
    if !exact.formula.unknown.is_empty() {
        let names: Vec<&str> =
            exact.formula.unknown.iter().map(|&s| structure.states[s].name.as_str()).collect();
        return Err(Error::unsupported(format!("tables do not describe {}", names.join(", "))));
    }
    progress("pacing the surrogate");
    let (surrogate, departure) = loop {
        let surrogate = surrogate(structure, &domain, asker.initial_state(), exact.program()?)?;
        let departure = closed_loop.departure(&mut SurrogateCells::new(&Arc::new(surrogate.clone()))?)?;
        progress(&format!(
            "{} intervals of V: APD90 within {:.4} %, V within {:.2e}",
            exact.intervals.get(&0).copied().unwrap_or(0),
            100.0 * departure.apd90,
            departure.voltage
        ));
        if departure.apd90 <= accuracy || !exact.refine() {
            break (surrogate, departure);
        }
    };
    let summary = Summary {
        training_cycle_lengths: options.cycle_lengths.clone(),
        departure,
        intervals: exact.intervals.clone(),
        terms: exact.formula.terms.len(),
        seconds: began.elapsed().as_secs_f64(),
    };
    let mut provenance = serde_json::Map::new();
    let mut entry = serde_json::to_value(&summary).expect("plain data");
    entry["library"] = json!(structure.library);
    entry["program_version"] = json!(env!("CARGO_PKG_VERSION"));
    provenance.insert("distill".into(), entry);
    Ok(Distilled { surrogate: surrogate.with_provenance(provenance), summary })
}

fn surrogate(
    structure: &Structure,
    domain: &[[f64; 2]],
    initial_state: &[f64],
    program: crate::program::Program,
) -> Result<Surrogate> {
    let states = structure.states.iter().zip(domain);
    let outputs: Vec<Variable> = states
        .map(|(state, &[low, high])| Variable::new(&state.name, "", Role::State).with_range(low, high))
        .collect();
    let mut inputs = outputs.clone();
    inputs.push(Variable::new("stimulus", "", Role::Stimulus));
    let cell_model = CellModelDescription { name: structure.library.clone(), ..Default::default() };
    let kind = Kind::StepMap { dt: structure.dt };
    Ok(Surrogate::new(kind, inputs, outputs, program)?
        .with_initial_state(initial_state.to_vec())?
        .with_cell_model(cell_model))
}
