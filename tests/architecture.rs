//! Who may use whom: the arrows of ARCHITECTURE.md, checked against the `use crate::…` in src.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Each module of `src` and the modules that it may use beside itself.
const MAY_USE: &[(&str, &[&str])] = &[
    ("error", &[]),
    ("float_environment", &[]),
    ("activation", &["error"]),
    ("view", &["error"]),
    ("program", &["activation", "error"]),
    ("surrogate", &["program", "error"]),
    ("kernels", &["activation", "view", "error"]),
    ("format", &["surrogate", "program", "activation", "error"]),
    // The backend's GPUs, for solvers there.
    ("cell_model", &["backend", "view", "error"]),
    (
        "backend",
        &["format", "surrogate", "program", "kernels", "activation", "view", "float_environment", "error"],
    ),
    ("session", &["backend", "cell_model", "format", "surrogate", "view", "error"]),
    ("dataset", &["cell_model", "format", "view", "error"]),
    ("train", &["dataset", "surrogate", "program", "activation", "format", "cell_model", "view", "error"]),
    (
        "report",
        &[
            "session",
            "backend",
            "kernels",
            "cell_model",
            "dataset",
            "format",
            "surrogate",
            "program",
            "view",
            "error",
        ],
    ),
    // Taking cell models apart: from asking a step function to a surrogate that is proved against it.
    ("step_function", &["error"]),
    ("model_library", &["step_function", "error"]),
    ("protocol", &["step_function", "error"]),
    ("harvest", &["protocol", "step_function", "dataset", "format", "error"]),
    ("structure", &["step_function", "harvest", "report", "error"]),
    (
        "distill",
        &[
            "structure",
            "harvest",
            "protocol",
            "verify",
            "step_function",
            "train",
            "surrogate",
            "program",
            "activation",
            "session",
            "format",
            "view",
            "error",
        ],
    ),
    ("verify", &["protocol", "step_function", "session", "surrogate", "report", "format", "view", "error"]),
    ("search", &["train", "dataset", "report", "format", "surrogate", "program", "error"]),
    ("reproduce", &["search", "train", "dataset", "report", "format", "error"]),
    ("capi", &["session", "format", "surrogate", "view", "float_environment", "error"]),
    ("cxx_bridge", &["session", "format", "surrogate", "view", "error"]),
    // Thin, over the public interface of everything.
    (
        "cli",
        &[
            "activation",
            "session",
            "format",
            "surrogate",
            "program",
            "kernels",
            "cell_model",
            "dataset",
            "train",
            "search",
            "reproduce",
            "report",
            "step_function",
            "model_library",
            "protocol",
            "harvest",
            "structure",
            "distill",
            "verify",
            "view",
            "error",
        ],
    ),
];

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

/// The modules named in `crate::module` in the code of `text`, tests excluded. `use crate::{…}`,
/// which would hide what it names, shows up as a module called `{`.
fn used_modules(text: &str) -> Vec<String> {
    let code = text.split("#[cfg(test)]").next().unwrap();
    let mut modules = Vec::new();
    for line in code.lines().filter(|line| !line.trim_start().starts_with("//")) {
        for rest in line.split("crate::").skip(1) {
            let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len());
            modules.push(if rest.starts_with('{') { "{" } else { &rest[..end] }.to_owned());
        }
    }
    modules.retain(|name| name.starts_with(|c: char| c.is_lowercase() || c == '{'));
    modules
}

#[test]
fn modules_use_only_what_lies_below_them() {
    let allowed: BTreeMap<&str, &[&str]> = MAY_USE.iter().copied().collect();
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&src, &mut files);
    let mut faults = Vec::new();
    for file in files {
        let relative = file.strip_prefix(&src).unwrap();
        let first = relative.components().next().unwrap().as_os_str().to_string_lossy().into_owned();
        let module = first.trim_end_matches(".rs");
        if matches!(module, "lib" | "bin") || relative.ends_with("tests.rs") {
            continue;
        }
        let Some(below) = allowed.get(module) else {
            faults.push(format!("module {module} has no entry in this test"));
            continue;
        };
        for used in used_modules(&std::fs::read_to_string(&file).unwrap()) {
            if used != module && !below.contains(&used.as_str()) {
                faults.push(format!("{} uses {used}", relative.display()));
            }
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn the_check_sees_what_code_uses_and_not_what_comments_name() {
    let text = "use crate::view::View;\n// crate::train\nlet x = crate::error::Error::new(crate::kernels::TILE);\nuse crate::{a, b};\n";
    assert_eq!(used_modules(text), ["view", "error", "kernels", "{"]);
}
