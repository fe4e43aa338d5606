//! A shared library of somebody else's.

use std::ffi::{CStr, CString, c_int, c_void};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// A loaded library; it stays loaded, because libraries with threads of their own cannot be unloaded safely.
#[derive(Debug)]
pub struct SharedObject {
    handle: *mut c_void,
    path: PathBuf,
}

impl SharedObject {
    /// Loads the library at `path`, an absolute path; its constructors run.
    pub fn open(path: &Path, flags: c_int) -> Result<Self> {
        let name = CString::new(path.as_os_str().as_encoded_bytes())
            .map_err(|_| Error::invalid("a path with a zero byte").in_file(path))?;
        // SAFETY: the name is a C string; what constructors do is the risk that the caller takes.
        let handle = unsafe { libc::dlopen(name.as_ptr(), flags) };
        if handle.is_null() {
            // SAFETY: after a failure dlerror gives a text.
            let text = unsafe { CStr::from_ptr(libc::dlerror()) };
            let text = text.to_string_lossy();
            // The text begins with the path, which the error names anyway.
            let text = text.strip_prefix(&format!("{}: ", path.display())).unwrap_or(&text);
            return Err(Error::format(format!("cannot be loaded as a shared library: {text}")).in_file(path));
        }
        Ok(Self { handle, path: path.to_path_buf() })
    }

    /// The address of the function `name`.
    pub fn function(&self, name: &str) -> Result<*mut c_void> {
        let fault = || Error::format(format!("no function \"{name}\"")).in_file(&self.path);
        let c_name = CString::new(name).map_err(|_| fault())?;
        // SAFETY: the library is loaded and the name a C string.
        let address = unsafe { libc::dlsym(self.handle, c_name.as_ptr()) };
        if address.is_null() { Err(fault()) } else { Ok(address) }
    }
}
