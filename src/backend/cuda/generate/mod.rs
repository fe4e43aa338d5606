//! A program as the source of one fused kernel in CUDA C++, made for its exact widths and activations.
//!
//! A thread is a cell, whose columns are the thread's registers, computed in the order in which few are alive. Dense layers are unrolled where that is little code;
//! wider ones the 32 threads of a warp compute together, in single precision or on tensor cores. Weights are no part of
//! the source: it is the same for all networks of one shape.

mod activation;
mod chain;
mod columns;
mod network;
mod numbers;
mod pack;
mod times;
mod work;

use std::fmt::Write;

use self::chain::{ChainPlan, Layout};
use self::network::{Entry, NetworkText};
use self::numbers::Numbers;
use self::times::Times;
pub use self::work::Work;
pub use super::Source;
use super::target::Target;
use crate::backend::Precision;
use crate::error::{Error, Result};
use crate::program::{Operation, Program, Update};

/// The widest dense layer that a kernel takes, inputs or outputs.
pub const MAX_WIDTH: usize = 512;
/// Columns of all blocks of a kernel: the compiler would not end with more.
const MAX_PROGRAM_COLUMNS: usize = 1 << 16;
/// Input and output columns that fit into what a kernel may be called with.
pub const MAX_COLUMNS: usize = 2000;

/// What the portable text needs first on a GPU.
pub const DEVICE: &str = include_str!("../cu/device.cuh");

/// What generated kernels are made of, in portable text.
pub const LIBRARY: &[&str] = &[
    include_str!("../cu/functions.cuh"),
    include_str!("../cu/operations.cuh"),
    include_str!("../cu/cells.cuh"),
    include_str!("../cu/tile.cuh"),
];
/// The same for tensor cores.
pub const TENSOR_LIBRARY: &str = include_str!("../cu/tensor.cuh");
/// The same for many times of the same cells.
pub const TIMES_LIBRARY: &str = include_str!("../cu/times.cuh");
/// Times that a launch takes.
pub const TIMES: usize = 32;

/// What is to be generated.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The network.
    pub program: &'a Program,
    /// One for each input if the program steps; every output is then a state.
    pub steps: Option<&'a [Source]>,
    /// The input that is a time if many times of the same cells are to be computed at once.
    pub time: Option<usize>,
    /// Range of each input.
    pub domain: &'a [[f32; 2]],
    /// Numbers in which dense layers are computed.
    pub precision: Precision,
    /// What the GPU has.
    pub target: Target,
}

/// A generated kernel with what it reads.
#[derive(Clone, Debug, PartialEq)]
pub struct Kernel {
    /// Text behind [`LIBRARY`].
    pub source: String,
    /// For the array `emucell_constants`.
    pub constants: Vec<f32>,
    /// For the GPU's memory, 32 bits each.
    pub numbers: Vec<u32>,
    /// Whether there is an entry `emucell_step`.
    pub steps: bool,
    /// Whether there is an entry `emucell_step_by_increments`, for states in double precision.
    pub increments: bool,
    /// Whether there is an entry `emucell_evaluate_times`; the source then needs [`TIMES_LIBRARY`].
    pub times: bool,
    /// Whether the source needs [`TENSOR_LIBRARY`].
    pub uses_tensor_cores: bool,
    /// Threads of a block.
    pub threads: usize,
    /// Shared memory of a block.
    pub shared_bytes: usize,
    /// As much more for many times.
    pub times_bytes: usize,
    /// In what numbers it computes, for reports.
    pub arithmetic: &'static str,
    /// What an evaluation of a cell, or a step, asks of the GPU.
    pub work: Work,
}

impl Kernel {
    /// Generates the kernel of a request.
    ///
    /// # Errors
    /// What the GPU or a kernel cannot hold.
    pub fn generate(request: &Request<'_>) -> Result<Self> {
        let Request { program, steps, domain, .. } = *request;
        check(request)?;
        let mut numbers = Numbers::default();
        let domain = numbers.constants(&domain.concat());
        let main = program.fused();
        let times = request.time.and_then(|time| Some((Times::plan(&main, time, request)?, time)));
        let mut networks = vec![Plan::of("Network", main, request)];
        let mut limits = None;
        if let Some(sources) = steps {
            let states: Vec<usize> = (0..program.n_outputs()).map(|j| input_of_state(sources, j)).collect();
            let (increments, updates) = program.increments(&states);
            if updates.iter().any(|update| *update != Update::Value) {
                let range = |update: &Update| match *update {
                    Update::Value => [f32::NEG_INFINITY, f32::INFINITY],
                    Update::Increment { low, high } => [low, high],
                };
                limits = Some(numbers.constants(&updates.iter().flat_map(range).collect::<Vec<_>>()));
                networks.push(Plan { updates, ..Plan::of("Increments", increments.fused(), request) });
            }
        }
        let mut texts: Vec<NetworkText> =
            networks.iter().map(|plan| NetworkText::write(plan, steps, &mut numbers)).collect();
        if let Some((Times::Split(parts), _)) = &times {
            for plan in parts.iter() {
                texts.push(NetworkText::write(plan, None, &mut numbers));
            }
        }
        let stage = texts.iter().map(|text| text.stage).max().unwrap_or(0);
        let times_bytes = times.as_ref().map_or(0, |(times, _)| TIMES * times.row() * size_of::<f32>());
        let shape = Shape::choose(numbers.layer_bytes(), stage, times_bytes, request.target)?;
        let mut source = String::new();
        let tensor = texts.iter().any(|text| text.uses_tensor_cores);
        write!(source, "EMUCELL_CONSTANTS({});\n\n", numbers.n_constants().max(1)).expect("a string");
        for text in &texts {
            source += &text.finish(shape, stage, numbers.layer_bytes());
        }
        source += &Entry::Evaluate.text(&domain, "");
        if steps.is_some() {
            source += &Entry::Step.text(&domain, "");
        }
        if let Some(limits) = &limits {
            source += &Entry::StepByIncrements.text(&domain, limits);
        }
        if let Some((times, time)) = &times {
            source += &Entry::evaluate_times(&times.parts(*time), &domain);
        }
        let (constants, numbers) = numbers.finish();
        Ok(Self {
            source,
            constants,
            numbers,
            steps: steps.is_some(),
            increments: limits.is_some(),
            times: times.is_some(),
            uses_tensor_cores: tensor,
            threads: shape.threads,
            shared_bytes: shape.shared_weights + stage * (shape.threads / 32),
            times_bytes,
            arithmetic: texts[0].arithmetic,
            work: Work::of(&networks[0]),
        })
    }

