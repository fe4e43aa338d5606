//! Surrogates that repeat a compiled cell model, or do not: verification must tell the two apart.
#![cfg(feature = "cli")]

mod support;

use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::Arc;

use emucell::Activation;
use emucell::format::onnx;
use emucell::program::{BinaryOperator, BlockId, ProgramBuilder};
use emucell::protocol::Pulse;
use emucell::step_function::StepFunction;
use emucell::surrogate::{Kind, Role, Surrogate, Variable, Verified};
use emucell::verify::{Options, Quantity, Reference, SurrogateCells, verify};
use serde_json::{Value, json};
use support::model_libraries::library;

const DT: f64 = 0.1;

/// A step of `tests/model_libraries/smooth_gate.c` with the rate at which its gate closes multiplied by `closing`.
fn surrogate(closing: f32) -> Surrogate {
    let mut b = ProgramBuilder::new(3).unwrap();
    let [v, h, s] = [0, 1, 2].map(|i| b.slice(BlockId::INPUT, i, 1).unwrap());
    let dt = DT as f32;
    let linear = |b: &mut ProgramBuilder, x: BlockId, slope: f32, offset: f32| {
        b.dense(x, vec![slope], vec![offset], Activation::Linear).unwrap()
    };
    let times = |b: &mut ProgramBuilder, x, y| b.binary(BinaryOperator::Multiply, x, y).unwrap();
    let plus = |b: &mut ProgramBuilder, x, y| b.binary(BinaryOperator::Add, x, y).unwrap();

    let square = times(&mut b, v, v);
    let left = linear(&mut b, v, -dt / 0.3, dt / 0.3);
    let inward = times(&mut b, square, left);
    let inward = times(&mut b, inward, h);
    let leak = linear(&mut b, v, -dt / 6.0, 0.0);
    let stimulus = linear(&mut b, s, dt, 0.0);
    let dv = plus(&mut b, inward, leak);
    let dv = plus(&mut b, dv, stimulus);
    let next_v = plus(&mut b, v, dv);

    let tanh = b.dense(v, vec![20.0], vec![-2.6], Activation::Tanh).unwrap();
    let opening = linear(&mut b, tanh, -0.5 * dt / 120.0, 0.5 * dt / 120.0);
    let closing = linear(&mut b, tanh, 0.5 * closing * dt / 150.0, 0.5 * closing * dt / 150.0);
    let closed = linear(&mut b, h, -1.0, 1.0);
    let up = times(&mut b, closed, opening);
    let down = times(&mut b, h, closing);
    let down = linear(&mut b, down, -1.0, 0.0);
    let dh = plus(&mut b, up, down);
    let next_h = plus(&mut b, h, dh);
    let y = b.concat(&[next_v, next_h]).unwrap();

    let states = vec![
        Variable::new("V", "1", Role::State).with_range(-0.02, 1.0),
        Variable::new("h", "1", Role::State).with_range(0.0, 1.0),
    ];
    let inputs = [&states[..], &[Variable::new("s", "1/ms", Role::Stimulus)]].concat();
    let surrogate = Surrogate::new(Kind::StepMap { dt: DT }, inputs, states, b.finish(y)).unwrap();
    let Value::Object(provenance) = json!({ "distill": { "training_cycle_lengths": [350.0, 1000.0] } })
    else {
        panic!()
    };
    surrogate.with_initial_state(vec![0.0, 1.0]).unwrap().with_provenance(provenance)
}

const PULSE: Pulse = Pulse { strength: 0.06, duration: 2.0 };

/// The same model in Rust, in doubles.
struct SmoothGate;

impl StepFunction for SmoothGate {
    fn n_states(&self) -> usize {
        2
    }

    fn initial_state(&self) -> &[f64] {
        &[0.0, 1.0]
    }

    fn step(&mut self, states: &mut [f64], stimulus: &[f64], dt: f64, n_steps: u32) -> emucell::Result<()> {
        for (cell, &s) in states.chunks_exact_mut(2).zip(stimulus) {
            for _ in 0..n_steps {
                let (v, h) = (cell[0], cell[1]);
                let open = 0.5 * (1.0 - (20.0 * (v - 0.13)).tanh());
                cell[0] = v + dt * (h * v * v * (1.0 - v) / 0.3 - v / 6.0 + s);
                cell[1] = h + dt * ((1.0 - h) * open / 120.0 - h * (1.0 - open) / 150.0);
            }
        }
        Ok(())
    }
}

fn options(targets: &str) -> Options {
    Options {
        cycle_lengths: vec![450.0, 700.0],
        beats: 4,
        restitution_beats: 3,
        alternans_lengths: vec![300.0, 340.0],
        alternans_beats: 8,
        long_beats: 60,
        cost: false,
        targets: targets.parse().unwrap(),
        ..Options::new(PULSE)
    }
}

