//! Surrogates made from a cell model that was taken apart: tables, monomials, and networks for the remainder.

mod ask;
mod assemble;
mod black_box;
mod checkpoint;
mod closed_loop;
mod combination;
mod domain;
mod driven;
mod exact;
mod factor;
mod family;
#[cfg(feature = "train")]
mod fit;
#[cfg(not(feature = "train"))]
#[path = "fit_missing.rs"]
mod fit;
mod fitting;
mod forms;
mod function;
mod grid;
mod latent;
mod learn;
mod long;
mod network;
mod pairs;
mod pieces;
mod products;
mod quantity;
mod remainder;
#[cfg(test)]
mod resume_tests;
mod rounds;
mod separate;
mod terms;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;
use serde_json::json;

use self::ask::Asker;
use self::closed_loop::ClosedLoop;
use self::exact::Exact;
use self::learn::Learner;
use self::quantity::Quantities;
use self::remainder::Remainder;
use crate::error::Result;
use crate::harvest::{self, Visited};
use crate::protocol::Pulse;
use crate::step_function::StepFunction;
use crate::structure::Structure;
use crate::surrogate::{CellModelDescription, Kind, Role, Surrogate, Variable};
use crate::verify::SurrogateCells;

pub use self::checkpoint::Checkpoint;
pub use self::closed_loop::Departure;
pub use self::long::LongPacing;

/// What a surrogate looks like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Form {
    /// Tables and products where they are exact, networks for the remainder, each fed the parents of its state.
    #[default]
    Structured,
    /// One network for all states, fed all of them and the stimulus: for comparison.
    BlackBox,
    /// The potential and so many gates that nobody named, learned from the potential alone: for comparison, and for models of which
    /// nothing else is known.
    Latent(usize),
}

/// How a surrogate is distilled.
#[derive(Clone, Debug)]
pub struct Options {
    /// What the surrogate looks like.
    pub form: Form,
    /// Stimulus of the cells that are paced.
    pub pulse: Pulse,
    /// Largest relative error of an action potential's duration.
    pub apd90: f64,
    /// Cycle lengths at which the surrogate is tried while it is made, ms; those of its verification have to be others.
    pub cycle_lengths: Vec<f64>,
    /// Beats at each of them.
    pub beats: u32,
    /// Iterations of the training of networks, of all rounds together; none leaves them to the form, and adds rounds as long as the target
    /// is missed and time is left. Where the planned rounds end before the budget, results do not depend on the clock until then.
    pub iterations: Option<u64>,
    /// Time for the training of networks.
    pub budget: Duration,
    /// Seed of everything random.
    pub seed: u64,
    /// Where the training of networks is kept from time to time, so that an interrupted one goes on.
    pub checkpoint: Option<Checkpoint>,
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
    /// What the surrogate looks like.
    pub form: Form,
    /// Cycle lengths of the cells that were paced to make it, ms.
    pub training_cycle_lengths: Vec<f64>,
    /// Relative errors of action potentials and root mean square error of V.
    pub departure: Departure,
    /// Table intervals by state; a prime marks values after the step.
    pub intervals: std::collections::BTreeMap<String, usize>,
    /// Number of products of which increments are sums.
    pub terms: usize,
    /// States that networks learned.
    pub learned: Vec<String>,
    /// Seed of everything random.
    pub seed: u64,
    /// Time it took, s.
    pub seconds: f64,
}

/// Parts of the target that are left to the tables' spacing.
const TABLES_SHARE: f64 = 0.25;
/// Beyond this part of the target functions are not separated more finely: that costs products.
const SEPARATION_SHARE: f64 = 0.5;

/// What is not better by this factor is not worth more memory.
const WORTH: f64 = 0.8;

/// Relative departure of single steps with which the choice of the spacing begins.
const ONE_STEP: f64 = 1e-3;

/// Errors of separated functions, as a part of the typical increment: coarse ones make fewer products, finer ones follow where they do
/// not suffice.
const SEPARATIONS: [f64; 3] = [3e-3, 3e-4, 3e-5];

/// Of the harvests for networks: time in ms and cells. Tables need to know the domain only; networks every corner of it.
const LEARNED_FROM: (f64, usize) = (1500.0, 96);

