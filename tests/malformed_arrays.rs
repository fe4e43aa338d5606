//! Damaged and hostile array files: one clear error each, and no memory for what is not there. The
//! readers' own tests have the plain faults of each format; these are of the classes that fuzzing found.
#![cfg(feature = "data")]

use emucell::format::arrays::{Format, matrix_from_bytes};

fn message(format: Format, bytes: &[u8]) -> String {
    matrix_from_bytes(format, bytes).unwrap_err().to_string()
}

fn npy(descr: &str, shape: &str, data: &[u8]) -> Vec<u8> {
    let text = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n");
    let length = (text.len() as u16).to_le_bytes();
    [b"\x93NUMPY\x01\x00", &length[..], text.as_bytes(), data].concat()
}

#[test]
fn columns_without_rows_are_not_counted_out() {
    for shape in ["(0, 99999999999)", "(0,)", "(5, 0)", "(0, 0)"] {
        let text = message(Format::Npy, &npy("<f8", shape, b""));
        assert!(text.contains("without numbers"), "{text}");
    }
}

#[test]
fn sizes_that_overflow_are_refused() {
    for shape in ["(4294967296, 4294967296)", "(18446744073709551615,)", "(18446744073709551616,)", "(2, 2)"]
    {
        let text = message(Format::Npy, &npy("<f8", shape, &[0; 8]));
        assert!(text.contains("damaged") || text.contains("numpy.save"), "{text}");
    }
}

/// The end of a zip64 archive whose directory announces `count` members.
fn zip64_end(count: u64, record_size: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.extend(b"PK\x06\x06");
    bytes.extend(record_size.to_le_bytes());
    bytes.extend([45, 0, 45, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    for number in [count, count, count.saturating_mul(46), 0] {
        bytes.extend(number.to_le_bytes());
    }
    bytes.extend(b"PK\x06\x07\0\0\0\0");
    bytes.extend(0u64.to_le_bytes());
    bytes.extend(1u32.to_le_bytes());
    bytes.extend(b"PK\x05\x06");
    bytes.extend([0xff; 16]);
    bytes.extend([0, 0]);
    bytes
}

#[test]
fn directories_of_archives_are_not_believed() {
    for count in [1, 1 << 20, 1 << 40, u64::MAX] {
        for record_size in [44, 0, 1 << 40, u64::MAX] {
            let text = message(Format::Npz, &zip64_end(count, record_size));
            assert!(text.contains("not a readable zip archive"), "{text}");
        }
    }
    // 60 000 members in the plain form.
    let mut plain = b"PK\x05\x06\0\0\0\0".to_vec();
    plain.extend([0x60, 0xea, 0x60, 0xea, 0, 0, 0, 0xff, 0, 0, 0, 0xff, 0, 0]);
    assert!(message(Format::Npz, &plain).contains("not a readable zip archive"));
}

#[test]
fn text_is_no_reason_to_panic() {
    for (bytes, expected) in [
        (&b"\xef\xbb\xbf"[..], "no column names"),
        (b"t,u\n1,\"2", "\"2\" is not a finite"),
        (b"t\n1e999\n", "\"1e999\" is not a finite"),
        (b"t\n\xff\n", "UTF-8"),
        (b"\r\r\r", "no column names"),
    ] {
        // An open quote ends with the file, and what stands in it counts.
        match matrix_from_bytes(Format::Csv, bytes) {
            Ok(matrix) => assert_eq!(matrix.values.len(), 2),
            Err(error) => assert!(error.to_string().contains(expected), "{error}"),
        }
    }
}
