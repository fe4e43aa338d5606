//! Files that PyTorch wrote: networks compute the same here, data have the same numbers, and what
//! cannot be converted is refused with a reason.
#![cfg(feature = "data")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, OnceLock};

use emucell::Activation;
use emucell::format::arrays::read_matrix;
use emucell::format::{onnx, pth};
use emucell::program::{BlockId, Program, ProgramBuilder};
use emucell::session::{Session, SessionOptions};
use emucell::surrogate::Surrogate;
use emucell::view::{View, ViewMut};

const N_CELLS: usize = 200;

fn inputs() -> Vec<f32> {
    (0..4 * N_CELLS).map(|i| ((i * 37 + 11) % 97) as f32 / 24.0 - 2.0).collect()
}

/// The folder that `tests/python/save_torch.py` filled; none where `make setup` was not run.
fn torch_files() -> Option<&'static Path> {
    static FOLDER: OnceLock<Option<PathBuf>> = OnceLock::new();
    let make = || {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let python = root.join(".python/bin/python");
        if !python.exists() {
            assert!(std::env::var_os("CI").is_none(), "{} is missing: run make setup", python.display());
            eprintln!("skipped: {} is missing; run make setup", python.display());
            return None;
        }
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("pth");
        std::fs::create_dir_all(&folder).unwrap();
        let x: Vec<u8> = inputs().iter().flat_map(|x| x.to_le_bytes()).collect();
        std::fs::write(folder.join("x"), x).unwrap();
        let script = root.join("tests/python/save_torch.py");
        let output = Command::new(python).arg(script).arg(&folder).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Some(folder)
    };
    FOLDER.get_or_init(make).as_deref()
}

fn evaluate(program: Program) -> Vec<f32> {
    let (n, m) = (program.n_inputs(), program.n_outputs());
    let (x, mut y) = (inputs(), vec![0.0f32; N_CELLS * m]);
    let surrogate = Arc::new(Surrogate::anonymous(program));
    let mut session = Session::new(surrogate, &SessionOptions::default()).unwrap();
    let outputs = ViewMut::array_of_structures(&mut y, m).unwrap();
    session.evaluate(View::array_of_structures(&x, n).unwrap(), outputs, None).unwrap();
    y
}

fn message(path: &Path, hidden: Option<&[(Activation, usize)]>) -> String {
    let network = pth::File::open(path).and_then(|mut file| file.network(hidden));
    let message = network.map(|_| ()).unwrap_err().to_string();
    assert!(message.contains(path.file_name().unwrap().to_str().unwrap()), "{message}");
    assert!(message.matches(".pth").count() <= 2 && !message.contains('\n'), "{message}");
    message
}

#[test]
fn networks_compute_what_pytorch_computes() {
    let Some(folder) = torch_files() else { return };
    let mut n_files = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        if path.extension().is_none_or(|e| e != "pth") || name.starts_with("bad_") {
            continue;
        }
        let tanh = [(Activation::Tanh, 16), (Activation::Tanh, 9)];
        let silu_tanh = [(Activation::Silu, 16), (Activation::Tanh, 9)];
        let gated = [(Activation::Glu, 16), (Activation::RRelu { lower: 0.2, upper: 0.4 }, 9)];
        let hidden = match name.split('_').next().unwrap() {
            "state" => Some(&silu_tanh[..]),
            "hidden" => Some(&tanh[..]),
            "gated" => Some(&gated[..]),
            _ => None,
        };
        let network = pth::File::open(&path).unwrap().network(hidden).unwrap();
        let bytes = std::fs::read(path.with_extension("y")).unwrap();
        let expected: Vec<f32> =
            bytes.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect();
        let given = evaluate(network.program);
        assert_eq!(given.len(), expected.len(), "{name}");
        for (g, e) in given.iter().zip(&expected) {
            assert!((g - e).abs() <= 3e-6 * e.abs().max(1.0), "{name}: {g} instead of {e}");
        }
        let own_class = matches!(name, "module_papers" | "hidden_functional");
        assert_eq!(!network.assumed.is_empty(), own_class, "{name}: {:?}", network.assumed);
        n_files += 1;
    }
    assert_eq!(n_files, 39);
}

