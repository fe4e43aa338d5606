//! The plug-in for the simulator MonoAlg3D, in a host of ours that treats it as the simulator does.

#![cfg(all(target_os = "linux", target_pointer_width = "64"))]

#[cfg(feature = "cuda")]
#[path = "monoalg3d/on_gpu.rs"]
mod on_gpu;
mod support;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use emucell::format::onnx;
use emucell::surrogate::{Role, Surrogate};
use support::c_compiler::{Language, compiler, succeed};
use support::shared_library::SharedLibrary;
use support::surrogates;

/// The simulator's floating-point type.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Real {
    Double,
    Float,
}

/// Host, plug-in and model libraries, all for one type, and surrogates.
struct Rig {
    folder: PathBuf,
    real: Real,
}

impl Rig {
    fn get(real: Real) -> &'static Self {
        static RIGS: [OnceLock<Rig>; 2] = [OnceLock::new(), OnceLock::new()];
        RIGS[real as usize].get_or_init(|| Self::build(real))
    }

    fn build(real: Real) -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("monoalg3d").join(format!("{real:?}"));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut build = Command::new(root.join("cpp_examples/monoalg3d/build.sh"));
        build.arg("-").arg(&SharedLibrary::get().folder).arg(folder.join("plugin.so"));
        succeed(build.env("REAL", format!("{real:?}").to_lowercase()));
        let rig = Self { folder, real };
        rig.compile("host", "host.c", &["-rdynamic"]);
        let library = ["-shared", "-fPIC"];
        rig.compile("model.so", "cell_model.c", &library);
        rig.compile("fused.so", "cell_model.c", &[&library[..], &["-DFUSED", "-mfma"]].concat());
        rig.compile("three.so", "cell_model.c", &[&library[..], &["-DTHIRD_STATE"]].concat());
        rig.write_surrogates();
        rig
    }

    fn compile(&self, name: &str, source: &str, flags: &[&str]) {
        let mut command = compiler(Language::C);
        command.args(["-std=gnu11", "-D_GNU_SOURCE", "-O2", "-fopenmp"]).args(flags);
        if self.real == Real::Double {
            command.arg("-DCELL_MODEL_REAL_DOUBLE");
        }
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/monoalg3d").join(source);
        succeed(command.arg(source).arg("-o").arg(self.path(name)).args(["-ldl", "-lm"]));
    }

    fn write_surrogates(&self) {
        let euler = with_domain(&surrogates::fhn_euler(1, 0.1), -10.0, 10.0);
        let save = |name: &str, surrogate: &Surrogate| onnx::save(&self.path(name), surrogate).unwrap();
        save("euler.onnx", &euler);
        save("threshold.onnx", &surrogates::fhn_euler_with_threshold(0.1));
        save("solution.onnx", &surrogates::formula_network());
        // Every cell is outside this domain; some are outside that one.
        save("nowhere.onnx", &with_domain(&euler, 100.0, 101.0));
        save("rest.onnx", &with_domain(&euler, -0.2, 0.25));
        let missed = serde_json::json!({ "verification": { "verified": false } });
        save("missed.onnx", &euler.clone().with_provenance(missed.as_object().unwrap().clone()));
        let bare =
            Surrogate::new(euler.kind(), euler.inputs().to_vec(), euler.outputs().to_vec(), program(&euler));
        save("no_initial_state.onnx", &bare.unwrap());
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// `[plugin, emucell_mode=..., files by their names here]` and other arguments of the host.
    fn host(&self, arguments: &str) -> Command {
        static NUMBER: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let mut command = Command::new(self.path("host"));
        let mut arguments = arguments.split_whitespace();
        command.arg(self.path(arguments.next().unwrap()));
        command.arg(self.path(&format!("states_{number}")));
        command.args(arguments).current_dir(&self.folder);
        command
    }

    /// Final states and what was printed.
    fn run(&self, arguments: &str) -> (Vec<f64>, String) {
        let mut command = self.host(arguments);
        let out = command.get_args().nth(1).unwrap().to_owned();
        let output = succeed(&mut command);
        let bytes = std::fs::read(out).unwrap();
        let states = match self.real {
            Real::Double => bytes.chunks(8).map(|b| f64::from_le_bytes(b.try_into().unwrap())).collect(),
            Real::Float => {
                bytes.chunks(4).map(|b| f32::from_le_bytes(b.try_into().unwrap()).into()).collect()
            }
        };
        (states, String::from_utf8(output.stdout).unwrap())
    }

    fn states(&self, arguments: &str) -> Vec<f64> {
        self.run(arguments).0
    }

    /// What a run that must end with an error says.
    fn message(&self, arguments: &str) -> String {
        let output: Output = self.host(arguments).output().unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{arguments}: {text}");
        let log = String::from_utf8(output.stdout).unwrap();
        assert!(log.contains("[ERR]"), "{log}");
        text
    }
}

