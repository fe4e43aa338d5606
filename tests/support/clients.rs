//! The C and C++ clients that run on surrogate files, whatever library they are linked with.

use super::c_compiler::Language;

/// A client program, and the surrogate files that it gets as arguments.
#[derive(Clone, Copy, Debug)]
pub struct ClientProgram {
    /// Source file, relative to the repository.
    pub source: &'static str,
    /// Its language.
    pub language: Language,
    /// Names of surrogate files.
    pub surrogates: &'static [&'static str],
    /// It replaces the C library's malloc, which memory checkers do, too.
    pub has_own_malloc: bool,
}

const C: ClientProgram =
    ClientProgram { source: "", language: Language::C, surrogates: &[], has_own_malloc: false };
const THREE: &[&str] = &["fhn_euler_coarse", "fhn_euler_threshold", "formula_network"];

/// All of them.
pub const CLIENTS: &[ClientProgram] = &[
    ClientProgram { source: "tests/c/conformance.c", surrogates: THREE, ..C },
    ClientProgram { source: "tests/c/layouts.c", surrogates: &["fhn_euler_coarse"], ..C },
    ClientProgram { source: "tests/c/guards.c", surrogates: THREE, ..C },
    ClientProgram {
        source: "tests/c/verified.c",
        surrogates: &["fhn_euler_coarse", "fhn_euler_verified", "fhn_euler_not_verified"],
        ..C
    },
    ClientProgram { source: "tests/c/bad_input.c", surrogates: THREE, ..C },
    ClientProgram { source: "tests/c/bad_memory.c", surrogates: THREE, ..C },
    ClientProgram {
        source: "tests/c/damaged_files.c",
        surrogates: &["fhn_euler_coarse", "formula_network"],
        ..C
    },
    ClientProgram {
        source: "tests/c/changed_files.c",
        surrogates: &["fhn_euler_coarse", "formula_network"],
        ..C
    },
    ClientProgram {
        source: "tests/c/derivatives.c",
        surrogates: &["fhn_euler_coarse", "formula_network"],
        ..C
    },
    ClientProgram {
        source: "tests/c/times.c",
        surrogates: &["formula_network", "fhn_euler_coarse", "decay"],
        ..C
    },
    ClientProgram { source: "tests/c/threads.c", surrogates: &["fhn_euler_coarse", "formula_network"], ..C },
    ClientProgram {
        source: "tests/c/allocations.c",
        surrogates: &["fhn_euler_coarse", "formula_network"],
        has_own_malloc: true,
        ..C
    },
    ClientProgram {
        source: "tests/c/host_state.c",
        surrogates: &["fhn_euler_coarse", "formula_network"],
        ..C
    },
    ClientProgram { source: "tests/abi/client_0_1.c", surrogates: THREE, ..C },
    ClientProgram { source: "tests/cpp/wrapper.cpp", language: Language::Cpp, surrogates: THREE, ..C },
    ClientProgram {
        source: "tests/cpp/times.cpp",
        language: Language::Cpp,
        surrogates: &["euler_twice", "formula_network", "decay"],
        ..C
    },
    ClientProgram {
        source: "tests/cpp/sessions.cpp",
        language: Language::Cpp,
        surrogates: &["fhn_euler_threshold", "formula_network"],
        ..C
    },
];

/// The client with this file name.
pub fn client(name: &str) -> &'static ClientProgram {
    let found = CLIENTS.iter().find(|client| client.source.ends_with(&format!("/{name}")));
    found.unwrap_or_else(|| panic!("{name} is not in the list of clients"))
}
