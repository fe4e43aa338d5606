//! Graphs that programs cannot hold.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use emucell::ErrorKind;
use emucell::format::onnx;
use emucell::session::{BackendChoice, Cells, Session, SessionOptions};
use emucell::surrogate::{Kind, Role};
use emucell::view::{View, ViewMut};

use super::support::{onnxruntime, python};

/// The file of one of the graphs that `foreign_graphs.py` writes.
fn graph(name: &str) -> PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| {
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("foreign_graphs");
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        python::run("foreign_graphs.py", &[&folder]);
        folder
    });
    folder.join(name).with_extension("onnx")
}

/// A copy of a graph with `description` in its side file.
fn described(name: &str, description: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("network.onnx");
    std::fs::copy(graph(name), &path).unwrap();
    std::fs::write(folder.path().join("network.onnx.json"), description).unwrap();
    (folder, path)
}

fn auto() -> SessionOptions {
    SessionOptions { onnxruntime: Some(onnxruntime::library()), ..SessionOptions::default() }
}

const STATES: &str = r#"[{"name": "a", "unit": "1", "role": "state"}, {"name": "b", "unit": "1", "role": "state"},
    {"name": "c", "unit": "mV", "role": "state", "range": [-3, 3]}]"#;

#[test]
fn a_graph_runs_without_being_asked_for() {
    let surrogate = Arc::new(onnx::load(&graph("sine")).unwrap());
    assert_eq!((surrogate.kind(), surrogate.inputs().len()), (Kind::SolutionMap, 3));
    let mut session = Session::new(surrogate, &auto()).unwrap();
    assert_eq!(session.backend_name(), "onnxruntime cpu, threads: 1");
    let x: Vec<f64> = (0..3 * 1500).map(|i| f64::from(i) / 1000.0).collect();
    let mut y = vec![0.0; x.len()];
    let to = ViewMut::array_of_structures(&mut y, 3).unwrap();
    session.evaluate(View::array_of_structures(&x, 3).unwrap(), to, None).unwrap();
    x.iter().zip(&y).for_each(|(x, y)| assert!((x.sin() - y).abs() < 1e-6));
}

#[test]
fn whoever_cannot_run_it_says_which_node_and_who_can() {
    let surrogate = Arc::new(onnx::load(&graph("sine")).unwrap());
    let native = SessionOptions { backend: BackendChoice::Native, ..SessionOptions::default() };
    let error = Session::new(surrogate, &native).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    for part in ["operator Sin", "node 0 (Sin \"wave\")", "use the backend ONNX Runtime"] {
        assert!(error.to_string().contains(part), "{error}");
    }
}

#[test]
fn a_side_file_makes_a_step_map_of_a_plain_network() {
    let text = format!(
        r#"{{"kind": "step_map", "dt": 0.5, "inputs": {STATES}, "outputs": {STATES},
        "initial_state": [1, 2, 3], "cell_model": {{"name": "somebody's"}}}}"#
    );
    for name in ["sine", "untold"] {
        let (_folder, path) = described(name, &text);
        let surrogate = Arc::new(onnx::load(&path).unwrap());
        assert_eq!(surrogate.kind(), Kind::StepMap { dt: 0.5 });
        assert_eq!(surrogate.initial_state(), Some(&[1.0, 2.0, 3.0][..]));
        assert_eq!((&*surrogate.inputs()[2].unit, surrogate.inputs()[2].range), ("mV", Some([-3.0, 3.0])));
        let mut session = Session::new(surrogate, &auto()).unwrap();
        let mut state = [0.1f32, 0.2, 0.3];
        session.step(Cells::new(ViewMut::array_of_structures(&mut state, 3).unwrap()), 0.5, 2).unwrap();
        for (found, start) in state.iter().zip([0.1f32, 0.2, 0.3]) {
            assert!((found - start.sin().sin()).abs() < 1e-6);
        }
    }
}

