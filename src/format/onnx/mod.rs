//! Surrogates as ONNX files: a graph that any ONNX runtime can run, with emucell's metadata in
//! `metadata_props`.
//!
//! The graph has one input `x` of shape [cells, inputs] and one output `y` of shape
//! [cells, outputs], both single precision.

mod description;
mod gelu;
mod graph;
mod metadata;
mod proto;
mod read;
mod table;
mod tensor;
mod translate;
mod write;

use std::path::Path;

use crate::error::{Error, Result};
use crate::surrogate::{Graph, Network, Surrogate};

/// Files larger than this are refused; a surrogate of a few thousand kilobytes is a large one.
pub const MAX_FILE_SIZE: u64 = 256 << 20;

/// Loads the surrogate in the file at `path`.
///
/// A network without emucell's metadata takes its variables from the side file `path` + `.json`,
/// an object with `kind`, `dt`, `inputs`, `outputs`, … as `emucell inspect --json` prints them;
/// without either it becomes a solution map of anonymous variables (see
/// [`Surrogate::anonymous`]). A graph that programs cannot hold is kept for ONNX Runtime (see
/// [`Network`]).
///
/// # Errors
/// A file that cannot be read, is damaged, contradicts itself, or whose inputs and outputs are
/// not rows of single-precision numbers; the message names file, node and remedy.
pub fn load(path: &Path) -> Result<Surrogate> {
    let size = std::fs::metadata(path).map_err(|e| Error::io("read", path, e))?.len();
    if size > MAX_FILE_SIZE {
        return Err(Error::unsupported(format!("a file of {size} bytes"))
            .in_file(path)
            .remedy(format!("surrogates of up to {MAX_FILE_SIZE} bytes are read")));
    }
    let bytes = std::fs::read(path).map_err(|e| Error::io("read", path, e))?;
    read::surrogate(&bytes, || description::Description::beside(path)).map_err(|e| e.in_file(path))
}

/// Saves `surrogate` at `path`, atomically.
///
/// # Errors
/// A folder that cannot be written, or a surrogate that is no network (see [`to_bytes`]).
pub fn save(path: &Path, surrogate: &Surrogate) -> Result<()> {
    super::atomic::write(path, &to_bytes(surrogate)?)
}

/// The surrogate in an ONNX file's bytes; see [`load`].
///
/// # Errors
/// As [`load`], without the file's name.
pub fn from_bytes(bytes: &[u8]) -> Result<Surrogate> {
    read::surrogate(bytes, || Ok(None))
}

/// The bytes of an ONNX file; see [`save`]. Equal surrogates give equal bytes; a graph that is no
/// program is the file that it came from.
///
/// # Errors
/// A derivative: it is made from its surrogate where it is used.
pub fn to_bytes(surrogate: &Surrogate) -> Result<Vec<u8>> {
    match surrogate.network() {
        Network::Program(program) => write::model(surrogate, program),
        Network::Graph { graph, .. } => Ok(graph.file.to_vec()),
    }
}

/// The network as a graph for ONNX Runtime.
///
/// # Errors
/// As [`to_bytes`].
pub fn graph_of(surrogate: &Surrogate) -> Result<Graph> {
    match surrogate.network() {
        Network::Program(program) => write::graph(surrogate, program),
        Network::Graph { graph, .. } => Ok(graph.clone()),
    }
}
