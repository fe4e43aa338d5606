//! A GPU through its driver: the caller's context and stream where there are any.

use std::ffi::{CString, c_int, c_void};
use std::ops::Range;
use std::path::Path;
use std::ptr::null_mut;

use cudarc::driver::sys::{
    self, CUcontext, CUdevice_attribute as Attribute, CUfunction, CUmodule, CUpointer_attribute as Pointer,
    CUstream,
};

use super::compile::{self, Cache};
use super::driver::{self, check};
use super::generate::Kernel;
use super::gpu::{Gpu, Memory, Region, Staging};
use super::job::{Entry, OwnMemory};
use super::limits::{Attributes, Rates};
use super::target::Target;
use crate::backend::device::Stream;
use crate::error::{Error, Result};

/// See [`Gpu`].
pub struct CudaDevice {
    number: usize,
    device: c_int,
    name: String,
    target: Target,
    multiprocessors: usize,
    cache: Cache,
    context: CUcontext,
    /// Whether the context is the device's primary one, held by this session.
    holds_primary: bool,
    stream: CUstream,
    owns_stream: bool,
    /// Whether the context is the thread's, and whether it was put on top of the thread's others for that.
    is_inside: bool,
    was_pushed: bool,
    module: CUmodule,
    /// The entries in the order of their numbers; null for those that the kernel has not.
    functions: [CUfunction; 4],
    /// Most blocks of a launch of each entry: as many as run at the same time.
    blocks: [usize; 4],
    threads: usize,
    /// Of each entry.
    shared_bytes: [usize; 4],
    memory: OwnMemory,
    /// In the processor's memory, where the GPU's counters are copied.
    counters: *mut u64,
}

// SAFETY: handles of the driver, which any thread may use; the session that owns this is used by one thread at a time.
unsafe impl Send for CudaDevice {}

/// Bytes of the counters.
const COUNTERS: usize = 3 * size_of::<u64>();

impl CudaDevice {
    /// The GPU of that number, working on `stream` or on a stream of its own.
    ///
    /// # Errors
    /// No driver, no such GPU, a stream of another.
    pub fn open(number: usize, stream: Option<Stream>, cache: Option<&Path>) -> Result<Self> {
        driver::start().map_err(|e| e.at(format!("the native backend on cuda:{number}")))?;
        // SAFETY: the driver is started; all pointers lead to this function's variables, here and below.
        unsafe {
            let (mut count, mut device) = (0, 0);
            check(sys::cuDeviceGetCount(&raw mut count), "counting GPUs")?;
            if number >= count as usize {
                return Err(Error::unsupported(format!(
                    "device cuda:{number}: this machine has {count} GPUs"
                ))
                .remedy("choose one of them; CUDA_VISIBLE_DEVICES may hide others"));
            }
            check(sys::cuDeviceGet(&raw mut device, number as c_int), "looking for a GPU")?;
            let attribute = |attribute| attribute_of(device, attribute);
            let major = attribute(Attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR)?;
            let minor = attribute(Attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR)?;
            let shared = attribute(Attribute::CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN)?;
            let target = Target { shared_bytes: shared as usize, ..Target::of((10 * major + minor) as u32)? };
            let mut name = [0; 128];
            check(sys::cuDeviceGetName(name.as_mut_ptr(), 127, device), "asking a GPU's name")?;
            let name: Vec<u8> = name.iter().take_while(|c| **c != 0).map(|&c| c as u8).collect();
            let multiprocessors = attribute(Attribute::CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT)? as usize;
            let mut own = Self {
                number,
                device,
                name: String::from_utf8_lossy(&name).into_owned(),
                target,
                multiprocessors,
                cache: Cache::new(compile::cache_folder(cache)),
                context: null_mut(),
                holds_primary: false,
                stream: null_mut(),
                owns_stream: false,
                is_inside: false,
                was_pushed: false,
                module: null_mut(),
                functions: [null_mut(); 4],
                blocks: [0; 4],
                threads: 0,
                shared_bytes: [0; 4],
                memory: OwnMemory::default(),
                counters: null_mut(),
            };
            own.choose_context(stream)?;
            Ok(own)
        }
    }

