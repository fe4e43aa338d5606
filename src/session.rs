//! A surrogate prepared for one device and one thread of the caller: evaluates and steps without
//! allocating.

use std::sync::Arc;

use crate::backend::cpu::{CpuBackend, CpuOptions};
use crate::backend::{Advance, Backend, Evaluation, StepColumn};
use crate::error::{Error, ErrorKind, Result};
use crate::surrogate::{Kind, Role, Surrogate};
use crate::view::{View, ViewMut};

pub use crate::backend::{Guard, cell_status};

/// How a session computes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionOptions {
    /// Threads that share the cells of a call, the caller's included; the session starts and
    /// keeps the others.
    pub n_threads: usize,
    /// Instruction set by name (`scalar`, `avx2`); the fastest that the machine has if none.
    pub instruction_set: Option<String>,
    /// What happens to inputs outside the domain.
    pub guard: Guard,
}

impl Default for SessionOptions {
    fn default() -> Self {
        Self { n_threads: 1, instruction_set: None, guard: Guard::Ignore }
    }
}

/// A list of different rows: cell `i` of a step is row `list[i]` of the state.
#[derive(Clone, Copy, Debug)]
pub struct CellIndex<'a> {
    list: &'a [u32],
    n_rows: usize,
}

impl<'a> CellIndex<'a> {
    /// Checks that `list` names different rows below `n_rows`.
    ///
    /// # Errors
    /// A row that does not exist or comes twice.
    pub fn new(list: &'a [u32], n_rows: usize) -> Result<Self> {
        let mut seen = vec![false; n_rows];
        for (i, &row) in list.iter().enumerate() {
            match seen.get_mut(row as usize) {
                None => return Err(row_out_of_range(i, row, n_rows)),
                Some(true) => return Err(Error::invalid(format!("index[{i}]: row {row} comes twice"))),
                Some(seen) => *seen = true,
            }
        }
        Ok(Self { list, n_rows })
    }

    /// Checks the range only, for callers that know their rows to be different.
    ///
    /// # Safety
    /// No row comes twice.
    ///
    /// # Errors
    /// A row that does not exist.
    pub unsafe fn new_distinct(list: &'a [u32], n_rows: usize) -> Result<Self> {
        match list.iter().position(|&row| row as usize >= n_rows) {
            Some(i) => Err(row_out_of_range(i, list[i], n_rows)),
            None => Ok(Self { list, n_rows }),
        }
    }
}

fn row_out_of_range(i: usize, row: u32, n_rows: usize) -> Error {
    Error::invalid(format!("index[{i}] is row {row} of a state with {n_rows} rows"))
}

/// Cells to advance in place.
#[derive(Debug)]
pub struct Cells<'a> {
    /// Rows × states, read and written.
    pub state: ViewMut<'a>,
    /// Cells × stimulus variables; needed if the surrogate has a stimulus. Row `i` belongs to the
    /// `i`-th cell of the call, with or without an index.
    pub stimulus: Option<View<'a>>,
    /// Rows × parameters; needed if the surrogate has parameters. A cell's parameters lie in the
    /// row of its state.
    pub parameters: Option<View<'a>>,
    /// Which rows are advanced, in which order; all without.
    pub index: Option<CellIndex<'a>>,
    /// One byte a cell of the call, bits of [`cell_status`].
    pub status: Option<&'a mut [u8]>,
}

impl<'a> Cells<'a> {
    /// All rows of `state`, without stimulus, parameters or status.
    pub fn new(state: ViewMut<'a>) -> Self {
        Self { state, stimulus: None, parameters: None, index: None, status: None }
    }
}

/// A surrogate ready to run.
pub struct Session {
    surrogate: Arc<Surrogate>,
    backend: Box<dyn Backend>,
    n_stimuli: usize,
    n_parameters: usize,
}