/// Makes a surrogate of `model`, whose `structure` was found near the states it `visited`. What tables do not describe is
/// learned by networks (feature `train`), from the states that the model visits and, round by round, from those that the
/// surrogate visits. What `long` pacing of the model shows, the surrogate is compared with too. `go_on` is asked now and then whether to go on; the best surrogate so far is given back.
///
/// # Errors
/// States that no table describes in a build that cannot train, a model that the stimulus does not excite, and whatever it answers.
pub fn distill(
    model: &mut dyn StepFunction,
    visited: &Visited,
    structure: &Structure,
    long: Option<&LongPacing>,
    options: &Options,
    progress: &mut dyn FnMut(&str),
    go_on: &dyn Fn() -> bool,
) -> Result<Distilled> {
    let began = Instant::now();
    let domain = domain::domain(visited, structure);
    if options.form != Form::Structured {
        return forms::distill(model, visited, structure, long, options, progress, go_on);
    }
    progress("pacing the model");
    let closed_loop =
        ClosedLoop::new(model, structure.dt, options.pulse, &options.cycle_lengths, options.beats, long)?;
    let mut asker = Asker::new(model, structure.dt);
    let quantities = Quantities::new(structure, &asker, &domain)?;
    progress("tabulating");
    let mut separations = SEPARATIONS.iter();
    let take_apart = |asker: &mut Asker, separation: f64| {
        Exact::new(&quantities, asker, visited, &domain, ONE_STEP, separation)
    };
    let mut exact = take_apart(&mut asker, *separations.next().expect("there are some"))?;
    // What coarse sums do not describe, finer ones may.
    if !exact.formula.unknown.is_empty() {
        exact = take_apart(&mut asker, *separations.next().expect("there are some"))?;
    }
    let initial_state = asker.initial_state().to_vec();
    let make = |program| surrogate(structure, &domain, &initial_state, program);
    let depart = |surrogate: &Surrogate| {
        closed_loop.departure(&mut SurrogateCells::new(&Arc::new(surrogate.clone()))?)
    };
    // What misses the target is improved as long as it can be; beyond it, memory and time have to be earned.
    let is_worth =
        |new: f64, old: f64| !old.is_finite() || new < WORTH * old || (old > options.apd90 && new < old);
    let mut best: Option<(Surrogate, Departure)> = None;
    let mut seconds_before = 0.0;
    if exact.formula.unknown.is_empty() {
        'separations: loop {
            let mut before = f64::INFINITY;
            loop {
                let surrogate = make(exact.program(&[])?)?;
                let (departure, _) = depart(&surrogate)?;
                let terms = exact.formula.n_products();
                let intervals = exact.intervals.values().max().copied().unwrap_or(0);
                progress(&format!("{terms} products, up to {intervals} intervals: {departure}"));
                if best.as_ref().is_none_or(|(_, b)| is_worth(departure.apd90, b.apd90)) {
                    best = Some((surrogate, departure));
                }
                if departure.apd90 <= TABLES_SHARE * options.apd90 || !go_on() {
                    break 'separations;
                }
                // Tables that are not what limits are not refined further.
                if !is_worth(departure.apd90, before) || !exact.refine(&quantities, &mut asker)? {
                    break;
                }
                before = departure.apd90;
            }
            let met = best.as_ref().is_some_and(|(_, b)| b.apd90 <= SEPARATION_SHARE * options.apd90);
            let Some(&finer) = separations.next().filter(|_| !met) else { break };
            progress("separating more finely");
            let finer = take_apart(&mut asker, finer)?;
            if !finer.formula.unknown.is_empty() || finer.formula.n_products() == exact.formula.n_products() {
                break;
            }
            exact = finer;
        }
    } else {
        let driven = driven(structure, options);
        progress("visiting more states for networks");
        let more = harvested(&mut asker, &driven, long)?;
        let learner = Learner::new(&exact, structure, &domain, &mut asker, &more, options.seed)?;
        let mut remainder = Remainder { learner, exact: &exact, make: &make, driven };
        let trained = rounds::train(&mut remainder, &mut asker, &closed_loop, options, progress, go_on)?;
        seconds_before = trained.seconds_before;
        best = Some((trained.surrogate, trained.departure));
    }
    let (surrogate, departure) = best.expect("one round at least");
    let summary = Summary {
        form: options.form,
        training_cycle_lengths: options.cycle_lengths.clone(),
        departure,
        intervals: exact
            .intervals
            .iter()
            .map(|(c, &n)| {
                (format!("{}{}", structure.states[c.state].name, if c.after { "′" } else { "" }), n)
            })
            .collect(),
        terms: exact.formula.n_products(),
        learned: exact.formula.unknown.iter().map(|&s| structure.states[s].name.clone()).collect(),
        seed: options.seed,
        seconds: seconds_before + began.elapsed().as_secs_f64(),
    };
    Ok(described(surrogate, summary, structure))
}

/// How cells are driven to visit states that networks learn from.
fn driven(structure: &Structure, options: &Options) -> harvest::Options {
    let (time, n_cells) = LEARNED_FROM;
    harvest::Options {
        dt: structure.dt,
        strength: options.pulse.strength,
        duration: options.pulse.duration,
        time,
        n_cells,
        seed: options.seed,
        ..harvest::Options::default()
    }
}

/// What the model visits so, and in long pacing.
fn harvested(asker: &mut Asker, driven: &harvest::Options, long: Option<&LongPacing>) -> Result<Visited> {
    let mut visited = asker.visit(driven)?;
    if let Some(long) = long {
        visited.append(long.visited());
    }
    Ok(visited)
}

/// The surrogate with `summary` in its file.
fn described(surrogate: Surrogate, summary: Summary, structure: &Structure) -> Distilled {
    let mut provenance = serde_json::Map::new();
    let mut entry = serde_json::to_value(&summary).expect("plain data");
    entry["library"] = json!(structure.library);
    entry["program_version"] = json!(env!("CARGO_PKG_VERSION"));
    provenance.insert("distill".into(), entry);
    Distilled { surrogate: surrogate.with_provenance(provenance), summary }
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