    /// The context of the caller's stream; without one the thread's, if it is of this GPU; else the GPU's primary one,
    /// which is the CUDA runtime's.
    ///
    /// # Safety
    /// The stream is alive.
    unsafe fn choose_context(&mut self, stream: Option<Stream>) -> Result<()> {
        // SAFETY: as this function's contract says; all pointers lead to variables of ours.
        unsafe {
            if let Some(stream) = stream {
                self.stream = stream.as_raw().cast();
                check(
                    sys::cuStreamGetCtx(self.stream, &raw mut self.context),
                    "asking a stream for its context",
                )?;
                let device = device_of(self.context)?;
                if device != self.device {
                    return Err(Error::invalid(format!(
                        "a stream of GPU {device} for a session on cuda:{}",
                        self.number
                    ))
                    .remedy("give a stream of the session's GPU"));
                }
                return Ok(());
            }
            check(sys::cuCtxGetCurrent(&raw mut self.context), "asking for the current context")?;
            if self.context.is_null() || device_of(self.context)? != self.device {
                let what = "making the GPU's primary context";
                check(sys::cuDevicePrimaryCtxRetain(&raw mut self.context, self.device), what)?;
                self.holds_primary = true;
            }
            self.enter()?;
            // A stream that waits for the default stream and is waited for: numbers that the caller puts there first are
            // there.
            let made = check(sys::cuStreamCreate(&raw mut self.stream, 0), "making a stream");
            self.owns_stream = made.is_ok();
            self.leave();
            made
        }
    }

    /// What it can do at most.
    ///
    /// # Errors
    /// The driver's refusal.
    pub fn rates(&self) -> Result<Rates> {
        let attribute = |attribute| attribute_of(self.device, attribute).map(f64::from);
        Ok(Rates::of(&Attributes {
            architecture: self.target.architecture,
            multiprocessors: self.multiprocessors,
            // Clocks are told in kHz.
            clock: 1e3 * attribute(Attribute::CU_DEVICE_ATTRIBUTE_CLOCK_RATE)?,
            memory_clock: 1e3 * attribute(Attribute::CU_DEVICE_ATTRIBUTE_MEMORY_CLOCK_RATE)?,
            bus_width: attribute(Attribute::CU_DEVICE_ATTRIBUTE_GLOBAL_MEMORY_BUS_WIDTH)?,
        }))
    }

    /// The stream on which it works.
    pub(super) fn stream(&self) -> *mut c_void {
        self.stream.cast()
    }

    /// # Safety
    /// Called between `enter` and `leave`.
    unsafe fn function(&mut self, entry: usize) -> Result<()> {
        let name = CString::new(Entry::ALL[entry].name()).expect("a name");
        // SAFETY: the module is loaded; all pointers lead to variables of ours.
        unsafe {
            let function = &mut self.functions[entry];
            check(sys::cuModuleGetFunction(function, self.module, name.as_ptr()), "looking for a kernel")?;
            let attribute = sys::CUfunction_attribute::CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES;
            let shared = self.shared_bytes[entry];
            check(
                sys::cuFuncSetAttribute(*function, attribute, shared as c_int),
                "asking for shared memory",
            )?;
            let (mut blocks, threads) = (0, self.threads as c_int);
            let asked =
                sys::cuOccupancyMaxActiveBlocksPerMultiprocessor(&raw mut blocks, *function, threads, shared);
            check(asked, "asking how many blocks run at a time")?;
            self.blocks[entry] = (blocks as usize).max(1) * self.multiprocessors;
        }
        Ok(())
    }
}

fn attribute_of(device: c_int, attribute: Attribute) -> Result<c_int> {
    let mut value = 0;
    // SAFETY: the driver is started, and fills the variable.
    let asked = unsafe { sys::cuDeviceGetAttribute(&raw mut value, attribute, device) };
    check(asked, "asking what a GPU has").map(|()| value)
}

/// The number of a context's device.
///
/// # Safety
/// The context is alive.
unsafe fn device_of(context: CUcontext) -> Result<c_int> {
    let (mut device, mut popped) = (0, null_mut());
    // SAFETY: as this function's contract says; what is pushed is popped.
    unsafe {
        check(sys::cuCtxPushCurrent_v2(context), "entering a context")?;
        let asked = sys::cuCtxGetDevice(&raw mut device);
        check(sys::cuCtxPopCurrent_v2(&raw mut popped), "leaving a context")?;
        check(asked, "asking a context for its GPU")?;
    }
    Ok(device)
}

