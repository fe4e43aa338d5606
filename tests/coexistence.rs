//! The library in a process that it does not have to itself: what the file asks of the loader, and hosts
//! that load it again and again, compute with OpenMP, or have a libtorch of their own.

#![cfg(all(target_os = "linux", target_pointer_width = "64"))]

mod support;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use support::c_compiler::{Client, Language, Linkage, succeed};
use support::shared_library::SharedLibrary;

fn shared_object() -> PathBuf {
    SharedLibrary::get().folder.join("libemucell.so")
}

fn readelf(option: &str) -> String {
    let output = succeed(Command::new("readelf").args([option, "-W"]).arg(shared_object()));
    String::from_utf8(output.stdout).unwrap()
}

/// What stands in brackets on the lines of the dynamic section with this tag.
fn dynamic(tag: &str) -> Vec<String> {
    let text = readelf("-d");
    let lines = text.lines().filter(|line| line.contains(tag));
    lines.filter_map(|line| Some(line.split_once('[')?.1.split_once(']')?.0.to_owned())).collect()
}

fn run(source: &str, linkage: Linkage, flags: &[&str], arguments: &[&Path]) -> Output {
    let library = SharedLibrary::get();
    let client = Client { source, language: Language::C, library: &library.folder, linkage, flags };
    succeed(Command::new(client.compile(&library.work)).args(arguments))
}

fn assert_silent(output: &Output) {
    assert!(output.stdout.is_empty() && output.stderr.is_empty(), "{output:?}");
}

#[test]
fn it_needs_only_what_every_system_has() {
    assert_eq!(dynamic("(SONAME)"), ["libemucell.so.0"]);
    let system = ["libc.", "libm.", "libgcc_s.", "libdl.", "libpthread.", "ld-linux"];
    for needed in dynamic("(NEEDED)") {
        assert!(system.iter().any(|name| needed.starts_with(name)), "the library needs {needed}");
    }
    for tag in ["(RPATH)", "(RUNPATH)"] {
        assert!(dynamic(tag).is_empty(), "the library has {tag}");
    }
}

#[test]
fn its_memory_is_protected() {
    let (sections, segments) = (readelf("-d"), readelf("-l"));
    assert!(!sections.contains("TEXTREL"), "code is changed when it is loaded");
    assert!(sections.contains("BIND_NOW") && segments.contains("GNU_RELRO"), "addresses stay writable");
    // Offset, two addresses and two sizes come before a segment's flags, its alignment behind them.
    let flags_of = |name: &str| -> Vec<String> {
        let lines = segments.lines().filter_map(|line| line.trim_start().strip_prefix(name));
        lines.map(|line| line.split_whitespace().filter(|w| !w.starts_with('0')).collect()).collect()
    };
    assert_eq!(flags_of("GNU_STACK"), ["RW"], "{segments}");
    assert_eq!(flags_of("LOAD"), ["R", "RE", "RW", "RW"], "{segments}");
}

/// It stays where it is when it is closed: threads that used it still end in it.
#[test]
fn it_is_never_unloaded() {
    assert!(readelf("-d").contains("NODELETE"));
}

#[test]
fn it_is_small() {
    let megabytes = std::fs::metadata(shared_object()).unwrap().len() as f64 / 1e6;
    eprintln!("libemucell.so: {megabytes:.2} MB");
    assert!(megabytes < 3.0, "{megabytes} MB");
}

/// Counts through glibc's own names of malloc.
#[cfg(target_env = "gnu")]
#[test]
fn loaded_a_thousand_times() {
    let surrogate = SharedLibrary::get().surrogate("fhn_euler_coarse");
    assert_silent(&run("tests/c/unload.c", Linkage::Loaded, &[], &[&shared_object(), &surrogate]));
}

fn cell_steps(number: &str) -> Output {
    let surrogate = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/fhn_cubic_step.onnx");
    run("tests/c/soak.c", Linkage::Shared, &[], &[&surrogate, Path::new(number)])
}

#[cfg(target_env = "gnu")]
#[test]
fn ten_million_cell_steps_without_growth() {
    assert_silent(&cell_steps("1e7"));
}

#[cfg(target_env = "gnu")]
#[test]
#[ignore = "make soak"]
fn a_thousand_million_cell_steps_without_growth() {
    print!("{}", String::from_utf8(cell_steps("1e9").stdout).unwrap());
}

#[test]
fn openmp() {
    let surrogate = SharedLibrary::get().surrogate("fhn_euler_coarse");
    for linkage in [Linkage::Shared, Linkage::Static] {
        assert_silent(&run("tests/c/openmp.c", linkage, &["-fopenmp"], &[&surrogate]));
    }
}

#[test]
fn beside_pytorch() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut command = Command::new(root.join(".python/bin/python"));
    command.arg(root.join("tests/python/beside_torch.py")).arg(shared_object());
    succeed(command.arg(SharedLibrary::get().surrogate("fhn_euler_coarse")));
}
