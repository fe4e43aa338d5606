//! Memory and thread checkers over the C and C++ clients, with the library instrumented, too. Slow,
//! and in need of a nightly compiler and Valgrind: `make sanitize` runs them. Each checker must also
//! find the faults that `tests/c/planted.c` makes.

#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

mod support;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use support::c_compiler::{Client, Language, Linkage, has};
use support::clients::{CLIENTS, ClientProgram};
use support::shared_library::{SharedLibrary, write_surrogates};

const TARGET: &str = "x86_64-unknown-linux-gnu";
/// Runs a program for at most so many seconds: what a checker's scheduler makes wait for ever is to fail.
const LIMITED: [&str; 2] = ["timeout", "300"];

const PLANTED: ClientProgram = ClientProgram {
    source: "tests/c/planted.c",
    language: Language::C,
    surrogates: &["fhn_euler_coarse"],
    has_own_malloc: false,
};

/// A library with a checker, and how clients of it are compiled and run.
struct Checker {
    name: &'static str,
    library: PathBuf,
    linkage: Linkage,
    /// Flags of the client's compiler.
    flags: Vec<&'static str>,
    /// What runs the client, if it does not run itself.
    runner: &'static [&'static str],
    environment: &'static [(&'static str, &'static str)],
    work: PathBuf,
}

impl Checker {
    fn output(&self, client: &ClientProgram, arguments: &[&str]) -> Output {
        let &ClientProgram { source, language, surrogates, .. } = client;
        let (library, linkage, flags) = (&self.library, self.linkage, &self.flags);
        let program = Client { source, language, library, linkage, flags }.compile(&self.work);
        let mut words = LIMITED.iter().chain(self.runner).map(Path::new).chain([program.as_path()]);
        let mut command = Command::new(words.next().unwrap());
        command.args(words).args(surrogates.iter().map(|name| self.work.join(name).with_extension("onnx")));
        command.args(arguments).envs(self.environment.iter().copied());
        command.env_remove("LD_LIBRARY_PATH").output().unwrap()
    }

    /// Runs clients, in which nothing may be found.
    fn run(&self, clients: impl Iterator<Item = &'static ClientProgram>) {
        for client in clients {
            let start = std::time::Instant::now();
            let output = self.output(client, &[]);
            let printed = String::from_utf8_lossy(&output.stderr);
            assert!(
                output.status.success() && printed.is_empty(),
                "{}: {}\n{printed}",
                self.name,
                client.source
            );
            eprintln!("{}: {}, {:.1} s", self.name, client.source, start.elapsed().as_secs_f64());
        }
    }

    /// Makes sure that a planted fault is found.
    fn must_find(&self, fault: &str, words: &str) {
        let output = self.output(&PLANTED, &[fault]);
        let printed = String::from_utf8_lossy(&output.stderr);
        assert!(
            !output.status.success() && printed.contains(words),
            "{} does not find the planted {fault}: {}\n{printed}",
            self.name,
            output.status
        );
        eprintln!("{}: finds the planted {fault}", self.name);
    }
}

/// `program` of the nightly toolchain, whatever toolchain runs this test.
fn nightly(program: &str) -> Command {
    let mut command = Command::new(program);
    for name in ["RUSTUP_TOOLCHAIN", "RUSTC", "RUSTDOC", "CARGO"] {
        command.env_remove(name);
    }
    command.arg("+nightly");
    command
}

/// Folder of the nightly toolchain.
fn sysroot() -> Option<PathBuf> {
    let output = nightly("rustc").args(["--print", "sysroot"]).output().ok()?;
    let text = String::from_utf8(output.stdout).ok().filter(|_| output.status.success())?;
    Some(PathBuf::from(text.trim()))
}

