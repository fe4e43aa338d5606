//! A surrogate prepared for one device and one thread of the caller: evaluates and steps without
//! allocating.

mod cells;
mod fallback;
mod options;
mod rows;
mod solver;
mod times;

use std::sync::Arc;

use self::fallback::{Rescue, Rescuer};
use self::rows::RowMarks;
use self::solver::Solver;
use crate::backend::{Advance, Backend, Evaluation, StatusBytes, StepInput, Tally};
use crate::error::{Error, ErrorKind, Result};
use crate::surrogate::{Kind, Role, Surrogate};
use crate::view::{Column, Columns, ColumnsMut};

pub use self::cells::{Cells, Counters};
pub use self::fallback::{Fallback, OutsideCells};
pub use self::options::{BackendChoice, SessionOptions};
pub use crate::backend::{Device, Guard, Precision, Stream, cell_status};

/// A surrogate ready to run.
pub struct Session {
    surrogate: Arc<Surrogate>,
    backend: Box<dyn Backend>,
    guard: Guard,
    rescue: Option<Rescue>,
    n_stimuli: usize,
    n_parameters: usize,
    row_marks: RowMarks,
    /// Columns of the current call.
    inputs: Vec<Column>,
    step_inputs: Vec<StepInput>,
    outputs: Vec<Column>,
    counters: Counters,
}

impl Session {
    /// Prepares `surrogate`; everything that evaluate and step need is allocated here, as far as
    /// the options tell the capacity.
    ///
    /// # Errors
    /// Options that this build or this machine cannot fulfil.
    pub fn new(surrogate: Arc<Surrogate>, options: &SessionOptions) -> Result<Self> {
        let backend = options.backend(&surrogate)?;
        let rescuer = match (options.guard, &options.fallback) {
            (Guard::Fallback, Some(fallback)) => Some(Rescuer::Caller(fallback.clone())),
            (Guard::Fallback, None) => {
                Some(Rescuer::Solver(Box::new(Solver::new(&surrogate, options.fallback_dt)?)))
            }
            _ => None,
        };
        let at_once = surrogate.time_input().map_or(1, |_| times::AT_ONCE);
        log::info!("session on {}, guard {:?}", backend.name(), options.guard);
        Ok(Self {
            backend,
            guard: options.guard,
            rescue: rescuer.map(|by| Rescue::new(by, options.capacity)),
            n_stimuli: surrogate.columns_of(Role::Stimulus).len(),
            n_parameters: surrogate.columns_of(Role::Parameter).len(),
            row_marks: RowMarks::with_capacity(options.capacity),
            inputs: Vec::with_capacity(surrogate.inputs().len()),
            step_inputs: Vec::with_capacity(surrogate.inputs().len()),
            outputs: Vec::with_capacity(surrogate.outputs().len() * at_once),
            counters: Counters::default(),
            surrogate,
        })
    }

    /// The surrogate that the session runs.
    pub fn surrogate(&self) -> &Arc<Surrogate> {
        &self.surrogate
    }

    /// Device and instruction set, for reports.
    pub fn backend_name(&self) -> &str {
        self.backend.name()
    }

    /// What the session did so far.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// Begins to count anew.
    pub fn reset_counters(&mut self) {
        self.counters = Counters::default();
    }

    /// Waits until what was asked for has been done. On the CPU it has, when a call returns. On a GPU the counters of
    /// cells outside the domain and of results that are not finite are complete after this.
    ///
    /// # Errors
    /// A fault of the device in a call that had returned before.
    pub fn synchronize(&mut self) -> Result<()> {
        let tally = self.backend.synchronize()?;
        self.counters.outside_domain += tally.outside_domain;
        self.counters.not_finite += tally.not_finite;
        Ok(())
    }

