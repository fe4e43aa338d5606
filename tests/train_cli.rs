//! `emucell train` as a user runs it: Ctrl-C, resumption, JSON.
#![cfg(all(feature = "train", feature = "cli", unix))]

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const RECIPE: &str = r#"
[surrogate]
kind = "step_map"
cell_model = "fhn_cubic"
dt = "0.1 ms"
[domain]
u = [-0.3, 1.1]
w = [-0.02, 0.2]
s = [0.0, 0.12]
[data]
pairs = 2000
[network]
hidden = [["tanh", 8]]
form = "residual"
[[loss]]
kind = "data"
batch = 64
[stop]
iterations = ITERATIONS
validate_every = 50
[evaluation]
cells = 10
horizon = "2 ms"
"#;

fn emucell(recipe: &Path, out: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_emucell"));
    command.env("OMP_NUM_THREADS", "1").arg("train").arg(recipe).arg("--out").arg(out).arg("--json");
    command
}

#[test]
fn an_interrupted_training_goes_on_when_run_again() {
    let folder = tempfile::tempdir().unwrap();
    let recipe = folder.path().join("recipe.toml");
    let out = folder.path().join("out");
    std::fs::write(&recipe, RECIPE.replace("ITERATIONS", "3000")).unwrap();
    let child = emucell(&recipe, &out).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // The folder is made just before the first iteration.
    let started = Instant::now();
    while !out.exists() && started.elapsed() < Duration::from_secs(60) {
        std::thread::sleep(Duration::from_millis(5));
    }
    std::thread::sleep(Duration::from_millis(100));
    // SAFETY: kill sends a signal to the child, which is not waited for yet and so still exists.
    unsafe { libc::kill(child.id() as libc::pid_t, libc::SIGINT) };
    let output = child.wait_with_output().unwrap();
    let messages = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(130), "{messages}");
    assert!(messages.contains("interrupted") && messages.contains("same command"), "{messages}");
    assert!(out.join("checkpoint").exists() && !out.join("surrogate.onnx").exists());

    for was_finished in [false, true] {
        let output = emucell(&recipe, &out).output().unwrap();
        let messages = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{messages}");
        let result: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(result["was_finished"], was_finished);
        assert_eq!(result["iterations"], 3000);
        assert!(result["evaluation"]["exact"]["mean_absolute"].as_f64().unwrap() < 0.5);
    }
}

#[test]
fn faults_are_one_line_on_stderr_and_nothing_on_stdout() {
    let folder = tempfile::tempdir().unwrap();
    let recipe = folder.path().join("recipe.toml");
    std::fs::write(&recipe, RECIPE.replace("ITERATIONS", "-1")).unwrap();
    for arguments in [&[][..], &["--device", "gpu"], &["--threads", "0"]] {
        let output = emucell(&recipe, &folder.path().join("out")).args(arguments).output().unwrap();
        let messages = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1));
        assert!(output.stdout.is_empty());
        assert_eq!(messages.trim_end().lines().count(), 1, "{messages}");
        assert!(messages.starts_with("error: "), "{messages}");
    }
}