/// A context that is the thread's for a while.
struct Entered;

impl Entered {
    /// # Safety
    /// The context is alive.
    unsafe fn if_thread_has_none(context: CUcontext) -> Result<Option<Self>> {
        let mut current = null_mut();
        // SAFETY: as this function's contract says.
        unsafe {
            check(sys::cuCtxGetCurrent(&raw mut current), "asking for the current context")?;
            if !current.is_null() {
                return Ok(None);
            }
            check(sys::cuCtxPushCurrent_v2(context), "entering the GPU's context")?;
        }
        Ok(Some(Self))
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        let mut popped = null_mut();
        // SAFETY: it was pushed on this thread.
        let _ = unsafe { sys::cuCtxPopCurrent_v2(&raw mut popped) };
    }
}

impl Gpu for CudaDevice {
    fn name(&self) -> String {
        format!("cuda:{} {}", self.number, self.name)
    }

    fn target(&self) -> Target {
        self.target
    }

    fn region_at(&self, address: *const u8) -> Result<Region> {
        let (mut kind, mut device, mut is_managed) = (0u32, 0 as c_int, 0u32);
        let (mut context, mut start, mut size): (CUcontext, u64, usize) = (null_mut(), 0, 0);
        let mut wanted = [
            Pointer::CU_POINTER_ATTRIBUTE_MEMORY_TYPE,
            Pointer::CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL,
            Pointer::CU_POINTER_ATTRIBUTE_IS_MANAGED,
            Pointer::CU_POINTER_ATTRIBUTE_CONTEXT,
            Pointer::CU_POINTER_ATTRIBUTE_RANGE_START_ADDR,
            Pointer::CU_POINTER_ATTRIBUTE_RANGE_SIZE,
        ];
        let mut found: [*mut c_void; 6] = [
            (&raw mut kind).cast(),
            (&raw mut device).cast(),
            (&raw mut is_managed).cast(),
            (&raw mut context).cast(),
            (&raw mut start).cast(),
            (&raw mut size).cast(),
        ];
        // SAFETY: the driver fills the variables, which have the types that it wants; any address may be asked about; a
        // context that is pushed because the thread has none is popped.
        unsafe {
            let _entered = if self.is_inside { None } else { Entered::if_thread_has_none(self.context)? };
            let n = wanted.len() as u32;
            let asked =
                sys::cuPointerGetAttributes(n, wanted.as_mut_ptr(), found.as_mut_ptr(), address as u64);
            check(asked, "asking where an address leads")?;
        }
        // Of memory of which the driver knows nothing, the kind is 0.
        if kind == 0 || kind == sys::CUmemorytype_enum::CU_MEMORYTYPE_HOST as u32 && is_managed == 0 {
            let bytes = address as usize..address as usize + 1;
            return Ok(Region { memory: Memory::Processor, bytes });
        }
        if device != self.device && is_managed == 0 {
            return Err(Error::invalid(format!(
                "memory of GPU {device} for a session on cuda:{}",
                self.number
            ))
            .remedy("give memory of the session's GPU, or make the session on that one"));
        }
        // Memory out of a pool belongs to no context.
        if !context.is_null() && context != self.context && is_managed == 0 {
            return Err(Error::invalid(format!("memory of another context of cuda:{}", self.number))
                .remedy("make the session on a stream of the context in which the memory was reserved"));
        }
        let start = if start == 0 { address as usize } else { start as usize };
        Ok(Region { memory: Memory::Gpu, bytes: start..start + size.max(1) })
    }

    fn enter(&mut self) -> Result<()> {
        let mut current = null_mut();
        // SAFETY: the context lives as long as the session, as the caller's stream does.
        unsafe {
            check(sys::cuCtxGetCurrent(&raw mut current), "asking for the current context")?;
            if current != self.context {
                check(sys::cuCtxPushCurrent_v2(self.context), "entering the GPU's context")?;
                self.was_pushed = true;
            }
        }
        self.is_inside = true;
        Ok(())
    }

