//! Sessions on a GPU, whose numbers lie in its memory and whose times are those of its own clock; and the solver there.

use std::sync::Arc;

use super::contender::{Contender, Evaluator, Layout, Setting};
use super::middle;
use crate::backend::cuda::Workplace;
use crate::backend::cuda::generate::{Kernel, Request};
use crate::backend::cuda::limits::Limit;
use crate::cell_model::CellModel;
use crate::cell_model::cuda::{CudaEuler, PerCell, Samples};
use crate::error::{Error, Result};
use crate::session::{BackendChoice, Device, Session, SessionOptions};
use crate::surrogate::Surrogate;
use crate::view::{Column, ElementType, View, ViewMut};

/// Shortest series between two looks at the clock, s.
const SERIES: f64 = 2e-3;
/// Series of a measurement.
const N_SERIES: usize = 21;

/// Sessions with `options` on a GPU.
pub fn sessions(
    backend: &str,
    precision: &str,
    layout: Layout,
    surrogate: &Arc<Surrogate>,
    options: SessionOptions,
) -> Contender {
    let Device::Cuda(number) = options.device else {
        return Contender::sessions(backend, precision, layout, surrogate, options);
    };
    let (surrogate, device) = (surrogate.clone(), options.device.to_string());
    let prepare = move |Setting { batch, .. }| {
        let (n_inputs, n_outputs) = (surrogate.inputs().len(), surrogate.outputs().len());
        let mut workplace = Workplace::open(number)?;
        let [x, y] = [n_inputs, n_outputs].map(|width| workplace.reserve(batch * width * size_of::<f32>()));
        let (x, y) = (x?, y?);
        let options = SessionOptions { capacity: batch, stream: Some(workplace.stream()), ..options.clone() };
        let session = Session::new(surrogate.clone(), &options)?;
        let limit = limit(&surrogate, &options, &workplace)?;
        Ok(Box::new(OnGpu { session, workplace, layout, batch, x, y, limit }) as Box<dyn Evaluator>)
    };
    Contender::new(backend, device, precision, prepare).with_layout(layout)
}

/// What the GPU's units allow a cell of `surrogate`: none where not the native kernels compute.
fn limit(
    surrogate: &Surrogate,
    options: &SessionOptions,
    workplace: &Workplace,
) -> Result<Option<(f64, &'static str)>> {
    let is_native = matches!(options.backend, BackendChoice::Auto | BackendChoice::Native);
    let Some(program) = surrogate.program().ok().filter(|_| is_native) else { return Ok(None) };
    let told = options.for_gpu(surrogate, 0);
    let kernel = Kernel::generate(&Request {
        program,
        steps: None,
        time: None,
        domain: &told.check.domain,
        precision: told.precision,
        target: workplace.target(),
    })?;
    let bytes = (program.n_inputs() + program.n_outputs()) * size_of::<f32>();
    let limit = Limit::of(&kernel.work, bytes, &workplace.rates()?);
    Ok(Some((limit.seconds, limit.by)))
}

struct OnGpu {
    // Before the workplace, whose stream it uses.
    session: Session,
    workplace: Workplace,
    layout: Layout,
    batch: usize,
    x: usize,
    y: usize,
    limit: Option<(f64, &'static str)>,
}

impl OnGpu {
    fn widths(&self) -> [usize; 2] {
        [self.session.surrogate().inputs().len(), self.session.surrogate().outputs().len()]
    }

    /// Queues one evaluation.
    fn queue(
        session: &mut Session,
        [x, y]: [*mut u8; 2],
        layout: Layout,
        batch: usize,
        widths: [usize; 2],
    ) -> Result<()> {
        let [inputs, outputs] = widths.map(|width| layout.view(batch, width));
        // SAFETY: pieces of the GPU's memory of these sizes, which nobody else uses; the session is on the GPU.
        let (inputs, outputs) = unsafe {
            (View::from_raw(x, ElementType::F32, inputs), ViewMut::from_raw(y, ElementType::F32, outputs)?)
        };
        session.evaluate(inputs, outputs, None)
    }
}

impl Evaluator for OnGpu {
    fn evaluate(&mut self, x: &[f32], y: &mut [f32]) -> Result<()> {
        self.workplace.put(self.x, x)?;
        let addresses = [self.workplace.address(self.x), self.workplace.address(self.y)];
        let widths = self.widths();
        Self::queue(&mut self.session, addresses, self.layout, self.batch, widths)?;
        self.workplace.get(self.y, y)
    }

    fn median_seconds(&mut self, x: &[f32], y: &mut [f32]) -> Result<f64> {
        self.evaluate(x, y)?;
        let addresses = [self.workplace.address(self.x), self.workplace.address(self.y)];
        let (widths, Self { session, workplace, layout, batch, .. }) = (self.widths(), self);
        median_of_series(workplace, &mut || Self::queue(session, addresses, *layout, *batch, widths))
    }

