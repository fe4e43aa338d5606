//! Compiling and running C and C++ clients.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Language standard of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// C99 with POSIX threads.
    C,
    /// C++17.
    Cpp,
    /// C++20, which has spans of its own.
    Cpp20,
}

/// Which of the two libraries a client is linked with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Linkage {
    /// `libemucell.so`, found at run time by an rpath.
    Shared,
    /// `libemucell.a`.
    Static,
    /// None: it loads the shared one itself.
    Loaded,
}

/// A client program to compile.
#[derive(Debug)]
pub struct Client<'a> {
    /// Source file, relative to the repository.
    pub source: &'a str,
    /// Its language.
    pub language: Language,
    /// Folder of the library.
    pub library: &'a Path,
    /// Which library.
    pub linkage: Linkage,
    /// More flags for the compiler.
    pub flags: &'a [&'a str],
}

impl Client<'_> {
    /// Compiles the client into `folder`; any warning is an error.
    pub fn compile(&self, folder: &Path) -> PathBuf {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let name = Path::new(self.source).file_stem().unwrap().to_str().unwrap();
        let program = folder.join(format!("{name}_{:?}_{:?}", self.language, self.linkage).to_lowercase());
        let mut command = compiler(self.language);
        command
            .arg("-O2")
            .args(self.flags)
            .arg("-I")
            .arg(root.join("include"))
            .arg(root.join(self.source))
            .arg("-o")
            .arg(&program);
        match self.linkage {
            Linkage::Shared => {
                command.arg("-L").arg(self.library).arg("-lemucell");
                command.arg(format!("-Wl,-rpath,{}", self.library.display()));
            }
            Linkage::Static => {
                command.arg(self.library.join("libemucell.a")).arg("-ldl");
            }
            Linkage::Loaded => {
                command.arg("-ldl");
            }
        }
        succeed(command.args(["-lm", "-pthread"]));
        program
    }
}

/// The compiler with the warnings that clients must not cause.
pub fn compiler(language: Language) -> Command {
    let mut command = match language {
        Language::C => Command::new("gcc"),
        Language::Cpp | Language::Cpp20 => Command::new("g++"),
    };
    // No fused multiply-adds: what clients expect must not depend on the machine.
    command.args(["-Wall", "-Wextra", "-Wpedantic", "-Werror", "-ffp-contract=off"]);
    command.arg(match language {
        Language::C => "-std=c99",
        Language::Cpp => "-std=c++17",
        Language::Cpp20 => "-std=c++20",
    });
    command
}

/// Runs `command`, which must succeed, and gives its output.
pub fn succeed(command: &mut Command) -> Output {
    // Cargo's own search path must not decide which library is found.
    let output = command.env_remove("LD_LIBRARY_PATH").output().unwrap();
    assert!(
        output.status.success(),
        "{command:?}\n{}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

/// Whether `program` is installed. In continuous integration, and where EMUCELL_REQUIRE_ALL is set, it must be: a
/// test that skips itself there would look as if it had passed.
pub fn has(program: &str) -> bool {
    let found = Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success());
    let required = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    assert!(
        found || !(required("CI") || required("EMUCELL_REQUIRE_ALL")),
        "no {program} here: `scripts/setup.sh packages` installs it"
    );
    if !found {
        eprintln!("no {program} here: this test is skipped");
    }
    found
}
