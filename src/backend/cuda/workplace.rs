//! A GPU for benches and tests: memory, a stream to make sessions on, and the GPU's own clock.

use std::ptr::{NonNull, null_mut};

use cudarc::driver::sys::{self, CUevent, CUgraphExec};

use super::device::CudaDevice;
use super::driver::check;
use super::gpu::{Gpu, Staging};
use super::limits::Rates;
use super::target::Target;
use crate::backend::Stream;
use crate::error::Result;

/// See the module's text.
pub struct Workplace {
    gpu: CudaDevice,
    memory: Vec<Staging>,
    events: [CUevent; 2],
}

// SAFETY: handles of the driver, which any thread may use; one thread at a time has the workplace.
unsafe impl Send for Workplace {}

impl Workplace {
    /// On the GPU of that number.
    ///
    /// # Errors
    /// No driver, no such GPU.
    pub fn open(device: usize) -> Result<Self> {
        let mut own =
            Self { gpu: CudaDevice::open(device, None, None)?, memory: Vec::new(), events: [null_mut(); 2] };
        own.gpu.enter()?;
        let made = own.events.iter_mut().try_for_each(|event| {
            // SAFETY: the driver fills the variable.
            check(unsafe { sys::cuEventCreate(event, 0) }, "making an event")
        });
        own.gpu.leave();
        made.map(|()| own)
    }

    /// Its stream, which lives as long as the workplace.
    pub fn stream(&self) -> Stream {
        // SAFETY: a stream of the driver's; whoever makes a session on it drops the session first.
        unsafe { Stream::from_raw(NonNull::new(self.gpu.stream()).expect("an open stream")) }
    }

    /// What the GPU can do at most.
    ///
    /// # Errors
    /// The driver's refusal.
    pub fn rates(&self) -> Result<Rates> {
        self.gpu.rates()
    }

    /// What kernels for the GPU are generated for.
    pub fn target(&self) -> Target {
        self.gpu.target()
    }

    /// The number of a new piece of memory of `bytes` bytes.
    ///
    /// # Errors
    /// Too little memory.
    pub fn reserve(&mut self, bytes: usize) -> Result<usize> {
        self.gpu.enter()?;
        let reserved = self.gpu.allocate(bytes.max(1));
        self.gpu.leave();
        self.memory.push(reserved?);
        Ok(self.memory.len() - 1)
    }

    /// Where a piece lies in the GPU's memory.
    pub fn address(&self, piece: usize) -> *mut u8 {
        self.memory[piece].device as *mut u8
    }

    /// Copies `numbers` to a piece.
    ///
    /// # Errors
    /// A fault of the GPU.
    ///
    /// # Panics
    /// If they are more than the piece has room for.
    pub fn put(&mut self, piece: usize, numbers: &[f32]) -> Result<()> {
        let (memory, bytes) = (&self.memory[piece], size_of_val(numbers));
        assert!(bytes <= memory.len);
        // SAFETY: there is room; nothing is under way, because copies are waited for.
        unsafe { memory.host.cast::<f32>().copy_from_nonoverlapping(numbers.as_ptr(), numbers.len()) };
        self.gpu.enter()?;
        let done = self
            .gpu
            .send(memory, 0..bytes)
            .and_then(|()| self.gpu.record(memory))
            .and_then(|()| self.gpu.wait(memory));
        self.gpu.leave();
        done
    }

    /// Copies a piece to `numbers`, after everything that the stream has to do.
    ///
    /// # Errors
    /// A fault of the GPU, also in what came before.
    ///
    /// # Panics
    /// If they are more than the piece has.
    pub fn get(&mut self, piece: usize, numbers: &mut [f32]) -> Result<()> {
        let (memory, bytes) = (&self.memory[piece], size_of_val(numbers));
        assert!(bytes <= memory.len);
        self.gpu.enter()?;
        let done = self
            .gpu
            .receive(memory, 0..bytes)
            .and_then(|()| self.gpu.record(memory))
            .and_then(|()| self.gpu.wait(memory));
        self.gpu.leave();
        done?;
        // SAFETY: the copy is done.
        unsafe { numbers.as_mut_ptr().copy_from_nonoverlapping(memory.host.cast(), numbers.len()) };
        Ok(())
    }

