//! The example of a tissue that is divided between MPI ranks.

#![cfg(all(target_os = "linux", target_pointer_width = "64"))]

mod support;

use std::path::Path;
use std::process::Command;

use support::c_compiler::{has, succeed};
use support::shared_library::SharedLibrary;

/// The sheet is the same to the last bit, however many ranks share it: also where one has no row at all.
#[test]
fn the_sheet_does_not_depend_on_the_number_of_ranks() {
    if !(has("mpicxx") && has("mpirun")) {
        return;
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("mpi");
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    let library = SharedLibrary::get();
    let program = folder.join("tissue");
    let mut compiler = Command::new("mpicxx");
    compiler.args(["-std=c++17", "-O2", "-Wall", "-Wextra", "-Werror", "-I"]).arg(root.join("include"));
    compiler.arg(root.join("cpp_examples/06_mpi_tissue.cpp")).arg("-o").arg(&program);
    compiler.arg("-L").arg(&library.folder).arg("-lemucell");
    succeed(compiler.arg(format!("-Wl,-rpath,{}", library.folder.display())));

    let sheet = |ranks: usize, size: &[&str]| {
        let out = folder.join("u");
        let mut command = Command::new("mpirun");
        // Containers are root's, and may have fewer cores than ranks.
        command.env("OMPI_ALLOW_RUN_AS_ROOT", "1").env("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1");
        command.args(["--oversubscribe", "-n", &ranks.to_string()]).arg(&program);
        command.arg(root.join("models/fhn_cubic_step.onnx")).args(size).arg("--out").arg(&out);
        let output = succeed(&mut command);
        (std::fs::read(out).unwrap(), String::from_utf8(output.stdout).unwrap())
    };
    let size = ["--nx", "48", "--ny", "37", "--steps", "80"];
    let (alone, printed) = sheet(1, &size);
    assert_eq!(alone.len(), 48 * 37 * 8);
    assert!(printed.contains("48 x 37 cells") && !printed.contains(" 0 cells active"), "{printed}");
    let numbers: Vec<f64> = alone.chunks(8).map(|b| f64::from_le_bytes(b.try_into().unwrap())).collect();
    let row = &numbers[..48];
    assert!(row.iter().any(|&u| u > 0.5) && row.iter().any(|&u| u < 0.3), "no wave: {row:?}");
    for ranks in [2, 3] {
        let (divided, printed) = sheet(ranks, &size);
        assert!(divided == alone, "{ranks} ranks: {printed}");
    }
    let narrow = ["--nx", "20", "--ny", "2", "--steps", "30"];
    assert!(sheet(3, &narrow).0 == sheet(1, &narrow).0, "a rank without rows");
}