impl Session {
    /// Prepares `surrogate`; everything that evaluate and step need is allocated here.
    ///
    /// # Errors
    /// Options that this machine cannot fulfil.
    pub fn new(surrogate: Arc<Surrogate>, options: &SessionOptions) -> Result<Self> {
        let (mut states, mut n_stimuli, mut n_parameters) = (0, 0, 0);
        let count = |n: &mut usize| std::mem::replace(n, *n + 1);
        let step_columns = surrogate.inputs().iter().map(|variable| match variable.role {
            Role::Time => StepColumn::Time,
            Role::State => StepColumn::State(count(&mut states)),
            Role::Stimulus => StepColumn::Stimulus(count(&mut n_stimuli)),
            Role::Parameter => StepColumn::Parameter(count(&mut n_parameters)),
        });
        let step_columns = step_columns.collect();
        let everything = [f64::NEG_INFINITY, f64::INFINITY];
        let range = |v: &crate::surrogate::Variable| v.range.unwrap_or(everything).map(|x| x as f32);
        let cpu = CpuOptions {
            n_threads: options.n_threads,
            instruction_set: options.instruction_set.clone(),
            guard: options.guard,
            domain: surrogate.inputs().iter().map(range).collect(),
            step_columns,
        };
        let backend = Box::new(CpuBackend::new(surrogate.program(), cpu)?);
        Ok(Self { surrogate, backend, n_stimuli, n_parameters })
    }

    /// The surrogate that the session runs.
    pub fn surrogate(&self) -> &Arc<Surrogate> {
        &self.surrogate
    }

    /// Device and instruction set, for reports.
    pub fn backend_name(&self) -> &str {
        self.backend.name()
    }

    /// Fills `outputs` (cells × outputs) from `inputs` (cells × inputs, columns in the
    /// surrogate's order), and `status` with one byte a cell (bits of [`cell_status`]).
    ///
    /// # Errors
    /// Views of other shapes; nothing is written then.
    pub fn evaluate(
        &mut self,
        inputs: View<'_>,
        outputs: ViewMut<'_>,
        status: Option<&mut [u8]>,
    ) -> Result<()> {
        let n_cells = inputs.layout().n_cells;
        check_columns("inputs", inputs.layout().n_variables, self.surrogate.inputs().len())?;
        check_columns("outputs", outputs.layout().n_variables, self.surrogate.outputs().len())?;
        check_cells("outputs", outputs.layout().n_cells, n_cells)?;
        check_status(status.as_deref(), n_cells)?;
        self.backend.evaluate(&mut Evaluation { inputs, outputs, status })
    }

    /// Advances `cells` in place by `n_steps` steps of length `dt`, in the unit of the
    /// surrogate's time. A step map takes its own Δt only; a solution map any.
    ///
    /// # Errors
    /// Another Δt, missing or superfluous stimulus or parameters, views of other shapes, or a
    /// surrogate that cannot step; nothing is written then.
    pub fn step(&mut self, cells: Cells<'_>, dt: f64, n_steps: u32) -> Result<()> {
        self.check_step(dt)?;
        let layout = cells.state.layout();
        let n_cells = cells.index.map_or(layout.n_cells, |index| index.list.len());
        check_columns("state", layout.n_variables, self.surrogate.outputs().len())?;
        if cells.index.is_some_and(|index| index.n_rows > layout.n_cells) {
            return Err(Error::invalid("the index was checked for a larger state"));
        }
        check_optional("stimulus", cells.stimulus, self.n_stimuli, n_cells)?;
        check_optional("parameters", cells.parameters, self.n_parameters, layout.n_cells)?;
        check_status(cells.status.as_deref(), n_cells)?;
        self.backend.step(&mut Advance {
            n_cells,
            index: cells.index.map(|index| index.list),
            state: cells.state,
            stimulus: cells.stimulus,
            parameters: cells.parameters,
            status: cells.status,
            dt: dt as f32,
            n_steps,
        })
    }

    fn check_step(&self, dt: f64) -> Result<()> {
        match self.surrogate.kind() {
            // Simulators compute Δt as a quotient or from text: the last digits do not matter.
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

fn check_optional(what: &str, view: Option<View<'_>>, n_variables: usize, n_cells: usize) -> Result<()> {
    match view {
        None if n_variables == 0 => Ok(()),
        None => Err(Error::invalid(format!("no {what}, of which the surrogate has {n_variables}"))
            .remedy(format!("give a view of the {what}; one with stride 0 serves all cells"))),
        Some(view) => {
            check_columns(what, view.layout().n_variables, n_variables)?;
            check_cells(what, view.layout().n_cells, n_cells)
        }
    }
}

fn check_status(status: Option<&[u8]>, n_cells: usize) -> Result<()> {
    match status {
        Some(bytes) => check_cells("status bytes", bytes.len(), n_cells),
        None => Ok(()),
    }
}
