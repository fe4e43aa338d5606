//! Trainings that are killed, or that find the disk full: nothing is lost but the work since the last checkpoint, and
//! the same weights come out in the end.
#![cfg(all(feature = "train", feature = "cli", unix))]

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Everything that depends on the iteration: batches, noise, growing horizon, plateaus, two losses.
const RECIPE: &str = r#"
seed = 9
[surrogate]
kind = "step_map"
problem = "d"
dt = "1 ms"
[data]
pairs = 900
along = 3
[network]
hidden = [["rrelu", 8], ["tanh", 8]]
form = "residual"
[[loss]]
kind = "rollout"
horizon = 3
noise = 0.01
batch = 32
[[loss]]
kind = "data"
batch = 32
[schedule]
kind = "plateau"
factor = 0.5
patience = 2
[stop]
iterations = 1200
validate_every = 100
checkpoint_every = "0.05 s"
[validation]
cells = 8
horizon = "5 ms"
[evaluation]
cells = 4
horizon = "5 ms"
"#;

fn train(recipe: &Path, out: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_emucell"));
    command.env("OMP_NUM_THREADS", "1").arg("train").arg(recipe).arg("--out").arg(out).arg("--json");
    command.stdout(Stdio::null()).stderr(Stdio::piped());
    command
}

fn succeeds(mut command: Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// The weights, and what `losses.csv` says without its seconds.
fn result(out: &Path) -> (Vec<u8>, Vec<String>) {
    let losses = std::fs::read_to_string(out.join("losses.csv")).unwrap();
    let losses = losses.lines().map(|line| line.rsplit_once(',').unwrap().0.to_owned()).collect();
    (std::fs::read(out.join("best_model.pth")).unwrap(), losses)
}

fn wait_for(what: &str, mut happened: impl FnMut() -> bool) {
    let started = Instant::now();
    while !happened() {
        assert!(started.elapsed() < Duration::from_secs(120), "waited too long for {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn a_training_killed_at_any_time_goes_on_to_the_same_weights() {
    let folder = tempfile::tempdir().unwrap();
    let recipe = folder.path().join("recipe.toml");
    std::fs::write(&recipe, RECIPE).unwrap();
    let (whole, killed) = (folder.path().join("whole"), folder.path().join("killed"));
    succeeds(train(&recipe, &whole));

    let checkpoint = killed.join("checkpoint");
    let mut seen: Option<Vec<u8>> = None;
    for milliseconds in [0, 31, 7, 83, 52] {
        let mut child = train(&recipe, &killed).spawn().unwrap();
        // At a random time after the run's own first checkpoint: even a quick machine is not done by then.
        wait_for("a checkpoint", || {
            let now = std::fs::read(&checkpoint).ok();
            let written = now.is_some() && now != seen;
            written || child.try_wait().unwrap().is_some()
        });
        std::thread::sleep(Duration::from_millis(milliseconds));
        // Not a signal that it could catch.
        child.kill().unwrap();
        child.wait().unwrap();
        seen = std::fs::read(&checkpoint).ok();
        assert!(seen.is_some(), "no checkpoint was left");
    }
    succeeds(train(&recipe, &killed));
    assert!(result(&whole) == result(&killed), "the resumed training has another result");
}

#[test]
fn a_full_disk_costs_no_more_than_the_work_since_the_last_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    let recipe = folder.path().join("recipe.toml");
    std::fs::write(&recipe, RECIPE).unwrap();
    let (whole, full) = (folder.path().join("whole"), folder.path().join("full"));
    succeeds(train(&recipe, &whole));

    let checkpoint = full.join("checkpoint");
    let mut child = train(&recipe, &full).spawn().unwrap();
    wait_for("a checkpoint", || checkpoint.exists() || child.try_wait().unwrap().is_some());
    child.kill().unwrap();
    child.wait().unwrap();
    let kept = std::fs::read(&checkpoint).unwrap();

    // No file may grow beyond 512 bytes: writing fails as on a full disk.
    let mut limited = Command::new("sh");
    limited.args(["-c", "trap '' XFSZ; ulimit -f 1; exec \"$@\"", "sh"]);
    let own = train(&recipe, &full);
    limited.arg(own.get_program()).args(own.get_args()).env("OMP_NUM_THREADS", "1");
    let output = limited.output().unwrap();
    let message = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{message}");
    let last = message.lines().last().unwrap_or_default();
    assert!(last.starts_with("error: ") && last.contains("File too large"), "{message}");
    assert_eq!(std::fs::read(&checkpoint).unwrap(), kept, "the checkpoint changed");

    succeeds(train(&recipe, &full));
    assert!(result(&whole) == result(&full), "the resumed training has another result");
}
