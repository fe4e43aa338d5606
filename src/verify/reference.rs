//! The cell model's side of all experiments, which serves for any number of surrogates.

use std::sync::Arc;

use super::alternation;
use super::cost;
use super::cycles::CyclesResult;
use super::divergence::{self, Probes};
use super::fibre;
use super::long::{self, LongPacing};
use super::options::{Options, TrainingCycles};
use super::premature;
use super::pushes;
use super::result::{Curves, Verification};
use super::surrogate_cells::SurrogateCells;
use crate::error::{Error, ErrorKind, Result};
use crate::protocol::{
    self, Beat, Cable, CableOptions, Criteria, Cycle, RestitutionPoint, S1S2, Sampling, Schedule, Trace,
};
use crate::report::draw::with_unit;
use crate::step_function::StepFunction;
use crate::surrogate::Surrogate;

/// Samples of the potential (0.1 ms) from one sample of all states to the next.
const STATES_EVERY: u32 = 10;

/// What a cell model does in all experiments, at one step.
pub struct Reference {
    pub(super) options: Options,
    pub(super) dt: f64,
    pub(super) n_states: usize,
    pub(super) criteria: Criteria,
    pub(super) paced: Paced,
    probes: Probes,
    restitution: Option<(S1S2, Vec<RestitutionPoint>)>,
    alternans: Vec<Cycle>,
    cable: Option<(CableOptions, Cable)>,
    long: Vec<LongPacing>,
    cost: Option<f64>,
    notes: Vec<String>,
}

/// Regularly paced cells, one a cycle length.
pub(super) struct Paced {
    pub traces: Vec<Trace>,
    pub beats: Vec<Vec<Beat>>,
}

/// Paces one cell a cycle length of `lengths`.
pub(super) fn pace(
    model: &mut dyn StepFunction,
    dt: f64,
    options: &Options,
    lengths: &[f64],
    n_beats: u32,
    criteria: &Criteria,
    states: u32,
) -> Result<Paced> {
    let schedules = lengths.iter().map(|&length| Schedule::regular(options.pulse, length, n_beats, dt));
    let schedules = schedules.collect::<Result<Vec<Schedule>>>()?;
    let traces = protocol::pace(model, dt, &schedules, Sampling { states, ..Sampling::fine(dt) })?;
    let beats = traces.iter().zip(&schedules).map(|(trace, schedule)| {
        let starts: Vec<f64> = schedule.starts.iter().map(|&start| start as f64 * dt).collect();
        protocol::beats(&trace.voltage, trace.interval, &starts, criteria)
    });
    let beats = beats.collect();
    Ok(Paced { traces, beats })
}

impl Reference {
    /// Takes `model` through the experiments of `options` with steps of `dt` ms.
    ///
    /// # Errors
    /// No cycle lengths or beats, a stimulus that does not excite the model, and whatever it answers.
    pub fn measure(model: &mut dyn StepFunction, dt: f64, options: &Options) -> Result<Self> {
        if options.cycle_lengths.is_empty() || options.beats == 0 {
            return Err(Error::invalid("no cycle lengths or no beats").remedy("pace at least one beat"));
        }
        let criteria = Criteria::of(model, dt, options.pulse)?;
        let lengths = &options.cycle_lengths;
        let paced = pace(model, dt, options, lengths, options.beats, &criteria, STATES_EVERY)?;
        let mut notes = Vec::new();
        let restitution = premature::plan(options, &paced).map(|protocol| {
            let points = protocol::s1s2(model, dt, &protocol, &criteria)?;
            Ok((protocol, points))
        });
        let cable = match fibre::measure(model, dt, options, &criteria) {
            Err(error) if error.kind() == ErrorKind::Numeric => {
                notes.push(format!("No cable: {error}."));
                None
            }
            cable => cable?,
        };
        Ok(Self {
            options: options.clone(),
            dt,
            n_states: model.n_states(),
            restitution: restitution.transpose()?,
            alternans: alternation::measure(model, dt, options, &criteria)?,
            cable,
            long: long::reference(model, dt, options, &criteria, &paced)?,
            cost: match options.cost {
                true => Some(cost::nanoseconds(model, dt, &paced.traces[0])?),
                false => None,
            },
            probes: Probes::of(model, dt, &paced.traces)?,
            criteria,
            paced,
            notes,
        })
    }

