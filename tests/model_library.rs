//! Compiled cell models of others: good ones agree with our own solver, and every fault of a bad one is an error or a finding.
#![cfg(feature = "cli")]

mod support;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use emucell::ErrorKind;
use emucell::cell_model::CellModel;
use emucell::cell_model::euler::{Euler, PerCell};
use emucell::dataset::Table;
use emucell::model_library::{ExtraData, Function, ModelLibrary, Options, Real};
use emucell::step_function::StepFunction;
use emucell::view::{View, ViewMut};
use support::model_libraries::library;

const DT: f64 = 0.02;

fn options() -> Options {
    Options { program: Some(env!("CARGO_BIN_EXE_emucell").into()), ..Options::default() }
}

fn open(path: &Path) -> emucell::Result<ModelLibrary> {
    ModelLibrary::open_with(path, &options())
}

fn function(name: &str, real: Real) -> Options {
    let function = Function { name: name.into(), initial_state: vec![0.0, 0.0] };
    Options { real, function: Some(function), ..options() }
}

/// Cells of fhn_cubic all over its states, with their stimuli.
fn cells(n: usize) -> (Vec<f64>, Vec<f64>) {
    let spread = |i: usize, k: usize| ((i * k) % n) as f64 / n as f64;
    let states = (0..n).flat_map(|i| [spread(i, 7) * 1.4 - 0.3, spread(i, 11) * 0.2 - 0.02]).collect();
    let stimulus = (0..n).map(|i| if i % 3 == 0 { 0.0 } else { spread(i, 5) * 0.12 }).collect();
    (states, stimulus)
}

fn euler(states: &[f64], stimulus: &[f64], n_steps: u64) -> Vec<f64> {
    let mut states = states.to_vec();
    let solver = Euler::new(&CellModel::fhn_cubic(), DT).unwrap();
    let stimulus = View::array_of_structures(stimulus, 1).unwrap();
    let per_cell = PerCell { stimulus: Some(stimulus), ..PerCell::default() };
    solver.advance(&mut ViewMut::array_of_structures(&mut states, 2).unwrap(), per_cell, n_steps).unwrap();
    states
}

fn largest_difference(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}

struct Faulty {
    folder: tempfile::TempDir,
}

impl Faulty {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn library(&self, fault: &str) -> PathBuf {
        library("faulty", &[fault], self.folder.path())
    }

    /// What opening and checking the library with `fault` ends in.
    fn error(&self, fault: &str) -> emucell::Error {
        self.error_with(fault, options())
    }

    fn error_with(&self, fault: &str, options: Options) -> emucell::Error {
        let opened = ModelLibrary::open_with(&self.library(fault), &options);
        let error = opened.and_then(|mut library| library.check(DT)).map(|_| ()).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("libfaulty"), "no place in: {text}");
        assert!(text.len() > error.fault().len() + 2, "no remedy in: {text}");
        error
    }
}

#[track_caller]
fn assert_says(error: &emucell::Error, parts: &[&str]) {
    let text = error.to_string();
    for part in parts {
        assert!(text.contains(part), "{part:?} is not in: {text}");
    }
}

#[test]
fn a_library_steps_as_our_own_solver_does() {
    let folder = tempfile::tempdir().unwrap();
    let (start, stimulus) = cells(2500);
    let reference = euler(&start, &stimulus, 50);
    for (real, name, tolerance) in [("double", Real::Double, 1e-13), ("float", Real::Float, 2e-5)] {
        let path = library("fhn_cubic", &[&format!("REAL={real}")], folder.path());
        for isolated in [true, false] {
            let mut library = ModelLibrary::open_with(&path, &Options { isolated, ..options() }).unwrap();
            assert_eq!(library.real(), name);
            assert_eq!(library.initial_state(), [0.0, 0.0]);
            let mut states = start.clone();
            library.step(&mut states, &stimulus, DT, 20).unwrap();
            library.step(&mut states, &stimulus, DT, 30).unwrap();
            let difference = largest_difference(&states, &reference);
            assert!(difference < tolerance, "{real}, isolated {isolated}: {difference:e}");
            assert_eq!(library.check(DT).unwrap(), [], "{real}, isolated {isolated}");
        }
    }
    for (name, real, tolerance) in [("fhn_step", Real::Auto, 1e-13), ("fhn_step_float", Real::Float, 2e-5)] {
        let path = library("functions", &[], folder.path());
        let mut library = ModelLibrary::open_with(&path, &function(name, real)).unwrap();
        let mut states = start.clone();
        library.step(&mut states, &stimulus, DT, 50).unwrap();
        assert!(largest_difference(&states, &reference) < tolerance, "{name}");
        assert_eq!(library.check(DT).unwrap(), [], "{name}");
    }
}

