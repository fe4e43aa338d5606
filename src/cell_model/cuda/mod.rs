//! Forward Euler on a GPU: what a surrogate has to beat there.
//!
//! Single or double precision throughout, states in registers, only requested samples written. The equations are those of
//! the processor's solver, written down as C++ when a solver is made; no model of emucell has gates, so that there is nothing
//! for Rush and Larsen's method. Beside it stands a kernel as published comparisons have it, for a column of its own.

mod text;

use std::path::Path;

use self::text::Arithmetic;
use super::CellModel;
use crate::backend::Stream;
use crate::backend::cuda::CudaDevice;
use crate::backend::cuda::generate::{Kernel, Work};
use crate::backend::cuda::gpu::Gpu;
use crate::backend::cuda::job::Entry;
use crate::error::{Error, Result};
use crate::view::{Column, ElementType};

/// Threads of a block: few enough that a thousand cells are spread over many multiprocessors.
const THREADS: usize = 128;

/// Bits of a job's options.
const OWN_PARAMETERS: u64 = 1;
const ADVANCE: u64 = 2;
/// Words of a job before its columns.
const HEADER: usize = 7;

/// Forward Euler of one cell model with a fixed step, on one GPU.
pub struct CudaEuler {
    gpu: Box<dyn Gpu>,
    model: CellModel,
    element: ElementType,
    dt: f64,
    coefficients: Vec<f64>,
    /// The model's own stimulus, one number for all cells.
    stimulus: Column,
    words: Vec<u64>,
}

/// What differs from cell to cell, in the GPU's memory; without it the cell model's own values hold. With stride 0 one
/// number serves all cells.
#[derive(Clone, Copy, Debug, Default)]
pub struct PerCell<'a> {
    /// Stimulus of each cell, constant during the call.
    pub stimulus: Option<Column>,
    /// A column for each parameter, in the cell model's order.
    pub parameters: Option<&'a [Column]>,
}

/// Samples of cells, in the GPU's memory.
#[derive(Clone, Copy, Debug)]
pub struct Samples {
    /// Address of the first number, in the solver's precision: state j of sample k of cell i is number (k·states + j)·pitch + i.
    pub address: u64,
    /// Numbers from a state to the next, at least as many as there are cells.
    pub pitch: usize,
    /// How many; the first after `steps_per_sample` steps.
    pub n_samples: usize,
    /// Steps from a sample to the next.
    pub steps_per_sample: u32,
}

impl CudaEuler {
    /// A solver of `model` with steps of `dt` ms, computing in numbers of type `element`, on the GPU of that number. Compiled kernels are kept in `cache`; see
    /// [`cache_folder`](crate::backend::cuda::compile::cache_folder).
    ///
    /// # Errors
    /// No driver, no such GPU, no compiler, a stream of another GPU; a step that is not positive and finite.
    pub fn new(
        model: &CellModel,
        dt: f64,
        element: ElementType,
        device: usize,
        stream: Option<Stream>,
        cache: Option<&Path>,
    ) -> Result<Self> {
        Self::on(Box::new(CudaDevice::open(device, stream, cache)?), model, dt, element)
    }

    /// The same on any [`Gpu`].
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn on(mut gpu: Box<dyn Gpu>, model: &CellModel, dt: f64, element: ElementType) -> Result<Self> {
        if !(dt.is_finite() && dt > 0.0) {
            return Err(Error::invalid(format!("Euler step of {dt} ms")).remedy("give a positive step"));
        }
        gpu.enter()?;
        let loaded = gpu.load(&kernel(model, element));
        gpu.leave();
        let pointer = loaded?.numbers as *mut u8;
        Ok(Self {
            gpu,
            model: model.clone(),
            element,
            dt,
            coefficients: text::coefficients(model, dt),
            stimulus: Column { pointer, element, stride: 0 },
            words: Vec::new(),
        })
    }

    /// Name of the GPU.
    pub fn name(&self) -> String {
        self.gpu.name()
    }

    /// Queues the computation of samples of `n_cells` cells from their states (a column a state, of either type), which stay
    /// as they are.
    ///
    /// # Safety
    /// All addresses are the GPU's, and lead to as many numbers as there are cells, until the stream is done.
    ///
    /// # Errors
    /// Another number of states or parameters, and the driver's refusal.
    pub unsafe fn sample(
        &mut self,
        n_cells: usize,
        state: &[Column],
        per_cell: PerCell<'_>,
        samples: Samples,
    ) -> Result<()> {
        self.describe(n_cells, state, per_cell, samples, 0)?;
        self.add_coefficients(self.element);
        // SAFETY: as this function's contract says.
        unsafe { self.launch(Entry::Evaluate, n_cells) }
    }

    /// Queues `n_steps` steps of states in place.
    ///
    /// # Safety
    /// As [`sample`](Self::sample).
    ///
    /// # Errors
    /// As [`sample`](Self::sample).
    pub unsafe fn advance(
        &mut self,
        n_cells: usize,
        state: &[Column],
        per_cell: PerCell<'_>,
        n_steps: u32,
    ) -> Result<()> {
        let samples = Samples { address: 0, pitch: 0, n_samples: 1, steps_per_sample: n_steps };
        self.describe(n_cells, state, per_cell, samples, ADVANCE)?;
        self.add_coefficients(self.element);
        // SAFETY: as this function's contract says.
        unsafe { self.launch(Entry::Evaluate, n_cells) }
    }

