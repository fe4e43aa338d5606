//! The built C library, seen from outside: symbols, dependencies, and C and C++ clients linked
//! with the shared and the static one.

#![cfg(all(target_os = "linux", target_pointer_width = "64"))]

mod support;

use std::path::{Path, PathBuf};
use std::process::Command;

use support::c_compiler::{Client, Language, Linkage, succeed};
use support::clients::{ClientProgram, client};
use support::shared_library::SharedLibrary;
use support::{onnxruntime, python};

/// Compiles a client with both libraries, and in all standards of its language, and runs it on its
/// surrogates. It must end well, and neither it nor the library may print anything.
fn run_client(name: &str) {
    let library = SharedLibrary::get();
    let files: Vec<PathBuf> = client(name).surrogates.iter().map(|name| library.surrogate(name)).collect();
    run_client_on(client(name), &files);
}

/// The same with any files as arguments.
fn run_client_on(&ClientProgram { source, language, .. }: &ClientProgram, files: &[PathBuf]) {
    let library = SharedLibrary::get();
    let languages: &[Language] = match language {
        Language::Cpp => &[Language::Cpp, Language::Cpp20],
        _ => &[language],
    };
    for (linkage, language) in languages.iter().flat_map(|&l| [(Linkage::Shared, l), (Linkage::Static, l)]) {
        let client = Client { source, language, library: &library.folder, linkage, flags: &[] };
        let program = client.compile(&library.work);
        let output = succeed(Command::new(&program).args(files));
        let printed = [output.stdout, output.stderr].concat();
        assert!(printed.is_empty(), "{source} printed:\n{}", String::from_utf8_lossy(&printed));
    }
}

#[test]
fn conformance() {
    run_client("conformance.c");
}

#[test]
fn layouts() {
    run_client("layouts.c");
}

#[test]
fn guards() {
    run_client("guards.c");
}

#[test]
fn bad_input() {
    run_client("bad_input.c");
}

#[test]
fn bad_memory() {
    run_client("bad_memory.c");
}

#[test]
fn damaged_files() {
    run_client("damaged_files.c");
}

#[test]
fn changed_files() {
    run_client("changed_files.c");
}

#[test]
fn derivatives() {
    run_client("derivatives.c");
}

#[test]
fn onnx_runtime() {
    let library = SharedLibrary::get();
    python::run("foreign_graphs.py", &[&library.work]);
    let surrogates = ["fhn_euler_coarse", "formula_network", "sine"].map(|name| library.surrogate(name));
    let files = [&[onnxruntime::library()][..], &surrogates].concat();
    // It is on no list: its first argument is no surrogate.
    let program = ClientProgram { source: "tests/c/onnxruntime.c", ..*client("conformance.c") };
    run_client_on(&program, &files);
}

#[test]
fn times() {
    run_client("times.c");
}

#[test]
fn threads() {
    run_client("threads.c");
}

/// Counts through glibc's own names of malloc.
#[cfg(target_env = "gnu")]
#[test]
fn allocations() {
    run_client("allocations.c");
}

#[test]
fn state_of_the_host() {
    run_client("host_state.c");
}

/// A program that knows only the first released header.
#[test]
fn programs_of_version_0_1() {
    run_client("client_0_1.c");
}

#[test]
fn cpp_wrapper() {
    run_client("wrapper.cpp");
}

#[test]
fn cpp_times() {
    run_client("times.cpp");
}

#[test]
fn cpp_sessions() {
    run_client("sessions.cpp");
}

/// Each header alone, in each language that it is for, by every compiler that is there.
#[test]
fn headers_compile_alone() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let cases = [
        ("emucell.h", "c", "c99"),
        ("emucell.h", "c", "c11"),
        ("emucell.h", "c++", "c++17"),
        ("emucell.h", "c++", "c++20"),
        ("emucell.hpp", "c++", "c++17"),
        ("emucell.hpp", "c++", "c++20"),
        ("emucell_views.hpp", "c++", "c++17"),
        ("emucell_views.hpp", "c++", "c++20"),
    ];
    for compiler in ["gcc", "clang"] {
        if compiler == "clang" && Command::new(compiler).arg("--version").output().is_err() {
            continue;
        }
        for (header, language, standard) in cases {
            let mut command = Command::new(compiler);
            command.args(["-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wshadow", "-Werror"]);
            // `-include`, since a header given as the file to compile is warned about.
            command.args(["-fsyntax-only", &format!("-std={standard}"), "-x", language, "-include"]);
            succeed(command.arg(root.join("include").join(header)).arg("/dev/null"));
        }
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
