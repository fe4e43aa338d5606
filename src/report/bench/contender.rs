//! Who takes part in a bench.

use std::sync::Arc;

use crate::error::Result;
use crate::session::{Session, SessionOptions};
use crate::surrogate::Surrogate;
use crate::view::{self, View, ViewMut};

/// Cells of a call and threads that share them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Setting {
    /// Cells.
    pub batch: usize,
    /// Threads.
    pub threads: usize,
}

/// Somebody ready to evaluate.
pub trait Evaluator {
    /// Fills `y` from `x`, both in the contender's layout.
    ///
    /// # Errors
    /// Whatever prevents it.
    fn evaluate(&mut self, x: &[f32], y: &mut [f32]) -> Result<()>;

    /// Median time of an evaluation, whose results are in `y` then.
    ///
    /// # Errors
    /// As [`evaluate`](Self::evaluate).
    fn median_seconds(&mut self, x: &[f32], y: &mut [f32]) -> Result<f64> {
        super::median_seconds(&mut || self.evaluate(x, y))
    }

    /// Least seconds for a cell, and which part of the device sets them, where that is known.
    fn limit(&self) -> Option<(f64, &'static str)> {
        None
    }
}

/// How the numbers of a call lie. Each contender gets what it reads without copying.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// Cell after cell.
    ArrayOfStructures,
    /// Variable after variable.
    StructureOfArrays,
}

impl Layout {
    /// Place in cells × variables of the `i`-th number.
    pub fn cell_and_variable(self, i: usize, n_cells: usize, n_variables: usize) -> usize {
        match self {
            Self::ArrayOfStructures => i,
            Self::StructureOfArrays => i % n_cells * n_variables + i / n_cells,
        }
    }

    pub(super) fn view(self, n_cells: usize, n_variables: usize) -> view::Layout {
        match self {
            Self::ArrayOfStructures => view::Layout::array_of_structures(n_cells, n_variables),
            Self::StructureOfArrays => view::Layout::structure_of_arrays(n_cells, n_variables),
        }
    }
}

type Prepare = dyn Fn(Setting) -> Result<Box<dyn Evaluator>>;

/// A way of running the surrogate.
pub struct Contender {
    /// Its name in tables.
    pub backend: String,
    /// Where it computes.
    pub device: String,
    /// In which numbers.
    pub precision: String,
    /// How it wants them to lie.
    pub layout: Layout,
    prepare: Box<Prepare>,
}

impl Contender {
    /// Somebody whom `prepare` makes ready for a setting, and whose numbers lie cell after cell.
    pub fn new(
        backend: impl Into<String>,
        device: impl Into<String>,
        precision: impl Into<String>,
        prepare: impl Fn(Setting) -> Result<Box<dyn Evaluator>> + 'static,
    ) -> Self {
        Self {
            backend: backend.into(),
            device: device.into(),
            precision: precision.into(),
            layout: Layout::ArrayOfStructures,
            prepare: Box::new(prepare),
        }
    }

    /// The same with numbers that lie in `layout`.
    #[must_use]
    pub fn with_layout(mut self, layout: Layout) -> Self {
        self.layout = layout;
        self
    }

    /// Sessions with `options`, whose numbers lie in `layout`.
    pub fn sessions(
        backend: impl Into<String>,
        precision: impl Into<String>,
        layout: Layout,
        surrogate: &Arc<Surrogate>,
        options: SessionOptions,
    ) -> Self {
        let (surrogate, device) = (surrogate.clone(), options.device.to_string());
        let prepare = move |Setting { batch, threads }| {
            let options = SessionOptions { n_threads: threads, capacity: batch, ..options.clone() };
            let session = Session::new(surrogate.clone(), &options)?;
            Ok(Box::new(InSession { session, layout, batch }) as Box<dyn Evaluator>)
        };
        Self::new(backend, device, precision, prepare).with_layout(layout)
    }

    pub(super) fn prepare(&self, setting: Setting) -> Result<Box<dyn Evaluator>> {
        (self.prepare)(setting)
    }
}

struct InSession {
    session: Session,
    layout: Layout,
    batch: usize,
}

impl Evaluator for InSession {
    fn evaluate(&mut self, x: &[f32], y: &mut [f32]) -> Result<()> {
        let (n_inputs, n_outputs) = (x.len() / self.batch, y.len() / self.batch);
        let inputs = View::new(x, self.layout.view(self.batch, n_inputs))?;
        let outputs = ViewMut::new(y, self.layout.view(self.batch, n_outputs))?;
        self.session.evaluate(inputs, outputs, None)?;
        self.session.synchronize()
    }
}
