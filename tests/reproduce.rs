//! `emucell reproduce` as a user runs it, with seconds instead of hours.
#![cfg(all(feature = "train", feature = "cli"))]

use std::path::Path;
use std::process::Command;

fn emucell(out: &Path, arguments: &[&str]) -> std::process::Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_emucell"));
    command.arg("reproduce").arg("-o").arg(out).args(arguments).output().unwrap()
}

#[test]
fn a_small_study_stands_beside_the_published_figures_and_is_not_repeated() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = [
        "--budget",
        "0.05",
        "--jobs",
        "2",
        "--problems",
        "a,d",
        "--methods",
        "ddnn,itnn",
        "--samples",
        "1k",
        "--json",
    ];
    let output = emucell(folder.path(), &arguments);
    let messages = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{messages}");
    let study: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let rows = study["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 2, "{study:#}");
    for (row, (problem, method)) in rows.iter().zip([("A", "ddnn"), ("D", "itnn")]) {
        assert_eq!((row["problem"].as_str(), row["method"].as_str()), (Some(problem), Some(method)));
        let ending = &row["trial"]["ending"];
        assert_eq!(ending["status"], "trained", "{row:#}");
        assert!(ending["mean_absolute"].as_f64().unwrap() < 0.3, "{row:#}");
        assert!(ending["seconds"].as_f64().unwrap() < 10.0, "{row:#}");
    }
    assert_eq!(rows[0]["published"]["best"], 3.3e-4);
    assert_eq!(study["left_out"].as_array().unwrap().len(), 2);
    let markdown = std::fs::read_to_string(folder.path().join("study.md")).unwrap();
    for part in ["| A | ddnn | 1k |", "3.3e-4 / 1.1e-3", "- itnn of A: ", "- ddnn of D: ", "seed 1"] {
        assert!(markdown.contains(part), "{part} is missing in: {markdown}");
    }
    let csv = std::fs::read_to_string(folder.path().join("study.csv")).unwrap();
    assert_eq!(csv.lines().count(), 3, "{csv}");
    assert!(std::fs::read_to_string(folder.path().join("study.html")).unwrap().contains("Left out"));

    let again = emucell(folder.path(), &arguments);
    let messages = String::from_utf8(again.stderr).unwrap();
    assert_eq!(messages.matches("done before").count(), 2, "{messages}");
    assert_eq!(again.stdout, output.stdout);
}

#[test]
fn a_study_that_cannot_be_done_is_refused_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    for (arguments, what) in [
        (["--budget", "0.01", "--jobs", "1"], "at least"),
        (["--budget", "-1", "--jobs", "1"], "--budget"),
        (["--budget", "1", "--methods", "magic"], "use some of ddnn"),
        (["--budget", "1", "--problems", "x"], "unknown problem"),
    ] {
        let output = emucell(&out, &arguments);
        let messages = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && messages.contains(what), "{arguments:?}: {messages}");
        assert!(!out.exists());
    }
}