fn program(surrogate: &Surrogate) -> emucell::program::Program {
    surrogate.program().unwrap().clone()
}

/// `surrogate` with another range of its first variable, and no other limits.
fn with_domain(surrogate: &Surrogate, low: f64, high: f64) -> Surrogate {
    let mut inputs = surrogate.inputs().to_vec();
    assert_eq!(inputs[0].role, Role::State);
    inputs.iter_mut().for_each(|v| v.range = Some([-10.0, 10.0]));
    inputs[0].range = Some([low, high]);
    Surrogate::new(surrogate.kind(), inputs, surrogate.outputs().to_vec(), program(surrogate))
        .and_then(|s| s.with_initial_state(vec![0.0, 0.0]))
        .unwrap()
        .with_cell_model(surrogate.cell_model().unwrap().clone())
}

fn largest_difference(a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}

/// What the simulator may do between two steps.
const RUNS: [&str; 7] = [
    "steps=40",
    "steps=40 threads=3",
    "steps=40 cells=1 threads=2",
    "steps=10 dt_pde=0.30001",
    "steps=40 refine_at=20 threads=2",
    "steps=40 refine_at=20 restore_at=30",
    "steps=40 restore_at=10",
];

const SURROGATE: &str = "plugin.so emucell_mode=surrogate emucell_surrogate=";
#[cfg(feature = "data")]
const RECORD: &str = "plugin.so emucell_mode=record emucell_original=./model.so emucell_record=samples.npz";
const SHADOW: &str = "plugin.so emucell_mode=shadow emucell_original=./model.so emucell_surrogate=";
const HYBRID: &str = "plugin.so emucell_mode=hybrid emucell_original=./model.so emucell_surrogate=";

/// The surrogate is the model's forward Euler in single precision.
#[test]
fn a_surrogate_takes_the_models_place() {
    for real in [Real::Double, Real::Float] {
        let rig = Rig::get(real);
        for run in RUNS {
            let expected = rig.states(&format!("model.so {run}"));
            let (found, log) = rig.run(&format!("{SURROGATE}euler.onnx {run}"));
            let difference = largest_difference(&found, &expected);
            assert!(difference < 2e-4, "{real:?} {run}: {difference}");
            assert!(
                expected.len() < 10 || expected.iter().fold(0.0, |a: f64, &b| a.max(b)) > 0.3,
                "no action potential in {run}"
            );
            assert!(log.contains("[emucell] surrogate: "), "{log}");
        }
        let plain = rig.states(&format!("{SURROGATE}euler.onnx steps=40"));
        for same in ["threads=3", "restore_at=33", "emucell_guard=ignore", "emucell_original=./model.so"] {
            assert_eq!(
                rig.states(&format!("{SURROGATE}euler.onnx steps=40 {same}")),
                plain,
                "{real:?} {same}"
            );
        }
    }
}

