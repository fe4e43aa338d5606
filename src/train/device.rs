//! Where a training computes, by name.

use std::ffi::CStr;

use tch::{Cuda, Device};

use crate::error::{Error, Result};

/// libtorch's half for GPUs, which a program that is linked against the other half loads where it is wanted.
const CUDA_LIBRARY: &CStr = c"libtorch_cuda.so";

/// The device called `cpu`, `cuda` (the first GPU) or `cuda:N`. For a GPU, libtorch's library for CUDA is loaded unless
/// the program is linked against it; it is looked for where the system looks for libraries.
///
/// # Errors
/// Another name, no libtorch for CUDA, no such GPU.
pub fn device(name: &str) -> Result<Device> {
    let number = match name {
        "cpu" => return Ok(Device::Cpu),
        "cuda" => Some(0),
        _ => name.strip_prefix("cuda:").and_then(|n| n.parse().ok()),
    };
    let Some(number) = number else {
        return Err(Error::invalid(format!("unknown device \"{name}\"")).remedy("use cpu, cuda or cuda:1"));
    };
    let missing = load_cuda();
    if !Cuda::is_available() {
        let why = missing.map_or_else(String::new, |why| format!(" ({why})"));
        return Err(Error::unsupported(format!("libtorch sees no CUDA device{why}")).remedy(
            "use cpu, or on a machine with a GPU put the folder of a libtorch_cuda.so of the same version first in \
             LD_LIBRARY_PATH",
        ));
    }
    let n_devices = Cuda::device_count();
    if number as i64 >= n_devices {
        return Err(Error::unsupported(format!("GPU {number} of {n_devices}"))
            .remedy(format!("use cuda:0 to cuda:{}", n_devices - 1)));
    }
    Ok(Device::Cuda(number))
}

/// Loads libtorch's library for CUDA for good; why it cannot be, if it cannot.
fn load_cuda() -> Option<String> {
    // libtorch asks once whether there is CUDA: the library must be there before.
    // SAFETY: the library's initialisers register kernels with libtorch and do nothing else.
    let handle = unsafe { libc::dlopen(CUDA_LIBRARY.as_ptr(), libc::RTLD_NOW | libc::RTLD_GLOBAL) };
    handle.is_null().then(|| {
        // SAFETY: dlerror gives a text of this thread after a failure.
        unsafe { CStr::from_ptr(libc::dlerror()) }.to_string_lossy().into_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_devices() {
        assert_eq!(device("cpu").unwrap(), Device::Cpu);
        for wrong in ["gpu", "cuda:", "cuda:x", "cuda:-1", ""] {
            let message = device(wrong).unwrap_err().to_string();
            assert!(message.contains("unknown device") && message.contains("cuda:1"), "{message}");
        }
        let beyond = device("cuda:4096").unwrap_err().to_string();
        assert!(beyond.contains("CUDA") || beyond.contains("GPU 4096"), "{beyond}");
    }
}