#[test]
fn substeps_are_shorter_steps() {
    let folder = tempfile::tempdir().unwrap();
    let (start, stimulus) = cells(100);
    let of = |path: &Path, options: Options, dt: f64, n_steps: u32| {
        let mut states = start.clone();
        let mut library = ModelLibrary::open_with(path, &options).unwrap();
        library.step(&mut states, &stimulus, dt, n_steps).unwrap();
        states
    };
    let path = library("fhn_cubic", &[], folder.path());
    let four = of(&path, Options { substeps: 4, ..options() }, 4.0 * DT, 5);
    assert_eq!(four, of(&path, options(), DT, 20));
    let path = library("functions", &[], folder.path());
    let four = of(&path, Options { substeps: 4, ..function("fhn_step", Real::Auto) }, 4.0 * DT, 5);
    assert_eq!(four, of(&path, function("fhn_step", Real::Auto), DT, 20));
}

#[test]
fn a_library_gets_the_extra_data_that_it_reads() {
    let folder = tempfile::tempdir().unwrap();
    for (real, tolerance) in [("double", 1e-15), ("float", 1e-6)] {
        let path = library("mixed_cells", &[&format!("REAL={real}")], folder.path());
        let of_kind = |kind: &str| {
            let data = format!("[0.5, 1, 2, 4, [0.25, 0.75], {kind}]");
            Options { extra_data: Some(ExtraData::read(&data).unwrap()), ..options() }
        };
        for (kind, rate) in [("[0]", 0.5), ("[1]", 1.0), ("[2]", 2.0)] {
            let mut library = ModelLibrary::open_with(&path, &of_kind(kind)).unwrap();
            assert_eq!(library.initial_state(), [0.25, 0.75]);
            // More cells than a library is given at once, and none of another kind.
            let mut states = [1.0, 0.0].repeat(3000);
            library.step(&mut states, &[0.0; 3000], 0.1, 1).unwrap();
            assert!(states.chunks(2).all(|cell| (cell[0] - (1.0 - 0.1 * rate)).abs() < tolerance), "{kind}");
        }
        let both = Options { mask: Some(0), ..of_kind("[0]") };
        assert_says(
            &ModelLibrary::open_with(&path, &both).unwrap_err(),
            &["both a mask and other extra data"],
        );
    }
}

#[test]
fn steps_that_the_library_chooses_begin_anew_each_time() {
    let folder = tempfile::tempdir().unwrap();
    let adaptive = Options { adaptive: true, ..options() };
    for (real, tolerance) in [("double", 1e-8), ("float", 1e-5)] {
        let path = library("mixed_cells", &[&format!("REAL={real}")], folder.path());
        let mut library = ModelLibrary::open_with(&path, &adaptive).unwrap();
        let mut counts = Vec::new();
        for dt in [0.02, 0.02, 0.1] {
            let mut cell = [0.0, 0.0];
            library.step(&mut cell, &[1.0], dt, 1).unwrap();
            // Steps of an eighth at most, of a decay that begins at its drive.
            assert!((cell[0] - dt).abs() < 0.5 * dt * dt + tolerance, "{cell:?}");
            counts.push(cell[1]);
        }
        assert!(counts[0] == counts[1] && counts[0] > 8.0, "{counts:?}");
        library.check(0.02).unwrap();
    }
    let fixed = library("fhn_cubic", &[], folder.path());
    assert_says(
        &ModelLibrary::open_with(&fixed, &adaptive).unwrap_err(),
        &["leaves ode_dt NULL", "--adaptive"],
    );
    let twice = Options { substeps: 2, ..adaptive };
    assert_says(&ModelLibrary::open_with(&fixed, &twice).unwrap_err(), &["together with substeps"]);
}

