//! What becomes of a panic inside the library: a build with faults that a host can ask for.

#![cfg(all(target_os = "linux", target_pointer_width = "64"))]

mod support;

use std::path::Path;
use std::process::Command;

use support::c_compiler::{Client, Language, Linkage, succeed};
use support::shared_library::write_surrogates;

#[test]
fn panics_become_statuses() {
    let work = Path::new(env!("CARGO_TARGET_TMPDIR")).join("internal_faults");
    std::fs::create_dir_all(&work).unwrap();
    write_surrogates(&work);
    let mut command = Command::new(env!("CARGO"));
    command.args(["rustc", "--lib", "--crate-type", "cdylib,staticlib", "--features", "planted-faults"]);
    succeed(command.current_dir(env!("CARGO_MANIFEST_DIR")).env("CARGO_TARGET_DIR", work.join("target")));
    let library = &work.join("target/debug");
    for linkage in [Linkage::Shared, Linkage::Static] {
        let (source, language) = ("tests/c/internal_faults.c", Language::C);
        let program = Client { source, language, library, linkage, flags: &[] }.compile(&work);
        let files = ["fhn_euler_coarse.onnx", "formula_network.onnx"].map(|name| work.join(name));
        let output = succeed(Command::new(&program).args(files));
        let printed = [output.stdout, output.stderr].concat();
        assert!(printed.is_empty(), "{}", String::from_utf8_lossy(&printed));
    }
}
