//! The `emucell` program from outside: results, and one clear error for each bad input.

#![cfg(feature = "cli")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use emucell::Activation;
use emucell::format::{arrays::npy, onnx};
use emucell::program::{BinaryOperator, BlockId, ProgramBuilder};
use emucell::surrogate::{Kind, Role, Surrogate, Variable};
use ndarray::{Array2, Array3, arr2};

fn emucell(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_emucell")).args(arguments).output().unwrap()
}

fn succeeds(arguments: &[&str]) -> String {
    let output = emucell(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The one line of an error, with exit code 1.
fn fails(arguments: &[&str]) -> String {
    let output = emucell(arguments);
    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{arguments:?}: {message}");
    assert!(message.starts_with("error: ") && message.lines().count() == 1, "{message}");
    message
}

/// A folder with a step map (u, s) → u + 0.1·s of Δt = 0.5, and cells.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        let mut b = ProgramBuilder::new(2).unwrap();
        let u = b.slice(BlockId::INPUT, 0, 1).unwrap();
        let s = b.slice(BlockId::INPUT, 1, 1).unwrap();
        let change = b.dense(s, vec![0.1], vec![0.0], Activation::Linear).unwrap();
        let next = b.binary(BinaryOperator::Add, u, change).unwrap();
        let variable = |name, role| Variable::new(name, "1", role).with_range(-1.0, 1.0);
        let inputs = vec![variable("u", Role::State), variable("s", Role::Stimulus)];
        let outputs = vec![inputs[0].clone()];
        let kind = Kind::StepMap { dt: 0.5 };
        let surrogate = Surrogate::new(kind, inputs, outputs, b.finish(next)).unwrap();
        onnx::save(&folder.path("step.onnx"), &surrogate).unwrap();
        npy::write(&folder.path("cells.npy"), &arr2(&[[0.5f32, 1.0], [0.25, -1.0], [3.0, 0.0]]).view())
            .unwrap();
        npy::write(&folder.path("states.npy"), &arr2(&[[0.5f64], [0.25]]).view()).unwrap();
        std::fs::write(folder.path("cells.csv"), "u,s\n0.5,1\n0.25,-1\n3,0\n").unwrap();
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }
}

fn read(path: &Path) -> Array2<f32> {
    npy::read(path, emucell::format::arrays::Conversion::Exact).unwrap()
}

#[test]
fn eval_takes_arrays_and_text_and_says_what_it_did() {
    let folder = Folder::new();
    let (step, y) = (folder.text("step.onnx"), folder.text("y.npy"));
    for cells in ["cells.npy", "cells.csv"] {
        let output = succeeds(&["eval", &step, "--input", &folder.text(cells), "--output", &y, "--json"]);
        let summary: serde_json::Value = serde_json::from_str(&output).unwrap();
        assert_eq!((summary["cells"].as_u64(), summary["outside_domain"].as_u64()), (Some(3), Some(1)));
        assert_eq!(read(Path::new(&y)), arr2(&[[0.6f32], [0.15], [3.0]]));
    }
    let csv = folder.text("y.csv");
    succeeds(&["eval", &step, "--input", &folder.text("cells.npy"), "--output", &csv]);
    assert!(std::fs::read_to_string(csv).unwrap().starts_with("u\n"));
}

#[test]
fn rollout_keeps_samples_of_every_cell() {
    let folder = Folder::new();
    std::fs::write(folder.path("stimulus.csv"), "s\n1\n-1\n").unwrap();
    let y = folder.text("y.npy");
    let (step, states, stimulus) =
        (folder.text("step.onnx"), folder.text("states.npy"), folder.text("stimulus.csv"));
    succeeds(&[
        "rollout",
        &step,
        "--state",
        &states,
        "--stimulus",
        &stimulus,
        "--steps",
        "7",
        "--every",
        "3",
        "--dtype",
        "f64",
        "--output",
        &y,
    ]);
    let samples: Array3<f64> = npy::read(Path::new(&y), emucell::format::arrays::Conversion::Exact).unwrap();
    assert_eq!(samples.dim(), (2, 3, 1));
    for (sample, steps) in [0.0, 3.0, 6.0].into_iter().enumerate() {
        assert!((samples[[0, sample, 0]] - (0.5 + 0.1 * steps)).abs() < 1e-6);
        assert!((samples[[1, sample, 0]] - (0.25 - 0.1 * steps)).abs() < 1e-6);
    }
}