#[test]
fn what_cannot_be_converted_is_refused_with_a_reason() {
    let Some(folder) = torch_files() else { return };
    let hidden = [(Activation::Tanh, 16), (Activation::Tanh, 9)];
    for (name, hidden, expected) in [
        ("state_protocol2", None, &["--hidden SiLU:16,SiLU:9", "activations"][..]),
        ("state_protocol2", Some(&hidden[..1]), &["widths [16]", "has [16, 9]"]),
        (
            "bad_functional",
            None,
            &["no activation between \"first\" and \"second\"", "__main__.Functional", "--hidden"],
        ),
        ("bad_scaled", None, &["tensor \"scale\"", "class Scaled"]),
        ("bad_hardswish", None, &["module \"1\" of class Hardswish", "counterpart"]),
        ("bad_conv", None, &["Conv1d"]),
        ("bad_conv_state", None, &["[16, 4, 3]", "\"0.weight\""]),
        ("bad_norm_state", None, &["[16]", "\"1.weight\""]),
        ("bad_widths", None, &["15 inputs where 16", "layer \"2\""]),
        ("bad_hook", None, &["hooks", "remove_weight_norm"]),
        ("bad_parametrized", None, &["no network", "parametrizations"]),
        ("bad_legacy", None, &["before version 1.6", "torch.save"]),
        ("bad_tensor", None, &["no network", "_rebuild_tensor_v2"]),
        ("bad_nothing", None, &["dictionary of a, b"]),
        ("gated_state", None, &["--hidden GLU:16,SiLU:9"]),
        (
            "gated_state",
            Some(&[(Activation::Glu, 8), (Activation::Tanh, 9)]),
            &["widths [8, 9]", "has [16, 9]"],
        ),
        ("gated_state", Some(&hidden), &["8 inputs where 16"]),
        ("bad_glu", None, &["GLU along dimension 0", "dim=1"]),
        ("bad_softplus", None, &["Softplus with constants"]),
        ("bad_script", None, &["TorchScript", "state_dict"]),
    ] {
        let message = message(&folder.join(name).with_extension("pth"), hidden);
        for part in expected {
            assert!(message.contains(part), "{name}: \"{part}\" is missing in: {message}");
        }
    }
}

#[test]
fn data_have_the_numbers_that_python_gave_them() {
    let Some(folder) = torch_files() else { return };
    let read = |name: &str| read_matrix(&folder.join(name)).unwrap();
    let table = read("dictionary.pt");
    assert_eq!(table.names, ["t", "u", "n"]);
    let u = |i: usize, j: usize| (2 * i + j) as f64 / 7.0;
    for (i, row) in table.values.rows().into_iter().enumerate() {
        assert_eq!(row.to_vec(), [0.5 + i as f64, u(i, 1), [1.0, -2.0, 3.0][i]]);
    }
    let table = read("tensor.pt");
    assert_eq!(table.names, ["tensor_0", "tensor_1"]);
    assert_eq!(table.values[[2, 1]], u(2, 1));
    let table = read("list.pt");
    assert_eq!(table.names, ["0", "1"]);
    assert_eq!(table.values[[1, 0]], u(1, 0));
    assert!((table.values[[1, 1]] - u(1, 1)).abs() < 2e-4 && table.values[[1, 1]] != u(1, 1));
    let table = read("nested.pt");
    assert_eq!(table.names, ["x.a", "y"]);
    assert_eq!(table.values.row(2).to_vec(), [1.0, 3.0]);
    assert_eq!(read("parameter.pt").values.sum(), 3.0);
    assert_eq!(read("uint16.pt").values.sum(), 3.0);
    for (name, expected) in [
        ("mixed.pt", &["text where a tensor is wanted", "\"name\""][..]),
        ("expanded.pt", &["100000000", "clone"]),
        ("long.pt", &["2^53"]),
        ("complex.pt", &["ComplexFloatStorage", "float32"]),
        ("sparse.pt", &["_rebuild_sparse_tensor"]),
    ] {
        let message = read_matrix(&folder.join(name)).unwrap_err().to_string();
        assert!(expected.iter().all(|part| message.contains(part)), "{name}: {message}");
        assert_eq!(message.matches(name).count(), 1, "{message}");
    }
}

