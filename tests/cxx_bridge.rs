//! The static library with the C++ bridge, as `make cxx` builds it.

#![cfg(all(target_os = "linux", target_pointer_width = "64"))]

mod support;

use std::path::{Path, PathBuf};
use std::process::Command;

use support::c_compiler::{Language, compiler, succeed};
use support::surrogates;

/// Compiles `source` with the bridge in `folder`, as the example's first comment says.
fn compile(source: &str, folder: &Path) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let program = folder.join(Path::new(source).file_stem().unwrap());
    let mut command = compiler(Language::Cpp);
    command.arg("-O2").arg("-I").arg(folder.join("include")).arg("-o").arg(&program);
    command.arg(root.join(source)).arg(folder.join("lib/libemucell_bridge.a"));
    succeed(command.args(["-pthread", "-ldl", "-lm"]));
    program
}

#[test]
fn client_and_example() {
    let work = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cxx_bridge");
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut make = Command::new("make");
    make.arg("cxx").current_dir(root).env("CARGO", env!("CARGO")).env("BRIDGE", &work);
    succeed(make.env("CARGO_TARGET_DIR", work.join("target")));

    let save = |name: &str, surrogate| {
        let path = work.join(name);
        emucell::format::onnx::save(&path, &surrogate).unwrap();
        path
    };
    let step_map = save("fhn_euler_threshold.onnx", surrogates::fhn_euler_with_threshold(0.1));
    let network = save("formula_network.onnx", surrogates::formula_network());
    let output = succeed(Command::new(compile("tests/cpp/bridge.cpp", &work)).arg(step_map).arg(network));
    let printed = [output.stdout, output.stderr].concat();
    assert!(printed.is_empty(), "{}", String::from_utf8_lossy(&printed));

    let example = compile("cpp_examples/05_static_cxx.cpp", &work);
    let output = succeed(Command::new(example).arg(root.join("models/fhn_cubic_step.onnx")));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("5 ms: u = 0.95") && text.contains("no stimulus"), "{text}");
}
