//! `emucell search` as a user runs it: killed and run again, with trials that fail, with bad recipes.
#![cfg(all(feature = "train", feature = "cli", unix))]

mod support;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use emucell::search::Search;
use support::c_compiler::has;

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
form = "residual"
[[loss]]
kind = "data"
batch = 64
[stop]
iterations = 1500
validate_every = 50
[evaluation]
cells = 10
horizon = "2 ms"
"#;

const GRID: &str = r#"
[search]
seeds = [1, 2]
[search.grid]
"network.hidden" = [[["tanh", 8]], [["relu", 16], ["tanh", 4]]]
"#;

fn emucell(recipe: &Path, out: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_emucell"));
    command.arg("search").arg(recipe).arg("--out").arg(out).arg("--json");
    command
}

/// What must not depend on when and how often a search was interrupted.
fn essence(table: &serde_json::Value) -> Vec<(String, String)> {
    let of = |row: &serde_json::Value| {
        let mut ending = row["ending"].clone();
        ending["seconds"] = serde_json::Value::Null;
        let what = ["trial", "architecture", "seed", "settings", "folder", "parameters", "multiply_adds"];
        (what.map(|key| row[key].to_string()).join(" "), ending.to_string())
    };
    table["rows"].as_array().unwrap().iter().map(of).collect()
}

fn succeed(command: &mut Command) -> serde_json::Value {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn a_search_that_was_killed_goes_on_to_the_same_table() {
    let folder = tempfile::tempdir().unwrap();
    let recipe = folder.path().join("recipe.toml");
    std::fs::write(&recipe, format!("{RECIPE}{GRID}")).unwrap();
    let whole = succeed(&mut emucell(&recipe, &folder.path().join("whole")));
    assert_eq!(whole["rows"].as_array().unwrap().len(), 4);
    for row in whole["rows"].as_array().unwrap() {
        assert_eq!(row["ending"]["status"], "trained", "{row}");
        assert!(row["ending"]["mean_absolute"].as_f64().unwrap() < 0.5, "{row}");
        assert!(row["nanoseconds"].as_f64().unwrap() > 0.0, "{row}");
    }
    assert_eq!(whole["rows"][0]["parameters"], 3 * 8 + 8 + 8 * 2 + 2);
    assert!(whole["rows"].as_array().unwrap().iter().any(|row| row["on_front"] == true));
    for file in ["table.csv", "table.json", "speed_accuracy.svg", "speed_accuracy.png", "search.html"] {
        assert!(folder.path().join("whole").join(file).exists(), "{file}");
    }

    // Ended by Ctrl-C once it has begun, and by force at other times, of which some lie within trials.
    let out = folder.path().join("killed");
    for (signal, milliseconds) in [(libc::SIGINT, 300), (libc::SIGKILL, 700), (libc::SIGKILL, 1100)] {
        let mut search = emucell(&recipe, &out).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let mut started = Instant::now();
        while !out.join("trials").exists() && started.elapsed() < Duration::from_secs(60) {
            std::thread::sleep(Duration::from_millis(5));
        }
        started = Instant::now();
        while started.elapsed() < Duration::from_millis(milliseconds) && search.try_wait().unwrap().is_none()
        {
            std::thread::sleep(Duration::from_millis(5));
        }
        // SAFETY: kill sends a signal to the child, whose number is its own until it is waited for below.
        unsafe { libc::kill(search.id() as libc::pid_t, signal) };
        let status = search.wait().unwrap();
        assert!(signal == libc::SIGKILL || matches!(status.code(), Some(0 | 130)), "{status:?}");
    }
    let again = succeed(&mut emucell(&recipe, &out));
    assert_eq!(essence(&again), essence(&whole));

    // Everything is there: nothing is trained again, and even the speeds stay.
    let output = emucell(&recipe, &out).output().unwrap();
    let messages = String::from_utf8(output.stderr).unwrap();
    assert_eq!(messages.matches("done before").count(), 4, "{messages}");
    assert_eq!(serde_json::from_slice::<serde_json::Value>(&output.stdout).unwrap(), again);
}

#[test]
fn a_trial_that_fails_is_a_row() {
    let folder = tempfile::tempdir().unwrap();
    let (recipe, out) = (folder.path().join("recipe.toml"), folder.path().join("out"));
    // A rate of 1e30 makes the first step overflow.
    let list = r#"
[[search.list]]
"network.hidden" = [["tanh", 4]]
[[search.list]]
"network.hidden" = [["relu", 4]]
"optimizer.rate" = 1e30
[[search.list]]
"network.hidden" = [["tanh", 5]]
"#;
    let text = format!("{RECIPE}{list}").replace("iterations = 1500", "iterations = 60");
    std::fs::write(&recipe, text).unwrap();
    let first = succeed(&mut emucell(&recipe, &out));
    let status: Vec<_> = (0..3).map(|i| first["rows"][i]["ending"]["status"].as_str().unwrap()).collect();
    assert_eq!(status, ["trained", "failed", "trained"], "{first:#}");
    let reason = first["rows"][1]["ending"]["reason"].as_str().unwrap();
    assert!(reason.contains("became"), "{reason}");
    let csv = std::fs::read_to_string(out.join("table.csv")).unwrap();
    assert_eq!(csv.lines().count(), 4);
    assert!(csv.lines().nth(2).unwrap().contains("failed"), "{csv}");

    // What crashed is tried again, what failed is not; both without the neighbours noticing.
    let trial = |i: usize| out.join(first["rows"][i]["folder"].as_str().unwrap());
    let crashed = r#"{"status": "crashed", "reason": "planted"}"#;
    std::fs::write(trial(2).join("trial.json"), crashed).unwrap();
    let second = emucell(&recipe, &out).output().unwrap();
    let messages = String::from_utf8(second.stderr).unwrap();
    assert_eq!(messages.matches("done before").count(), 2, "{messages}");
    let second: serde_json::Value = serde_json::from_slice(&second.stdout).unwrap();
    assert_eq!(essence(&second), essence(&first));
}

#[test]
fn faults_are_found_before_anything_is_trained() {
    let folder = tempfile::tempdir().unwrap();
    let (recipe, out) = (folder.path().join("recipe.toml"), folder.path().join("out"));
    for (section, what) in [
        ("", "without a section [search]"),
        ("[search.grid]\n\"network.hiden\" = [[[\"tanh\", 4]]]\n", "`hiden`"),
        ("[search.grid]\n\"network.hidden\" = [[[\"tanh\", 4]], [[\"tanh\", 0]]]\n", "width 0"),
    ] {
        std::fs::write(&recipe, format!("{RECIPE}{section}")).unwrap();
        let output = emucell(&recipe, &out).output().unwrap();
        let messages = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{messages}");
        assert_eq!(messages.trim_end().lines().count(), 1, "{messages}");
        assert!(messages.starts_with("error: ") && messages.contains(what), "{messages}");
        assert!(messages.contains("recipe.toml") && !out.exists(), "{messages}");
    }
    std::fs::write(&recipe, format!("{RECIPE}{GRID}")).unwrap();
    for (arguments, what) in [(["--jobs", "0"], "0 trials"), (["--device", "gpu"], "unknown device")] {
        let output = emucell(&recipe, &out).args(arguments).output().unwrap();
        let messages = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && messages.contains(what), "{messages}");
    }
}

