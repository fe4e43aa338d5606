//! The C library as a simulator gets it: built on its own, optimised, shared and static.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use super::surrogates;

/// The built library, and surrogate files to use it with.
pub struct SharedLibrary {
    /// Folder of `libemucell.so` and `libemucell.a`.
    pub folder: PathBuf,
    /// Folder for what the tests make.
    pub work: PathBuf,
}

impl SharedLibrary {
    /// Builds library and surrogate files, once a test program.
    pub fn get() -> &'static Self {
        static LIBRARY: OnceLock<SharedLibrary> = OnceLock::new();
        LIBRARY.get_or_init(|| {
            let work = Path::new(env!("CARGO_TARGET_TMPDIR")).join("shared_library");
            std::fs::create_dir_all(&work).unwrap();
            let target = work.join("target");
            build(&target, None);
            write_surrogates(&work);
            // Programs find the shared library by its SONAME.
            let folder = target.join("release");
            let soname = folder.join("libemucell.so.0");
            let _ = std::fs::remove_file(&soname);
            std::os::unix::fs::symlink("libemucell.so", soname).unwrap();
            Self { folder, work }
        })
    }

    /// Folder of a `libemucell.so` with those features instead of the usual ones, built into `name`.
    #[cfg(feature = "cuda")]
    #[allow(dead_code, reason = "not every test program builds one")]
    pub fn with_features(name: &str, features: &str) -> PathBuf {
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name).join("target");
        build(&target, Some(features));
        target.join("release")
    }

    /// A surrogate file by its name in [`write_surrogates`].
    pub fn surrogate(&self, name: &str) -> PathBuf {
        self.work.join(name).with_extension("onnx")
    }
}

/// `make build`, into a target folder of its own: Cargo's lock on the usual one is held while tests
/// run.
fn build(target: &Path, features: Option<&str>) {
    let mut command = Command::new("make");
    command
        .arg("build")
        .args(features.map(|list| format!("FEATURES={list}")))
        .current_dir(env!("CARGO_MANIFEST_DIR"));
    let output = command.env("CARGO", env!("CARGO")).env("CARGO_TARGET_DIR", target).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Writes the surrogate files that clients get into `folder`.
pub fn write_surrogates(folder: &Path) {
    let files = [
        // One Euler step of 0.1 ms, and ten of 0.01 ms.
        ("fhn_euler_coarse", surrogates::fhn_euler(1, 0.1)),
        ("fhn_euler_fine", surrogates::fhn_euler(10, 0.01)),
        ("fhn_euler_threshold", surrogates::fhn_euler_with_threshold(0.1)),
        ("formula_network", surrogates::formula_network()),
        ("fhn_euler_verified", surrogates::with_verification(&[])),
        ("euler_twice", surrogates::euler_twice()),
        ("decay", surrogates::decay()),
        ("fhn_euler_not_verified", surrogates::with_verification(&["apd90 3.2 % instead of 1 %"])),
    ];
    for (name, surrogate) in files {
        emucell::format::onnx::save(&folder.join(name).with_extension("onnx"), &surrogate).unwrap();
    }
}
