//! Damaged, foreign and hostile PyTorch files: one clear error each, never a panic, never a run of
//! what they name. `tests/pth.rs` has the files that PyTorch itself writes.
#![cfg(feature = "data")]

use std::io::{Cursor, Write};

use emucell::format::arrays::{Format, matrix_from_bytes};
use emucell::format::pth;
use zip::write::{SimpleFileOptions, ZipWriter};

/// An archive of these members.
fn archive(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    for (name, bytes) in members {
        zip.start_file(*name, options).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// A file with this pickle (protocol 2, without its end) and a storage of eight numbers.
fn file(pickle: &[u8]) -> Vec<u8> {
    let storage: Vec<u8> = (0..8).flat_map(|i| (i as f32).to_le_bytes()).collect();
    archive(&[("a/data.pkl", &[b"\x80\x02", pickle, b"."].concat()), ("a/data/0", &storage)])
}

fn as_network(bytes: &[u8]) -> String {
    pth::File::from_bytes(bytes).and_then(|mut file| file.network(None)).map(|_| ()).unwrap_err().to_string()
}

fn as_data(bytes: &[u8]) -> String {
    matrix_from_bytes(Format::Pt, bytes).unwrap_err().to_string()
}

fn text(text: &str) -> Vec<u8> {
    [b"X", &(text.len() as u32).to_le_bytes()[..], text.as_bytes()].concat()
}

fn integer(value: i64) -> Vec<u8> {
    [b"\x8a\x08", &value.to_le_bytes()[..]].concat()
}

fn tuple(values: &[i64]) -> Vec<u8> {
    [b"(".to_vec(), values.iter().flat_map(|&v| integer(v)).collect(), b"t".to_vec()].concat()
}

/// A tensor of the storage.
fn tensor(class: &str, offset: i64, shape: &[i64], strides: &[i64]) -> Vec<u8> {
    let name = ["ctorch\n", class, "\n"].concat().into_bytes();
    let storage = [b"(".to_vec(), text("storage"), name, text("0"), text("cpu"), integer(8), b"tQ".to_vec()];
    let parts = [storage.concat(), integer(offset), tuple(shape), tuple(strides), b"\x89}tR".to_vec()];
    [b"ctorch._utils\n_rebuild_tensor_v2\n(".to_vec(), parts.concat()].concat()
}

/// A module of PyTorch's with attributes, parameters and modules as the inside of dictionaries.
fn module(class: &str, attributes: &[u8], parameters: &[u8], modules: &[u8]) -> Vec<u8> {
    let name = format!("ctorch.nn.modules.{class}\n)");
    let (p, m) = (text("_parameters"), text("_modules"));
    let parts = [
        name.as_bytes(),
        b"\x81}(",
        &p,
        b"}(",
        parameters,
        b"u",
        &m,
        b"}(",
        modules,
        b"u",
        attributes,
        b"ub",
    ];
    parts.concat()
}

fn linear(n_outputs: i64, n_inputs: i64) -> Vec<u8> {
    let weight = tensor("FloatStorage", 0, &[n_outputs, n_inputs], &[n_inputs, 1]);
    module("linear\nLinear", b"", &[text("weight"), weight, text("bias"), b"N".to_vec()].concat(), b"")
}

fn sequential(modules: &[Vec<u8>]) -> Vec<u8> {
    let numbered = modules.iter().enumerate().flat_map(|(i, m)| [text(&i.to_string()), m.clone()].concat());
    module("container\nSequential", b"", b"", &numbered.collect::<Vec<u8>>())
}

#[test]
fn the_files_of_this_test_are_read_when_they_are_whole() {
    let network = file(&sequential(&[linear(2, 3), module("activation\nTanh", b"", b"", b""), linear(1, 2)]));
    let network = pth::File::from_bytes(&network).unwrap().network(None).unwrap();
    assert_eq!(network.program.evaluate_reference(&[1.0, 0.0, 0.0])[0], (3.0f64).tanh());
    let data = matrix_from_bytes(Format::Pt, &file(&tensor("FloatStorage", 1, &[2, 3], &[1, 2]))).unwrap();
    assert_eq!(data.values.row(1).to_vec(), [2.0, 4.0, 6.0]);
}

#[test]
fn archives_that_are_none_or_not_pytorchs() {
    assert!(as_network(b"").contains("not a readable zip archive"));
    assert!(as_network(b"PK\x05\x06").contains("not a readable zip archive"));
    assert!(
        as_network(b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.and so on").contains("before version 1.6")
    );
    assert!(as_network(&archive(&[("a/data.txt", b"")])).contains("without data.pkl"));
    let script = archive(&[("a/data.pkl", b"."), ("a/constants.pkl", b".")]);
    assert!(as_network(&script).contains("TorchScript"));
    let big = archive(&[("a/data.pkl", b"N."), ("a/byteorder", b"big")]);
    assert!(as_network(&big).contains("byte order"));
    // A directory that announces 2^48 members.
    let mut huge = archive(&[("a/data.pkl", b"N.")]);
    let end = huge.len() - 22;
    let (size, offset) = (huge[end + 12..end + 16].to_vec(), huge[end + 16..end + 20].to_vec());
    let long = |bytes: &[u8]| [bytes, &[0; 4]].concat();
    let count = (1u64 << 48).to_le_bytes();
    let record = [b"PK\x06\x06", &44u64.to_le_bytes()[..], &[45, 0, 45, 0], &[0; 8], &count, &count];
    let record = [&record.concat()[..], &long(&size), &long(&offset)].concat();
    let locator = [b"PK\x06\x07", &[0; 4][..], &(end as u64).to_le_bytes(), &[1, 0, 0, 0]].concat();
    let tail = [&b"PK\x05\x06"[..], &[0xff; 16], &[0; 2]].concat();
    huge.truncate(end);
    huge.extend([record, locator, tail].concat());
    assert!(as_network(&huge).contains("not a readable zip archive"), "{}", as_network(&huge));
}

#[test]
fn pickles_that_end_or_lie() {
    for (pickle, expected) in [
        (&b"("[..], "nothing on the stack"),
        (b"X\xff\xff\xff\xff", "the pickle ends"),
        (b"\x8d\xff\xff\xff\xff\xff\xff\xff\xff", "the pickle ends"),
        (b"\x8b\xff\xff\xff\x7f", "the pickle ends"),
        (b"ctorch", "the pickle ends"),
        (b"X\x01\0\0\0\xff", "not UTF-8"),
        (b"\x85", "too little on the stack"),
        (b"N(\x85", "too little on the stack"),
        (b"t", "no mark"),
        (b"h\x05", "nothing was kept as 5"),
        (b"}(Nu", "a key without a value"),
        (b"Na", "nothing on the stack"),
        (b"NNa", "no list"),
        (b"NNNs", "no dictionary"),
        (b"NN\x93", "name is no text"),
        (b"NNR", "no class or function"),
        (b"i", "opcode 0x69"),
        (b"\x97", "opcode 0x97"),
    ] {
        let message = as_network(&file(pickle));
        assert!(message.contains(expected) && message.contains("byte"), "{pickle:?}: {message}");
    }
}

#[test]
fn what_a_pickle_names_is_not_run() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("made");
    let call =
        [b"cos\nsystem\n(".to_vec(), text(&format!("touch {}", path.display())), b"tR".to_vec()].concat();
    assert!(as_network(&file(&call)).contains("os.system"));
    assert!(as_data(&file(&call)).contains("os.system"));
    assert!(!path.exists());
}

#[test]
fn tensors_that_reach_out_of_their_storage() {
    let bad = |shape: &[i64], strides: &[i64], offset| {
        as_data(&file(&tensor("FloatStorage", offset, shape, strides)))
    };
    for message in [
        bad(&[9], &[1], 0),
        bad(&[8], &[1], 1),
        bad(&[2, 2], &[7, 1], 0),
        bad(&[1], &[1], i64::MAX),
        bad(&[2], &[i64::MAX], 7),
    ] {
        assert!(message.contains("of a storage of 8"), "{message}");
    }
    for message in [bad(&[i64::MAX, 4], &[0, 0], 0), bad(&[1 << 20], &[0], 0)] {
        assert!(message.contains("more than the file can hold"), "{message}");
    }
    for message in [bad(&[-1], &[1], 0), bad(&[1], &[-1], 0), bad(&[1, 1], &[1], 0), bad(&[1; 9], &[1; 9], 0)]
    {
        assert!(message.contains("not described as PyTorch does it"), "{message}");
    }
    // No numbers at all, in columns without end.
    assert!(bad(&[0, i64::MAX], &[1, 1], 0).contains("without numbers"));
    let message = as_data(&file(&tensor("ComplexFloatStorage", 0, &[1], &[1])));
    assert!(message.contains("type ComplexFloatStorage"), "{message}");
}

#[test]
fn storages_that_are_missing_or_changed() {
    let pickle = [b"\x80\x02".to_vec(), tensor("FloatStorage", 0, &[1], &[1]), b".".to_vec()].concat();
    assert!(as_data(&archive(&[("a/data.pkl", &pickle)])).contains("no member \"a/data/0\""));
    let mut changed = file(&tensor("FloatStorage", 0, &[1], &[1]));
    let place = changed.windows(4).position(|w| w == 7f32.to_le_bytes()).unwrap();
    changed[place] ^= 1;
    assert!(as_data(&changed).contains("member \"a/data/0\""));
}

#[test]
fn objects_within_themselves_are_noticed() {
    // A list that contains itself, one that doubles 60 times, and a module that contains itself.
    assert!(as_data(&file(b"]q\0h\0a")).contains("in themselves"));
    let doubling = [b"]q\0".to_vec(), b"h\0h\0\x86q\0".repeat(60)].concat();
    assert!(as_data(&file(&doubling)).contains("in themselves"));
    let itself = [text("x"), b"h\0".to_vec()].concat();
    let plain = module("container\nSequential", b"", b"", &itself);
    let place = plain.iter().position(|&b| b == 0x81).unwrap() + 1;
    let module = [&plain[..place], b"q\0", &plain[place..]].concat();
    assert!(as_network(&file(&module)).contains("in themselves"));
}

#[test]
fn modules_that_are_no_plain_network() {
    let leaky = |attributes: &[u8]| {
        let activation = module("activation\nLeakyReLU", attributes, b"", b"");
        as_network(&file(&sequential(&[linear(2, 3), activation])))
    };
    assert!(leaky(b"").contains("no finite number \"negative_slope\""));
    let not_a_number = [text("negative_slope"), b"G\x7f\xf8\0\0\0\0\0\0".to_vec()].concat();
    assert!(leaky(&not_a_number).contains("no finite number \"negative_slope\""));
    for (network, expected) in [
        (sequential(&[]), "without linear layers"),
        (sequential(&[linear(2, 3), linear(2, 3)]), "3 inputs where 2"),
        (sequential(&[linear(2, 0)]), "width 0"),
        (sequential(&[b"N".to_vec(), b"}".to_vec()]), "something else than a module"),
        (sequential(&[module("linear\nLinear", b"", b"", b"")]), "no matrix of weights"),
        (sequential(&[module("rnn\nLSTM", b"", b"", b"")]), "class LSTM"),
    ] {
        let message = as_network(&file(&network));
        assert!(message.contains(expected), "{message}");
    }
}