    /// Fills `outputs` (cells × outputs) from `inputs` (cells × inputs, columns in the
    /// surrogate's order), and `status` with one byte a cell (bits of [`cell_status`]).
    ///
    /// # Errors
    /// Views of other shapes, and nothing is written then; a fallback that fails, and outputs
    /// are then partly written.
    pub fn evaluate<'a>(
        &mut self,
        inputs: impl Into<Columns<'a>>,
        outputs: impl Into<ColumnsMut<'a>>,
        status: Option<&mut [u8]>,
    ) -> Result<()> {
        let (inputs, mut outputs) = (inputs.into(), outputs.into());
        let n_cells = inputs.n_cells().map_err(|e| e.at("inputs"))?;
        check_columns("inputs", inputs.n_variables(), self.surrogate.inputs().len())?;
        check_columns("outputs", outputs.n_variables(), self.surrogate.outputs().len())?;
        check_cells("outputs", outputs.n_cells().map_err(|e| e.at("outputs"))?, n_cells)?;
        self.check_status(status.as_deref(), n_cells)?;
        self.inputs.clear();
        self.inputs.extend(inputs.columns());
        self.outputs.clear();
        self.outputs.extend(outputs.columns());
        self.check_rescue(addresses(&self.outputs), status.as_deref())?;
        let status = StatusBytes::new(status);
        let job = Evaluation { n_cells, inputs: &self.inputs, outputs: &self.outputs, status };
        // SAFETY: shapes were checked; inputs are borrowed, outputs and status borrowed uniquely.
        let (tally, fallback) = unsafe {
            match &mut self.rescue {
                None => (self.backend.evaluate(&job)?, 0),
                Some(rescue) => rescue.evaluate(&mut *self.backend, &job)?,
            }
        };
        self.count(n_cells, 1, tally, fallback);
        Ok(())
    }

    /// Advances `cells` in place by `n_steps` steps of length `dt`, in the unit of the
    /// surrogate's time. A step map takes its own Δt only, unless it reads the step (an input of
    /// role time): then any in that input's range. A solution map takes any.
    ///
    /// # Errors
    /// Another Δt, missing or superfluous stimulus or parameters, views of other shapes, an index
    /// with a row that does not exist or comes twice, or a surrogate that cannot step; nothing is
    /// written then. A fallback that fails: cells have then made different numbers of steps.
    pub fn step(&mut self, mut cells: Cells<'_>, dt: f64, n_steps: u32) -> Result<()> {
        self.check_step(dt)?;
        let n_rows = cells.state.n_cells().map_err(|e| e.at("state"))?;
        let n_cells = cells.index.map_or(n_rows, <[u32]>::len);
        check_columns("state", cells.state.n_variables(), self.surrogate.outputs().len())?;
        check_optional("stimulus", cells.stimulus.map(Columns::View), self.n_stimuli, n_cells)?;
        check_optional("parameters", cells.parameters, self.n_parameters, n_rows)?;
        self.check_status(cells.status.as_deref(), n_cells)?;
        // One that lies elsewhere is checked where it lies.
        if let Some(index) = cells.index.filter(|index| self.backend.is_reachable(index.as_ptr().cast())) {
            self.row_marks.check(index, n_rows)?;
        }
        self.outputs.clear();
        self.outputs.extend(cells.state.columns());
        self.check_rescue(addresses(&self.outputs), cells.status.as_deref())?;
        self.lay_out_step_inputs(&cells);
        let job = Advance {
            n_cells,
            n_rows,
            index: cells.index,
            inputs: &self.step_inputs,
            state: &self.outputs,
            status: StatusBytes::new(cells.status),
            dt: dt as f32,
            n_steps,
        };
        // SAFETY: shapes and index were checked; what is read is borrowed, what is written
        // borrowed uniquely.
        let (tally, fallback) = unsafe {
            match &mut self.rescue {
                None => (self.backend.step(&job)?, 0),
                Some(rescue) => rescue.step(&mut *self.backend, &job, dt)?,
            }
        };
        self.count(n_cells, n_steps, tally, fallback);
        Ok(())
    }

    /// Where each input of a step comes from.
    fn lay_out_step_inputs(&mut self, cells: &Cells<'_>) {
        let (mut states, mut stimuli, mut parameters) = (0, 0, 0);
        let next = |n: &mut usize| std::mem::replace(n, *n + 1);
        let expected = "as many columns as were checked";
        self.step_inputs.clear();
        self.step_inputs.extend(self.surrogate.inputs().iter().map(|variable| match variable.role {
            Role::Time => StepInput::Time,
            Role::State => StepInput::State(next(&mut states)),
            Role::Stimulus => {
                StepInput::ByPosition(cells.stimulus.expect(expected).column(next(&mut stimuli)))
            }
            Role::Parameter => {
                let columns = cells.parameters.as_ref().expect(expected);
                StepInput::ByRow(columns.column(next(&mut parameters)).expect(expected))
            }
        }));
    }

    fn check_step(&self, dt: f64) -> Result<()> {
        match self.surrogate.kind() {
            // Simulators compute Δt as a quotient or from text: the last digits do not matter.
            Kind::StepMap { .. } if self.surrogate.step_input().is_some() => {
                let range = self.surrogate.step_input().and_then(|v| v.range);
                let [low, high] = range.unwrap_or([0.0, f64::MAX]);
                let margin = 1e-9 * dt.abs();
                if dt.is_finite() && dt > 0.0 && (low - margin..=high + margin).contains(&dt) {
                    return Ok(());
                }
                Err(Error::new(
                    ErrorKind::WrongStep,
                    format!("a step of {dt} for a step map trained for steps from {low} to {high}"),
                )
                .remedy("call with a step between them"))
            }
            Kind::StepMap { dt: own } if (dt - own).abs() <= 1e-9 * own => Ok(()),
            Kind::StepMap { dt: own } => Err(Error::new(
                ErrorKind::WrongStep,
                format!("a step of {dt} for a step map trained for {own}"),
            )
            .remedy(format!("call with dt = {own} and as many steps as needed"))),
            Kind::SolutionMap if !(dt.is_finite() && dt >= 0.0) => {
                Err(Error::new(ErrorKind::WrongStep, format!("a step of {dt}")))
            }
            Kind::SolutionMap if !self.surrogate.can_step() => {
                Err(Error::invalid("this solution map's outputs are not its state inputs")
                    .remedy("evaluate it instead of stepping"))
            }
            Kind::SolutionMap => Ok(()),
            Kind::Derivative => {
                Err(Error::invalid("a derivative does not step")
                    .remedy("evaluate it; step the surrogate itself"))
            }
        }
    }

    fn check_status(&self, status: Option<&[u8]>, n_cells: usize) -> Result<()> {
        match status {
            Some(bytes) => check_cells("status bytes", bytes.len(), n_cells),
            None if self.guard == Guard::Flag => Err(Error::invalid("no status bytes to flag cells in")
                .remedy("give one byte a cell, or make the session with another guard")),
            None => Ok(()),
        }
    }

    /// A fallback computes on this thread: what it is to read and write must be within its reach.
    fn check_rescue(&self, outputs: impl Iterator<Item = *const u8>, status: Option<&[u8]>) -> Result<()> {
        let mut addresses = outputs.chain(status.map(<[u8]>::as_ptr));
        match self.rescue.is_some() && !addresses.all(|address| self.backend.is_reachable(address)) {
            true => {
                Err(Error::unsupported("a fallback for cells in a GPU's memory, where it cannot reach them")
                    .remedy("keep them in the processor's memory, or use another guard"))
            }
            false => Ok(()),
        }
    }

    fn count(&mut self, n_cells: usize, n_steps: u32, tally: Tally, fallback: u64) {
        if tally.outside_domain > 0 && self.counters.outside_domain == 0 && self.guard != Guard::Ignore {
            log::warn!(
                "{} of {n_cells} cells × {n_steps} steps were outside the surrogate's domain; guard {:?}",
                tally.outside_domain,
                self.guard
            );
        }
        self.counters.calls += 1;
        self.counters.cell_steps += n_cells as u64 * u64::from(n_steps);
        self.counters.outside_domain += tally.outside_domain;
        self.counters.not_finite += tally.not_finite;
        self.counters.fallback += fallback;
    }
}

fn addresses(columns: &[Column]) -> impl Iterator<Item = *const u8> {
    columns.iter().map(|column| column.pointer.cast_const())
}

fn check_columns(what: &str, found: usize, expected: usize) -> Result<()> {
    if found != expected {
        return Err(Error::invalid(format!(
            "{what} of {found} variables where the surrogate has {expected}"
        ))
        .remedy("`emucell inspect FILE` lists the variables and their order"));
    }
    Ok(())
}

fn check_cells(what: &str, found: usize, expected: usize) -> Result<()> {
    if found != expected {
        return Err(Error::invalid(format!("{what} of {found} cells where {expected} are computed")));
    }
    Ok(())
}

fn check_optional(
    what: &str,
    columns: Option<Columns<'_>>,
    n_variables: usize,
    n_cells: usize,
) -> Result<()> {
    match columns {
        None if n_variables == 0 => Ok(()),
        None => Err(Error::invalid(format!("no {what}, of which the surrogate has {n_variables}"))
            .remedy(format!("give a view of the {what}; one with stride 0 serves all cells"))),
        Some(columns) => {
            check_columns(what, columns.n_variables(), n_variables)?;
            check_cells(what, columns.n_cells().map_err(|e| e.at(what))?, n_cells)
        }
    }
}