    /// Seconds by the GPU's clock that `work` takes in the stream.
    ///
    /// # Errors
    /// What `work` returns, and a fault of the GPU.
    pub fn seconds(&mut self, work: impl FnOnce() -> Result<()>) -> Result<f64> {
        let [start, end] = self.events;
        let stream = self.gpu.stream().cast();
        self.gpu.enter()?;
        // SAFETY: events and stream are alive; the driver fills the variable.
        let measured = (|| unsafe {
            check(sys::cuEventRecord(start, stream), "marking a place in a stream")?;
            work()?;
            check(sys::cuEventRecord(end, stream), "marking a place in a stream")?;
            check(sys::cuEventSynchronize(end), "waiting for the GPU")?;
            let mut milliseconds = 0.0;
            check(sys::cuEventElapsedTime_v2(&raw mut milliseconds, start, end), "reading the GPU's clock")?;
            Ok(f64::from(milliseconds) * 1e-3)
        })();
        self.gpu.leave();
        measured
    }
}

/// What was recorded in a stream, to be done again; see [`Workplace::record`].
pub struct Recording(CUgraphExec);

// SAFETY: a handle of the driver, which any thread may use.
unsafe impl Send for Recording {}

impl Workplace {
    /// Records what `work` queues on the stream into a CUDA graph, instead of doing it.
    ///
    /// # Errors
    /// What `work` returns, and what a graph cannot hold.
    pub fn record(&mut self, work: impl FnOnce() -> Result<()>) -> Result<Recording> {
        let (stream, mut graph, mut executable) = (self.gpu.stream().cast(), null_mut(), null_mut());
        self.gpu.enter()?;
        // SAFETY: the stream is alive; the driver fills the variables.
        let recorded = (|| unsafe {
            let mode = sys::CUstreamCaptureMode_enum::CU_STREAM_CAPTURE_MODE_THREAD_LOCAL;
            check(sys::cuStreamBeginCapture_v2(stream, mode), "beginning to record a stream")?;
            let worked = work();
            let ended =
                check(sys::cuStreamEndCapture(stream, &raw mut graph), "ending the recording of a stream");
            let made = worked.and(ended).and_then(|()| {
                let made = sys::cuGraphInstantiateWithFlags(&raw mut executable, graph, 0);
                check(made, "making a graph ready")
            });
            if !graph.is_null() {
                // The executable one is a copy.
                let _ = sys::cuGraphDestroy(graph);
            }
            made
        })();
        self.gpu.leave();
        recorded.map(|()| Recording(executable))
    }

    /// Queues what was recorded.
    ///
    /// # Errors
    /// The driver's refusal.
    pub fn repeat(&mut self, recording: &Recording) -> Result<()> {
        self.gpu.enter()?;
        // SAFETY: graph and stream are alive.
        let launched = unsafe { sys::cuGraphLaunch(recording.0, self.gpu.stream().cast()) };
        self.gpu.leave();
        check(launched, "starting a graph")
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        // SAFETY: made by `record`; the driver waits for what still runs. A fault has no remedy here.
        let _ = unsafe { sys::cuGraphExecDestroy(self.0) };
    }
}

impl Drop for Workplace {
    fn drop(&mut self) {
        if self.gpu.enter().is_ok() {
            self.memory.drain(..).for_each(|memory| self.gpu.free(memory));
            for event in self.events.into_iter().filter(|event| !event.is_null()) {
                // SAFETY: made by `open`. A fault has no remedy here.
                let _ = unsafe { sys::cuEventDestroy_v2(event) };
            }
            self.gpu.leave();
        }
    }
}
