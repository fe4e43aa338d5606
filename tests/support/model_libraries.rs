//! Model libraries of our own, compiled for tests.

use std::path::{Path, PathBuf};

use super::c_compiler::{Language, compiler, succeed};

/// Compiles `tests/model_libraries/SOURCE.c` with `definitions` (`NAME` or `NAME=VALUE`) into a library in `folder`.
pub fn library(source: &str, definitions: &[&str], folder: &Path) -> PathBuf {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/model_libraries");
    let name = [&[source], definitions].concat().join("_").replace('=', "_").to_lowercase();
    let library = folder.join(format!("lib{name}.so"));
    let mut command = compiler(Language::C);
    command.args(["-O2", "-fPIC", "-shared"]).args(definitions.iter().map(|d| format!("-D{d}")));
    succeed(command.arg(sources.join(format!("{source}.c"))).arg("-o").arg(&library).arg("-lm"));
    library
}
