//! What the backend needs of a GPU: memory, a stream, and a place to run kernels.

use std::ops::Range;

use super::generate::Kernel;
use super::job::{Entry, OwnMemory};
use super::target::Target;
use crate::error::Result;

/// Where an address leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Memory {
    /// To the processor's memory.
    Processor,
    /// To this GPU's memory.
    Gpu,
}

/// Memory around an address that is all of one kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Region {
    /// Its kind.
    pub memory: Memory,
    /// From where to where it is known to go.
    pub bytes: Range<usize>,
}

/// As many bytes of the processor's memory, from which the GPU copies by itself, and of the GPU's.
#[derive(Debug)]
pub struct Staging {
    /// The processor's, aligned to 64 bytes.
    pub host: *mut u8,
    /// The GPU's.
    pub device: u64,
    /// How many.
    pub len: usize,
    /// The event of [`Gpu::record`].
    pub event: usize,
}

// SAFETY: addresses; whoever uses them vouches for it.
unsafe impl Send for Staging {}

/// A GPU with one kernel and one stream, on which everything happens in the order of the calls.
///
/// Between [`enter`](Self::enter) and [`leave`](Self::leave) the GPU's context is the thread's; outside it is the
/// caller's. All functions but `name`, `target` and `region_at` are called in between.
pub trait Gpu: Send {
    /// Name for reports.
    fn name(&self) -> String;

    /// What kernels are generated for.
    fn target(&self) -> Target;

    /// Where `address` leads.
    ///
    /// # Errors
    /// Memory of another GPU or of another context.
    fn region_at(&self, address: *const u8) -> Result<Region>;

    /// Makes the GPU's context the thread's.
    ///
    /// # Errors
    /// The driver's refusal.
    fn enter(&mut self) -> Result<()>;

    /// Makes the context of before the thread's again.
    fn leave(&mut self);

    /// Makes `kernel` ready to run, with its numbers in the GPU's memory.
    ///
    /// # Errors
    /// A kernel that cannot be compiled or loaded, and too little memory.
    fn load(&mut self, kernel: &Kernel) -> Result<OwnMemory>;

    /// Whether the stream is being recorded into a graph.
    ///
    /// # Errors
    /// The driver's refusal.
    fn is_capturing(&self) -> Result<bool>;

    /// Queues a kernel for `n_cells` cells, at least one.
    ///
    /// # Safety
    /// The job's addresses lead to as many numbers as it has cells until the kernel has run.
    ///
    /// # Errors
    /// The driver's refusal.
    unsafe fn launch(&mut self, entry: Entry, n_cells: usize, job: &[u64]) -> Result<()>;

    /// Reserves `len` bytes on both sides.
    ///
    /// # Errors
    /// Too little memory.
    fn allocate(&mut self, len: usize) -> Result<Staging>;

    /// Gives them back.
    fn free(&mut self, staging: Staging);

    /// Queues a copy of `bytes` to the GPU.
    ///
    /// # Errors
    /// The driver's refusal.
    fn send(&mut self, staging: &Staging, bytes: Range<usize>) -> Result<()>;

    /// Queues a copy of `bytes` from the GPU.
    ///
    /// # Errors
    /// The driver's refusal.
    fn receive(&mut self, staging: &Staging, bytes: Range<usize>) -> Result<()>;

    /// Marks this place in the stream for [`wait`](Self::wait).
    ///
    /// # Errors
    /// The driver's refusal.
    fn record(&mut self, staging: &Staging) -> Result<()>;

    /// Waits for the place last marked.
    ///
    /// # Errors
    /// A fault of what came before it in the stream.
    fn wait(&mut self, staging: &Staging) -> Result<()>;

    /// Waits for everything in the stream; the counters, which begin anew.
    ///
    /// # Errors
    /// A fault of what was in the stream.
    fn take_counters(&mut self) -> Result<[u64; 3]>;
}
