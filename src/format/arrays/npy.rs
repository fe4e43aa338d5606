//! NumPy's `.npy` files: one array each.

use std::fs;
use std::path::Path;

use ndarray::{Array, ArrayD, ArrayView, Dimension};
use ndarray_npy::{ReadNpyExt, ReadableElement, WriteNpyExt};

use super::header::Header;
use super::{Conversion, Number};
use crate::error::{Error, Result};
use crate::format::atomic;

/// The array in the file at `path`, in C or Fortran order, of either byte order.
///
/// # Errors
/// An unreadable or malformed file, another number of dimensions than `D` has, or numbers of
/// another type than `T` that `conversion` does not allow.
pub fn read<T: Number, D: Dimension>(path: &Path, conversion: Conversion) -> Result<Array<T, D>> {
    let bytes = fs::read(path).map_err(|e| Error::io("read", path, e))?;
    from_bytes(&bytes, conversion).map_err(|e| e.in_file(path))
}

/// Writes `array` to the file at `path`, in C order.
///
/// # Errors
/// The system's refusal to write there.
pub fn write<T: Number, D: Dimension>(path: &Path, array: &ArrayView<'_, T, D>) -> Result<()> {
    atomic::write(path, &serialize(array)?)
}

pub(super) fn serialize<T: Number, D: Dimension>(array: &ArrayView<'_, T, D>) -> Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(array.len() * size_of::<T>() + 128);
    let written = array.as_standard_layout().write_npy(&mut bytes);
    written.map_err(|e| Error::invalid(format!("array of shape {:?}: {e}", array.shape())))?;
    Ok(bytes)
}

/// The array in a `.npy` file's bytes; see [`read`].
///
/// # Errors
/// As [`read`], without the file's name.
pub fn from_bytes<T: Number, D: Dimension>(bytes: &[u8], conversion: Conversion) -> Result<Array<T, D>> {
    let header = Header::check(bytes)?;
    let array = if header.dtype == T::DTYPE {
        numbers::<T>(bytes)?
    } else if conversion == Conversion::Harmless {
        match header.dtype.as_str() {
            "f4" => floats(numbers::<f32>(bytes)?)?,
            "f8" => floats(numbers::<f64>(bytes)?)?,
            "b1" => integers(numbers::<bool>(bytes)?)?,
            "i1" => integers(numbers::<i8>(bytes)?)?,
            "i2" => integers(numbers::<i16>(bytes)?)?,
            "i4" => integers(numbers::<i32>(bytes)?)?,
            "i8" => integers(numbers::<i64>(bytes)?)?,
            "u1" => integers(numbers::<u8>(bytes)?)?,
            "u2" => integers(numbers::<u16>(bytes)?)?,
            "u4" => integers(numbers::<u32>(bytes)?)?,
            _ => integers(numbers::<u64>(bytes)?)?,
        }
    } else {
        return Err(Error::format(format!("numbers of type {} where {} is wanted", header.dtype, T::DTYPE))
            .remedy(format!("save the array as float{}", 8 * size_of::<T>())));
    };
    array.into_dimensionality().map_err(|_| {
        let wanted = D::NDIM.map_or(String::new(), |n| format!(" where {n} dimensions are wanted"));
        Error::format(format!("array of shape {:?}{wanted}", header.shape))
    })
}

/// The file's numbers, of a type that the header was found to name.
fn numbers<U: ReadableElement>(bytes: &[u8]) -> Result<ArrayD<U>> {
    ArrayD::read_npy(bytes).map_err(|e| Error::format(e.to_string()).remedy("write the file again"))
}

fn floats<T: Number, U: Copy + Into<f64>>(array: ArrayD<U>) -> Result<ArrayD<T>> {
    convert(array, |value| T::from_float(value.into()), |value| value.into().to_string())
}

fn integers<T: Number, U: Copy + Into<i128>>(array: ArrayD<U>) -> Result<ArrayD<T>> {
    convert(array, |value| T::from_integer(value.into()), |value| value.into().to_string())
}

fn convert<T: Number, U: Copy>(
    array: ArrayD<U>,
    one: impl Fn(U) -> Option<T>,
    print: impl Fn(U) -> String,
) -> Result<ArrayD<T>> {
    if let Some((place, &value)) = array.indexed_iter().find(|&(_, &value)| one(value).is_none()) {
        let place = place.slice().iter().map(usize::to_string).collect::<Vec<_>>().join(", ");
        return Err(Error::format(format!("{} cannot be kept in {}", print(value), T::DTYPE))
            .at(format!("element [{place}]"))
            .remedy("save the array as float64"));
    }
    Ok(array.mapv(|value| one(value).expect("checked above")))
}

#[cfg(test)]
mod tests {
    use ndarray::{Array1, Array2, Array3, Ix1, Ix2, Ix3, array};

    use super::*;
    use crate::error::ErrorKind;

    fn file(descr: &str, order: &str, shape: &str, data: &[u8]) -> Vec<u8> {
        let text = format!("{{'descr': '{descr}', 'fortran_order': {order}, 'shape': {shape}, }}\n");
        with_header(&text, data)
    }

    fn with_header(text: &str, data: &[u8]) -> Vec<u8> {
        let length = (text.len() as u16).to_le_bytes();
        [b"\x93NUMPY\x01\x00", &length[..], text.as_bytes(), data].concat()
    }

    fn message<T: Number + std::fmt::Debug>(bytes: &[u8]) -> String {
        from_bytes::<T, Ix1>(bytes, Conversion::Exact).unwrap_err().to_string()
    }

