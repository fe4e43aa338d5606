//! PyTorch's files: as networks and as data. An input that is no zip archive is taken for the pickle
//! in one: the archive's checksums would keep most changes from being looked at.

#![no_main]

use std::io::{Cursor, Write};

use emucell::Activation;
use emucell::format::{onnx, pth};
use emucell::surrogate::Surrogate;
use emucell_fuzz::within;
use libfuzzer_sys::fuzz_target;
use zip::write::{SimpleFileOptions, ZipWriter};

/// Bytes that may be in use for each one of a file: eight elements of eight bytes, twice.
const FACTOR: usize = 512;

fuzz_target!(|bytes: &[u8]| {
    if bytes.starts_with(b"PK") {
        read(bytes);
    } else {
        read(&archive(bytes));
    }
});

fn read(bytes: &[u8]) {
    let Ok(mut file) = within(bytes, FACTOR, || pth::File::from_bytes(bytes)) else { return };
    for hidden in [None, Some(&[(Activation::Tanh, 2)][..])] {
        if let Ok(network) = within(bytes, FACTOR, || file.network(hidden)) {
            let surrogate = Surrogate::anonymous(network.program);
            onnx::from_bytes(&onnx::to_bytes(&surrogate).expect("no derivative"))
                .expect("what was read is written and loads");
        }
    }
    if let Ok(arrays) = within(bytes, FACTOR, || file.arrays()) {
        assert!(arrays.iter().all(|(name, array)| !name.is_empty() && array.len() <= 8 * bytes.len()));
    }
}

/// A file of PyTorch's with this pickle, and two storages.
fn archive(pickle: &[u8]) -> Vec<u8> {
    let mut file = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    let storage: Vec<u8> = (0..16).flat_map(|i| (i as f32 / 8.0 - 1.0).to_le_bytes()).collect();
    for (name, bytes) in [("a/data.pkl", pickle), ("a/data/0", &storage), ("a/data/1", &storage)] {
        file.start_file(name, options).expect("memory");
        file.write_all(bytes).expect("memory");
    }
    file.finish().expect("memory").into_inner()
}