#[test]
fn instances_do_not_disturb_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let path = library("fhn_cubic", &[], folder.path());
    let (start, stimulus) = cells(300);
    let mut libraries: Vec<_> = (0..3).map(|_| open(&path).unwrap()).collect();
    let mut states = vec![start.clone(); 3];
    for _ in 0..5 {
        for (library, states) in libraries.iter_mut().zip(&mut states) {
            library.step(states, &stimulus, DT, 4).unwrap();
        }
    }
    let reference = euler(&start, &stimulus, 20);
    assert!(states.iter().all(|states| largest_difference(states, &reference) < 1e-13));
}

#[test]
fn a_file_that_is_no_model_library_is_named_with_what_it_lacks() {
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("notes.so");
    std::fs::write(&text, "not a library").unwrap();
    assert_says(&open(&text).unwrap_err(), &["cannot be loaded", "notes.so"]);
    assert_says(&open(&folder.path().join("none.so")).unwrap_err(), &["none.so", "check the path"]);
    let functions = library("functions", &[], folder.path());
    assert_says(&open(&functions).unwrap_err(), &["no function \"init_cell_model_data\"", "--function"]);
    let other = ModelLibrary::open_with(&functions, &function("other_step", Real::Auto)).unwrap_err();
    assert_says(&other, &["no function \"other_step\"", "libfunctions.so"]);
    let faulty = Faulty::new();
    assert_says(&faulty.error("NO_STEP"), &["no function \"solve_model_odes_cpu\""]);
    assert_says(&faulty.error("ZERO_STATES"), &["0 states"]);
    assert_says(&faulty.error("NO_STATES_ALLOCATED"), &["leaves sv NULL"]);
    let double = library("fhn_cubic", &[], folder.path());
    let forced = ModelLibrary::open_with(&double, &Options { real: Real::Float, ..options() }).unwrap_err();
    assert_says(&forced, &["real is double, not float", "--real"]);
    assert_says(&faulty.error("NAN_AT_START"), &["state 1 starts as NaN", "--real"]);
}

#[test]
fn a_library_that_ends_its_program_is_an_error_and_says_where_and_what_it_printed() {
    let faulty = Faulty::new();
    assert_says(&faulty.error("CRASHES"), &["crashed", "SIGSEGV", "in a step"]);
    assert_says(&faulty.error("ABORTS"), &["SIGABRT", "in a step", "\"the gate is out of order\""]);
    assert_says(&faulty.error("EXITS"), &["exit status: 0", "in a step", "\"no mask was given\""]);
    let error = faulty.error("EXITS_AT_OPENING");
    assert_says(&error, &["exit status: 3", "while it was loaded", "\"no licence was found\""]);
    let hasty = Options { time_limit: Duration::from_secs(2), ..options() };
    assert_says(&faulty.error_with("HANGS", hasty), &["did not come back within 2 s", "in a step"]);
    assert_eq!(faulty.error("EXITS").kind(), ErrorKind::Callback);
}

#[test]
fn after_its_end_a_library_answers_with_the_reason() {
    let faulty = Faulty::new();
    let mut library = open(&faulty.library("CRASHES")).unwrap();
    let mut state = library.initial_state().to_vec();
    let first = library.step(&mut state, &[0.0], DT, 1).unwrap_err().to_string();
    let second = library.step(&mut state, &[0.0], DT, 1).unwrap_err().to_string();
    assert_eq!(first, second);
    assert_eq!(state, library.initial_state());
}

#[test]
fn answers_that_are_not_finite_or_depend_on_something_else_are_errors() {
    let faulty = Faulty::new();
    assert_says(&faulty.error("NAN_IN_STEP"), &["state 1 of 2 is NaN", "--substeps"]);
    assert_says(&faulty.error("STATIC_STATE"), &["different answers", "state 1", "hidden state"]);
    assert_says(&faulty.error("RANDOM"), &["different answers", "state 1", "chance"]);
    let folder = tempfile::tempdir().unwrap();
    let path = library("functions", &[], folder.path());
    let mut library = ModelLibrary::open_with(&path, &function("one_step_only", Real::Auto)).unwrap();
    assert_says(&library.check(DT).unwrap_err(), &["steps asked for one by one"]);
}

#[test]
fn what_only_disturbs_is_found_and_said() {
    let faulty = Faulty::new();
    for (fault, parts) in [
        ("PRINTS", ["the step prints \"", "V is -80"]),
        ("UNSET", ["reads variables that it never sets: state 1", "they are zero here"]),
        ("LEAKS", ["allocates memory that it does not free, 8", "bytes a cell and step"]),
        ("ALLOCATES", ["allocates memory and frees it, 36.0 times a step of 36 cells", "this takes time"]),
    ] {
        let findings = open(&faulty.library(fault)).unwrap().check(DT).unwrap();
        let [finding] = &findings[..] else { panic!("{fault}: {findings:?}") };
        for part in parts {
            assert!(finding.to_string().contains(part), "{fault}: {finding}");
        }
    }
}

