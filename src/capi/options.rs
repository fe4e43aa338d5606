//! How a session computes.

use std::ffi::{CStr, c_char, c_void};
use std::mem::{MaybeUninit, offset_of};
use std::path::PathBuf;
use std::ptr::NonNull;
use std::sync::Arc;

use super::fallback::{CallersFallback, emucell_fallback};
use super::guard::guarded;
use super::status::emucell_status;
use super::structs::{self, Sized32};
use crate::error::{Error, Result};
use crate::session::{BackendChoice, Device, Fallback, Guard, Precision, SessionOptions, Stream};

/// Guard: inputs outside the domain are used as they are, and nobody looks.
pub const EMUCELL_GUARD_IGNORE: u32 = 0;
/// Guard: inputs outside the domain are moved to its border before they are used; cells are
/// counted.
pub const EMUCELL_GUARD_CLAMP: u32 = 1;
/// Guard: inputs outside the domain are used as they are; cells are counted.
pub const EMUCELL_GUARD_COUNT: u32 = 2;
/// Guard: as EMUCELL_GUARD_COUNT, and calls without status bytes fail.
pub const EMUCELL_GUARD_FLAG: u32 = 3;
/// Guard: a cell outside the domain is computed by the fallback instead of the surrogate.
pub const EMUCELL_GUARD_FALLBACK: u32 = 4;

/// Backend: the fastest that takes the surrogate.
pub const EMUCELL_BACKEND_AUTO: u32 = 0;
/// Backend: emucell's own kernels.
pub const EMUCELL_BACKEND_NATIVE: u32 = 1;
/// Backend: ONNX Runtime.
pub const EMUCELL_BACKEND_ONNXRUNTIME: u32 = 2;
/// Backend: TensorRT on a GPU, by ONNX Runtime's provider of that name.
pub const EMUCELL_BACKEND_TENSORRT: u32 = 3;

/// Precision: single, or less where the surrogate's own error is much larger.
pub const EMUCELL_PRECISION_AUTO: u32 = 0;
/// Precision: IEEE single.
pub const EMUCELL_PRECISION_F32: u32 = 1;
/// Precision: IEEE half, sums in single.
pub const EMUCELL_PRECISION_F16: u32 = 2;
/// Precision: bfloat16, sums in single.
pub const EMUCELL_PRECISION_BF16: u32 = 3;
/// Precision: TensorFloat-32.
pub const EMUCELL_PRECISION_TF32: u32 = 4;

/// How a session computes. Call emucell_session_options_init() before setting fields. What this
/// build or machine cannot do is EMUCELL_UNSUPPORTED.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct emucell_session_options {
    /// Size of this struct, set by emucell_session_options_init().
    pub struct_size: u32,
    /// Threads that share the cells of a call, the caller's included; 1 by default. The session
    /// starts the others and keeps them.
    pub n_threads: u32,
    /// EMUCELL_GUARD_…; EMUCELL_GUARD_IGNORE by default.
    pub guard: u32,
    /// Must be 0.
    pub reserved: u32,
    /// Instruction set by name ("scalar", "avx2"); NULL (default) for the machine's fastest.
    pub instruction_set: *const c_char,
    /// "cpu", "cuda" or "cuda:N"; NULL (default) is the CPU.
    pub device: *const c_char,
    /// EMUCELL_BACKEND_…; EMUCELL_BACKEND_AUTO by default.
    pub backend: u32,
    /// EMUCELL_PRECISION_…; EMUCELL_PRECISION_AUTO by default. Buffers are float or double
    /// whatever it is.
    pub precision: u32,
    /// CUDA stream (cudaStream_t) on which a GPU works, whose context is used as it is; NULL for a stream
    /// of the session's own, and on the CPU.
    pub stream: *mut c_void,
    /// Most cells and rows of a call; 0 if unknown. Memory that an unordered index and a fallback
    /// need for each is reserved for so many; a larger call allocates.
    pub capacity: usize,
    /// With EMUCELL_GUARD_FALLBACK: who computes cells outside the domain; NULL (default) for the
    /// surrogate's own cell model and its solver, forward Euler.
    pub fallback: emucell_fallback,
    /// First argument of fallback.
    pub fallback_data: *mut c_void,
    /// Longest step of the cell model's solver, ms; 0 (default) is 0.01.
    pub fallback_dt: f64,
    /// File of the library ONNX Runtime, 1.23 or later, for the backends that need it; NULL
    /// (default) for the one in the environment variable EMUCELL_ONNXRUNTIME, or the system's.
    /// One a process.
    pub onnxruntime_library: *const c_char,
    /// Folder where TensorRT keeps the engines and timings that it takes minutes to make, for the
    /// next session; NULL (default) for none. The native backend keeps compiled kernels for a GPU there;
    /// with NULL in the folder that the environment variable EMUCELL_KERNEL_CACHE names, or in the
    /// user's cache folder.
    pub engine_cache_folder: *const c_char,
}

// SAFETY: repr(C), struct_size first, numbers and pointers (NULL for none) only.
unsafe impl Sized32 for emucell_session_options {
    const NAME: &'static str = "emucell_session_options";
    const FIRST_SIZE: usize = offset_of!(emucell_session_options, device);
}

