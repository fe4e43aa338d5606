//! The installed library: what `scripts/install.sh` makes, found by pkg-config and CMake, and the
//! examples built with it.

#![cfg(all(target_os = "linux", target_pointer_width = "64"))]

mod support;

use std::path::{Path, PathBuf};
use std::process::Command;

use support::c_compiler::{Language, compiler, is_installed, succeed};
use support::shared_library::SharedLibrary;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Installs into a fresh folder, by way of DESTDIR and another place: the files may be moved.
fn install(name: &str) -> PathBuf {
    let library = SharedLibrary::get();
    let staging = library.work.join(format!("{name}_staging"));
    let prefix = library.work.join(name);
    for folder in [&staging, &prefix] {
        let _ = std::fs::remove_dir_all(folder);
    }
    let mut command = Command::new(root().join("scripts/install.sh"));
    succeed(command.arg("/opt/emucell").arg(&library.folder).env("DESTDIR", &staging));
    std::fs::rename(staging.join("opt/emucell"), &prefix).unwrap();
    prefix
}

/// Builds an example as its README says and gives the program.
fn build(prefix: &Path, source: &str, language: Language) -> PathBuf {
    let program = prefix.join(Path::new(source).file_stem().unwrap());
    let mut command = compiler(language);
    command.arg("-O3").arg(root().join("cpp_examples").join(source)).arg("-o").arg(&program);
    command.args(flags(prefix)).arg(format!("-Wl,-rpath,{}", prefix.join("lib").display())).arg("-pthread");
    succeed(&mut command);
    program
}

/// Compiler flags by pkg-config where there is one.
fn flags(prefix: &Path) -> Vec<String> {
    if !is_installed("pkg-config") {
        eprintln!("no pkg-config here: emucell.pc is not tested");
        let (include, lib) = (prefix.join("include"), prefix.join("lib"));
        return vec![
            format!("-I{}", include.display()),
            format!("-L{}", lib.display()),
            "-lemucell".to_owned(),
        ];
    }
    let mut command = Command::new("pkg-config");
    command.args(["--cflags", "--libs", "emucell"]).env("PKG_CONFIG_PATH", prefix.join("lib/pkgconfig"));
    let text = String::from_utf8(succeed(&mut command).stdout).unwrap();
    text.split_whitespace().map(str::to_owned).collect()
}

fn output_of(command: &mut Command) -> String {
    String::from_utf8(succeed(command).stdout).unwrap()
}

#[test]
fn installed_files_name_no_place() {
    let prefix = install("installed_files");
    for file in ["emucell.pc", "emucellConfig.cmake", "emucellConfigVersion.cmake"] {
        let folder = if file.ends_with(".pc") { "lib/pkgconfig" } else { "lib/cmake/emucell" };
        let text = std::fs::read_to_string(prefix.join(folder).join(file)).unwrap();
        assert!(!text.contains("/opt/emucell") && !text.contains("@"), "{file}:\n{text}");
    }
    let version = env!("CARGO_PKG_VERSION");
    let links =
        [("libemucell.so", "libemucell.so.0"), ("libemucell.so.0", &format!("libemucell.so.{version}"))];
    for (link, target) in links {
        assert_eq!(std::fs::read_link(prefix.join("lib").join(link)).unwrap(), Path::new(target));
    }
}

#[test]
fn evaluate_and_step_examples() {
    let library = SharedLibrary::get();
    let prefix = install("installed_examples");
    let evaluate = build(&prefix, "01_evaluate.c", Language::C);
    let text = output_of(Command::new(&evaluate).arg(library.surrogate("formula_network")));
    assert!(text.contains("input  t") && text.contains("0 ... 25") && text.contains("cell 2"), "{text}");
    let refused = Command::new(&evaluate).arg(library.surrogate("fhn_euler_coarse")).output().unwrap();
    assert!(!refused.status.success());

    let step = build(&prefix, "02_step.cpp", Language::Cpp);
    let text = output_of(Command::new(&step).arg(library.surrogate("fhn_euler_coarse")));
    let means: Vec<&str> = text.lines().filter_map(|line| Some(line.split_once("mean ")?.1)).collect();
    assert_eq!(means.len(), 8, "{text}");
    // All layouts give the same; the calls with an index advance a third of the cells.
    assert!((0..8).all(|i| means[i] == means[if i % 4 == 3 { 3 } else { 0 }]), "{text}");
}

