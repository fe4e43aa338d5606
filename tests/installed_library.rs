//! The installed library: what `scripts/install.sh` makes, found by pkg-config and CMake, and the
//! examples built with it.

#![cfg(all(target_os = "linux", target_pointer_width = "64"))]

mod support;

use std::path::{Path, PathBuf};
use std::process::Command;

use support::c_compiler::{Language, compiler, has, succeed};
use support::shared_library::SharedLibrary;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Installs into a fresh folder, by way of DESTDIR and another place: the files may be moved, and
/// to a path with blanks.
fn install(name: &str) -> PathBuf {
    let library = SharedLibrary::get();
    let staging = library.work.join(format!("{name}_staging"));
    let prefix = library.work.join(format!("{name} in a path with blanks"));
    for folder in [&staging, &prefix] {
        let _ = std::fs::remove_dir_all(folder);
    }
    let mut command = Command::new(root().join("scripts/install.sh"));
    succeed(command.arg("/opt/emucell").arg(&library.folder).env("DESTDIR", &staging));
    std::fs::rename(staging.join("opt/emucell"), &prefix).unwrap();
    prefix
}

/// Builds an example with pkg-config, as its README says, and gives the program.
fn build(prefix: &Path, source: &str, language: Language) -> PathBuf {
    let program = prefix.join(Path::new(source).file_stem().unwrap());
    let mut command = compiler(language);
    command.arg("-O3").arg(root().join("cpp_examples").join(source)).arg("-o").arg(&program);
    command.args(pkg_config(prefix, &["--cflags", "--libs"]));
    succeed(command.arg(rpath(prefix)).arg("-pthread"));
    program
}

fn rpath(prefix: &Path) -> String {
    format!("-Wl,-rpath,{}", prefix.join("lib").display())
}

/// What pkg-config answers, as the shell of a user takes it apart.
fn pkg_config(prefix: &Path, arguments: &[&str]) -> Vec<String> {
    let mut command = Command::new("sh");
    command.args(["-c", r#"eval "set -- $(pkg-config "$@" emucell)"; printf '%s\n' "$@""#, "sh"]);
    command.args(arguments).env("PKG_CONFIG_PATH", prefix.join("lib/pkgconfig"));
    output_of(&mut command).lines().map(str::to_owned).collect()
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

/// Everything that is there, links as well, below `folder`.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        match entry.file_type().unwrap().is_dir() {
            true => found.extend(files(&entry.path())),
            false => found.push(entry.path()),
        }
    }
    found
}

/// Installing over an older version, and uninstalling, remove its files and nobody else's.
#[test]
fn uninstall_removes_what_was_installed() {
    let prefix = install("uninstalled");
    let (older, other) = (prefix.join("lib/libemucell.so.0.0.1"), prefix.join("lib/libother.so"));
    for file in [&older, &other] {
        std::fs::write(file, "").unwrap();
    }
    let list = prefix.join("share/emucell/files");
    let text = std::fs::read_to_string(&list).unwrap();
    std::fs::write(&list, text.clone() + "lib/libemucell.so.0.0.1\n").unwrap();
    let script = || Command::new(root().join("scripts/install.sh"));
    succeed(script().arg(&prefix).arg(&SharedLibrary::get().folder));
    assert!(!older.exists());
    assert_eq!(std::fs::read_to_string(&list).unwrap(), text);
    assert_eq!(files(&prefix).len(), text.lines().count() + 2, "{:#?}", files(&prefix));
    succeed(script().arg("--uninstall").arg(&prefix));
    assert_eq!(files(&prefix), [other]);
    assert!(!prefix.join("share/emucell").exists() && !prefix.join("lib/cmake/emucell").exists());
    let again = script().arg("--uninstall").arg(&prefix).output().unwrap();
    assert!(!again.status.success());
}

#[test]
fn evaluate_and_step_examples() {
    if !has("pkg-config") {
        return;
    }
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
    if !has("pkg-config") {
        return;
    }
    let library = SharedLibrary::get();
    let prefix = install("installed_readme");
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    let code = readme.split("```c\n").nth(1).unwrap().split("```").next().unwrap();
    let source = prefix.join("example.c");
    std::fs::write(&source, code).unwrap();
    std::fs::copy(library.surrogate("fhn_euler_coarse"), prefix.join("surrogate.onnx")).unwrap();
    let program = prefix.join("example");
    let mut command = compiler(Language::C);
    command.arg(&source).arg("-o").arg(&program).args(pkg_config(&prefix, &["--cflags", "--libs"]));
    succeed(command.arg(rpath(&prefix)));
    assert_eq!(output_of(Command::new(&program).current_dir(&prefix)), "u = 0\n");
}

