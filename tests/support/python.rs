//! Counterparts in Python, with the packages that `make setup` prepares, and numbers to and from them.

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

/// Writes single-precision numbers without a header.
pub fn write_numbers(path: &Path, numbers: &[f32]) {
    std::fs::write(path, numbers.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>()).unwrap();
}

/// Reads them.
pub fn read_numbers(path: &Path) -> Vec<f32> {
    let bytes = std::fs::read(path).unwrap();
    bytes.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect()
}
