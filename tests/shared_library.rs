//! The built C library, seen from outside: symbols, dependencies, and C and C++ clients linked
//! with the shared and the static one.

#![cfg(all(target_os = "linux", target_pointer_width = "64"))]

mod support;

use std::path::{Path, PathBuf};
use std::process::Command;

use support::c_compiler::{Client, Language, Linkage, compiler, succeed};
use support::shared_library::SharedLibrary;
use support::{onnxruntime, python};

/// Compiles the client `source` with both libraries and runs it on `surrogates`. It must end
/// well, and neither it nor the library may print anything.
fn run_client(source: &str, language: Language, surrogates: &[&str]) {
    let library = SharedLibrary::get();
    let files: Vec<PathBuf> = surrogates.iter().map(|name| library.surrogate(name)).collect();
    run_client_on(source, language, &files);
}

/// The same with any files as arguments.
fn run_client_on(source: &str, language: Language, files: &[PathBuf]) {
    let library = SharedLibrary::get();
    for linkage in [Linkage::Shared, Linkage::Static] {
        let client = Client { source, language, library: &library.folder, linkage };
        let program = client.compile(&library.work);
        let output = succeed(Command::new(&program).args(files));
        let printed = [output.stdout, output.stderr].concat();
        assert!(printed.is_empty(), "{source} printed:\n{}", String::from_utf8_lossy(&printed));
    }
}

#[test]
fn conformance() {
    run_client(
        "tests/c/conformance.c",
        Language::C,
        &["fhn_euler_coarse", "fhn_euler_threshold", "formula_network"],
    );
}

#[test]
fn layouts() {
    run_client("tests/c/layouts.c", Language::C, &["fhn_euler_coarse"]);
}

#[test]
fn guards() {
    run_client(
        "tests/c/guards.c",
        Language::C,
        &["fhn_euler_coarse", "fhn_euler_threshold", "formula_network"],
    );
}

#[test]
fn bad_input() {
    run_client(
        "tests/c/bad_input.c",
        Language::C,
        &["fhn_euler_coarse", "fhn_euler_threshold", "formula_network"],
    );
}

#[test]
fn damaged_files() {
    run_client("tests/c/damaged_files.c", Language::C, &["fhn_euler_coarse", "formula_network"]);
}

#[test]
fn onnx_runtime() {
    let library = SharedLibrary::get();
    python::run("foreign_graphs.py", &[&library.work]);
    let surrogates = ["fhn_euler_coarse", "formula_network", "sine"].map(|name| library.surrogate(name));
    let files = [&[onnxruntime::library()][..], &surrogates].concat();
    run_client_on("tests/c/onnxruntime.c", Language::C, &files);
}

#[test]
fn threads() {
    run_client("tests/c/threads.c", Language::C, &["fhn_euler_coarse"]);
}

/// Counts through glibc's own names of malloc.
#[cfg(target_env = "gnu")]
#[test]
fn allocations() {
    run_client("tests/c/allocations.c", Language::C, &["fhn_euler_coarse", "formula_network"]);
}

#[test]
fn cpp_wrapper() {
    run_client(
        "tests/cpp/wrapper.cpp",
        Language::Cpp,
        &["fhn_euler_coarse", "fhn_euler_threshold", "formula_network"],
    );
}

/// Each header alone, in each language that it is for.
#[test]
fn headers_compile_alone() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for (header, language) in
        [("emucell.h", Language::C), ("emucell.h", Language::Cpp), ("emucell.hpp", Language::Cpp)]
    {
        let name = if language == Language::C { "c" } else { "c++" };
        let header = root.join("include").join(header);
        // `-include`, since a header given as the file to compile is warned about.
        let mut command = compiler(language);
        succeed(command.args(["-fsyntax-only", "-x", name, "-include"]).arg(header).arg("/dev/null"));
    }
}

#[test]
fn structs_and_numbers_are_those_of_the_abi() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut command = Command::new("gcc");
    command.args(["-std=c11", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", "-I"]);
    succeed(command.arg(root.join("include")).arg(root.join("tests/abi/layout.c")));
}

#[test]
fn symbols_are_those_of_the_abi() {
    let library = SharedLibrary::get().folder.join("libemucell.so");
    let output = succeed(Command::new("nm").args(["-D", "--defined-only"]).arg(library));
    let text = String::from_utf8(output.stdout).unwrap();
    let exported: Vec<&str> = text.lines().filter_map(|line| line.split_whitespace().nth(2)).collect();
    let expected: Vec<&str> = include_str!("abi/symbols.txt").lines().collect();
    assert_eq!(exported, expected, "tests/abi/symbols.txt says otherwise");
}

#[test]
fn the_shared_library_needs_only_what_every_system_has() {
    let library = SharedLibrary::get().folder.join("libemucell.so");
    let output = succeed(Command::new("readelf").args(["-d", "-W"]).arg(library));
    let text = String::from_utf8(output.stdout).unwrap();
    let names_after = |tag: &str| -> Vec<String> {
        let lines = text.lines().filter(|line| line.contains(tag));
        lines.filter_map(|line| Some(line.split_once('[')?.1.split_once(']')?.0.to_owned())).collect()
    };
    assert_eq!(names_after("(SONAME)"), ["libemucell.so.0"]);
    let system = ["libc.", "libm.", "libgcc_s.", "libdl.", "libpthread.", "ld-linux"];
    for needed in names_after("(NEEDED)") {
        assert!(system.iter().any(|name| needed.starts_with(name)), "the library needs {needed}");
    }
}
