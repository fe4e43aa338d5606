//! What MonoAlg3D's extra-data libraries hand to a model library as `ode_extra_data`: a structure of numbers and of pointers to arrays.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::number::Number;
use crate::error::{Error, Result};

/// The fields of such a structure, in its order; all numbers have the library's `real`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ExtraData(pub Vec<Field>);

/// A field of [`ExtraData`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Field {
    /// A number.
    Number(f64),
    /// A pointer to an array. An array of one number has it for every cell.
    Array(Vec<f64>),
}

impl ExtraData {
    /// Reads a list in JSON, or a file of one: `[1, 0.5, [2, 3, 4], [0]]` is a structure of two numbers and two pointers.
    ///
    /// # Errors
    /// A file that cannot be read, or anything else than such a list.
    pub fn read(text_or_path: &str) -> Result<Self> {
        let wrong = |e: serde_json::Error| {
            Error::invalid(format!("extra data that are no list of fields: {e}"))
                .remedy("write numbers and arrays in the structure's order: [1, 0.5, [2, 3, 4], [0]], or the name of a file of that")
        };
        let read = |text: &str| serde_json::from_str(text).map_err(wrong);
        let data: Self = match text_or_path.trim_start().starts_with('[') {
            true => read(text_or_path)?,
            false => {
                let path = Path::new(text_or_path);
                let text = std::fs::read_to_string(path).map_err(|e| Error::io("read", path, e))?;
                read(&text).map_err(|e| e.in_file(path))?
            }
        };
        let empty = |field: &Field| matches!(field, Field::Array(numbers) if numbers.is_empty());
        match data.0.iter().position(empty) {
            Some(i) => Err(Error::invalid(format!("field {i} of the extra data is an empty array"))
                .remedy("one number stands for every cell")),
            None => Ok(data),
        }
    }
}

/// Memory that a model library reads as its extra data.
pub struct Memory<R> {
    /// The structure, aligned for pointers.
    structure: Vec<*mut R>,
    /// What its pointers point to.
    _arrays: Vec<Vec<R>>,
}

impl<R: Number> Memory<R> {
    /// The structure for `n_cells` cells. Arrays that are shorter than that end in NaN, so that a library that reads on does not read what
    /// lies behind.
    pub fn new(data: &ExtraData, n_cells: usize) -> Self {
        let (mut structure, mut arrays) = (Vec::<*mut R>::new(), Vec::new());
        // Bytes of the last word that are taken.
        let mut taken = size_of::<*mut R>();
        for field in &data.0 {
            match field {
                Field::Number(x) => {
                    if taken + size_of::<R>() > size_of::<*mut R>() {
                        structure.push(std::ptr::null_mut());
                        taken = 0;
                    }
                    let word = structure.last_mut().expect("pushed");
                    // SAFETY: `taken` is a multiple of R's size, with room for one more R in this word.
                    unsafe {
                        std::ptr::from_mut(word).cast::<u8>().add(taken).cast::<R>().write(R::from_f64(*x))
                    };
                    taken += size_of::<R>();
                }
                Field::Array(numbers) => {
                    let beyond = if let [x] = numbers[..] { x } else { f64::NAN };
                    let mut array: Vec<R> = numbers.iter().map(|&x| R::from_f64(x)).collect();
                    array.resize(array.len().max(n_cells), R::from_f64(beyond));
                    structure.push(array.as_mut_ptr());
                    arrays.push(array);
                    taken = size_of::<*mut R>();
                }
            }
        }
        Self { structure, _arrays: arrays }
    }

    /// Where the structure lies.
    pub fn pointer(&mut self) -> *mut std::ffi::c_void {
        self.structure.as_mut_ptr().cast()
    }

    /// Its size in bytes.
    pub fn size(&self) -> usize {
        size_of_val(&self.structure[..])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_list_of_fields_is_refused() {
        let data = ExtraData::read(" [1, [2, 3]]").unwrap();
        assert_eq!(data.0, [Field::Number(1.0), Field::Array(vec![2.0, 3.0])]);
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("extra.json");
        std::fs::write(&file, "[1, [2, 3]]").unwrap();
        assert_eq!(ExtraData::read(file.to_str().unwrap()).unwrap(), data);
        std::fs::write(&file, "{\"GNa\": 1}").unwrap();
        let of_file = ExtraData::read(file.to_str().unwrap()).unwrap_err().to_string();
        assert!(of_file.contains("no list of fields") && of_file.contains("extra.json"), "{of_file}");
        assert!(ExtraData::read("[1, []]").unwrap_err().to_string().contains("field 1"));
        assert!(ExtraData::read("[1, [[2]]]").is_err() && ExtraData::read("missing.json").is_err());
    }

    #[test]
    fn numbers_and_pointers_lie_as_in_c() {
        let data = ExtraData::read("[1, 2, 3, [4, 5], 6, [7]]").unwrap();
        let mut single = Memory::<f32>::new(&data, 3);
        #[repr(C)]
        struct Expected<R> {
            numbers: [R; 3],
            array: *const R,
            number: R,
            every: *const R,
        }
        assert_eq!(single.size(), size_of::<Expected<f32>>());
        // SAFETY: the memory has this layout, as its size confirms.
        let found = unsafe { &*single.pointer().cast::<Expected<f32>>() };
        assert_eq!((found.numbers, found.number), ([1.0, 2.0, 3.0], 6.0));
        // SAFETY: arrays have a number for each of three cells at least.
        let arrays = unsafe { [found.array, found.every].map(|a| std::slice::from_raw_parts(a, 3)) };
        assert_eq!((&arrays[0][..2], arrays[1]), (&[4.0, 5.0][..], &[7.0; 3][..]));
        assert!(arrays[0][2].is_nan());
        let mut double = Memory::<f64>::new(&data, 1);
        assert_eq!(double.size(), size_of::<Expected<f64>>());
        // SAFETY: as above.
        let found = unsafe { &*double.pointer().cast::<Expected<f64>>() };
        assert_eq!((found.numbers, found.number), ([1.0, 2.0, 3.0], 6.0));
    }
}