/// Where every cell is outside the domain, the simulator's results are those of the stock model to the last bit: on
/// the way through plug-in, session and views nothing is added, nothing rounded, no cell confused with another.
#[test]
fn handing_every_cell_to_the_original_changes_no_bit() {
    for real in [Real::Double, Real::Float] {
        let rig = Rig::get(real);
        for run in RUNS {
            let expected = rig.states(&format!("model.so {run}"));
            let (found, log) = rig.run(&format!("{HYBRID}nowhere.onnx {run}"));
            assert_eq!(found, expected, "{real:?} {run}");
            assert!(log.contains("hybrid: 100 % of"), "{log}");
        }
    }
}

/// The same in the mode surrogate, where the surrogate's own cell model is the fallback: emucell's solver, in double.
#[test]
fn a_surrogate_that_is_forward_euler_changes_no_bit() {
    let rig = Rig::get(Real::Double);
    for run in ["", "threads=3", "refine_at=20 restore_at=30", "cells=1"] {
        let run = format!("steps=40 dt=0.01 dt_pde=0.1 {run}");
        let expected = rig.states(&format!("fused.so {run}"));
        let found = rig.states(&format!("{SURROGATE}nowhere.onnx emucell_guard=fallback {run}"));
        assert_eq!(found, expected, "{run}");
    }
}

#[test]
fn a_hybrid_divides_the_cells() {
    let rig = Rig::get(Real::Double);
    let (found, log) = rig.run(&format!("{HYBRID}rest.onnx steps=40 threads=2"));
    let share: f64 = log.split("hybrid: ").last().unwrap().split(' ').next().unwrap().parse().unwrap();
    assert!(5.0 < share && share < 95.0, "{log}");
    let model = rig.states("model.so steps=40");
    assert!(found != model && largest_difference(&found, &model) < 2e-4);
    // Where no cell leaves the domain, it is the surrogate.
    assert_eq!(
        rig.states(&format!("{HYBRID}euler.onnx steps=40")),
        rig.states(&format!("{SURROGATE}euler.onnx steps=40"))
    );
    let missed = rig.run(&format!("{SURROGATE}missed.onnx steps=1")).1;
    assert!(missed.contains("missed.onnx was not verified"), "{missed}");
    let counted = rig.run(&format!("{SURROGATE}rest.onnx steps=40")).1;
    assert!(counted.contains("outside the domain of rest.onnx"), "{counted}");
}

#[test]
fn the_shadow_leaves_the_decision_to_the_original() {
    for real in [Real::Double, Real::Float] {
        let rig = Rig::get(real);
        for run in RUNS {
            let (found, log) = rig.run(&format!("{SHADOW}euler.onnx {run}"));
            assert_eq!(found, rig.states(&format!("model.so {run}")), "{real:?} {run}");
            for state in ["u", "w"] {
                let line = log.lines().find(|l| l.starts_with(&format!("[emucell] {state} "))).unwrap();
                let numbers: Vec<f64> = line.split_whitespace().skip(2).map(|x| x.parse().unwrap()).collect();
                let [rms, largest, lowest, highest, cell, time] = numbers[..] else { panic!("{line}") };
                assert!(0.0 <= rms && rms <= largest && largest < 1e-6, "{line}");
                assert!(lowest <= highest && highest < 1.5 && cell < 200.0 && time <= 15.0, "{line}");
            }
        }
    }
}

/// An error of known size is found in the cell where it is.
#[test]
fn the_shadow_finds_errors() {
    let rig = Rig::get(Real::Double);
    // A threshold of 0.1 instead of 0.4: the largest error is 0.1 * 10 * 0.3 * u (1 - u) in the wave's front.
    let log = rig.run(&format!("{SHADOW}threshold.onnx emucell_parameter_threshold=0.1 steps=40")).1;
    let line = log.lines().find(|l| l.starts_with("[emucell] u ")).unwrap();
    let largest: f64 = line.split_whitespace().nth(3).unwrap().parse().unwrap();
    assert!((0.07..=0.0751).contains(&largest), "{line}");
}