    fn leave(&mut self) {
        self.is_inside = false;
        if std::mem::take(&mut self.was_pushed) {
            let mut popped = null_mut();
            // SAFETY: it was pushed by `enter`, on this thread.
            let _ = unsafe { sys::cuCtxPopCurrent_v2(&raw mut popped) };
        }
    }

    fn load(&mut self, kernel: &Kernel) -> Result<OwnMemory> {
        let image = compile::image(kernel, self.target, &self.cache)?;
        self.threads = kernel.threads;
        self.shared_bytes = Entry::ALL.map(|entry| kernel.shared_bytes_of(entry));
        // SAFETY: the image is a whole cubin, or PTX that ends with NUL; all pointers lead to variables of ours, and sizes are theirs.
        unsafe {
            check(sys::cuModuleLoadData(&raw mut self.module, image.as_ptr().cast()), "loading a kernel")?;
            let is_there = |&i: &usize| kernel.has(Entry::ALL[i]);
            (0..Entry::ALL.len()).filter(is_there).try_for_each(|i| self.function(i))?;

            let (mut constants, mut size) = (0, 0);
            let name = c"emucell_constants".as_ptr();
            let found = sys::cuModuleGetGlobal_v2(&raw mut constants, &raw mut size, self.module, name);
            check(found, "looking for a kernel's constants")?;
            let bytes = size_of_val(&kernel.constants[..]).min(size);
            let what = "copying a network to the GPU";
            check(sys::cuMemcpyHtoD_v2(constants, kernel.constants.as_ptr().cast(), bytes), what)?;

            let numbers = size_of_val(&kernel.numbers[..]).next_multiple_of(256);
            check(
                sys::cuMemAlloc_v2(&raw mut self.memory.numbers, numbers + COUNTERS),
                "reserving the GPU's memory",
            )?;
            self.memory.counters = self.memory.numbers + numbers as u64;
            let bytes = size_of_val(&kernel.numbers[..]);
            if bytes > 0 {
                check(
                    sys::cuMemcpyHtoD_v2(self.memory.numbers, kernel.numbers.as_ptr().cast(), bytes),
                    what,
                )?;
            }
            check(sys::cuMemsetD8_v2(self.memory.counters, 0, COUNTERS), what)?;
            let mut counters = null_mut();
            check(
                sys::cuMemHostAlloc(&raw mut counters, COUNTERS, 0),
                "reserving memory that the GPU reaches",
            )?;
            self.counters = counters.cast();
        }
        Ok(self.memory)
    }

    fn is_capturing(&self) -> Result<bool> {
        let mut status = sys::CUstreamCaptureStatus_enum::CU_STREAM_CAPTURE_STATUS_NONE;
        // SAFETY: the stream is alive; the driver fills the variable.
        check(unsafe { sys::cuStreamIsCapturing(self.stream, &raw mut status) }, "asking about a stream")?;
        Ok(status != sys::CUstreamCaptureStatus_enum::CU_STREAM_CAPTURE_STATUS_NONE)
    }

    unsafe fn launch(&mut self, entry: Entry, n_cells: usize, job: &[u64]) -> Result<()> {
        let i = entry as usize;
        let blocks = n_cells.div_ceil(self.threads).min(self.blocks[i]) as u32;
        let mut arguments = [job.as_ptr().cast_mut().cast::<c_void>()];
        // SAFETY: the kernel takes one argument of the job's size, which the driver copies.
        let launched = unsafe {
            let (threads, shared) = (self.threads as u32, self.shared_bytes[i] as u32);
            let (function, arguments) = (self.functions[i], arguments.as_mut_ptr());
            sys::cuLaunchKernel(
                function,
                blocks,
                1,
                1,
                threads,
                1,
                1,
                shared,
                self.stream,
                arguments,
                null_mut(),
            )
        };
        check(launched, "starting a kernel")
    }

