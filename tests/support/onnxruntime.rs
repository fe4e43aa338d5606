//! The real ONNX Runtime, from the wheel that `make setup` installs.

use std::path::{Path, PathBuf};

use emucell::session::{BackendChoice, SessionOptions};

/// The library's file.
pub fn library() -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(".python/site/onnxruntime/capi");
    let files = std::fs::read_dir(&folder);
    let files = files.unwrap_or_else(|e| panic!("{}: {e}: run `make setup`", folder.display()));
    let mut paths = files.map(|file| file.unwrap().path());
    let is_library = |path: &PathBuf| path.to_string_lossy().contains("/libonnxruntime.so.");
    paths.find(is_library).unwrap_or_else(|| panic!("no libonnxruntime.so.* in {}", folder.display()))
}

/// Options of a session on it.
pub fn options() -> SessionOptions {
    SessionOptions {
        backend: BackendChoice::OnnxRuntime,
        onnxruntime: Some(library()),
        ..SessionOptions::default()
    }
}