#[test]
fn a_tissue_and_its_purkinje_network_have_settings_of_their_own() {
    let rig = Rig::get(Real::Double);
    let both = rig.states(&format!(
        "{SURROGATE}euler.onnx purkinje:emucell_mode=surrogate purkinje:emucell_surrogate=threshold.onnx \
         purkinje:emucell_parameter_threshold=0.3"
    ));
    let tissue = rig.states(&format!("{SURROGATE}euler.onnx"));
    let fibres = rig.states(&format!("{SURROGATE}threshold.onnx emucell_parameter_threshold=0.3"));
    assert_eq!(both, [tissue.clone(), fibres.clone()].concat());
    assert!(tissue != fibres);
}

#[test]
fn a_divided_stimulus_is_what_the_ini_file_says() {
    let rig = Rig::get(Real::Double);
    // The host multiplies by the number of steps, as the simulator does. A single cell does not diffuse.
    let run = |settings: &str| rig.states(&format!("{SURROGATE}euler.onnx cells=1 {settings}"));
    let expected = run("steps=10");
    assert_eq!(run("steps=5 dt_pde=0.20001 emucell_divide_stimulus=yes"), expected);
    assert!(run("steps=5 dt_pde=0.20001") != expected);
}

#[cfg(feature = "data")]
#[test]
fn a_record_is_a_table_of_what_the_original_did() {
    for real in [Real::Double, Real::Float] {
        let rig = Rig::get(real);
        for run in RUNS {
            let expected = rig.states(&format!("model.so {run}"));
            assert_eq!(rig.states(&format!("{RECORD} {run}")), expected, "{real:?} {run}");
        }
        let log = rig
            .run(&format!(
                "{RECORD} emucell_record_states=u,w emucell_record_stimulus=s steps=300 \
             emucell_record_per_stratum=100"
            ))
            .1;
        let table = emucell::dataset::Table::read(&rig.path("samples.npz")).unwrap();
        assert_eq!(table.input_names, ["u", "w", "s"]);
        assert_eq!(table.target_names, ["u_next", "w_next"]);
        assert_eq!(table.provenance["recorded_from"], "model.so");
        assert!(log.contains(&format!("record: {} of 60000 steps", table.n_rows())), "{log}");
        // Rest is most of the cable, and not most of the samples.
        let resting = table.inputs.rows().into_iter().filter(|x| x[0].abs() < 0.1 && x[2] < 0.1).count();
        assert!(table.n_rows() > 1000 && resting * 2 < table.n_rows(), "{resting} of {}", table.n_rows());
        for (x, y) in table.inputs.rows().into_iter().zip(table.targets.rows()) {
            let du = 10.0 * (x[0] * (x[0] - 0.4) * (1.0 - x[0]) - x[1] + x[2]);
            let dw = 0.04 * x[0] - 0.16 * x[1];
            let error = (y[0] - x[0] - 0.1 * du).abs().max((y[1] - x[1] - 0.1 * dw).abs());
            assert!(error < if real == Real::Double { 1e-15 } else { 1e-6 }, "{error}");
        }
    }
}