    fn allocate(&mut self, len: usize) -> Result<Staging> {
        let (mut host, mut device, mut event) = (null_mut(), 0, null_mut());
        // SAFETY: the driver fills the variables; what was reserved before a failure is given back.
        unsafe {
            check(sys::cuMemHostAlloc(&raw mut host, len, 0), "reserving memory that the GPU reaches")?;
            let flags = sys::CUevent_flags_enum::CU_EVENT_DISABLE_TIMING as u32;
            let reserved = check(sys::cuMemAlloc_v2(&raw mut device, len), "reserving the GPU's memory")
                .and_then(|()| check(sys::cuEventCreate(&raw mut event, flags), "making an event"));
            if let Err(fault) = reserved {
                let _ = sys::cuMemFree_v2(device);
                let _ = sys::cuMemFreeHost(host);
                return Err(fault);
            }
        }
        Ok(Staging { host: host.cast(), device, len, event: event as usize })
    }

    fn free(&mut self, staging: Staging) {
        // SAFETY: all three came from `allocate`; the driver waits for what still uses them. A fault has no remedy here.
        unsafe {
            let _ = sys::cuEventDestroy_v2(staging.event as sys::CUevent);
            let _ = sys::cuMemFree_v2(staging.device);
            let _ = sys::cuMemFreeHost(staging.host.cast());
        }
    }

    fn send(&mut self, staging: &Staging, bytes: Range<usize>) -> Result<()> {
        assert!(bytes.start <= bytes.end && bytes.end <= staging.len);
        let (to, from) = (staging.device + bytes.start as u64, staging.host.wrapping_add(bytes.start));
        // SAFETY: the bytes are inside both sides, which live until the stream is done with them.
        let queued = unsafe { sys::cuMemcpyHtoDAsync_v2(to, from.cast(), bytes.len(), self.stream) };
        check(queued, "copying to the GPU")
    }

    fn receive(&mut self, staging: &Staging, bytes: Range<usize>) -> Result<()> {
        assert!(bytes.start <= bytes.end && bytes.end <= staging.len);
        let (to, from) = (staging.host.wrapping_add(bytes.start), staging.device + bytes.start as u64);
        // SAFETY: as above.
        let queued = unsafe { sys::cuMemcpyDtoHAsync_v2(to.cast(), from, bytes.len(), self.stream) };
        check(queued, "copying from the GPU")
    }

    fn record(&mut self, staging: &Staging) -> Result<()> {
        // SAFETY: event and stream are alive.
        check(
            unsafe { sys::cuEventRecord(staging.event as sys::CUevent, self.stream) },
            "marking a place in a stream",
        )
    }

    fn wait(&mut self, staging: &Staging) -> Result<()> {
        // SAFETY: the event is alive.
        check(unsafe { sys::cuEventSynchronize(staging.event as sys::CUevent) }, "waiting for the GPU")
    }

    fn take_counters(&mut self) -> Result<[u64; 3]> {
        if self.is_capturing()? {
            return Err(Error::unsupported("waiting for a stream that a CUDA graph records")
                .remedy("end the recording and launch the graph first"));
        }
        if self.counters.is_null() {
            return Ok([0; 3]);
        }
        // SAFETY: counters are there on both sides; they are read after the stream is done.
        unsafe {
            let copied =
                sys::cuMemcpyDtoHAsync_v2(self.counters.cast(), self.memory.counters, COUNTERS, self.stream);
            check(copied, "copying from the GPU")?;
            check(sys::cuMemsetD8Async(self.memory.counters, 0, COUNTERS, self.stream), "clearing counters")?;
            check(sys::cuStreamSynchronize(self.stream), "waiting for the GPU")?;
            Ok(std::array::from_fn(|i| *self.counters.add(i)))
        }
    }
}

impl Drop for CudaDevice {
    fn drop(&mut self) {
        // SAFETY: everything came from the driver and is given back once; the session has waited for the stream. A fault
        // has no remedy here.
        unsafe {
            if self.enter().is_ok() {
                let _ = sys::cuMemFreeHost(self.counters.cast());
                let _ = sys::cuMemFree_v2(self.memory.numbers);
                if !self.module.is_null() {
                    let _ = sys::cuModuleUnload(self.module);
                }
                if self.owns_stream {
                    let _ = sys::cuStreamDestroy_v2(self.stream);
                }
                self.leave();
            }
            if self.holds_primary {
                let _ = sys::cuDevicePrimaryCtxRelease_v2(self.device);
            }
        }
    }
}