/// A static library that the nightly compiler makes with `flags`: its folder, and one to work in. None if
/// there is no such compiler.
fn instrumented(name: &str, flags: &str, builds_std: bool) -> Option<(PathBuf, PathBuf)> {
    let source = "lib/rustlib/src/rust/library/Cargo.toml";
    if !sysroot().is_some_and(|folder| !builds_std || folder.join(source).exists()) {
        eprintln!(
            "SKIPPED: {name} sanitizer, which needs the nightly toolchain: scripts/nightly.sh rust-src"
        );
        return None;
    }
    let work = Path::new(env!("CARGO_TARGET_TMPDIR")).join("sanitize").join(name);
    std::fs::create_dir_all(&work).unwrap();
    let target = work.join("target");
    let build = ["rustc", "--release", "--lib", "--crate-type", "staticlib", "--target", TARGET];
    let mut command = nightly("cargo");
    command.args(build).args(builds_std.then_some("-Zbuild-std")).current_dir(env!("CARGO_MANIFEST_DIR"));
    let output = command.env("RUSTFLAGS", flags).env("CARGO_TARGET_DIR", &target).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    write_surrogates(&work);
    Some((target.join(TARGET).join("release"), work))
}

fn without_own_malloc() -> impl Iterator<Item = &'static ClientProgram> {
    CLIENTS.iter().filter(|client| !client.has_own_malloc)
}

#[test]
#[ignore = "make sanitize"]
fn address_leak_and_undefined_behaviour() {
    // Rust has no checker of undefined behaviour, but its assertions about unsafe code.
    let flags = "-Zsanitizer=address -Cdebug-assertions=on -Coverflow-checks=on";
    let Some((library, work)) = instrumented("address", flags, false) else { return };
    let checker = Checker {
        name: "address",
        library,
        linkage: Linkage::Static,
        flags: vec!["-g", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=undefined"],
        runner: &[],
        environment: &[("ASAN_OPTIONS", "detect_leaks=1:detect_stack_use_after_return=1")],
        work,
    };
    checker.must_find("overrun", "heap-buffer-overflow");
    checker.must_find("use_after_free", "heap-use-after-free");
    checker.must_find("leak", "LeakSanitizer: detected memory leaks");
    checker.must_find("overflow", "signed integer overflow");
    checker.run(without_own_malloc());
}

#[test]
#[ignore = "make sanitize"]
fn thread() {
    let Some((library, work)) = instrumented("thread", "-Zsanitizer=thread", true) else { return };
    // Of the two compilers' runtimes, Rust's: GCC's may be older than what Rust's code calls.
    let runtime =
        format!("{}/lib/rustlib/{TARGET}/lib/librustc-nightly_rt.tsan.a", sysroot().unwrap().display());
    let instead = "-Wl,--no-as-needed -lstdc++ -lm -lc -lgcc_s -lgcc -lpthread -ldl -lresolv -lrt";
    let mut flags = vec!["-g", "-O1", "-fsanitize=thread", "-nodefaultlibs"];
    flags.extend(["-Wl,--whole-archive", runtime.leak(), "-Wl,--no-whole-archive"]);
    flags.extend(instead.split(' '));
    let checker = Checker {
        name: "thread",
        library,
        linkage: Linkage::Static,
        flags,
        runner: &[],
        environment: &[("TSAN_OPTIONS", "halt_on_error=1")],
        work,
    };
    checker.must_find("race", "data race");
    // The others have one thread; a forked child may not start any in this checker.
    let with_threads =
        ["conformance.c", "guards.c", "derivatives.c", "threads.c", "sessions.cpp", "wrapper.cpp"];
    checker.run(CLIENTS.iter().filter(|c| with_threads.iter().any(|name| c.source.ends_with(name))));
}

#[test]
#[ignore = "make sanitize"]
fn valgrind() {
    if !has("valgrind") {
        return;
    }
    let library = SharedLibrary::get();
    let work = library.work.join("valgrind");
    std::fs::create_dir_all(&work).unwrap();
    write_surrogates(&work);
    let checker = Checker {
        name: "valgrind",
        library: library.folder.clone(),
        linkage: Linkage::Shared,
        flags: vec!["-g"],
        runner: &[
            "valgrind",
            "--quiet",
            // Threads that wait get their turn.
            "--fair-sched=yes",
            "--error-exitcode=99",
            "--leak-check=full",
            "--errors-for-leak-kinds=definite,indirect,possible",
            "--show-leak-kinds=definite,indirect,possible",
        ],
        environment: &[],
        work,
    };
    checker.must_find("overrun", "Invalid write");
    checker.must_find("uninitialised", "uninitialised value");
    checker.must_find("leak", "definitely lost");
    // Valgrind's processor knows no flush-to-zero and no traps.
    checker.run(without_own_malloc().filter(|client| !client.source.ends_with("host_state.c")));
}
