//! The Python that `make setup` prepares.

use std::path::Path;
use std::process::Command;

/// Runs a script of `tests/python`.
pub fn run(script: &str, arguments: &[&Path]) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let program = root.join(".python/bin/python");
    assert!(program.exists(), "{} is missing: run `make setup`", program.display());
    let output = Command::new(program).arg(root.join("tests/python").join(script)).args(arguments).output();
    let output = output.expect("the Python of the tests starts");
    assert!(output.status.success(), "{script}:\n{}", String::from_utf8_lossy(&output.stderr));
}