/// The first C program that a newcomer copies.
#[test]
fn example_of_the_readme() {
    let library = SharedLibrary::get();
    let prefix = install("installed_readme");
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    let code = readme.split("```c\n").nth(1).unwrap().split("```").next().unwrap();
    let source = prefix.join("example.c");
    std::fs::write(&source, code).unwrap();
    std::fs::copy(library.surrogate("fhn_euler_coarse"), prefix.join("surrogate.onnx")).unwrap();
    let program = prefix.join("example");
    let mut command = compiler(Language::C);
    command.arg(&source).arg("-o").arg(&program).args(flags(&prefix));
    succeed(command.arg(format!("-Wl,-rpath,{}", prefix.join("lib").display())));
    assert_eq!(output_of(Command::new(&program).current_dir(&prefix)), "u = 0\n");
}

/// A surrogate that does exactly what the solver does: the same wave, with either kind of
/// diffusion and any number of threads.
#[test]
fn tissue_example() {
    let library = SharedLibrary::get();
    let prefix = install("installed_tissue");
    let tissue = build(&prefix, "03_tissue.cpp", Language::Cpp);
    let (json, snapshots) = (prefix.join("tissue.json"), prefix.join("tissue.npy"));
    for (diffusion, threads) in [("explicit", "1"), ("explicit", "3"), ("cg", "2")] {
        let mut command = Command::new(&tissue);
        command.arg(library.surrogate("fhn_euler_fine")).args(["--nx", "100", "--ny", "12", "--t-end", "25"]);
        command.args(["--diffusion", diffusion, "--threads", threads]);
        let text = output_of(command.arg("--json").arg(&json).arg("--snapshots").arg(&snapshots));
        assert!(text.contains("The surrogate"), "{text}");
        let result: serde_json::Value = serde_json::from_slice(&std::fs::read(&json).unwrap()).unwrap();
        let number = |name: &str| result[name].as_f64().unwrap_or(f64::NAN);
        assert!(number("conduction_velocity_relative_difference").abs() < 1e-5, "{result}");
        assert!(number("activation_max_difference_ms") < 1e-3, "{result}");
        assert!(number("cells_activated_in_one_run_only") == 0.0, "{result}");
        let velocity = result["solver"]["conduction_velocity_mm_per_ms"].as_f64().unwrap();
        assert!((0.4..0.6).contains(&velocity), "{result}");
        let npy = std::fs::read(&snapshots).unwrap();
        assert!(npy.starts_with(b"\x93NUMPY\x01\x00") && npy.len() == 128 + 2 * 4 * 12 * 100 * 4);
    }
    let refused = Command::new(&tissue).arg(library.surrogate("formula_network")).output().unwrap();
    assert!(!refused.status.success());
    assert!(String::from_utf8_lossy(&refused.stderr).contains("needs a step map"));
}

#[test]
fn cmake_finds_the_package() {
    if !is_installed("cmake") {
        eprintln!("no cmake here: the CMake package is not tested");
        return;
    }
    let library = SharedLibrary::get();
    let prefix = install("installed_for_cmake");
    let folder = prefix.join("build");
    let mut command = Command::new("cmake");
    command.arg("-S").arg(root().join("cpp_examples")).arg("-B").arg(&folder);
    succeed(command.arg(format!("-DCMAKE_PREFIX_PATH={}", prefix.display())));
    succeed(Command::new("cmake").arg("--build").arg(&folder));
    output_of(Command::new(folder.join("01_evaluate")).arg(library.surrogate("formula_network")));
    output_of(Command::new(folder.join("02_step")).arg(library.surrogate("fhn_euler_coarse")));
}
