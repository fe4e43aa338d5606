//! Surrogates that know nothing of the model's structure.

use std::collections::BTreeMap;
use std::time::Instant;

use super::ask::Asker;
use super::black_box::BlackBox;
use super::closed_loop::ClosedLoop;
use super::latent::{Latent, MOST_GATES, Membrane};
use super::rounds::{self, Trainee};
use super::{Distilled, Form, LongPacing, Options, Summary, described, domain, driven, harvested, surrogate};
use crate::error::{Error, Result};
use crate::harvest::{self, Visited};
use crate::step_function::StepFunction;
use crate::structure::Structure;

/// Of the recordings for latent gates: time in ms and cells. Slow gates show their memory from beat to beat.
const RECORDED: (f64, usize) = (2000.0, 64);

/// As [`super::distill`], in one of the other forms.
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
    progress("pacing the model");
    let closed_loop =
        ClosedLoop::new(model, structure.dt, options.pulse, &options.cycle_lengths, options.beats, long)?;
    let mut asker = Asker::new(model, structure.dt);
    let initial_state = asker.initial_state().to_vec();
    let make = |program| surrogate(structure, &domain, &initial_state, program);
    let driven = driven(structure, options);
    let mut trainee: Box<dyn Trainee> = match options.form {
        Form::Latent(n_gates) => {
            let (time, n_cells) = RECORDED;
            let driven = harvest::Options { time, n_cells, ..driven };
            let membrane = membrane(structure, domain[0], initial_state[0], n_gates)?;
            progress("recording potentials");
            let recordings = asker.record(&driven)?;
            Box::new(Latent::new(membrane, n_gates, recordings, driven)?)
        }
        Form::Structured | Form::BlackBox => {
            progress("visiting states for the network");
            let more = harvested(&mut asker, &driven, long)?;
            Box::new(BlackBox::new(&domain, &mut asker, &more, &make, driven)?)
        }
    };
    let trained = rounds::train(&mut *trainee, &mut asker, &closed_loop, options, progress, go_on)?;
    let learned: Vec<String> = structure.states.iter().map(|state| state.name.clone()).collect();
    let summary = Summary {
        form: options.form,
        training_cycle_lengths: options.cycle_lengths.clone(),
        departure: trained.departure,
        intervals: BTreeMap::new(),
        terms: 0,
        learned: if let Form::Latent(_) = options.form { vec![learned[0].clone()] } else { learned },
        seed: options.seed,
        seconds: trained.seconds_before + began.elapsed().as_secs_f64(),
    };
    Ok(described(trained.surrogate, summary, structure))
}

fn membrane(structure: &Structure, range: [f64; 2], rest: f64, n_gates: usize) -> Result<Membrane> {
    if !(1..=MOST_GATES).contains(&n_gates) {
        return Err(Error::invalid(format!("{n_gates} latent gates"))
            .remedy(format!("ask for 1 to {MOST_GATES}; 4 to 8 are usual")));
    }
    let effect = structure.stimulus.iter().find(|effect| effect.state == 0);
    let effect =
        effect.ok_or_else(|| Error::numeric("the stimulus does not change V, which must be state 0"))?;
    Ok(Membrane { name: structure.library.clone(), dt: structure.dt, rest, range, effect: effect.per_unit })
}