/// Settings, and what the message must name.
const FAULTS: &[(&str, &[&str])] = &[
    ("", &["emucell_mode", "surrogate, record, shadow or hybrid"]),
    ("emucell_mode=surrogat", &["emucell_mode = surrogat"]),
    ("emucell_mode=surrogate", &["emucell_surrogate is missing"]),
    ("emucell_mode=surrogate emucell_surrogate=none.onnx", &["emucell_surrogate = none.onnx"]),
    ("emucell_mode=surrogate emucell_surrogate=model.so", &["emucell_surrogate = model.so"]),
    ("emucell_mode=surrogate emucell_surogate=euler.onnx", &["emucell_surogate", "not known"]),
    ("emucell_mode=surrogate emucell_surrogate=euler.onnx surrogate=x", &["the key surrogate"]),
    (
        "emucell_mode=surrogate emucell_surrogate=euler.onnx emucell_guard=x",
        &["emucell_guard = x", "fallback"],
    ),
    ("emucell_mode=surrogate emucell_surrogate=euler.onnx adaptive=1", &["adaptive = true"]),
    // The host is linked with no CUDA runtime.
    ("emucell_mode=surrogate emucell_surrogate=euler.onnx use_gpu=1", &["use_gpu = yes", "libcudart"]),
    (
        "emucell_mode=hybrid emucell_surrogate=euler.onnx emucell_original=./model.so use_gpu=1",
        &["emucell_mode = hybrid", "use_gpu = no"],
    ),
    (
        "emucell_mode=record emucell_record=x.npz emucell_original=./model.so use_gpu=1",
        &["emucell_mode = record", "use_gpu = no"],
    ),
    (
        "emucell_mode=surrogate emucell_surrogate=euler.onnx emucell_guard=fallback use_gpu=1",
        &["emucell_guard = fallback", "use_gpu = no"],
    ),
    (
        "emucell_mode=surrogate emucell_surrogate=euler.onnx emucell_original=./model.so use_gpu=1",
        &["emucell_original = ./model.so", "remove the key"],
    ),
    ("emucell_mode=surrogate emucell_surrogate=euler.onnx wrong_layout=1", &["library_file", "real"]),
    ("emucell_mode=surrogate emucell_surrogate=euler.onnx dt=0.05", &["dt = 0.05", "steps of 0.1 ms"]),
    // A quotient without its remainder: two steps of 0.1 in 0.3 ms.
    ("emucell_mode=surrogate emucell_surrogate=euler.onnx dt_pde=0.3", &["dt = 0.1", "dt_pde", "0.3 ms"]),
    (
        "emucell_mode=surrogate emucell_surrogate=no_initial_state.onnx",
        &["no initial state", "emucell_original"],
    ),
    ("emucell_mode=surrogate emucell_surrogate=threshold.onnx", &["emucell_parameter_threshold is missing"]),
    (
        "emucell_mode=surrogate emucell_surrogate=euler.onnx emucell_parameter_threshold=1",
        &["emucell_parameter_threshold", "no such parameter"],
    ),
    (
        "emucell_mode=surrogate emucell_surrogate=threshold.onnx emucell_parameter_threshold=high",
        &["emucell_parameter_threshold = high", "number"],
    ),
    (
        "emucell_mode=surrogate emucell_surrogate=solution.onnx emucell_original=./model.so",
        &["no stimulus variable"],
    ),
    ("emucell_mode=record emucell_record=x.npz", &["emucell_original is missing"]),
    ("emucell_mode=record emucell_original=./model.so", &["emucell_record is missing"]),
    (
        "emucell_mode=record emucell_original=./model.so emucell_record=none/x.npz",
        &["emucell_record = none/x.npz"],
    ),
    (
        "emucell_mode=record emucell_original=./model.so emucell_record=x.npz emucell_record_states=a,b,c",
        &["emucell_record_states", "3 names", "2 states"],
    ),
    (
        "emucell_mode=record emucell_original=./model.so emucell_record=x.npz emucell_record_per_stratum=0",
        &["emucell_record_per_stratum = 0"],
    ),
    (
        "emucell_mode=record emucell_original=./model.so emucell_record=x.npz emucell_record_v_range=1",
        &["emucell_record_v_range = 1", "two numbers"],
    ),
    ("emucell_mode=shadow emucell_surrogate=euler.onnx", &["emucell_original is missing"]),
    (
        "emucell_mode=shadow emucell_surrogate=euler.onnx emucell_original=none.so",
        &["emucell_original = none.so"],
    ),
    (
        "emucell_mode=shadow emucell_surrogate=euler.onnx emucell_original=./host",
        &["emucell_original = ./host"],
    ),
    (
        "emucell_mode=hybrid emucell_surrogate=euler.onnx emucell_original=./plugin.so",
        &["emucell_original = ./plugin.so", "itself"],
    ),
    (
        "emucell_mode=hybrid emucell_surrogate=euler.onnx emucell_original=./three.so",
        &["euler.onnx has 2 states", "three.so has 3"],
    ),
    (
        "emucell_mode=hybrid emucell_surrogate=euler.onnx emucell_original=./model.so extra_data=1",
        &["[extra_data]", "hybrid"],
    ),
];