#[test]
fn a_faithful_surrogate_meets_its_targets_and_one_with_a_wrong_rate_does_not() {
    let options = options(
        "apd90 0.3%, apd50 0.3%, cv 0.3%, activation 0.1 ms, restitution 0.5%, alternans 1 ms, beats 60",
    );
    let reference = Reference::measure(&mut SmoothGate, DT, &options).unwrap();
    let good = reference.verify(&Arc::new(surrogate(1.0))).unwrap();
    assert!(good.verified, "{:?}", good.missed());
    assert!(good.cycles.cycles.iter().all(|cycle| cycle.compared == 4 && cycle.reference_incomplete == 0));
    assert!(good.restitution.as_ref().unwrap().points.len() > 10);
    assert!(good.pushes.as_ref().unwrap().failures.is_empty(), "{:?}", good.pushes);
    assert!(good.divergence.as_ref().unwrap().first().is_none());

    let wrong = reference.verify(&Arc::new(surrogate(1.02))).unwrap();
    assert!(!wrong.verified && wrong.cycles.failures.is_empty());
    let missed: Vec<Quantity> =
        wrong.targets.iter().filter(|o| !o.met).map(|outcome| outcome.target.quantity).collect();
    assert!(missed.starts_with(&[Quantity::Apd90, Quantity::Apd50]), "{:?}", wrong.missed());
    assert!(missed.contains(&Quantity::Restitution), "{:?}", wrong.missed());
    // A gate that closes 2 % faster leaves the front as it was, and makes all beats too short.
    assert!(!missed.contains(&Quantity::Cv) && missed.contains(&Quantity::Beats), "{:?}", wrong.missed());
    let mut loose = wrong.clone();
    loose.judge(&"apd90 5%, beats 60".parse().unwrap());
    assert!(loose.verified, "{:?}", loose.missed());
    let faulty = wrong.divergence.as_ref().unwrap().most_wrong_step().unwrap();
    assert!(faulty.state == "h" && (0.001..0.02).contains(&faulty.step_error.unwrap()), "{faulty:?}");
    let error = wrong.cycles.apd90_percent.worst().unwrap();
    assert!((1.0..4.0).contains(&error), "{error}");

    // A gate that closes three times as fast leaves first, and at once.
    let broken = reference.verify(&Arc::new(surrogate(3.0))).unwrap();
    let divergence = broken.divergence.unwrap();
    let first = divergence.first().unwrap();
    assert!(first.state == "h" && first.since.unwrap() < 60.0, "{divergence:?}");
}

#[test]
fn beats_that_are_lost_are_found_where_they_are() {
    // The gate closes so fast that nothing is left after the stimulus.
    let found = verify(&mut SmoothGate, &Arc::new(surrogate(60.0)), &options("apd90 50%, beats 60")).unwrap();
    let failures = &found.cycles.failures;
    assert_eq!(failures.len(), 8, "{failures:?}");
    assert_eq!((failures[0].cycle_length, failures[0].beat), (450.0, 1));
    assert_eq!(found.targets[1].measured, Some(0.0));
    assert!(!found.verified && found.cable.unwrap().velocity.is_none());
}

#[test]
fn what_cannot_be_paced_is_refused() {
    let fault = |surrogate: Surrogate| SurrogateCells::new(&Arc::new(surrogate)).err().unwrap().to_string();
    let good = surrogate(1.0);
    let program = good.program().unwrap().clone();
    let (inputs, outputs) = (good.inputs().to_vec(), good.outputs().to_vec());
    let bare = Surrogate::new(good.kind(), inputs.clone(), outputs.clone(), program.clone()).unwrap();
    assert!(fault(bare).contains("no initial state"));
    let mut parameter = inputs;
    parameter[2].role = Role::Parameter;
    let parameter = Surrogate::new(good.kind(), parameter, outputs, program).unwrap();
    assert!(fault(parameter).contains("0 stimuli and 1 parameters"));
    let none = Options { beats: 0, ..options("cv 1%") };
    assert!(verify(&mut SmoothGate, &Arc::new(surrogate(1.0)), &none).is_err());
    let weak = Options { pulse: Pulse { strength: 1e-4, duration: 2.0 }, ..options("cv 1%") };
    let message = verify(&mut SmoothGate, &Arc::new(surrogate(1.0)), &weak).err().unwrap().to_string();
    assert!(message.contains("name a stimulus"), "{message}");
}

struct Folder(tempfile::TempDir);

impl Folder {
    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn verify(&self, file: &str, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_emucell"));
        command.arg("verify").arg(self.path(file)).arg("--library").arg(self.path("libsmooth_gate.so"));
        command.args(["--cycle-lengths", "450,700", "--beats", "3", "--long-beats", "40"]);
        command.args(["--strength", "0.06"]).args(arguments).output().unwrap()
    }
}

