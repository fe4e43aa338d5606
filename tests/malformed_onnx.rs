//! Damaged and foreign surrogate files: one clear error each, never a panic.

use std::path::Path;

use emucell::format::onnx;
use emucell::program::{BlockId, Operation, ProgramBuilder, Table};
use emucell::surrogate::{Kind, Role, Surrogate, Variable};
use emucell::{Activation, ErrorKind};

fn good_file() -> Vec<u8> {
    let mut b = ProgramBuilder::new(2).unwrap();
    let v = b.slice(BlockId::INPUT, 0, 1).unwrap();
    let table = Table { first: -1.0, rows_per_unit: 2.0, width: 1, values: vec![0.1, 0.4, 0.2] };
    let looked_up = b.push(Operation::Table { input: v, table }).unwrap();
    let h = b.concat(&[looked_up, BlockId::INPUT]).unwrap();
    let y = b.dense(h, vec![0.5; 3], vec![0.1], Activation::Tanh).unwrap();
    let variable = |name, role| Variable::new(name, "1", role).with_range(-1.0, 1.0);
    let inputs = vec![variable("u", Role::State), variable("s", Role::Stimulus)];
    let outputs = vec![inputs[0].clone()];
    let surrogate = Surrogate::new(Kind::StepMap { dt: 0.5 }, inputs, outputs, b.finish(y)).unwrap();
    onnx::to_bytes(&surrogate.with_initial_state(vec![0.0]).unwrap()).unwrap()
}

fn message(bytes: &[u8]) -> String {
    onnx::from_bytes(bytes).unwrap_err().to_string()
}

/// The file with each `from` in it replaced by `to`, which is as long.
fn replaced(from: &[u8], to: &[u8]) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let mut bytes = good_file();
    let places: Vec<usize> =
        (0..bytes.len() - from.len()).filter(|&i| bytes[i..].starts_with(from)).collect();
    assert!(!places.is_empty());
    places.into_iter().for_each(|i| bytes[i..i + from.len()].copy_from_slice(to));
    bytes
}

#[test]
fn truncated_files_are_errors() {
    let bytes = good_file();
    for length in 0..bytes.len() {
        assert!(!message(&bytes[..length]).is_empty());
    }
    assert!(message(&bytes[..bytes.len() / 2]).contains("damaged"));
}

#[test]
fn no_flipped_bit_makes_a_panic() {
    let good = good_file();
    for i in 0..good.len() {
        for bit in 0..8 {
            let mut bytes = good.clone();
            bytes[i] ^= 1 << bit;
            if let Ok(surrogate) = onnx::from_bytes(&bytes) {
                // What still loads must be a whole surrogate.
                let inputs = vec![0.5; surrogate.program().unwrap().n_inputs()];
                assert_eq!(
                    surrogate.program().unwrap().evaluate_reference(&inputs).len(),
                    surrogate.outputs().len()
                );
            }
        }
    }
}

#[test]
fn every_kind_of_damage_has_its_message() {
    assert!(message(b"").contains("not an ONNX file"));
    assert!(message(b"PK\x03\x04 a zip file").contains("not an ONNX file"));
    assert!(message(&replaced(&0.5f32.to_le_bytes(), &f32::NAN.to_le_bytes())).contains("NaN"));
    assert!(message(&replaced(b"Tanh", b"Sinh")).contains("operator Sinh"));
    assert!(message(&replaced(b"Gemm", b"Gymm")).contains("operator Gymm"));
    assert!(message(&replaced(b"step_map", b"stop_map")).contains("unknown kind \"stop_map\""));
    assert!(message(&replaced(b"stimulus", b"stimulos")).contains("stimulos"));
    assert!(message(&replaced(b"emucell.dt", b"emucell.td")).contains("emucell.dt"));
    assert!(message(&replaced(br#""name":"u""#, br#""nome":"u""#)).contains("nome"));
    assert!(message(&replaced(br#""role":"state""#, br#""role":"time" "#)).contains("role"));
    let wrong_format = message(&replaced(b"emucell.format\x12\x011", b"emucell.format\x12\x019"));
    assert!(wrong_format.contains("update emucell"), "{wrong_format}");
}

#[test]
fn messages_name_node_file_and_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("surrogate.onnx");
    std::fs::write(&path, replaced(b"Tanh", b"Sinh")).unwrap();
    let error = onnx::load(&path).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    for part in ["Sinh", "node", "surrogate.onnx", "export"] {
        assert!(error.to_string().contains(part), "{error}");
    }
    let error = onnx::load(Path::new("no/such/file.onnx")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io);
    assert!(error.to_string().contains("no/such/file.onnx"));
}

#[test]
fn variables_that_do_not_fit_the_network_are_refused() {
    let wrong = replaced(
        br#"{"name":"s","unit":"1","role":"stimulus","range":[-1.0,1.0]}"#,
        br#"                                                            "#,
    );
    // An empty entry is no JSON: the message names the metadata's key.
    assert!(message(&wrong).contains("emucell.inputs"));
    let shifted = replaced(br#""range":[-1.0,1.0]"#, br#""range":[1.0,-1.0]"#);
    assert!(message(&shifted).contains("ranges from 1 to -1"));
}