#[test]
fn the_environment_may_name_the_instruction_set() {
    let folder = Folder::new();
    let run = |name: &str| {
        let input = ["eval", &folder.text("step.onnx"), "--input", &folder.text("cells.npy")];
        let output = ["--output", &folder.text("y.npy")];
        let command = env!("CARGO_BIN_EXE_emucell");
        Command::new(command).args(input).args(output).env("EMUCELL_FORCE_ISA", name).output().unwrap()
    };
    assert!(run("scalar").status.success());
    let refused = run("mmx");
    let message = String::from_utf8(refused.stderr).unwrap();
    assert!(
        !refused.status.success() && message.contains("mmx") && message.contains("EMUCELL_FORCE_ISA"),
        "{message}"
    );
}

/// The shipped step map, one cell inside its domain and one far outside.
#[test]
fn guards_of_a_rollout() {
    let folder = Folder::new();
    let map = concat!(env!("CARGO_MANIFEST_DIR"), "/models/fhn_cubic_step.onnx");
    std::fs::write(folder.path("cells.csv"), "u,w\n0.5,0.01\n1.5,0.01\n").unwrap();
    let (cells, y) = (folder.text("cells.csv"), folder.text("y.npy"));
    let rollout = |guard: &str| -> serde_json::Value {
        let input = ["rollout", map, "--state", &cells, "--steps", "1", "--output", &y];
        serde_json::from_str(&succeeds(&[&input[..], &["--guard", guard, "--json"]].concat())).unwrap()
    };
    for (guard, fallback) in [("count", 0), ("clamp", 0), ("fallback", 1)] {
        let summary = rollout(guard);
        assert_eq!((summary["cell_steps"].as_u64(), summary["outside_domain"].as_u64()), (Some(2), Some(1)));
        assert_eq!(summary["fallback"].as_u64(), Some(fallback));
    }
    // The cell model itself, ten Euler steps of 0.01 ms.
    let samples: Array3<f32> = npy::read(Path::new(&y), emucell::format::arrays::Conversion::Exact).unwrap();
    let (mut u, mut w) = (1.5f64, 0.01f64);
    for _ in 0..10 {
        let du = 10.0 * (u * (u - 0.4) * (1.0 - u) - w);
        (u, w) = (u + 0.01 * du, w + 0.01 * (0.04 * u - 0.16 * w));
    }
    assert!(
        (f64::from(samples[[1, 1, 0]]) - u).abs() < 1e-6 && (f64::from(samples[[1, 1, 1]]) - w).abs() < 1e-6
    );
}

#[test]
fn inspect_and_bench_are_readable_by_programs_and_people() {
    let folder = Folder::new();
    let step = folder.text("step.onnx");
    let inspected: serde_json::Value =
        serde_json::from_str(&succeeds(&["inspect", &step, "--json"])).unwrap();
    assert_eq!(inspected["dt"], 0.5);
    assert_eq!(inspected["inputs"][1]["role"], "stimulus");
    assert!(succeeds(&["inspect", &step]).contains("dense"));
    let output = succeeds(&["bench", &step, "--batch", "64", "--json"]);
    let measurements: Vec<serde_json::Value> = serde_json::from_str(&output).unwrap();
    for measurement in measurements {
        assert!(measurement["evaluations_per_second"].as_f64().unwrap() > 0.0);
        assert!(measurement["max_abs_error"].as_f64().unwrap() < 1e-6);
        assert_eq!(measurement["batch"], 64);
    }
}

#[cfg(unix)]
#[test]
fn inspect_ends_quietly_when_nobody_reads() {
    let folder = Folder::new();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = Command::new(env!("CARGO_BIN_EXE_emucell"));
    let output = command.args(["inspect", &folder.text("step.onnx")]).stdout(writer).output().unwrap();
    assert_eq!(output.status.code(), None, "ended by a signal");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}