    /// The text that NVRTC compiles.
    pub fn text_for_gpu(&self) -> String {
        let mut text = String::from(DEVICE);
        LIBRARY.iter().for_each(|part| text += part);
        if self.uses_tensor_cores {
            text += TENSOR_LIBRARY;
        }
        if self.times {
            text += TIMES_LIBRARY;
        }
        text + &self.source
    }

    /// Whether there is that entry.
    pub fn has(&self, entry: super::job::Entry) -> bool {
        use super::job::Entry;
        match entry {
            Entry::Evaluate => true,
            Entry::Step => self.steps,
            Entry::StepByIncrements => self.increments,
            Entry::EvaluateTimes => self.times,
        }
    }

    /// Shared memory of a block that runs that entry.
    pub fn shared_bytes_of(&self, entry: super::job::Entry) -> usize {
        match entry {
            super::job::Entry::EvaluateTimes => self.shared_bytes + self.times_bytes,
            _ => self.shared_bytes,
        }
    }
}

fn check(request: &Request<'_>) -> Result<()> {
    let program = request.program;
    let layers = program
        .steps()
        .filter(|(_, operation)| matches!(operation, Operation::Dense { .. }) && !operation.is_sparse_sum());
    let widest = layers.flat_map(|(block, layer)| [block, layer.inputs()[0]]).map(|b| program.width(b)).max();
    if let Some(width) = widest.filter(|&width| width > MAX_WIDTH) {
        return Err(Error::unsupported(format!(
            "a dense layer of {width} columns in a CUDA kernel, which takes {MAX_WIDTH}"
        ))
        .remedy("use the backend ONNX Runtime on this device, or the device cpu"));
    }
    let all: usize = program.steps().map(|(block, _)| program.width(block)).sum();
    if all > MAX_PROGRAM_COLUMNS {
        return Err(Error::unsupported(format!(
            "a program of {all} columns as a CUDA kernel, which takes {MAX_PROGRAM_COLUMNS}"
        ))
        .remedy("use the backend ONNX Runtime on this device, or the device cpu"));
    }
    let columns = program.n_inputs() + program.n_outputs();
    if columns > MAX_COLUMNS {
        return Err(Error::unsupported(format!(
            "{columns} inputs and outputs of a CUDA kernel, which takes {MAX_COLUMNS}"
        )));
    }
    let needs_ampere = matches!(request.precision, Precision::Bf16 | Precision::Tf32);
    if needs_ampere && request.target.architecture < 80 {
        return Err(Error::unsupported(format!(
            "precision {:?} on a GPU of compute capability {}",
            request.precision,
            request.target.capability()
        ))
        .remedy("use F16 or F32, or a GPU of compute capability 8.0 or later"));
    }
    Ok(())
}

fn input_of_state(sources: &[Source], state: usize) -> usize {
    sources
        .iter()
        .position(|source| *source == Source::State(state))
        .expect("every output of a step is a state")
}

/// A network and how each of its chains of dense layers is computed.
struct Plan {
    name: &'static str,
    program: Program,
    chains: Vec<ChainPlan>,
    /// Of the program of increments; empty for the network itself.
    updates: Vec<Update>,
}

impl Plan {
    fn of(name: &'static str, program: Program, request: &Request<'_>) -> Self {
        let chains = chain::plan(&program, request.precision, request.target);
        Self { name, program, chains, updates: Vec::new() }
    }

    fn registers_of_tiles(&self, chain: usize) -> Option<usize> {
        chain::registers_of_tiles(&self.program, &self.chains[chain])
    }
}

/// How a kernel uses a block of threads.
#[derive(Clone, Copy, Debug)]
struct Shape {
    threads: usize,
    shared_weights: usize,
}

impl Shape {
    /// Many warps that share the weights in shared memory; else the weights stay in the GPU's memory.
    fn choose(layers: usize, stage: usize, times: usize, target: Target) -> Result<Self> {
        let candidates = [(256, layers), (128, layers), (256, 0), (128, 0), (64, 0), (32, 0)];
        let small = if layers == 0 { &candidates[1..] } else { &candidates[..] };
        let fits = |&&(threads, weights): &&(usize, usize)| {
            weights + times + stage * (threads / 32) <= target.shared_bytes
        };
        let &(threads, shared_weights) = small.iter().find(fits).ok_or_else(|| {
            Error::unsupported(format!(
                "a network that needs {stage} bytes of shared memory for 32 cells, of which the GPU has {}",
                target.shared_bytes
            ))
            .remedy("use a narrower network, precision F16, or the device cpu")
        })?;
        Ok(Self { threads, shared_weights })
    }
}

/// Bytes of the stage of a warp.
fn stage_bytes(layout: &Layout) -> usize {
    layout.input_bytes + layout.output_bytes
}