#[test]
fn a_question_that_does_not_fit_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = library("fhn_cubic", &[], folder.path());
    let mut library = open(&path).unwrap();
    assert!(library.step(&mut [0.0; 3], &[0.0], DT, 1).is_err());
    assert!(library.step(&mut [0.0; 2], &[0.0], 0.0, 1).is_err());
    assert!(library.step(&mut [0.0; 2], &[0.0], f64::NAN, 1).is_err());
    assert!(ModelLibrary::open_with(&path, &Options { substeps: 0, ..options() }).is_err());
    let no_program = Options { program: Some("/bin/true".into()), ..options() };
    assert_says(&ModelLibrary::open_with(&path, &no_program).unwrap_err(), &["/bin/true", "emucell program"]);
}

fn harvest(library: &Path, output: &Path, more: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_emucell"));
    command.arg("harvest").arg("--library").arg(library).arg("-o").arg(output);
    command.args(["--time", "400", "--cells", "32", "--samples", "3000"]).args(more);
    command.output().unwrap()
}

fn summary(output: &Output) -> serde_json::Value {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn harvested_rows_are_steps_of_the_model_with_upstrokes_among_them() {
    let folder = tempfile::tempdir().unwrap();
    let path = library("fhn_cubic", &[], folder.path());
    let data = folder.path().join("data.npz");
    let names = ["--names", "u,w", "--stimulus-name", "s", "--dt", "0.02", "--json"];
    let summary = summary(&harvest(&path, &data, &names));
    let table = Table::read(&data).unwrap();
    assert_eq!(table.input_names, ["u", "w", "s"]);
    assert_eq!(table.target_names, ["u_next", "w_next"]);
    assert_eq!(summary["rows"], table.n_rows());
    assert!((2500..3200).contains(&table.n_rows()), "{}", table.n_rows());
    assert_eq!(table.provenance["dt"], DT);
    assert_eq!(table.provenance["initial_state"], serde_json::json!([0.0, 0.0]));

    let states: Vec<f64> = table.inputs.rows().into_iter().flat_map(|row| [row[0], row[1]]).collect();
    let next = euler(&states, &table.inputs.column(2).to_vec(), 1);
    let difference = largest_difference(&next, &table.targets.iter().copied().collect::<Vec<_>>());
    assert!(difference < 1e-14, "{difference:e}");

    // An upstroke from 0 to 1 takes 2 ms of each 650 ms.
    let fast = table.targets.column(0).to_owned() - table.inputs.column(0);
    let share = fast.iter().filter(|&du| *du > 0.2 * DT).count() as f64 / fast.len() as f64;
    assert!(share > 0.1, "{share} of the rows are upstrokes");
    let range = |column: ndarray::ArrayView1<f64>| {
        column.iter().fold([f64::MAX, f64::MIN], |[low, high], &x| [f64::min(low, x), f64::max(high, x)])
    };
    let [low, high] = range(table.inputs.column(0));
    assert!(low < -0.05 && low > -0.5 && high > 0.9 && high < 1.5, "{low} … {high}");
    assert!(table.inputs.column(2).iter().any(|&s| s > 0.0));
    assert!(table.inputs.column(2).iter().filter(|&&s| s == 0.0).count() > table.n_rows() / 3);
}

#[test]
fn the_threshold_is_that_of_a_search_one_by_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = library("fhn_cubic", &[], folder.path());
    let summary = summary(&harvest(&path, &folder.path().join("data.npz"), &["--json"]));
    let found = summary["stimulus"]["threshold"].as_f64().unwrap();
    let fires = |stimulus: f64| {
        let mut state = euler(&[0.0, 0.0], &[stimulus], 100);
        (0..1000).any(|_| {
            state = euler(&state, &[0.0], 1);
            state[0] > 0.7
        })
    };
    let (mut low, mut high) = (0.0, 1.0);
    while high - low > 1e-6 {
        let middle = 0.5 * (low + high);
        if fires(middle) { high = middle } else { low = middle }
    }
    assert!((found / high - 1.0).abs() < 0.02, "{found} where {high} was expected");
    assert_eq!(summary["stimulus"]["strength"].as_f64().unwrap(), 2.0 * found);
}