    fn limit(&self) -> Option<(f64, &'static str)> {
        self.limit
    }
}

/// Median time of a call by the GPU's clock, over series of calls.
fn median_of_series(workplace: &mut Workplace, call: &mut impl FnMut() -> Result<()>) -> Result<f64> {
    // The first is for what happens once.
    call()?;
    let once = workplace.seconds(&mut *call)?;
    let n = (SERIES / once.max(1e-7)).ceil() as usize;
    let mut series =
        || workplace.seconds(|| (0..n).try_for_each(|_| call())).map(|seconds| seconds / n as f64);
    let times = (0..N_SERIES).map(|_| series()).collect::<Result<Vec<f64>>>()?;
    Ok(middle(times))
}

/// Seconds of an evaluation of `n_cells` cells at `n_times` times in one call, on a GPU.
///
/// # Errors
/// As [`Session::evaluate_times`], and a fault of the GPU.
pub fn times_seconds(
    surrogate: &Arc<Surrogate>,
    options: SessionOptions,
    n_cells: usize,
    n_times: usize,
) -> Result<f64> {
    let Device::Cuda(number) = options.device else {
        return Err(Error::invalid(format!("times on {}", options.device)).remedy("choose a GPU"));
    };
    let mut workplace = Workplace::open(number)?;
    let widths = [surrogate.inputs().len() - 1, n_times * surrogate.outputs().len()];
    let [x, y] = widths.map(|width| workplace.reserve(n_cells * width * size_of::<f32>()));
    let pieces = [x?, y?];
    workplace.put(pieces[0], &vec![0.1; n_cells * widths[0]])?;
    let [x, y] = pieces.map(|piece| workplace.address(piece));
    let options = SessionOptions { stream: Some(workplace.stream()), ..options };
    let mut session = Session::new(surrogate.clone(), &options)?;
    let range = surrogate.time_input().and_then(|i| surrogate.inputs()[i].range).unwrap_or([0.0, 1.0]);
    let time = |k: usize| range[0] + (range[1] - range[0]) * k as f64 / n_times as f64;
    let times: Vec<f64> = (0..n_times).map(time).collect();
    let [inputs, outputs] = widths.map(|width| Layout::StructureOfArrays.view(n_cells, width));
    median_of_series(&mut workplace, &mut || {
        // SAFETY: pieces of the GPU's memory of these sizes, which nobody else uses.
        let (x, y) = unsafe {
            (View::from_raw(x, ElementType::F32, inputs), ViewMut::from_raw(y, ElementType::F32, outputs)?)
        };
        session.evaluate_times(x, &times, y)
    })
}

/// Least seconds of a step of forward Euler of a cell on a GPU: its operations at the rate of multiply-adds.
///
/// # Errors
/// No such GPU.
pub fn solver_limit(model: &CellModel, number: usize) -> Result<f64> {
    let kernel = crate::cell_model::cuda::kernel(model, ElementType::F32);
    Ok(Limit::of(&kernel.work, 0, &Workplace::open(number)?.rates()?).seconds)
}

/// Seconds of a step of forward Euler of `n_cells` cells on a GPU: our own solver, and one as published comparisons have.
///
/// # Errors
/// No such GPU, and a fault of it.
pub fn solver_seconds(model: &CellModel, number: usize, n_cells: usize, steps: u32) -> Result<[f64; 2]> {
    let mut workplace = Workplace::open(number)?;
    let n_states = model.states().len();
    let [state, samples] = [(); 2].map(|()| workplace.reserve(n_cells * n_states * size_of::<f32>()));
    let (state, samples) = (state?, samples?);
    let initial = model.initial_state();
    let start: Vec<f32> = (0..n_cells * n_states)
        .map(|i| (initial[i / n_cells] + 0.5 * (i % n_cells) as f64 / n_cells as f64) as f32)
        .collect();
    workplace.put(state, &start)?;
    let mut solver = CudaEuler::new(model, 0.01, ElementType::F32, number, Some(workplace.stream()), None)?;
    let column = |j: usize| Column {
        pointer: workplace.address(state).wrapping_add(j * n_cells * size_of::<f32>()),
        element: ElementType::F32,
        stride: 1,
    };
    let columns: Vec<Column> = (0..n_states).map(column).collect();
    let to = Samples {
        address: workplace.address(samples) as u64,
        pitch: n_cells,
        n_samples: 1,
        steps_per_sample: steps,
    };
    // SAFETY: pieces of the GPU's memory of these sizes; the stream is waited for by the clock.
    let own = median_of_series(&mut workplace, &mut || unsafe {
        solver.sample(n_cells, &columns, PerCell::default(), to)
    })?;
    // SAFETY: as above.
    let published = median_of_series(&mut workplace, &mut || unsafe {
        solver.advance_as_published(n_cells, &columns, None, steps)
    })?;
    Ok([own, published].map(|seconds| seconds / f64::from(steps)))
}