#[test]
fn several_inputs_and_outputs_are_columns_side_by_side() {
    let state = r#"{"name": "u", "unit": "1", "role": "state"}, {"name": "w", "unit": "1", "role": "state"}"#;
    let text = format!(
        r#"{{"kind": "solution_map", "outputs": [{state}], "inputs": [
            {{"name": "t", "unit": "ms", "role": "time"}}, {state},
            {{"name": "g", "unit": "1", "role": "parameter"}}]}}"#
    );
    let (_folder, path) = described("parts", &text);
    let surrogate = Arc::new(onnx::load(&path).unwrap());
    assert_eq!(surrogate.columns_of(Role::Parameter), [3]);
    let expected = |t: f64, u: f64, w: f64, g: f64| [u + g * t.sin(), w * g];
    let mut session = Session::new(surrogate, &auto()).unwrap();
    let x: Vec<f32> = (0..4 * 1100).map(|i| (i % 37) as f32 / 10.0).collect();
    let mut y = vec![0.0f32; 2 * 1100];
    let to = ViewMut::array_of_structures(&mut y, 2).unwrap();
    session.evaluate(View::array_of_structures(&x, 4).unwrap(), to, None).unwrap();
    for (x, y) in x.chunks(4).zip(y.chunks(2)) {
        let exact = expected(x[0].into(), x[1].into(), x[2].into(), x[3].into());
        assert!((exact[0] - f64::from(y[0])).abs() < 1e-5 && (exact[1] - f64::from(y[1])).abs() < 1e-5);
    }
    let (mut state, g) = ([0.5f64, 2.0], [0.25f64]);
    let mut cells = Cells::new(ViewMut::array_of_structures(&mut state, 2).unwrap());
    cells.parameters = Some(View::array_of_structures(&g, 1).unwrap().into());
    session.step(cells, 3.0, 1).unwrap();
    let exact = expected(3.0, 0.5, 2.0, 0.25);
    assert!((state[0] - exact[0]).abs() < 1e-6 && (state[1] - exact[1]).abs() < 1e-6);
}

#[test]
fn each_network_that_cannot_be_run_has_its_message() {
    for (name, parts) in [
        ("any_rank", ["input \"x\"", "any number of dimensions"]),
        ("three_dimensions", ["input \"x\"", "3 dimensions"]),
        ("one_cell", ["for 1 cells", "dynamic first dimension"]),
        ("doubles", ["input \"x\"", "not single precision"]),
        ("untold", ["output \"y\"", "unknown number of columns"]),
    ] {
        let error = onnx::load(&graph(name)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        for part in parts.into_iter().chain([name]) {
            assert!(error.to_string().contains(part), "{name}: {error}");
        }
    }
    for (name, parts) in [
        ("mixing", ["a first run with", "ONNX Runtime: "]),
        ("unknown_operator", ["Wavelet", "node 0 (Wavelet \"strange\")"]),
    ] {
        let surrogate = Arc::new(onnx::load(&graph(name)).unwrap());
        let error = Session::new(surrogate, &auto()).err().unwrap();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        for part in parts {
            assert!(error.to_string().contains(part), "{name}: {error}");
        }
    }
}

#[test]
fn each_bad_side_file_has_its_message() {
    for (text, parts) in [
        ("{", ["network.onnx.json", "emucell inspect --json"]),
        (r#"{"kind": "step_map", "inputs": [], "outputs": [], "colour": 1}"#, ["colour", ".onnx.json"]),
        (r#"{"kind": "step_map", "inputs": [], "outputs": []}"#, ["step map without dt", "network.onnx"]),
        (r#"{"kind": "solution_map", "dt": 1, "inputs": [], "outputs": []}"#, ["solution map", "dt = 1"]),
        (
            r#"{"kind": "solution_map", "inputs": [], "outputs": []}"#,
            ["0 input variables", "3 input columns"],
        ),
    ] {
        let (_folder, path) = described("sine", text);
        let error = onnx::load(&path).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Format);
        for part in parts {
            assert!(error.to_string().contains(part), "{text}: {error}");
        }
    }
}