    /// Queues steps of states in single precision as published solvers make them: through memory, with constants in
    /// double precision.
    ///
    /// # Safety
    /// As [`sample`](Self::sample).
    ///
    /// # Errors
    /// As [`sample`](Self::sample); a solver or states in double precision.
    pub unsafe fn advance_as_published(
        &mut self,
        n_cells: usize,
        state: &[Column],
        stimulus: Option<Column>,
        n_steps: u32,
    ) -> Result<()> {
        let is_single = |column: &Column| column.element == ElementType::F32;
        if self.element == ElementType::F64 || !state.iter().all(is_single) {
            return Err(Error::unsupported("a solver as published, in double precision")
                .remedy("make the solver for single precision, with states in it"));
        }
        let samples = Samples { address: 0, pitch: 0, n_samples: 1, steps_per_sample: n_steps };
        self.describe(n_cells, state, PerCell { stimulus, parameters: None }, samples, 0)?;
        self.add_coefficients(ElementType::F64);
        // SAFETY: as this function's contract says.
        unsafe { self.launch(Entry::Step, n_cells) }
    }

    /// Waits until all that was queued has been done.
    ///
    /// # Errors
    /// A fault of what was queued.
    pub fn synchronize(&mut self) -> Result<()> {
        self.gpu.enter()?;
        let done = self.gpu.take_counters();
        self.gpu.leave();
        done.map(|_| ())
    }

    /// The struct `EulerJob` of euler.cuh but for its coefficients.
    fn describe(
        &mut self,
        n_cells: usize,
        state: &[Column],
        per_cell: PerCell<'_>,
        samples: Samples,
        options: u64,
    ) -> Result<()> {
        let (n_states, n_parameters) = (self.model.states().len(), self.model.parameters().len());
        let check = |what: &str, found: usize, expected: usize| match found == expected {
            true => Ok(()),
            false => {
                Err(Error::invalid(format!("{found} {what} of {}, which has {expected}", self.model.name())))
            }
        };
        check("states", state.len(), n_states)?;
        check("parameters", per_cell.parameters.map_or(n_parameters, <[Column]>::len), n_parameters)?;
        let options = options | if per_cell.parameters.is_some() { OWN_PARAMETERS } else { 0 };
        let Samples { address, pitch, n_samples, steps_per_sample } = samples;
        let words = &mut self.words;
        words.clear();
        words.extend([n_cells as u64, n_samples as u64, steps_per_sample.into(), address, pitch as u64]);
        words.extend([options, self.dt.to_bits()]);
        let stimulus = per_cell.stimulus.unwrap_or(self.stimulus);
        for column in [&stimulus].into_iter().chain(state).chain(per_cell.parameters.into_iter().flatten()) {
            let is_double = u64::from(column.element == ElementType::F64);
            words.extend([column.pointer as u64, (column.stride as u64) << 1 | is_double]);
        }
        let n_columns = 1 + n_states + n_parameters;
        words.resize(HEADER + 2 * n_columns, 0);
        Ok(())
    }

    /// The coefficients of the model's own parameters, as numbers of that type.
    fn add_coefficients(&mut self, element: ElementType) {
        match element {
            ElementType::F64 => self.words.extend(self.coefficients.iter().map(|c| c.to_bits())),
            ElementType::F32 => self.words.extend(self.coefficients.chunks(2).map(|pair| {
                let bits = |i: usize| pair.get(i).map_or(0, |&c| u64::from((c as f32).to_bits()));
                bits(0) | bits(1) << 32
            })),
        }
    }

    /// # Safety
    /// As [`sample`](Self::sample).
    unsafe fn launch(&mut self, entry: Entry, n_cells: usize) -> Result<()> {
        if n_cells == 0 {
            return Ok(());
        }
        self.gpu.enter()?;
        // SAFETY: as this function's contract says.
        let launched = unsafe { self.gpu.launch(entry, n_cells, &self.words) };
        self.gpu.leave();
        launched
    }
}

/// The kernels of `model` for solvers that compute in numbers of that type. The one that computes samples is called as an
/// evaluation; for single precision there is the one as published, too, which is called as a step.
pub fn kernel(model: &CellModel, element: ElementType) -> Kernel {
    let mut source = String::from("EMUCELL_CONSTANTS(1);\n\n");
    source += include_str!("euler.cuh");
    let mut add = |entry: &str, name: &str, arithmetic, function: &str| {
        source += &text::model(model, name, arithmetic);
        source += &format!(
            "typedef EulerJob<{name}> {entry}_job;
EMUCELL_KERNEL({THREADS}) emucell_{entry}(EMUCELL_ARGUMENT({entry}_job) job) {{
    {function}<{name}, {THREADS}>(job);
}}
"
        );
    };
    match element {
        ElementType::F32 => {
            add("evaluate", "Model", Arithmetic::Single, "euler_samples");
            add("step", "Published", Arithmetic::Mixed, "euler_in_memory");
        }
        ElementType::F64 => add("evaluate", "Model", Arithmetic::Double, "euler_samples"),
    }
    Kernel {
        source,
        constants: vec![0.0],
        numbers: match element {
            ElementType::F32 => vec![(model.stimulus().default as f32).to_bits()],
            ElementType::F64 => {
                let bits = model.stimulus().default.to_bits();
                vec![bits as u32, (bits >> 32) as u32]
            }
        },
        steps: element == ElementType::F32,
        increments: false,
        times: false,
        uses_tensor_cores: false,
        threads: THREADS,
        shared_bytes: 0,
        times_bytes: 0,
        arithmetic: match element {
            ElementType::F32 => "f32",
            ElementType::F64 => "f64",
        },
        work: Work { multiply_adds: text::operations(model) as f64, ..Work::default() },
    }
}
