//! Forward Euler on a GPU: what a surrogate has to beat there.
//!
//! Single precision throughout, states in registers, only requested samples written. The equations are those of the
//! processor's solver, written down as C++ when a solver is made. Beside it stands a kernel as published comparisons have
//! it, for a column of its own.

mod text;

use std::path::Path;

use self::text::Literal;
use super::CellModel;
use crate::backend::Stream;
use crate::backend::cuda::CudaDevice;
use crate::backend::cuda::generate::Kernel;
use crate::backend::cuda::gpu::Gpu;
use crate::backend::cuda::job::Entry;
use crate::error::{Error, Result};
use crate::view::{Column, ElementType};

/// Threads of a block: few enough that a thousand cells are spread over many multiprocessors.
const THREADS: usize = 128;

/// Forward Euler of one cell model with a fixed step, on one GPU.
pub struct CudaEuler {
    gpu: Box<dyn Gpu>,
    n_states: usize,
    coefficients: Vec<f64>,
    /// The model's own stimulus, one number for all cells.
    stimulus: Column,
    words: Vec<u64>,
}

/// Samples of cells, in the GPU's memory.
#[derive(Clone, Copy, Debug)]
pub struct Samples {
    /// Address of the first number, single precision: state j of sample k of cell i is number (k·states + j)·pitch + i.
    pub address: u64,
    /// Numbers from a state to the next, at least as many as there are cells.
    pub pitch: usize,
    /// How many; the first after `steps_per_sample` steps.
    pub n_samples: usize,
    /// Steps from a sample to the next.
    pub steps_per_sample: u32,
}

impl CudaEuler {
    /// A solver of `model` with steps of `dt` ms on the GPU of that number. Compiled kernels are kept in `cache`; see
    /// [`cache_folder`](crate::backend::cuda::compile::cache_folder).
    ///
    /// # Errors
    /// No driver, no such GPU, no compiler, a stream of another GPU; a step that is not positive and finite.
    pub fn new(
        model: &CellModel,
        dt: f64,
        device: usize,
        stream: Option<Stream>,
        cache: Option<&Path>,
    ) -> Result<Self> {
        Self::on(Box::new(CudaDevice::open(device, stream, cache)?), model, dt)
    }

    /// The same on any [`Gpu`].
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn on(mut gpu: Box<dyn Gpu>, model: &CellModel, dt: f64) -> Result<Self> {
        if !(dt.is_finite() && dt > 0.0) {
            return Err(Error::invalid(format!("Euler step of {dt} ms")).remedy("give a positive step"));
        }
        gpu.enter()?;
        let loaded = gpu.load(&kernel(model));
        gpu.leave();
        let pointer = loaded?.numbers as *mut u8;
        Ok(Self {
            gpu,
            n_states: model.states().len(),
            coefficients: text::coefficients(model, dt),
            stimulus: Column { pointer, element: ElementType::F32, stride: 0 },
            words: Vec::new(),
        })
    }

    /// Name of the GPU.
    pub fn name(&self) -> String {
        self.gpu.name()
    }

    /// Queues the computation of samples of `n_cells` cells from their states (a column a state), which stay as they are.
    ///
    /// # Safety
    /// All addresses are the GPU's, and lead to as many numbers as there are cells, until the stream is done.
    ///
    /// # Errors
    /// Another number of states, and the driver's refusal.
    pub unsafe fn sample(
        &mut self,
        n_cells: usize,
        state: &[Column],
        stimulus: Option<Column>,
        samples: Samples,
    ) -> Result<()> {
        self.describe(n_cells, state, stimulus, samples)?;
        let pairs = self.coefficients.chunks(2).map(|pair| {
            let bits = |i: usize| pair.get(i).map_or(0, |&c| u64::from((c as f32).to_bits()));
            bits(0) | bits(1) << 32
        });
        self.words.extend(pairs);
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
    /// As [`sample`](Self::sample).
    pub unsafe fn advance_as_published(
        &mut self,
        n_cells: usize,
        state: &[Column],
        stimulus: Option<Column>,
        n_steps: u32,
    ) -> Result<()> {
        let samples = Samples { address: 0, pitch: 0, n_samples: 1, steps_per_sample: n_steps };
        self.describe(n_cells, state, stimulus, samples)?;
        self.words.extend(self.coefficients.iter().map(|c| c.to_bits()));
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
        stimulus: Option<Column>,
        samples: Samples,
    ) -> Result<()> {
        if state.len() != self.n_states {
            return Err(Error::invalid(format!("{} states of a model with {}", state.len(), self.n_states)));
        }
        let Samples { address, pitch, n_samples, steps_per_sample } = samples;
        self.words.clear();
        self.words.extend([n_cells as u64, n_samples as u64, steps_per_sample.into(), address, pitch as u64]);
        for column in std::iter::once(&stimulus.unwrap_or(self.stimulus)).chain(state) {
            let is_double = u64::from(column.element == ElementType::F64);
            self.words.extend([column.pointer as u64, (column.stride as u64) << 1 | is_double]);
        }
        Ok(())
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

/// Both kernels of `model`; the one that computes samples is called as an evaluation, the other as a step.
pub fn kernel(model: &CellModel) -> Kernel {
    let mut source = String::from("EMUCELL_CONSTANTS(1);\n\n");
    source += include_str!("euler.cuh");
    source += &text::model(model, "Model", Literal::Single);
    source += &text::model(model, "Published", Literal::Double);
    for (name, model, function) in
        [("evaluate", "Model", "euler_samples"), ("step", "Published", "euler_in_memory")]
    {
        source += &format!(
            "typedef EulerJob<{model}> {name}_job;
EMUCELL_KERNEL({THREADS}) emucell_{name}(EMUCELL_ARGUMENT({name}_job) job) {{
    {function}<{model}, {THREADS}>(job);
}}
"
        );
    }
    Kernel {
        source,
        constants: vec![0.0],
        numbers: vec![(model.stimulus().default as f32).to_bits()],
        steps: true,
        increments: false,
        uses_tensor_cores: false,
        threads: THREADS,
        shared_bytes: 0,
        arithmetic: "f32",
    }
}
