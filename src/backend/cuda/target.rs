//! What kernels are generated and compiled for.

use crate::error::{Error, Result};

/// A kind of GPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    /// Compute capability × 10, for example 90.
    pub architecture: u32,
    /// Shared memory that a block may have.
    pub shared_bytes: usize,
}

impl Target {
    /// The GPUs of that compute capability × 10.
    ///
    /// # Errors
    /// GPUs older than kernels are written for.
    pub fn of(architecture: u32) -> Result<Self> {
        let kibibytes = match architecture {
            ..75 => {
                let [major, minor] = [architecture / 10, architecture % 10];
                return Err(Error::unsupported(format!("a GPU of compute capability {major}.{minor}"))
                    .remedy("use a GPU of compute capability 7.5 or later, or the device cpu"));
            }
            75..80 => 64,
            80 | 87 => 163,
            90 | 100 | 103 | 110 => 227,
            _ => 99,
        };
        Ok(Self { architecture, shared_bytes: kibibytes * 1024 })
    }

    /// As NVIDIA writes it, for example `9.0`.
    pub fn capability(self) -> String {
        format!("{}.{}", self.architecture / 10, self.architecture % 10)
    }
}
