//! Kernels that emucell brings along, for machines without NVRTC: those of smaller networks in `models/` and of the solvers,
//! as PTX, which the driver itself compiles for its GPU.
//!
//! A kernel's text holds no weights: one of these serves all networks of its shape. They are made by
//! `make kernels`, and a test tells when that is to be done again.

use std::io::{Cursor, Read};

use zip::ZipArchive;

use super::cache::sum;
use crate::backend::cuda::generate::Kernel;
use crate::backend::cuda::target::Target;
use crate::error::{Error, Result};

/// A zip file, a member a kernel.
const KERNELS: &[u8] = include_bytes!("kernels.zip");
/// Beyond the longest kernel; no member is believed to be longer.
const LONGEST: u64 = 1 << 26;
/// The PTX of NVRTC's own version would ask for as new a driver. These kernels need no more than that of CUDA 12.1, which
/// has arguments beyond 4 KiB.
const PTX_VERSION: &str = ".version 8.1";

/// The kernel for `target` as PTX that ends with NUL, if it is among those that are brought along.
///
/// # Errors
/// A damaged program.
pub fn kernel(kernel: &Kernel, target: Target) -> Result<Option<Vec<u8>>> {
    find(KERNELS, &name(kernel, target)).map_err(|e| Error::format(format!("kernels of emucell's own: {e}")))
}

/// Names of all that are brought along; see [`name`].
pub fn names() -> Vec<String> {
    let archive = ZipArchive::new(Cursor::new(KERNELS));
    archive.map(|archive| archive.file_names().map(str::to_owned).collect()).unwrap_or_default()
}

fn find(archive: &[u8], name: &str) -> zip::result::ZipResult<Option<Vec<u8>>> {
    let mut archive = ZipArchive::new(Cursor::new(archive))?;
    let Some(i) = archive.index_for_name(name) else { return Ok(None) };
    let mut ptx = Vec::new();
    archive.by_index(i)?.take(LONGEST).read_to_end(&mut ptx)?;
    ptx.push(0);
    Ok(Some(ptx))
}

/// NVRTC's options for a kernel to bring along.
pub fn options(kernel: &Kernel, target: Target) -> Vec<String> {
    vec![format!("--gpu-architecture=compute_{}", base(kernel, target)), "--std=c++17".to_owned()]
}

/// The name under which it lies.
pub fn name(kernel: &Kernel, target: Target) -> String {
    let key = format!("{}\n{}", options(kernel, target).join(" "), kernel.text_for_gpu());
    format!("{:016x}_{}.ptx", sum(key.as_bytes()), base(kernel, target))
}

/// What NVRTC made, as it is brought along: for older drivers, without comments and without hints that these do not know.
pub fn finished(ptx: &str) -> String {
    let line = |line: &str| match line.trim() {
        "" => String::new(),
        text if text.starts_with("//") || text.starts_with(".pragma \"used_bytes_mask") => String::new(),
        text if text.starts_with(".version ") => format!("{PTX_VERSION}\n"),
        text => format!("{text}\n"),
    };
    ptx.trim_end_matches('\0').lines().map(line).collect()
}

/// The oldest architecture that has what the kernel's text uses on `target`: nothing in it is for later ones only.
fn base(kernel: &Kernel, target: Target) -> u32 {
    if kernel.uses_tensor_cores && target.architecture >= 80 { 80 } else { 75 }
}