#[test]
fn the_shipped_searches_are_well_formed() {
    let mut n = 0;
    for entry in std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("experiments")).unwrap() {
        let path = entry.unwrap().path();
        if path.file_name().unwrap().to_string_lossy().starts_with("search_") {
            assert!(Search::load(&path).unwrap().trials.len() > 1, "{}", path.display());
            n += 1;
        }
    }
    assert!(n > 0);
}

/// Four ranks share the trials: each is done once, and one rank writes the table.
#[test]
fn ranks_share_a_search() {
    if !cfg!(feature = "mpi") {
        eprintln!("skipped: built without the feature mpi");
        return;
    }
    if !has("mpirun") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (recipe, out) = (folder.path().join("recipe.toml"), folder.path().join("out"));
    let text = format!("{RECIPE}{GRID}").replace("iterations = 1500", "iterations = 300");
    std::fs::write(&recipe, text.replace("seeds = [1, 2]", "seeds = [1, 2, 3, 4, 5]")).unwrap();
    let ranked = |n: &str| {
        let mut command = Command::new("mpirun");
        // Containers are root's, and may have fewer cores than ranks.
        command.env("OMPI_ALLOW_RUN_AS_ROOT", "1").env("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1");
        command.args(["--oversubscribe", "-n", n]).arg(env!("CARGO_BIN_EXE_emucell"));
        command.arg("search").arg(&recipe).arg("--out").arg(&out).arg("--json").output().unwrap()
    };
    let output = ranked("4");
    let messages = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{messages}");
    let table: serde_json::Value = serde_json::from_slice(&output.stdout).expect("one table");
    let rows = table["rows"].as_array().unwrap();
    assert!(rows.len() == 10 && rows.iter().all(|row| row["ending"]["status"] == "trained"), "{table:#}");
    assert!(messages.contains("on 4 ranks"), "{messages}");
    let begun: Vec<&str> = messages.lines().filter(|line| line.ends_with("begins")).collect();
    assert_eq!(begun.len(), 10, "{messages}");
    assert_eq!(begun.iter().collect::<BTreeSet<_>>().len(), 10, "{messages}");

    // Another number of ranks goes on with what is there.
    let output = ranked("2");
    let messages = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success() && messages.matches("done before").count() == 10, "{messages}");
    assert_eq!(serde_json::from_slice::<serde_json::Value>(&output.stdout).unwrap(), table);
}