#[test]
fn the_same_seed_gives_the_same_rows_and_another_others() {
    let folder = tempfile::tempdir().unwrap();
    let path = library("mitchell_schaeffer", &["REAL=float"], folder.path());
    let table = |name: &str, seed: &str| {
        let file = folder.path().join(name);
        summary(&harvest(&path, &file, &["--seed", seed, "--json"]));
        Table::read(&file).unwrap()
    };
    let first = table("a.npz", "7");
    assert_eq!(first, table("b.npz", "7"));
    assert_ne!(first.inputs, table("c.npz", "8").inputs);
    assert_eq!(first.input_names, ["V", "x1", "stimulus"]);
}

#[test]
fn a_function_is_harvested_too() {
    let folder = tempfile::tempdir().unwrap();
    let path = library("functions", &[], folder.path());
    let data = folder.path().join("data.csv");
    let function = ["--function", "fhn_step", "--initial", "0,0", "--states", "2"];
    let output = harvest(&path, &data, &function);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = std::fs::read_to_string(&data).unwrap();
    assert!(text.starts_with("V,x1,stimulus,V_next,x1_next"), "{}", &text[..60]);
    let output = harvest(&path, &data, &["--function", "fhn_step", "--initial", "0,0", "--states", "3"]);
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("2 initial states where --states says 3"));
}

#[test]
fn the_command_reports_faults_on_standard_error_and_prints_nothing_of_the_library() {
    let faulty = Faulty::new();
    let data = faulty.folder.path().join("data.npz");
    let command = |fault: &str, more: &[&str]| {
        // What is slow on a busy machine must not look as if it hung.
        let limit = if fault == "HANGS" { "0.5" } else { "30" };
        let strength = ["--strength", "-30", "--time-limit", limit, "--json"];
        harvest(&faulty.library(fault), &data, &[&strength, more].concat())
    };
    for (fault, part) in [
        ("CRASHES", "the library crashed (signal: 11 (SIGSEGV)"),
        ("EXITS", "the library ended its program (exit status: 0)"),
        ("HANGS", "did not come back within 0.5 s"),
        ("NAN_IN_STEP", "state 1 of 2 is NaN"),
        ("RANDOM", "different answers"),
        ("NO_STEP", "no function \"solve_model_odes_cpu\""),
    ] {
        let output = command(fault, &[]);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{fault}: {stderr}");
        assert_eq!(output.stdout, b"", "{fault}");
        assert!(stderr.starts_with("error: ") && stderr.contains(part), "{fault}: {stderr}");
        assert_eq!(stderr.lines().count(), 1, "{fault}: {stderr}");
        assert!(!data.exists(), "{fault}");
    }
    let output = command("PRINTS", &[]);
    assert_eq!(summary(&output)["dropped_cells"], 0);
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(stderr.starts_with("warning: the step prints \"") && stderr.lines().count() == 1, "{stderr}");
    // The same model without a fault but that no stimulus excites.
    let output = harvest(&faulty.library("NONE"), &data, &[]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.contains("no negative stimulus starts an action potential"), "{stderr}");
}

#[test]
fn a_worker_ends_with_the_program_that_asks_even_while_its_library_hangs() {
    let faulty = Faulty::new();
    let path = faulty.library("HANGS");
    let mut asking = Command::new(env!("CARGO_BIN_EXE_emucell"))
        .args(["harvest", "-o", "none.npz", "--library"])
        .arg(&path)
        .spawn()
        .unwrap();
    let workers = || {
        let processes = std::fs::read_dir("/proc").unwrap().filter_map(Result::ok);
        let hangs = |folder: PathBuf| {
            let maps = std::fs::read_to_string(folder.join("maps")).unwrap_or_default();
            maps.contains(path.to_str().unwrap())
        };
        processes.filter(|process| hangs(process.path())).count()
    };
    let wait_for = |n: usize| {
        (0..500).any(|_| {
            std::thread::sleep(Duration::from_millis(20));
            workers() == n
        })
    };
    assert!(wait_for(1), "the library was not loaded");
    asking.kill().unwrap();
    asking.wait().unwrap();
    assert!(wait_for(0), "the worker is still there");
}
