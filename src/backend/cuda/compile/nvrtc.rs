//! NVRTC, NVIDIA's compiler as a library, loaded at run time.

use std::ffi::{CStr, CString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use cudarc::nvrtc::{result, sys};

use crate::error::{Error, Result};

/// Environment variable that names the library's file.
pub const LIBRARY_VARIABLE: &str = "EMUCELL_NVRTC";

const INSTALL: &str = "install NVRTC 12 or 13 (it comes with the CUDA toolkit and with `pip install nvidia-cuda-nvrtc`) and \
    name its file libnvrtc.so.* in EMUCELL_NVRTC";

/// The compiler, which is loaded once a process.
#[derive(Clone, Copy, Debug)]
pub struct Nvrtc {
    version: (i32, i32),
}

/// It compiles one text at a time: older versions are not safe to enter twice.
static COMPILING: Mutex<()> = Mutex::new(());

impl Nvrtc {
    /// The library in `file`, the one that [`LIBRARY_VARIABLE`] names, or the system's. The first that loads serves the
    /// process.
    ///
    /// # Errors
    /// No such library, and one that is not NVRTC.
    pub fn load(file: Option<&Path>) -> Result<Self> {
        static LOADED: Mutex<Option<Nvrtc>> = Mutex::new(None);
        let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(nvrtc) = *loaded {
            return Ok(nvrtc);
        }
        let named =
            || std::env::var_os(LIBRARY_VARIABLE).filter(|value| !value.is_empty()).map(PathBuf::from);
        let nvrtc = load(file.map(Path::to_path_buf).or_else(named))?;
        *loaded = Some(nvrtc);
        Ok(nvrtc)
    }

    /// Major and minor, for example `13.0`.
    pub fn version(self) -> String {
        format!("{}.{}", self.version.0, self.version.1)
    }

    /// Compiles `text` for the architecture that `options` name, into a cubin.
    ///
    /// # Errors
    /// What the compiler says.
    pub fn compile(self, text: &str, options: &[String]) -> Result<Vec<u8>> {
        // SAFETY: the program is compiled.
        self.compiled(text, options, |program| unsafe { cubin(program) })
    }

    /// Compiles `text` for the virtual architecture that `options` name, into PTX.
    ///
    /// # Errors
    /// What the compiler says.
    pub fn compile_to_ptx(self, text: &str, options: &[String]) -> Result<String> {
        // SAFETY: the program is compiled.
        let ptx = self.compiled(text, options, |p| unsafe { result::get_ptx(p) }.map_err(refused))?;
        let bytes: Vec<u8> = ptx.into_iter().map(|c| c as u8).take_while(|c| *c != 0).collect();
        String::from_utf8(bytes).map_err(|_| Error::unsupported("NVRTC: PTX that is no text"))
    }

    fn compiled<T>(
        self,
        text: &str,
        options: &[String],
        take: impl FnOnce(sys::nvrtcProgram) -> Result<T>,
    ) -> Result<T> {
        let _one = COMPILING.lock().unwrap_or_else(PoisonError::into_inner);
        let source = CString::new(text).map_err(|_| Error::invalid("a kernel's text with a NUL"))?;
        let program = result::create_program(&source, Some(c"emucell.cu")).map_err(refused)?;
        // SAFETY: the program was just made, and is destroyed once, at the end.
        unsafe {
            let taken = match result::compile_program(program, options) {
                Ok(()) => take(program),
                Err(code) => Err(failed(code, program, options)),
            };
            // What was compiled is copied by now: nothing is lost if this fails.
            let _ = result::destroy_program(program);
            taken
        }
    }
}

fn load(file: Option<PathBuf>) -> Result<Nvrtc> {
    // Loaded by its file first, the library is known by its name to whoever asks for that, as the bindings do.
    if let Some(file) = file {
        let file = std::fs::canonicalize(&file).map_err(|e| {
            Error::unsupported(format!("NVRTC: cannot open {}: {e}", file.display())).remedy(INSTALL)
        })?;
        preload_builtins(&file);
        open(&file)?;
    }
    // SAFETY: looks for a library by its usual names.
    if !unsafe { sys::is_culib_present() } {
        return Err(Error::unsupported("this machine has no NVRTC (libnvrtc.so)").remedy(INSTALL));
    }
    let (mut major, mut minor) = (0, 0);
    // SAFETY: the library is there; it fills the two numbers.
    unsafe { sys::nvrtcVersion(&raw mut major, &raw mut minor) }.result().map_err(refused)?;
    Ok(Nvrtc { version: (major, minor) })
}

/// NVRTC looks for its second library only where the system does, and not beside itself.
fn preload_builtins(library: &Path) {
    let Some(entries) = library.parent().and_then(|folder| folder.read_dir().ok()) else { return };
    let is_builtins = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with("libnvrtc-builtins.so")
    };
    for path in entries.flatten().map(|entry| entry.path()).filter(is_builtins) {
        // Without it the first compilation fails, and says so.
        let _ = open(&path);
    }
}

/// Loads a library for good.
fn open(file: &Path) -> Result<()> {
    let path = CString::new(file.as_os_str().as_bytes()).map_err(|_| Error::invalid("a path with a NUL"))?;
    // SAFETY: NVRTC's initialisers are harmless; the user named the file.
    let handle = unsafe { libc::dlopen(path.as_ptr(), libc::RTLD_NOW | libc::RTLD_GLOBAL) };
    if handle.is_null() {
        // SAFETY: dlerror gives a text of this thread after a failure.
        let why = unsafe { CStr::from_ptr(libc::dlerror()) }.to_string_lossy().into_owned();
        return Err(Error::unsupported(format!("NVRTC from {}: {why}", file.display())).remedy(INSTALL));
    }
    Ok(())
}

/// # Safety
/// The program was compiled.
unsafe fn cubin(program: sys::nvrtcProgram) -> Result<Vec<u8>> {
    let mut size = 0;
    // SAFETY: as this function's contract says; the vector has the size that NVRTC asks for.
    unsafe {
        sys::nvrtcGetCUBINSize(program, &raw mut size).result().map_err(refused)?;
        let mut cubin = vec![0u8; size];
        sys::nvrtcGetCUBIN(program, cubin.as_mut_ptr().cast()).result().map_err(refused)?;
        Ok(cubin)
    }
}

/// # Safety
/// The program exists.
unsafe fn failed(fault: result::NvrtcError, program: sys::nvrtcProgram, options: &[String]) -> Error {
    // SAFETY: as this function's contract says.
    let log = unsafe { result::get_program_log(program) }.unwrap_or_default();
    let log: Vec<u8> = log.iter().map(|&c| c as u8).collect();
    let log = String::from_utf8_lossy(&log).into_owned();
    let first = log.lines().find(|line| line.contains("error")).unwrap_or("no message").trim();
    let options = options.join(" ");
    if fault.0 == sys::nvrtcResult::NVRTC_ERROR_INVALID_OPTION {
        return Error::unsupported(format!("NVRTC does not know an option of {options} ({first})"))
            .remedy("install a newer NVRTC, which knows this GPU's architecture");
    }
    Error::unsupported(format!("NVRTC does not compile a kernel with {options}: {fault} ({first})"))
        .remedy("use the device cpu, and report this as a fault of emucell")
}

fn refused(fault: result::NvrtcError) -> Error {
    Error::unsupported(format!("NVRTC: {fault}")).remedy(INSTALL)
}
