//! `emucell structure` on compiled cell models.
#![cfg(feature = "cli")]

mod support;

use std::path::Path;
use std::process::{Command, Output};

use emucell::structure::{Role, Structure, Update};
use support::model_libraries::library;

fn emucell(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_emucell")).arg("structure").args(arguments).output().unwrap()
}

/// The structure of the library, as printed and as written, which must be the same.
fn structure(library: &Path, more: &[&str], folder: &Path) -> Structure {
    let file = folder.join("structure.json").display().to_string();
    let library = library.display().to_string();
    let run = emucell(&[&["--library", &library, "--json", "-o", &file, "--cells", "8"], more].concat());
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    let printed: Structure = serde_json::from_slice(&run.stdout).unwrap();
    assert_eq!(serde_json::from_slice::<Structure>(&std::fs::read(file).unwrap()).unwrap(), printed);
    printed
}

#[test]
fn a_compiled_model_is_taken_apart_drawn_and_stored() {
    let folder = tempfile::tempdir().unwrap();
    for (definitions, single) in [(["REAL=double"], false), (["REAL=float"], true)] {
        let library = library("mitchell_schaeffer", &definitions, folder.path());
        let picture = folder.path().join("drivers.svg");
        let found = structure(&library, &["--picture", &picture.display().to_string()], folder.path());
        assert_eq!(found.evidence.single_precision, single);
        assert_eq!(found.library, library.file_name().unwrap().to_str().unwrap());
        assert_eq!(found.states.iter().map(|s| s.role).collect::<Vec<_>>(), [Role::Voltage, Role::Gate]);
        assert_eq!(found.stimulus.iter().map(|effect| effect.state).collect::<Vec<_>>(), [0]);
        let [increment] = &found.increments[..] else { panic!("{:?}", found.increments) };
        assert_eq!(increment.groups[0].monomials[0].exponents, [(1, 1)]);
        assert_eq!(increment.groups[0].coefficient_parents, [0]);
        assert!(single || found.states[1].update == Some(Update::Euler));
        assert!(std::fs::read_to_string(&picture).unwrap().contains("what drives each state"));
    }
}

#[test]
fn the_table_names_roles_and_products_and_unfit_arguments_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let library = library("mitchell_schaeffer", &["REAL=double"], folder.path()).display().to_string();
    let run = emucell(&["--library", &library, "--cells", "8"]);
    let table = String::from_utf8(run.stdout).unwrap();
    for expected in
        ["2 states, step of 0.02 ms, double precision", "gate of V", "ΔV = f(V)", "+ f(V)·x1", "stimulus: ΔV"]
    {
        assert!(table.contains(expected), "{expected} is missing in\n{table}");
    }
    for refused in [&["--library", &library, "--picture", "x.gif"][..], &["--library", "missing.so"]] {
        let run = emucell(refused);
        assert_eq!(run.status.code(), Some(1), "{refused:?}");
        assert_eq!(String::from_utf8(run.stderr).unwrap().lines().count(), 1);
    }
}
