//! Training data that Python wrote, in every layout: the same numbers, the same training.
#![cfg(feature = "train")]

use std::path::Path;
use std::process::Command;

use emucell::train::recipe::{Options, Recipe, Trained, run};

const RECIPE: &str = r#"
seed = 5
[surrogate]
kind = "solution_map"
problem = "c"
[data]
training_file = "FILE"
[network]
hidden = [["tanh", 8]]
[[loss]]
kind = "data"
batch = 32
[stop]
iterations = 60
validate_every = 20
[evaluation]
cells = 3
"#;

fn trained(folder: &Path, file: &str) -> emucell::Result<Trained> {
    tch::set_num_threads(1);
    let path = folder.join("recipe.toml");
    std::fs::write(&path, RECIPE.replace("FILE", file)).unwrap();
    let options = Options {
        folder: folder.join("out").join(file),
        device: tch::Device::Cpu,
        n_threads: 1,
        force: false,
        interrupt: None,
        on_progress: None,
    };
    run(&Recipe::load(&path)?, options)
}

#[test]
fn python_s_files_are_training_data_in_every_layout() {
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join(".python/bin/python");
    if !python.exists() {
        assert!(std::env::var_os("CI").is_none(), "{} is missing: run make setup", python.display());
        eprintln!("skipped: {} is missing; run make setup", python.display());
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let numbers = (0..300).flat_map(|i| {
        let [t, u, w, k] = [7, 13, 29, 41].map(|n| f64::from(i * n % 101) / 101.0);
        [20.0 * t, 0.9 * u - 0.1, 0.12 * w, k, (3.0 * t).sin() * u + k, w * (1.0 - t)]
    });
    let bytes: Vec<u8> = numbers.flat_map(f64::to_le_bytes).collect();
    std::fs::write(folder.join("table"), bytes).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/save_data.py");
    let output = Command::new(python).arg(script).arg(folder).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));

    let expected = trained(folder, "plain.npz").unwrap().best_validation;
    assert!(expected > 0.0 && expected < 1.0, "{expected}");
    for file in ["packed.npz", "matrix.npy", "dictionary.pt", "tensor.pt", "table.csv", "papers"] {
        let given = trained(folder, file).unwrap().best_validation;
        assert_eq!(given, expected, "{file}");
    }
    for (file, wanted) in [
        ("short", &["V.npy", "7 numbers where t has 9"][..]),
        ("out", &["none of the files T, U", "out"]),
        ("narrow.npy", &["no column \"t\"", "narrow.npy", "column_0"]),
        ("other_names.npz", &["no column \"t\"", "time, u"]),
        ("nothing.csv", &["nothing.csv", "check the path"]),
        ("table", &[".csv, .npy, .npz or .pt"]),
    ] {
        let message = trained(folder, file).map(|_| ()).unwrap_err().to_string();
        for part in wanted {
            assert!(message.contains(part), "{file}: \"{part}\" is missing in: {message}");
        }
        assert!(!folder.join("out").join(file).exists(), "training started on {file}");
    }
}
