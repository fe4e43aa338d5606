//! From a kernel's text to what a GPU loads: NVRTC, a cache on disk, kernels brought along, and what a compiled kernel
//! needs.

mod cache;
mod cubin;
pub mod embedded;
mod nvrtc;

use std::path::{Path, PathBuf};

pub use self::cache::Cache;
pub use self::cubin::Resources;
pub use self::nvrtc::{LIBRARY_VARIABLE, Nvrtc};

use super::generate::Kernel;
use super::target::Target;
use crate::error::Result;

/// Environment variable that names the folder of the cache.
pub const CACHE_VARIABLE: &str = "EMUCELL_KERNEL_CACHE";

/// What a driver loads for `kernel` on `target`: a cubin, out of the cache if it is there; without NVRTC one of the kernels
/// that emucell brings along.
///
/// # Errors
/// No NVRTC for another kernel, one that does not know the architecture, or a text that it does not compile.
pub fn image(kernel: &Kernel, target: Target, cache: &Cache) -> Result<Vec<u8>> {
    let nvrtc = match Nvrtc::load(None) {
        Ok(nvrtc) => nvrtc,
        Err(missing) => match embedded::kernel(kernel, target)? {
            Some(ptx) => {
                log::info!("no NVRTC: a kernel that emucell brings along, compiled by the driver");
                return Ok(ptx);
            }
            None => {
                return Err(missing.at("a network whose kernel emucell does not bring along compiled"));
            }
        },
    };
    let options = options(target);
    let text = kernel.text_for_gpu();
    let key = format!("NVRTC {}\n{}\n{text}", nvrtc.version(), options.join(" "));
    if let Some(cubin) = cache.get(&key) {
        return Ok(cubin);
    }
    let cubin = nvrtc.compile(&text, &options)?;
    cache.put(&key, &cubin);
    Ok(cubin)
}

/// NVRTC's options for `target`.
pub fn options(target: Target) -> Vec<String> {
    vec![format!("--gpu-architecture=sm_{}", target.architecture), "--std=c++17".to_owned()]
}

/// Where compiled kernels are kept: the folder `asked` for, the one in [`CACHE_VARIABLE`], or the user's cache folder.
/// None where there is no such folder: kernels are then compiled again for each session.
pub fn cache_folder(asked: Option<&Path>) -> Option<PathBuf> {
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let of_user = || variable("XDG_CACHE_HOME").or_else(|| variable("HOME").map(|home| home.join(".cache")));
    let asked = asked.map(Path::to_path_buf).or_else(|| variable(CACHE_VARIABLE));
    asked.or_else(|| of_user().map(|cache| cache.join("emucell/kernels")))
}