#[test]
fn the_command_proves_against_a_library_and_marks_the_file() {
    let folder = Folder(tempfile::tempdir().unwrap());
    library("smooth_gate", &[], folder.0.path());
    for (name, closing) in [("good.onnx", 1.0), ("wrong.onnx", 1.02)] {
        onnx::save(&folder.path(name), &surrogate(closing)).unwrap();
    }
    let before = std::fs::read(folder.path("good.onnx")).unwrap();
    let dry = folder.verify("good.onnx", &["--target", "apd90 0.5%", "--no-store"]);
    assert!(dry.status.success(), "{}", String::from_utf8_lossy(&dry.stderr));
    assert_eq!(std::fs::read(folder.path("good.onnx")).unwrap(), before);

    let report = folder.path("report");
    let target =
        ["--target", "apd90 0.5%, cv 0.5%, beats 40", "--output", report.to_str().unwrap(), "--json"];
    let good = folder.verify("good.onnx", &target);
    assert!(good.status.success(), "{}", String::from_utf8_lossy(&good.stderr));
    let numbers: Value = serde_json::from_slice(&good.stdout).unwrap();
    assert_eq!((&numbers["verified"], &numbers["library"]), (&json!(true), &json!("libsmooth_gate.so")));
    assert_eq!(numbers["cycles"]["cycles"][0]["training"], "between");
    assert!(numbers["cost"]["surrogate"].as_f64().unwrap() > 0.0);
    let page = std::fs::read_to_string(report.join("verification.html")).unwrap();
    assert!(page.contains("all targets are met") && page.matches("<svg").count() >= 6);
    assert_eq!(std::fs::read(report.join("verification.json")).unwrap(), good.stdout);
    assert!(report.join("figures/restitution.png").exists());
    assert_eq!(onnx::load(&folder.path("good.onnx")).unwrap().verified(), Verified::Yes);

    let wrong = folder.verify("wrong.onnx", &["--target", "apd90 0.5%, cv 0.5%"]);
    let (text, message) = (String::from_utf8_lossy(&wrong.stdout), String::from_utf8_lossy(&wrong.stderr));
    assert_eq!(wrong.status.code(), Some(1), "{text}{message}");
    assert!(message.contains("targets are missed: apd90") && !message.contains("cv"), "{message}");
    assert!(text.contains("not verified: apd90") && text.contains("met            cv"), "{text}");
    let marked = onnx::load(&folder.path("wrong.onnx")).unwrap();
    assert_eq!(marked.verified(), Verified::No);
    assert!(marked.provenance().contains_key("distill"));

    // Every later use says so, and a later verification takes the file's own targets.
    let inspect = Command::new(env!("CARGO_BIN_EXE_emucell"));
    let run = |mut command: Command, arguments: &[&str]| command.args(arguments).output().unwrap();
    let file = folder.path("wrong.onnx");
    let shown = run(inspect, &["inspect", file.to_str().unwrap()]);
    assert!(String::from_utf8_lossy(&shown.stdout).contains("Not verified, it missed its targets: apd90"));
    std::fs::write(folder.path("cells.csv"), "V,h,s\n0.5,1,0\n").unwrap();
    let evaluated = Command::new(env!("CARGO_BIN_EXE_emucell"))
        .arg("eval")
        .arg(&file)
        .args(["--input", folder.path("cells.csv").to_str().unwrap()])
        .args(["--output", folder.path("y.npy").to_str().unwrap()])
        .output()
        .unwrap();
    let warning = String::from_utf8_lossy(&evaluated.stderr);
    assert!(evaluated.status.success() && warning.starts_with("warning: "), "{warning}");
    assert!(warning.contains("is not verified") && warning.lines().count() == 1, "{warning}");
    let again = folder.verify("wrong.onnx", &["--no-store"]);
    assert!(String::from_utf8_lossy(&again.stderr).contains("(at most 0.5 %)"));
}

#[test]
fn bad_input_of_the_command_has_one_clear_message() {
    let folder = Folder(tempfile::tempdir().unwrap());
    library("smooth_gate", &[], folder.0.path());
    onnx::save(&folder.path("good.onnx"), &surrogate(1.0)).unwrap();
    let fault = |arguments: &[&str]| {
        let output = folder.verify("good.onnx", arguments);
        assert!(!output.status.success());
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    assert!(fault(&["--target", "apd 1%"]).contains("no known quantity"));
    assert!(fault(&["--target", "apd90 1"]).contains("has no unit"));
    let solution_map = support::surrogates::formula_network();
    onnx::save(&folder.path("good.onnx"), &solution_map).unwrap();
    assert!(fault(&[]).contains("instead of a step map"));
}