/// A surrogate that does exactly what the solver does: the same wave, with either kind of
/// diffusion and any number of threads.
#[test]
fn tissue_example() {
    if !has("pkg-config") {
        return;
    }
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

/// A program without any shared library, by what pkg-config tells of static linking.
#[test]
fn static_program() {
    if !has("pkg-config") {
        return;
    }
    let library = SharedLibrary::get();
    let prefix = install("installed_static");
    let program = prefix.join("01_evaluate");
    let mut command = compiler(Language::C);
    command.arg("-static").arg(root().join("cpp_examples/01_evaluate.c")).arg("-o").arg(&program);
    succeed(command.args(pkg_config(&prefix, &["--static", "--cflags", "--libs"])));
    let text = output_of(Command::new(&program).arg(library.surrogate("formula_network")));
    assert!(text.contains("cell 2"), "{text}");
}

#[test]
fn fortran_example() {
    if !has("pkg-config") || !has("gfortran") {
        return;
    }
    let prefix = install("installed_fortran");
    let mut command = Command::new("gfortran");
    command.current_dir(&prefix).args(["-std=f2018", "-Wall", "-Wextra", "-Werror", "-O2", "-o", "04_step"]);
    command.args(pkg_config(&prefix, &["--variable=fortran_module"]));
    command.arg(root().join("cpp_examples/04_step.f90")).args(pkg_config(&prefix, &["--libs"]));
    succeed(command.arg(rpath(&prefix)));
    check_fortran_example(&prefix.join("04_step"));
}

/// The example compares itself with the equations.
fn check_fortran_example(program: &Path) {
    let text = output_of(Command::new(program).arg(root().join("models/fhn_cubic_step.onnx")));
    assert!(text.contains("100 cells, 500 steps of 0.10 ms") && text.contains("another step: "), "{text}");
}

/// Configures and builds `source` in `folder` against the package in `prefix`.
fn cmake(prefix: &Path, source: &str, folder: &Path, options: &[&str]) {
    let mut command = Command::new("cmake");
    command.arg("-S").arg(root().join(source)).arg("-B").arg(folder).args(options);
    succeed(command.arg(format!("-DCMAKE_PREFIX_PATH={}", prefix.display())));
    succeed(Command::new("cmake").arg("--build").arg(folder));
}

#[test]
fn examples_with_cmake() {
    if !has("cmake") || !has("gfortran") {
        return;
    }
    let library = SharedLibrary::get();
    let prefix = install("installed_for_cmake");
    let folder = prefix.join("build");
    cmake(&prefix, "cpp_examples", &folder, &[]);
    output_of(Command::new(folder.join("01_evaluate")).arg(library.surrogate("formula_network")));
    output_of(Command::new(folder.join("02_step")).arg(library.surrogate("fhn_euler_coarse")));
    let mut tissue = Command::new(folder.join("03_tissue"));
    tissue.arg(library.surrogate("fhn_euler_fine")).args(["--nx", "50", "--ny", "4", "--t-end", "5"]);
    assert!(output_of(&mut tissue).contains("The surrogate"));
    check_fortran_example(&folder.join("04_step"));
}

/// A project with folders of its own that find the package, with shared and static libraries.
#[test]
fn downstream_project_with_cmake() {
    if !has("cmake") || !has("gfortran") {
        return;
    }
    let library = SharedLibrary::get();
    let prefix = install("installed_for_project");
    let version = env!("CARGO_PKG_VERSION");
    for shared in ["ON", "OFF"] {
        let folder = prefix.join(format!("build {shared}"));
        let options = [&format!("-DBUILD_SHARED_LIBS={shared}"), &format!("-DEMUCELL_VERSION={version}")];
        cmake(&prefix, "tests/downstream", &folder, &options.map(String::as_str));
        let mut in_c = Command::new(folder.join("in_c"));
        assert_eq!(output_of(in_c.arg(library.surrogate("fhn_euler_coarse"))), "0.1000\n");
        assert_eq!(output_of(&mut Command::new(folder.join("in_fortran"))), format!("{version}\n"));
        let needed = output_of(Command::new("readelf").arg("-d").arg(folder.join("in_fortran")));
        assert!(!needed.contains("libemucell"), "{needed}");
    }
}
