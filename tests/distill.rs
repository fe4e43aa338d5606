//! `emucell distill` on compiled cell models.
#![cfg(feature = "cli")]

mod support;

use std::process::{Command, Output};

use emucell::format::onnx;
use emucell::surrogate::Verified;
use support::model_libraries::library;

fn emucell(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_emucell")).args(arguments).output().unwrap()
}

#[test]
fn a_missed_target_leaves_a_surrogate_that_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let model = library("mitchell_schaeffer", &[], folder.path());
    let file = folder.path().join("ms.onnx");
    let (model, path) = (model.to_str().unwrap(), file.to_str().unwrap());
    let common = ["distill", "--library", model, "-o", path, "--strength", "0.2", "--time", "1000"];

    let good = emucell(&[&common[..], &["--target", "cv 0.1%"]].concat());
    assert!(good.status.success(), "{}", String::from_utf8_lossy(&good.stderr));
    let surrogate = onnx::load(&file).unwrap();
    assert_eq!(surrogate.verified(), Verified::Yes);
    assert_eq!(surrogate.outputs().len(), 2);

    let missed = emucell(&[&common[..], &["--target", "cv 0.000000001%"]].concat());
    let fault = String::from_utf8_lossy(&missed.stderr).into_owned();
    assert_eq!(missed.status.code(), Some(1), "{fault}");
    assert!(fault.contains("targets are missed: cv") && fault.contains("not verified"), "{fault}");
    assert_eq!(onnx::load(&file).unwrap().verified(), Verified::No);
    let inspected = emucell(&["inspect", path]);
    let said = [inspected.stdout, inspected.stderr].concat();
    assert!(String::from_utf8_lossy(&said).contains("Not verified, it missed"));
}

#[test]
fn targets_and_budgets_that_cannot_be_meant_are_refused() {
    let refused = |option: &str, value: &str| {
        let run = emucell(&["distill", "--library", "x.so", "-o", "x.onnx", option, value]);
        assert_eq!(run.status.code(), Some(2));
        String::from_utf8_lossy(&run.stderr).into_owned()
    };
    assert!(refused("--target", "apd 1%").contains("take one of apd90"));
    assert!(refused("--budget", "10").contains("with its unit"));
    assert!(refused("--budget", "0s").contains("positive"));
    assert!(refused("--form", "round").contains("structured"));
}

#[cfg(feature = "train")]
#[test]
fn latent_states_are_not_compared_with_the_model_s() {
    let folder = tempfile::tempdir().unwrap();
    let model = library("mitchell_schaeffer", &[], folder.path());
    let file = folder.path().join("ms.onnx");
    let (model, path) = (model.to_str().unwrap(), file.to_str().unwrap());
    let common = ["distill", "--library", model, "-o", path, "--strength", "0.2", "--time", "800"];
    let wrong = emucell(&[&common[..], &["--latent", "1"]].concat());
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("add --form latent"));

    let made = emucell(&[&common[..], &["--form", "latent", "--latent", "1", "--iterations", "10"]].concat());
    // As many states as the model has.
    let said = String::from_utf8_lossy(&made.stdout).into_owned();
    assert!(said.contains("the surrogate has 2 of its own, the cell model 2"), "{said}");
    assert_eq!(onnx::load(&file).unwrap().verified(), Verified::No);
    let inspected = emucell(&["inspect", path]).stdout;
    assert!(String::from_utf8_lossy(&inspected).contains("\"form\":{\"latent\":1}"));
}

#[cfg(feature = "train")]
#[test]
fn a_killed_training_goes_on_and_another_one_is_not_mistaken_for_it() {
    use std::io::{BufRead as _, BufReader};
    use std::process::Stdio;

    let folder = tempfile::tempdir().unwrap();
    let model = library("mitchell_schaeffer", &[], folder.path());
    let [file, whole] = ["ms.onnx", "whole.onnx"].map(|name| folder.path().join(name));
    let checkpoint = folder.path().join("ms.onnx.checkpoint");
    let arguments = |file: &std::path::Path, more: &[&str]| -> Vec<String> {
        let (model, path) = (model.to_str().unwrap(), file.to_str().unwrap());
        let common =
            ["distill", "--library", model, "-o", path, "--form", "black-box", "--iterations", "150"];
        let quick = ["--strength", "0.2", "--time", "800", "--budget", "10h"];
        [&common[..], &quick, more].concat().into_iter().map(str::to_owned).collect()
    };
    let program = || Command::new(env!("CARGO_BIN_EXE_emucell"));
    let mut running =
        program().args(arguments(&file, &[])).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    // Killed in the second round.
    let lines = BufReader::new(running.stderr.take().unwrap()).lines().map_while(Result::ok);
    assert!(lines.into_iter().any(|line| line.contains("training, round 2")));
    running.kill().unwrap();
    running.wait().unwrap();
    assert!(checkpoint.exists() && !file.exists());

    let other = program().args(arguments(&file, &["--seed", "7"])).output().unwrap();
    let fault = String::from_utf8_lossy(&other.stderr).into_owned();
    assert_eq!(other.status.code(), Some(1), "{fault}");
    assert!(fault.contains("--seed was 0, is 7") && fault.contains("start anew"), "{fault}");

    let resumed = program().args(arguments(&file, &[])).output().unwrap();
    let said = String::from_utf8_lossy(&resumed.stderr).into_owned();
    assert!(said.contains("going on in round 2"), "{said}");
    assert!(!checkpoint.exists());
    program().args(arguments(&whole, &[])).output().unwrap();
    let network = |file| onnx::load(file).unwrap().program().unwrap().clone();
    assert_eq!(network(&file), network(&whole));
}