#[test]
fn every_fault_ends_the_run_and_names_the_key() {
    for real in [Real::Double, Real::Float] {
        let rig = Rig::get(real);
        for (settings, parts) in FAULTS {
            let message = rig.message(&format!("plugin.so {settings}"));
            for part in *parts {
                assert!(message.contains(part), "{settings}: {message}");
            }
        }
        // An original of the other type.
        let other = Rig::get(if real == Real::Double { Real::Float } else { Real::Double });
        let settings = HYBRID.replace("./model.so", other.path("model.so").to_str().unwrap());
        let message = rig.message(&format!("{settings}euler.onnx"));
        assert!(message.contains("emucell_original") && message.contains("another `real`"), "{message}");
    }
}

/// A plug-in for the other type finds the simulator's struct laid out otherwise.
#[test]
fn a_plugin_for_another_real_is_refused() {
    for (real, other) in [(Real::Double, Real::Float), (Real::Float, Real::Double)] {
        let wrong = Rig::get(other).path("plugin.so");
        let message = Rig::get(real).message(&format!("{} emucell_mode=surrogate", wrong.display()));
        assert!(
            message.contains("library_file in [ode_solver]") && message.contains("`real` = "),
            "{message}"
        );
    }
}

/// Recorded, trained, put in the model's place.
#[cfg(feature = "train")]
#[test]
fn a_record_becomes_a_surrogate() {
    use emucell::train::recipe::{Options, Recipe, run};
    let rig = Rig::get(Real::Double);
    let record = RECORD.replace("samples.npz", "steps.npz");
    rig.run(&format!("{record} emucell_record_states=u,w emucell_record_stimulus=s steps=300"));
    let recipe = r#"
        [surrogate]
        kind = "step_map"
        dt = "0.1 ms"
        [data]
        training_file = "steps.npz"
        [network]
        hidden = [["tanh", 16], ["tanh", 16]]
        form = "residual"
        [[loss]]
        kind = "data"
        criterion = "huber"
        batch = 256
        [stop]
        iterations = 2000
    "#;
    let path = rig.path("recipe.toml");
    std::fs::write(&path, recipe).unwrap();
    tch::set_num_threads(1);
    let options = |folder: &str| Options {
        folder: rig.path(folder),
        device: tch::Device::Cpu,
        n_threads: 1,
        force: false,
        interrupt: None,
        on_progress: None,
    };
    let trained = run(&Recipe::load(&path).unwrap(), options("trained")).unwrap();
    assert!(trained.evaluation.is_none() && trained.surrogate.exists());
    let found = rig.states(&format!("{SURROGATE}trained/surrogate.onnx steps=40"));
    let expected = rig.states("model.so steps=40");
    let difference = largest_difference(&found, &expected);
    assert!(difference < 0.1, "{difference}");

    // The file says what it holds: another step is refused, and so is a variable that it has not.
    let wrong = |from: &str, to: &str| {
        std::fs::write(&path, recipe.replace(from, to)).unwrap();
        run(&Recipe::load(&path).unwrap(), options("wrong")).unwrap_err().to_string()
    };
    let message = wrong("0.1 ms", "0.2 ms");
    assert!(message.contains("surrogate.dt") && message.contains("steps of 0.1 ms"), "{message}");
    let message = wrong("[data]", "[domain]\nv = [0.0, 1.0]\n[data]");
    assert!(message.contains("domain.v") && message.contains("u, w, s"), "{message}");
}
