//! The library is started once a process: whatever goes wrong with it is seen in processes of
//! their own.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use emucell::format::onnx;

use super::support::{c_compiler, onnxruntime, surrogates};

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        onnx::save(&folder.path("network.onnx"), &surrogates::formula_network()).unwrap();
        std::fs::write(folder.path("x.csv"), "t,u,w\n1,0.5,0.1\n2,0.25,0\n").unwrap();
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// `emucell eval` on ONNX Runtime, the library being named by `variable` or `option`.
    fn eval(&self, variable: Option<&Path>, option: Option<&Path>) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_emucell"));
        command.arg("eval").arg(self.path("network.onnx")).arg("--input").arg(self.path("x.csv"));
        command.arg("--output").arg(self.path("y.npy")).args(["--backend", "onnxruntime"]);
        command.env_remove("EMUCELL_ONNXRUNTIME").env_remove("LD_LIBRARY_PATH");
        variable.map(|file| command.env("EMUCELL_ONNXRUNTIME", file));
        option.map(|file| command.arg("--onnxruntime").arg(file));
        command.output().unwrap()
    }

    fn fails(&self, variable: Option<&Path>, option: Option<&Path>) -> String {
        let output = self.eval(variable, option);
        let message = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{message}");
        assert!(message.starts_with("error: ") && message.lines().count() == 1, "{message}");
        message
    }

    /// A shared library made of C `text`.
    fn library(&self, name: &str, text: &str) -> PathBuf {
        let (source, library) = (self.path(name).with_extension("c"), self.path(name));
        std::fs::write(&source, text).unwrap();
        let mut command = c_compiler::compiler(c_compiler::Language::C);
        c_compiler::succeed(command.args(["-shared", "-fPIC", "-o"]).arg(&library).arg(source));
        library
    }
}

#[test]
fn the_library_is_named_by_option_or_variable() {
    let (folder, library) = (Folder::new(), onnxruntime::library());
    let elsewhere = folder.path("no_such_library.so");
    for (variable, option) in [
        (None, Some(&*library)),
        (Some(&*library), None),
        // The option counts more.
        (Some(&*elsewhere), Some(&*library)),
    ] {
        let output = folder.eval(variable, option);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn a_missing_library_says_what_to_install() {
    let folder = Folder::new();
    // Where the system has one, this is no test.
    let output = folder.eval(None, None);
    if !output.status.success() {
        let message = folder.fails(None, None);
        assert!(
            message.contains("no libonnxruntime.so") && message.contains("pip install onnxruntime"),
            "{message}"
        );
    }
    for named in [folder.path("no_such_library.so"), folder.path("x.csv")] {
        for message in [folder.fails(Some(&named), None), folder.fails(None, Some(&named))] {
            assert!(message.contains(named.to_str().unwrap()), "{message}");
            assert!(message.contains("EMUCELL_ONNXRUNTIME"), "{message}");
        }
    }
}

#[test]
fn a_library_of_another_version_or_kind_is_refused() {
    let folder = Folder::new();
    let old = folder.library(
        "libold.so",
        "struct base { const void *(*get)(unsigned); const char *(*version)(void); };\n\
         static const void *get(unsigned v) { (void)v; return 0; }\n\
         static const char *version(void) { return \"1.17.3\"; }\n\
         static const struct base base = {get, version};\n\
         const struct base *OrtGetApiBase(void);\n\
         const struct base *OrtGetApiBase(void) { return &base; }\n",
    );
    let message = folder.fails(Some(&old), None);
    assert!(message.contains("version 1.17.3") && message.contains("1.23 or later"), "{message}");
    let other = folder.library("libother.so", "int something(void);\nint something(void) { return 1; }\n");
    let message = folder.fails(None, Some(&other));
    assert!(message.contains("another library") && message.contains("libother.so"), "{message}");
}

/// The output of `emucell bench` with `arguments`, which succeeds.
fn bench(folder: &Folder, arguments: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_emucell"));
    command.arg("bench").arg(folder.path("network.onnx")).args(["--batch", "1,2000"]).args(arguments);
    let output = command.env("EMUCELL_ONNXRUNTIME", onnxruntime::library()).output().unwrap();
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{message}");
    format!("{}{message}", String::from_utf8(output.stdout).unwrap())
}

#[test]
fn backends_are_measured_side_by_side_and_the_missing_listed() {
    let folder = Folder::new();
    let (csv, plot) = (folder.path("speed.csv"), folder.path("speed.svg"));
    let backends = ["--backends", "native,onnxruntime,tensorrt", "--instruction-sets", "scalar"];
    let files = ["--csv", csv.to_str().unwrap(), "--plot", plot.to_str().unwrap()];
    let text = bench(&folder, &[&backends[..], &files].concat());
    assert!(text.contains("tensorrt: ") && text.contains("without its TensorRT provider"), "{text}");
    let csv = std::fs::read_to_string(csv).unwrap();
    assert_eq!(csv.lines().count(), 1 + 2 * 2, "{csv}");
    // Same accuracy, so that the times are compared.
    assert!(csv.lines().skip(1).all(|line| !line.ends_with(',')), "{csv}");
    assert!(std::fs::read_to_string(plot).unwrap().contains("onnxruntime cpu f32, 1 thread"));

    let json = bench(&folder, &["--backends", "onnxruntime", "--threads", "1,2", "--json"]);
    let objects: Vec<serde_json::Map<String, serde_json::Value>> = serde_json::from_str(&json).unwrap();
    assert_eq!(objects.len(), 4);
    for object in objects {
        assert_eq!(
            (object["backend"].as_str(), object["device"].as_str()),
            (Some("onnxruntime"), Some("cpu"))
        );
        assert!(object["max_abs_error"].as_f64().unwrap() < 1e-6);
        let speed = object["batch"].as_f64().unwrap() / object["seconds_median"].as_f64().unwrap();
        assert!((speed / object["evaluations_per_second"].as_f64().unwrap() - 1.0).abs() < 1e-9);
    }
}

#[test]
fn an_engine_needs_the_libraries_of_tensorrt() {
    let folder = Folder::new();
    let mut command = Command::new(env!("CARGO_BIN_EXE_emucell"));
    command.arg("build-engine").arg(folder.path("network.onnx")).arg("-o").arg(folder.path("engines"));
    let output = command.arg("--onnxruntime").arg(onnxruntime::library()).output().unwrap();
    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{message}");
    assert!(message.contains("without its TensorRT provider") && message.lines().count() == 1, "{message}");
    assert!(!folder.path("engines").exists());
}
