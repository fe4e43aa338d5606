//! Fortran: the modules say what emucell.h says, and a client that uses all of them.

#![cfg(all(target_os = "linux", target_pointer_width = "64"))]

mod support;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use support::c_compiler::{has, succeed};
use support::shared_library::SharedLibrary;

const HEADER: &str = include_str!("../include/emucell.h");
const MODULE: &str = include_str!("../fortran/emucell_c.f90");

fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("fortran").join(name);
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// Compiles the modules and `source` in `folder` and links them with the shared library.
fn compile(folder: &Path, source: &Path) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let library = &SharedLibrary::get().folder;
    let mut command = Command::new("gfortran");
    command.current_dir(folder).args(["-std=f2018", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-O2"]);
    // Bounds and pointers are checked as well.
    command.args(["-fcheck=all", "-o", "program"]);
    command.args(["emucell_c.f90", "emucell.f90"].map(|file| root.join("fortran").join(file))).arg(source);
    command.arg("-L").arg(library).arg("-lemucell").arg(format!("-Wl,-rpath,{}", library.display()));
    succeed(&mut command);
    folder.join("program")
}

/// The structs of the header and their fields.
fn structs() -> Vec<(&'static str, Vec<&'static str>)> {
    let mut found = Vec::new();
    for text in HEADER.split("typedef struct ").skip(1) {
        let Some((name, body)) = text.split_once(" {\n") else { continue };
        // Opaque types have no body of their own.
        if name.contains(';') {
            continue;
        }
        let body = body.split("\n}").next().unwrap();
        let fields = body.lines().map(str::trim).filter(|line| !line.starts_with("//"));
        let name_of = |line: &'static str| Some(line.strip_suffix(';')?.rsplit([' ', '*']).next().unwrap());
        found.push((name, fields.filter_map(name_of).collect()));
    }
    found
}

/// The numbers of the header: `#define`s and the values of its enum.
fn numbers() -> Vec<(&'static str, i64)> {
    let mut found = Vec::new();
    for line in HEADER.lines() {
        let pair = match line.strip_prefix("#define ") {
            Some(define) => define.split_once(' '),
            None => line.trim().strip_suffix(',').and_then(|value| value.split_once(" = ")),
        };
        if let Some((name, Ok(value))) = pair.map(|(name, value)| (name, value.parse())) {
            found.push((name, value));
        }
    }
    // The library's version, not the module's.
    found.retain(|(name, _)| !name.starts_with("EMUCELL_VERSION"));
    found
}

/// A Fortran program is made from the header, and what it prints becomes assertions in C: whatever
/// the modules lack, or have elsewhere, does not compile.
#[test]
fn types_and_numbers_are_those_of_the_header() {
    if !has("gfortran") {
        return;
    }
    let folder = folder("layout");
    let (structs, numbers) = (structs(), numbers());
    assert!(structs.len() >= 4 && numbers.len() >= 25, "{structs:?} {numbers:?}");
    let mut program = "program layout\nuse emucell\nimplicit none\n".to_owned();
    for (name, _) in &structs {
        writeln!(program, "type({name}), target :: the_{name}").unwrap();
    }
    for (name, fields) in &structs {
        let object = format!("the_{name}");
        writeln!(program, "print '(a,i0)', 'sizeof({name}) == ', c_sizeof({object})").unwrap();
        for field in fields {
            writeln!(program, "print '(a,i0)', 'sizeof((({name} *)0)->{field}) == ', &").unwrap();
            writeln!(program, "c_sizeof({object}%{field})").unwrap();
            writeln!(program, "print '(a,i0)', 'offsetof({name}, {field}) == ', &").unwrap();
            writeln!(program, "address(c_loc({object}%{field})) - address(c_loc({object}))").unwrap();
        }
    }
    for (name, value) in numbers {
        let name = name.replace("EMUCELL_ABI_VERSION", "EMUCELL_HEADER_ABI_VERSION");
        writeln!(program, "if ({name} /= {value}) error stop '{name}'").unwrap();
    }
    program += "contains\ninteger(c_intptr_t) function address(place)\ntype(c_ptr), intent(in) :: place\n\
                address = transfer(place, address)\nend function\nend program\n";
    std::fs::write(folder.join("layout.f90"), program).unwrap();
    let program = compile(&folder, Path::new("layout.f90"));
    let text = String::from_utf8(succeed(&mut Command::new(program)).stdout).unwrap();

    let mut assertions = "#include \"emucell.h\"\n".to_owned();
    for line in text.lines() {
        writeln!(assertions, "_Static_assert({line}, \"{line}\");").unwrap();
    }
    std::fs::write(folder.join("layout.c"), assertions).unwrap();
    let include = Path::new(env!("CARGO_MANIFEST_DIR")).join("include");
    succeed(
        Command::new("gcc")
            .args(["-std=c11", "-fsyntax-only", "-I"])
            .arg(include)
            .arg(folder.join("layout.c")),
    );
}

/// Init functions whose macros say the struct's size are the modules' own.
#[test]
fn every_function_of_the_abi_is_there() {
    for name in include_str!("abi/symbols.txt").lines() {
        let own = HEADER.contains(&format!("#define {name}("));
        let declared = MODULE.contains(&format!(" {name}("));
        let bound = MODULE.lines().any(|l| l.contains(&format!(" {name}(")) && l.ends_with("bind(c)"));
        assert!(declared && bound != own, "{name} in fortran/emucell_c.f90: bound {bound}");
    }
}

#[test]
fn client() {
    if !has("gfortran") {
        return;
    }
    let library = SharedLibrary::get();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fortran/client.f90");
    let program = compile(&folder("client"), &source);
    let surrogates = ["fhn_euler_coarse", "formula_network"].map(|name| library.surrogate(name));
    let output = succeed(Command::new(program).args(surrogates));
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "");
}