impl emucell_session_options {
    const DEFAULT: Self = Self {
        struct_size: size_of::<emucell_session_options>() as u32,
        n_threads: 1,
        guard: EMUCELL_GUARD_IGNORE,
        reserved: 0,
        instruction_set: std::ptr::null(),
        device: std::ptr::null(),
        backend: EMUCELL_BACKEND_AUTO,
        precision: EMUCELL_PRECISION_AUTO,
        stream: std::ptr::null_mut(),
        capacity: 0,
        fallback: None,
        fallback_data: std::ptr::null_mut(),
        fallback_dt: 0.0,
        onnxruntime_library: std::ptr::null(),
        engine_cache_folder: std::ptr::null(),
    };
}

/// Fills options, struct_size bytes, with the defaults. Call the macro
/// emucell_session_options_init(options), which says the size that your header knows.
///
/// # Safety
/// options is NULL or leads to struct_size bytes that may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn emucell_session_options_init_sized(
    options: *mut emucell_session_options,
    struct_size: u32,
) -> emucell_status {
    // SAFETY: as this function's contract says.
    guarded(|| unsafe { structs::init(options, struct_size, emucell_session_options::DEFAULT, "options") })
}

/// For programs compiled against version 0.1, whose struct was shorter; not in the header.
///
/// # Safety
/// options is NULL or may be written as far as version 0.1 knew it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn emucell_session_options_init(
    options: *mut emucell_session_options,
) -> emucell_status {
    // SAFETY: as this function's contract says.
    unsafe { emucell_session_options_init_sized(options, emucell_session_options::FIRST_SIZE as u32) }
}

impl emucell_session_options {
    /// What the options ask for, and the caller's fallback if there is one.
    ///
    /// # Safety
    /// `options` is NULL or leads to options whose texts are NUL-terminated, whose fallback may be
    /// called, and whose stream is one of the device.
    pub(super) unsafe fn read(
        options: *const Self,
    ) -> Result<(SessionOptions, Option<Arc<CallersFallback>>)> {
        if options.is_null() {
            return Ok((SessionOptions::default(), None));
        }
        let mut copy = MaybeUninit::uninit();
        // SAFETY: as this function's contract says, here and below.
        let options = unsafe { structs::read(options, "options", &mut copy)? };
        if options.reserved != 0 {
            return Err(Error::invalid("a reserved field of options is not 0")
                .remedy("call emucell_session_options_init first"));
        }
        // SAFETY: see above.
        let text = |pointer, name| unsafe { text(pointer, name) };
        let instruction_set = text(options.instruction_set, "instruction_set")?;
        let device = text(options.device, "device")?;
        let device = device.map_or(Ok(Device::Cpu), |name| name.parse())?;
        let fallback = options.fallback.map(|function| {
            // SAFETY: see above.
            Arc::new(unsafe { CallersFallback::new(function, options.fallback_data) })
        });
        let read = SessionOptions {
            n_threads: options.n_threads as usize,
            instruction_set,
            guard: choose("guard", options.guard, &GUARDS)?,
            device,
            backend: choose("backend", options.backend, &BACKENDS)?,
            precision: choose("precision", options.precision, &PRECISIONS)?,
            // SAFETY: the caller vouches for the stream.
            stream: NonNull::new(options.stream).map(|stream| unsafe { Stream::from_raw(stream) }),
            capacity: options.capacity,
            fallback: fallback.clone().map(|fallback| fallback as Arc<dyn Fallback>),
            fallback_dt: match options.fallback_dt {
                0.0 => SessionOptions::FALLBACK_DT,
                dt => dt,
            },
            onnxruntime: text(options.onnxruntime_library, "onnxruntime_library")?.map(PathBuf::from),
            engine_cache: text(options.engine_cache_folder, "engine_cache_folder")?.map(PathBuf::from),
        };
        Ok((read, fallback))
    }
}

/// Guards in the order of their numbers.
const GUARDS: [Guard; 5] = [Guard::Ignore, Guard::Clamp, Guard::Count, Guard::Flag, Guard::Fallback];
/// Backends in the order of their numbers.
const BACKENDS: [BackendChoice; 4] =
    [BackendChoice::Auto, BackendChoice::Native, BackendChoice::OnnxRuntime, BackendChoice::TensorRt];
/// Precisions in the order of their numbers.
const PRECISIONS: [Precision; 5] =
    [Precision::Auto, Precision::F32, Precision::F16, Precision::Bf16, Precision::Tf32];

fn choose<T: Copy>(what: &str, number: u32, choices: &[T]) -> Result<T> {
    choices.get(number as usize).copied().ok_or_else(|| {
        Error::invalid(format!("{what} {number}")).remedy(format!("use EMUCELL_{}_…", what.to_uppercase()))
    })
}

/// # Safety
/// `text` is NULL or NUL-terminated.
unsafe fn text(text: *const c_char, name: &str) -> Result<Option<String>> {
    if text.is_null() {
        return Ok(None);
    }
    // SAFETY: as this function's contract says.
    let text = unsafe { CStr::from_ptr(text) }.to_str();
    text.map(|t| Some(t.to_owned())).map_err(|_| Error::invalid(format!("{name} is not UTF-8")))
}