#[test]
fn verbose_says_what_goes_on() {
    let folder = Folder::new();
    let arguments = ["bench", &folder.text("step.onnx"), "--batch", "64", "--json"];
    let quiet = emucell(&arguments);
    let verbose = emucell(&[&["--verbose"], &arguments[..]].concat());
    assert!(quiet.status.success() && quiet.stderr.is_empty());
    let messages = String::from_utf8(verbose.stderr).unwrap();
    assert!(verbose.status.success() && messages.contains("session on cpu"), "{messages}");
}

#[test]
fn every_command_has_help() {
    for command in ["", "generate", "train", "eval", "rollout", "inspect", "report", "bench", "build-engine"]
    {
        let arguments: Vec<&str> = [command, "--help"].into_iter().filter(|a| !a.is_empty()).collect();
        assert!(succeeds(&arguments).contains("Usage: emucell"), "{command}");
    }
    assert_eq!(emucell(&["evil"]).status.code(), Some(2));
}

#[test]
fn bad_input_is_one_error_and_earlier_outputs_stay() {
    let folder = Folder::new();
    let (step, cells, y) = (folder.text("step.onnx"), folder.text("cells.npy"), folder.text("y.npy"));
    std::fs::write(folder.path("y.npy"), "earlier").unwrap();
    let write = |name: &str, bytes: &[u8]| {
        std::fs::write(folder.path(name), bytes).unwrap();
        folder.text(name)
    };
    let good = std::fs::read(&step).unwrap();
    let half = write("half.onnx", &good[..good.len() / 2]);
    let text = write("text.onnx", b"this is not a network");
    let ragged = write("ragged.csv", b"u,s\n1,2\n3\n");
    let empty = write("empty.csv", b"");
    let words = write("words.csv", b"u,s\n1,two\n");
    let wide = write("wide.csv", b"u,s,t\n1,2,3\n");
    let no_array = write("no_array.npy", b"\x93NUMPX\x01\x00");
    let mut complex = std::fs::read(&cells).unwrap();
    let dtype = complex.windows(3).position(|w| w == b"<f4").unwrap();
    complex[dtype..dtype + 3].copy_from_slice(b"<c8");
    let complex = write("complex.npy", &complex);
    let eval = |file: &str, input: &str| fails(&["eval", file, "--input", input, "--output", &y]);
    for (message, parts) in [
        (eval("nowhere.onnx", &cells), vec!["nowhere.onnx", "check the path"]),
        (eval(&half, &cells), vec!["half.onnx", "damaged"]),
        (eval(&text, &cells), vec!["text.onnx", "not an ONNX file"]),
        (eval(&step, "nowhere.npy"), vec!["nowhere.npy"]),
        (eval(&step, &ragged), vec!["ragged.csv", "3"]),
        (eval(&step, &empty), vec!["empty.csv"]),
        (eval(&step, &words), vec!["words.csv", "two"]),
        (eval(&step, &wide), vec!["wide.csv", "3 columns", "u, s"]),
        (eval(&step, &no_array), vec!["no_array.npy"]),
        (eval(&step, &complex), vec!["complex.npy", "c8"]),
        (fails(&["inspect", "nowhere.onnx"]), vec!["nowhere.onnx"]),
        (
            fails(&["rollout", &step, "--state", &cells, "--steps", "1", "--output", &y]),
            vec!["2 columns", "cells.npy"],
        ),
        (
            fails(&["eval", &step, "--input", &cells, "--output", "/nowhere/at/all.npy"]),
            vec!["/nowhere/at/all.npy"],
        ),
        (fails(&["eval", &step, "--input", &cells, "--output", &y, "--threads", "0"]), vec!["thread"]),
        (fails(&["bench", &step, "--instruction-sets", "mmx"]), vec!["mmx", "scalar"]),
    ] {
        for part in parts {
            assert!(message.contains(part), "{part}: {message}");
        }
    }
    assert_eq!(std::fs::read(&y).unwrap(), b"earlier");
}