    /// The step, ms.
    pub fn dt(&self) -> f64 {
        self.dt
    }

    /// Takes `surrogate` through the same experiments.
    ///
    /// # Errors
    /// A surrogate of another step or that cannot be paced.
    pub fn verify(&self, surrogate: &Arc<Surrogate>) -> Result<Verification> {
        let mut cells = SurrogateCells::new(surrogate)?;
        let Self { options, dt, criteria, .. } = self;
        let mut notes = self.notes.clone();
        let training = TrainingCycles::of(surrogate);
        if training == TrainingCycles::Unknown {
            notes.push("The file does not tell the cycle lengths of training.".to_owned());
        }
        let lengths = &options.cycle_lengths;
        let own = pace(&mut cells, *dt, options, lengths, options.beats, criteria, STATES_EVERY)?;
        let mut cycles = CyclesResult::default();
        for (i, &length) in lengths.iter().enumerate() {
            let reference = (&self.paced.beats[i][..], &self.paced.traces[i].voltage[..]);
            let own = (&own.beats[i][..], &own.traces[i].voltage[..]);
            cycles.add(length, training.relation(length), reference, own);
        }
        let restitution = self.restitution.as_ref().map(|(protocol, points)| {
            let own = protocol::s1s2(&mut cells, *dt, protocol, criteria)?;
            Ok(premature::compare(protocol, points, &own))
        });
        let cable = self.cable.as_ref().map(|(fibre, reference)| {
            let own = protocol::cable(&mut cells, *dt, fibre)?;
            Ok((fibre::compare(fibre, reference, &own, criteria), own))
        });
        let (cable, own_cable) = cable.transpose()?.unzip();
        let alternans = match self.alternans.is_empty() {
            true => None,
            false => {
                let own = alternation::measure(&mut cells, *dt, options, criteria)?;
                Some(alternation::compare(options, &self.alternans, &own))
            }
        };
        let divergence = match (divergence::are_of_the_model(surrogate, self.n_states), cycles.worst_cycle())
        {
            (true, Some(i)) => {
                let step_errors = self.probes.step_errors(&mut cells, *dt)?;
                let traces = (&self.paced.traces[i], &own.traces[i]);
                Some(divergence::find(surrogate, lengths[i], traces, f64::from(STATES_EVERY), &step_errors))
            }
            (true, None) => None,
            (false, _) => {
                notes.push(format!(
                    "Of the states, only the potential is compared: the surrogate has {}{}, the cell model {}.",
                    cells.n_states(),
                    if cells.n_states() == self.n_states { " of its own" } else { "" },
                    self.n_states
                ));
                None
            }
        };
        let long =
            self.long.iter().map(|reference| long::compare(&mut cells, *dt, options, criteria, reference));
        let long = long.collect::<Result<Vec<_>>>()?;
        let pushes = match options.push_time > 0.0 {
            true => pushes::push(surrogate, &mut cells, *dt, options, criteria, &own)?,
            false => None,
        };
        let cost = self.cost.map(|reference| cost::compare(&mut cells, *dt, &own.traces[0], reference));
        let curves = Curves::new(self, own, own_cable);
        let mut verification = Verification {
            program_version: env!("CARGO_PKG_VERSION"),
            potential: with_unit(&surrogate.outputs()[0].name, &surrogate.outputs()[0].unit),
            dt: *dt,
            strength: options.pulse.strength,
            duration: options.pulse.duration,
            level: criteria.level,
            cycles,
            restitution: restitution.transpose()?,
            alternans,
            cable,
            long,
            pushes,
            divergence,
            cost: cost.transpose()?,
            targets: Vec::new(),
            verified: false,
            notes,
            curves,
        };
        verification.judge(&options.targets);
        Ok(verification)
    }

    /// The cable of the cell model.
    pub(super) fn cable(&self) -> Option<&Cable> {
        self.cable.as_ref().map(|(_, cable)| cable)
    }
}
