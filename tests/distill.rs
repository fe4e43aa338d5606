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
    let latent = emucell(&["distill", "--library", "x.so", "-o", "x.onnx", "--latent", "4"]);
    assert!(String::from_utf8_lossy(&latent.stderr).contains("add --form latent"));
}

#[cfg(feature = "train")]
#[test]
fn a_killed_training_goes_on_and_another_one_is_not_mistaken_for_it() {
    use std::io::{BufRead as _, BufReader};
    use std::process::Stdio;

    let folder = tempfile::tempdir().unwrap();
    let model = library("mitchell_schaeffer", &[], folder.path());
    let file = folder.path().join("ms.onnx");
    let checkpoint = folder.path().join("ms.onnx.checkpoint");
    let (model, path) = (model.to_str().unwrap(), file.to_str().unwrap());
    let common = ["distill", "--library", model, "-o", path, "--strength", "0.2", "--time", "800"];
    let black_box = [&common[..], &["--form", "black-box"]].concat();
    // Killed when it says so.
    let killed_at = |sign: &str| {
        let mut running = Command::new(env!("CARGO_BIN_EXE_emucell"))
            .args(&black_box)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(running.stderr.take().unwrap()).lines().map_while(Result::ok);
        let mut said = Vec::new();
        for line in lines {
            said.push(line);
            if said.last().is_some_and(|line| line.contains(sign)) {
                break;
            }
        }
        let _ = running.kill();
        running.wait().unwrap();
        assert!(said.last().is_some_and(|line| line.contains(sign)), "{said:?}");
        said.join("\n")
    };
    assert!(!killed_at("training, round 1").contains("going on"));
    assert!(checkpoint.exists() && !file.exists());

    let other = emucell(&[&black_box[..], &["--seed", "7"]].concat());
    let fault = String::from_utf8_lossy(&other.stderr).into_owned();
    assert_eq!(other.status.code(), Some(1), "{fault}");
    assert!(fault.contains("--seed was 0, is 7") && fault.contains("start anew"), "{fault}");

    assert!(killed_at("training, round").contains("going on in round 1"));
    assert!(checkpoint.exists() && !file.exists());
}
