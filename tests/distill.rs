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
