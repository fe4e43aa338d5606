//! Where and in which numbers a session computes.

use std::ffi::c_void;
use std::ptr::NonNull;
use std::str::FromStr;

use crate::error::{Error, Result};

/// Where a session computes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Device {
    /// The processor that the program runs on.
    #[default]
    Cpu,
    /// The NVIDIA GPU of that number.
    Cuda(usize),
}

impl FromStr for Device {
    type Err = Error;

    /// `cpu`, `cuda` (which is `cuda:0`) or `cuda:N`.
    fn from_str(name: &str) -> Result<Self> {
        let number = match name {
            "cpu" => return Ok(Self::Cpu),
            "cuda" => Some(0),
            _ => name.strip_prefix("cuda:").and_then(|n| n.parse().ok()),
        };
        number.map(Self::Cuda).ok_or_else(|| {
            Error::invalid(format!("unknown device \"{name}\"")).remedy("use cpu, cuda or cuda:N")
        })
    }
}

impl std::fmt::Display for Device {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(number) => write!(f, "cuda:{number}"),
        }
    }
}

/// In which numbers a session computes; the caller's buffers are f32 or f64 whatever it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// Single, and less only where the surrogate's own error is much larger.
    #[default]
    Auto,
    /// IEEE single.
    F32,
    /// IEEE half, sums in single.
    F16,
    /// bfloat16, sums in single.
    Bf16,
    /// TensorFloat-32.
    Tf32,
}

/// A CUDA stream of the caller's (`cudaStream_t`), on which a GPU works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stream(NonNull<c_void>);

// SAFETY: the CUDA runtime takes a stream from any thread; here it is an address.
unsafe impl Send for Stream {}
// SAFETY: as above.
unsafe impl Sync for Stream {}

impl Stream {
    /// The stream at that address.
    ///
    /// # Safety
    /// It is a stream of the device that the session computes on, and outlives the session.
    pub unsafe fn from_raw(stream: NonNull<c_void>) -> Self {
        Self(stream)
    }

    /// Its address.
    pub fn as_raw(self) -> *mut c_void {
        self.0.as_ptr()
    }
}
