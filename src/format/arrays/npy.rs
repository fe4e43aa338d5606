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
    parse(&bytes, conversion).map_err(|e| e.in_file(path))
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

pub(super) fn parse<T: Number, D: Dimension>(bytes: &[u8], conversion: Conversion) -> Result<Array<T, D>> {
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