#[test]
fn no_flipped_bit_and_no_cut_makes_a_panic() {
    let Some(folder) = torch_files() else { return };
    let good = std::fs::read(folder.join("state_protocol2.pth")).unwrap();
    let hidden = [(Activation::Silu, 16), (Activation::Tanh, 9)];
    let attempt =
        |bytes: &[u8]| pth::File::from_bytes(bytes).and_then(|mut file| file.network(Some(&hidden)));
    assert!(attempt(&good).is_ok());
    for end in (0..good.len()).step_by(7) {
        assert!(attempt(&good[..end]).is_err(), "cut at {end}");
    }
    let mut n_accepted = 0;
    for i in 0..good.len() {
        let mut bytes = good.clone();
        bytes[i] ^= 1 << (i % 8);
        n_accepted += usize::from(attempt(&bytes).is_ok());
    }
    // Checksums cover all data; dates, padding and what nothing reads may change.
    assert!(n_accepted < good.len() / 2, "{n_accepted} of {}", good.len());
}

#[test]
fn what_is_written_is_read_again() {
    let weights = |n: usize| (0..n).map(|i| (i * 5 % 17) as f32 / 16.0 - 0.4).collect::<Vec<_>>();
    let mut b = ProgramBuilder::new(4).unwrap();
    let h = b.dense(BlockId::INPUT, weights(24), weights(6), Activation::Silu).unwrap();
    let h = b.dense(h, weights(30), weights(5), Activation::Linear).unwrap();
    let h = b.activation(h, Activation::Tanh).unwrap();
    let h = b.dense(h, weights(30), weights(6), Activation::Glu).unwrap();
    let y = b.dense(h, weights(6), weights(2), Activation::Linear).unwrap();
    let program = b.finish(y);
    // By way of a surrogate file, where SiLU is two nodes.
    let program = onnx::from_bytes(&onnx::to_bytes(&Surrogate::anonymous(program)).unwrap())
        .unwrap()
        .program()
        .unwrap()
        .clone();
    let pth::StateDict { tensors, hidden } = pth::StateDict::of(&program).unwrap();
    assert_eq!(hidden, [(Activation::Silu, 6), (Activation::Tanh, 5), (Activation::Glu, 6)]);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.pth");
    pth::save(&path, &tensors).unwrap();
    let again = pth::File::open(&path).unwrap().network(Some(&hidden)).unwrap();
    assert_eq!(evaluate(again.program), evaluate(program.clone()));

    let mut b = ProgramBuilder::new(2).unwrap();
    let h = b.dense(BlockId::INPUT, weights(4), weights(2), Activation::Linear).unwrap();
    let y = b.binary(emucell::program::BinaryOperator::Add, h, BlockId::INPUT).unwrap();
    let fault = pth::StateDict::of(&b.finish(y)).unwrap_err().to_string();
    assert!(fault.contains("operation 2") && fault.contains("chains"), "{fault}");
    let mut b = ProgramBuilder::new(2).unwrap();
    let y = b.dense(BlockId::INPUT, weights(4), weights(2), Activation::Tanh).unwrap();
    assert!(pth::StateDict::of(&b.finish(y)).unwrap_err().to_string().contains("ends in tanh"));
}