    #[test]
    fn arrays_come_back_as_they_were() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.npy");
        let one = Array1::from(vec![1.5f32, f32::NAN, -0.0]);
        write(&path, &one.view()).unwrap();
        let back: Array1<f32> = read(&path, Conversion::Exact).unwrap();
        assert_eq!(back.mapv(f32::to_bits), one.mapv(f32::to_bits));
        let three = Array3::from_shape_fn((2, 3, 4), |(i, j, k)| (100 * i + 10 * j + k) as f64);
        // Views in any order are written in C order.
        let turned = three.view().permuted_axes([2, 0, 1]);
        write(&path, &turned).unwrap();
        assert_eq!(read::<f64, Ix3>(&path, Conversion::Exact).unwrap(), turned);
        let none = Array2::<f64>::zeros((0, 5));
        write(&path, &none.view()).unwrap();
        assert_eq!(read::<f64, Ix2>(&path, Conversion::Exact).unwrap().dim(), (0, 5));
    }

    #[test]
    fn fortran_order_and_big_endian_numbers_are_read() {
        let data: Vec<u8> = (1..=6).flat_map(|x| f64::from(x).to_be_bytes()).collect();
        let bytes = file(">f8", "True", "(2, 3)", &data);
        let read = from_bytes::<f64, Ix2>(&bytes, Conversion::Exact).unwrap();
        assert_eq!(read, array![[1.0, 3.0, 5.0], [2.0, 4.0, 6.0]]);
    }

    #[test]
    fn other_types_are_converted_only_when_asked_and_harmless() {
        let integers = |values: &[i64]| {
            let data: Vec<u8> = values.iter().flat_map(|x| x.to_le_bytes()).collect();
            file("<i8", "False", &format!("({},)", values.len()), &data)
        };
        let text = message::<f32>(&integers(&[1, 2]));
        assert!(text.contains("type i8 where f4 is wanted"), "{text}");
        let read = from_bytes::<f32, Ix1>(&integers(&[1, -7, 1 << 24]), Conversion::Harmless).unwrap();
        assert_eq!(read.to_vec(), [1.0, -7.0, 16_777_216.0]);
        let inexact =
            from_bytes::<f32, Ix1>(&integers(&[1, (1 << 24) + 1]), Conversion::Harmless).unwrap_err();
        assert!(inexact.to_string().contains("element [1]"), "{inexact}");

        let doubles = |x: f64| file("<f8", "False", "(1,)", &x.to_le_bytes());
        assert!(message::<f32>(&doubles(0.1)).contains("type f8 where f4"));
        assert_eq!(from_bytes::<f32, Ix1>(&doubles(0.1), Conversion::Harmless).unwrap()[0], 0.1);
        assert!(from_bytes::<f32, Ix1>(&doubles(f64::NAN), Conversion::Harmless).unwrap()[0].is_nan());
        assert!(from_bytes::<f32, Ix1>(&doubles(1e300), Conversion::Harmless).is_err());
        let booleans = file("|b1", "False", "(2,)", &[1, 0]);
        assert_eq!(from_bytes::<f64, Ix1>(&booleans, Conversion::Harmless).unwrap().to_vec(), [1.0, 0.0]);
    }

    #[test]
    fn each_kind_of_damage_has_its_message() {
        let good = file("<f4", "False", "(2,)", &[0; 8]);
        assert!(from_bytes::<f32, Ix1>(&good, Conversion::Exact).is_ok());
        for end in 0..good.len() {
            assert!(from_bytes::<f32, Ix1>(&good[..end], Conversion::Exact).is_err(), "cut at {end}");
        }
        for (bytes, expected) in [
            (b"PK\x03\x04 not npy".to_vec(), "does not begin"),
            (b"\x93NUMPY\x09\x00\x00\x00".to_vec(), "version 9"),
            (good[..good.len() - 1].to_vec(), "truncated or damaged"),
            ([&good[..], &[0]].concat(), "where 9 bytes"),
            // More than the address space, and more than the file: nothing may be allocated.
            (file("<f4", "False", "(9223372036854775807, 8)", &[0; 8]), "where 8 bytes"),
            (file("<f4", "False", "(1000000000000,)", &[0; 8]), "where 8 bytes"),
            (file("<f4", "False", "(99999999999999999999999,)", &[]), "tuple of sizes"),
            (file("<f4", "False", "(-1,)", &[]), "tuple of sizes"),
            (file("<f4", "False", "(1,1,1,1,1,1,1,1,1)", &[0; 4]), "too many dimensions"),
            (file("<f4", "Maybe", "(2,)", &[0; 8]), "True or False"),
            (file("|O", "False", "(2,)", &[0; 16]), "type '|O'"),
            (file("<c8", "False", "(1,)", &[0; 8]), "type '<c8'"),
            (with_header("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': ()}", &[]), "''' was"),
            (with_header("{'descr': '<f4', 'shape': (2,)}", &[0; 8]), "is missing"),
            (with_header("{'shape': (2,), 'shape': (2,)}", &[0; 8]), "unexpected key 'shape'"),
            (with_header("{'color': 'red'}", &[]), "unexpected key 'color'"),
            (with_header(&"(".repeat(60_000), &[]), "'{' was expected"),
            (file("<f4", "False", "(1, 2)", &[0; 8]), "where 1 dimensions are wanted"),
        ] {
            let text = message::<f32>(&bytes);
            assert!(text.contains(expected), "{text} | {expected}");
        }
        let missing = read::<f32, Ix1>(Path::new("no/such.npy"), Conversion::Exact).unwrap_err();
        assert_eq!(missing.kind(), ErrorKind::Io);
        assert!(missing.to_string().contains("no/such.npy"), "{missing}");
    }
}
