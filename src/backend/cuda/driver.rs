//! The driver, a library that is loaded at run time, and what its codes mean.

use std::sync::OnceLock;

use cudarc::driver::sys::{self, CUresult};

use crate::error::{Error, Result};

/// Makes the driver ready, once a process.
///
/// # Errors
/// A machine without driver or GPU, or with a driver that does not start.
pub fn start() -> Result<()> {
    static STARTED: OnceLock<std::result::Result<(), (String, &str)>> = OnceLock::new();
    let started = STARTED.get_or_init(|| {
        // SAFETY: looks for a library by its usual names.
        if !unsafe { sys::is_culib_present() } {
            return Err((
                "this machine has no driver of NVIDIA (libcuda.so.1)".to_owned(),
                "install NVIDIA's driver, or use the device cpu",
            ));
        }
        // SAFETY: the library is there; any thread may ask for this at any time.
        match unsafe { sys::cuInit(0) } {
            CUresult::CUDA_SUCCESS => Ok(()),
            code => Err((
                format!("NVIDIA's driver does not start: {}", describe(code)),
                "check the GPU with nvidia-smi, or use the device cpu",
            )),
        }
    });
    started.clone().map_err(|(what, remedy)| Error::unsupported(what).remedy(remedy))
}

/// `code` as a result of doing `what`.
pub fn check(code: CUresult, what: &str) -> Result<()> {
    let described = || format!("{what}: {}", describe(code));
    match code {
        CUresult::CUDA_SUCCESS => Ok(()),
        CUresult::CUDA_ERROR_OUT_OF_MEMORY => {
            Err(Error::unsupported(described())
                .remedy("free memory of the GPU, or use fewer cells at a time"))
        }
        CUresult::CUDA_ERROR_NO_BINARY_FOR_GPU | CUresult::CUDA_ERROR_INVALID_PTX => {
            Err(Error::unsupported(described()).remedy("install NVRTC and a driver that know this GPU"))
        }
        CUresult::CUDA_ERROR_ILLEGAL_ADDRESS | CUresult::CUDA_ERROR_MISALIGNED_ADDRESS => {
            Err(Error::invalid(described())
                .remedy("check that every view leads to as many numbers of the GPU's memory as it says"))
        }
        CUresult::CUDA_ERROR_INVALID_CONTEXT
        | CUresult::CUDA_ERROR_CONTEXT_IS_DESTROYED
        | CUresult::CUDA_ERROR_INVALID_HANDLE => Err(Error::invalid(described())
            .remedy("check that stream and context are alive and those of the session's GPU")),
        _ => Err(Error::unsupported(described()).remedy("check the GPU with nvidia-smi")),
    }
}

/// The code's name and NVIDIA's words for it.
fn describe(code: CUresult) -> String {
    let error = cudarc::driver::DriverError(code);
    let text = |text: std::result::Result<&std::ffi::CStr, _>| text.map(|t| t.to_string_lossy().into_owned());
    match (text(error.error_name()), text(error.error_string())) {
        (Ok(name), Ok(words)) => format!("{words} ({name})"),
        _ => format!("code {}", code as u32),
    }
}
