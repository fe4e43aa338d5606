//! Arrays of numbers in `.npy`, `.npz`, `.csv` and `.pt` files.
//!
//! Files are untrusted: what a header promises is compared with the length of the file before
//! anything is allocated for it, and every fault names the file and the place.

pub mod csv;
mod header;
pub mod npy;
pub mod npz;

use std::io::Seek;
use std::path::Path;

use ndarray::{Array2, ArrayD, Axis, Ix2, concatenate};
use rawzip::ReaderAt;

use crate::error::{Error, Result};
use crate::format::pth;

/// What to do with numbers of another type than the one that is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conversion {
    /// Refuse them.
    Exact,
    /// Convert where it does no harm: integers that are kept exactly, floating-point numbers
    /// that are rounded but stay finite.
    Harmless,
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for f32 {}
    impl Sealed for f64 {}
}

/// A number type that array files are read into and written from: `f32` or `f64`.
pub trait Number:
    sealed::Sealed + Copy + ndarray_npy::ReadableElement + ndarray_npy::WritableElement
{
    /// NumPy's name of the type without its byte order.
    const DTYPE: &'static str;

    /// `value` in this type, if only rounded.
    fn from_float(value: f64) -> Option<Self>;

    /// `value` in this type, if kept exactly.
    fn from_integer(value: i128) -> Option<Self>;
}

macro_rules! number {
    ($type:ty, $dtype:literal) => {
        impl Number for $type {
            const DTYPE: &'static str = $dtype;

            fn from_float(value: f64) -> Option<Self> {
                let number = value as $type;
                (number.is_finite() || !value.is_finite()).then_some(number)
            }

            fn from_integer(value: i128) -> Option<Self> {
                let number = value as $type;
                (number as i128 == value).then_some(number)
            }
        }
    };
}

number!(f32, "f4");
number!(f64, "f8");

/// A table of numbers with named columns.
#[derive(Clone, Debug, PartialEq)]
pub struct Matrix {
    /// Name of each column.
    pub names: Vec<String>,
    /// Rows × columns.
    pub values: Array2<f64>,
}

/// The format of a file of arrays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Text with a header, see [`csv`].
    Csv,
    /// One array of NumPy's, see [`npy`].
    Npy,
    /// Named arrays of NumPy's, see [`npz`].
    Npz,
    /// Tensors of PyTorch's, alone or in dictionaries and lists, see [`pth`].
    Pt,
}

impl Format {
    /// The format that the extension of `path` names.
    ///
    /// # Errors
    /// Another extension.
    pub fn of(path: &Path) -> Result<Self> {
        match path.extension().and_then(|e| e.to_str()).map(str::to_ascii_lowercase).as_deref() {
            Some("csv") => Ok(Self::Csv),
            Some("npy") => Ok(Self::Npy),
            Some("npz") => Ok(Self::Npz),
            Some("pt" | "pth") => Ok(Self::Pt),
            _ => Err(Error::unsupported(format!("cannot tell the format of {}", path.display()))
                .remedy("give a file that ends in .csv, .npy, .npz or .pt")),
        }
    }
}

/// The table in the file at `path`, whose extension tells its format: the columns of a `.csv`
/// file under their names; of a `.npy` file as `column_0`, `column_1`, …; of a `.npz` file each
/// one-dimensional array under its name and each two-dimensional array as `name_0`, `name_1`, …;
/// of a `.pt` file the same, with matrices of one column under their name (see
/// [`pth::File::arrays`]). Numbers of other types are converted where that does no harm.
///
/// # Errors
/// Another extension, an unreadable or malformed file, arrays of three dimensions or of different
/// lengths.
pub fn read_matrix(path: &Path) -> Result<Matrix> {
    match Format::of(path)? {
        // Member by member: the file need not fit into memory beside its arrays.
        Format::Npz => join_arrays(npz::Archive::open(path)?),
        Format::Pt => join_tensors(pth::File::open(path)?),
        format => {
            let bytes = std::fs::read(path).map_err(|e| Error::io("read", path, e))?;
            matrix_from_bytes(format, &bytes).map_err(|e| e.in_file(path))
        }
    }
}

/// The table in the bytes of a file of this format; see [`read_matrix`].
///
/// # Errors
/// As [`read_matrix`], without the file's name.
pub fn matrix_from_bytes(format: Format, bytes: &[u8]) -> Result<Matrix> {
    match format {
        Format::Csv => csv::from_bytes(bytes),
        Format::Npy => columns("column", npy::from_bytes(bytes, Conversion::Harmless)?),
        Format::Npz => join_arrays(npz::Archive::from_bytes(bytes)?),
        Format::Pt => join_tensors(pth::File::from_bytes(bytes)?),
    }
}

fn join_tensors<R: ReaderAt + Seek>(mut file: pth::File<R>) -> Result<Matrix> {
    let mut parts = Vec::new();
    for (name, array) in file.arrays()? {
        // Columns are often kept as matrices, which is what PyTorch's layers take.
        let array = if array.ndim() == 2 && array.len_of(Axis(1)) == 1 {
            array.index_axis_move(Axis(1), 0)
        } else {
            array
        };
        parts.push(columns(&name, array).map_err(|e| file.place(e))?);
    }
    join(parts).map_err(|e| file.place(e))
}

fn join_arrays<R: ReaderAt + Seek>(mut archive: npz::Archive<R>) -> Result<Matrix> {
    let mut parts = Vec::new();
    for name in archive.array_names() {
        let array = archive.array(&name, Conversion::Harmless)?;
        parts.push(columns(&name, array).map_err(|e| archive.place(e))?);
    }
    join(parts).map_err(|e| archive.place(e))
}

fn columns(name: &str, array: ArrayD<f64>) -> Result<Matrix> {
    if array.is_empty() {
        // A file of a few bytes can announce any number of columns without rows.
        let what = format!("array \"{name}\" of shape {:?} without numbers", array.shape());
        return Err(Error::format(what).remedy("give a table with rows"));
    }
    match array.ndim() {
        1 => {
            let values = array.insert_axis(Axis(1)).into_dimensionality::<Ix2>();
            Ok(Matrix { names: vec![name.to_owned()], values: values.expect("two dimensions") })
        }
        2 => {
            let names = (0..array.len_of(Axis(1))).map(|i| format!("{name}_{i}")).collect();
            Ok(Matrix { names, values: array.into_dimensionality().expect("two dimensions") })
        }
        n => Err(Error::format(format!("array \"{name}\" of {n} dimensions where a table has 1 or 2"))
            .remedy("give a table of rows and columns")),
    }
}

fn join(parts: Vec<Matrix>) -> Result<Matrix> {
    let views: Vec<_> = parts.iter().map(|p| p.values.view()).collect();
    if views.is_empty() {
        return Err(Error::format("no arrays"));
    }
    let values = concatenate(Axis(1), &views).map_err(|_| {
        let lengths: Vec<_> = parts.iter().map(|p| format!("{}: {}", p.names[0], p.values.nrows())).collect();
        Error::format(format!("arrays of different lengths ({})", lengths.join(", ")))
            .remedy("give arrays of one length")
    })?;
    Ok(Matrix { names: parts.into_iter().flat_map(|p| p.names).collect(), values })
}

#[cfg(test)]
mod tests {
    use ndarray::{Array1, Array3, array};

    use super::*;

    #[test]
    fn tables_are_read_from_each_format() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let values = array![[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]];
        csv::write(&path("a.csv"), &["x".into(), "y".into()], &values.view()).unwrap();
        assert_eq!(read_matrix(&path("a.csv")).unwrap().names, ["x", "y"]);
        npy::write(&path("a.NPY"), &values.mapv(|x| x as f32).view()).unwrap();
        let matrix = read_matrix(&path("a.NPY")).unwrap();
        assert_eq!(
            (matrix.names, matrix.values),
            (vec!["column_0".into(), "column_1".into()], values.clone())
        );
        npz::write(&path("a.npz"), |archive| {
            archive.array("t", &Array1::from(vec![7.0f32, 8.0, 9.0]).view())?;
            archive.array("x", &values.view())?;
            archive.text("about.json", "{}")
        })
        .unwrap();
        let matrix = read_matrix(&path("a.npz")).unwrap();
        assert_eq!(matrix.names, ["t", "x_0", "x_1"]);
        assert_eq!(matrix.values.row(1).to_vec(), [8.0, 3.0, 4.0]);
    }

    #[test]
    fn what_is_no_table_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        assert!(read_matrix(&path("a.txt")).unwrap_err().to_string().contains(".csv, .npy, .npz or .pt"));
        npy::write(&path("a.npy"), &Array3::<f64>::zeros((1, 2, 3)).view()).unwrap();
        assert!(read_matrix(&path("a.npy")).unwrap_err().to_string().contains("3 dimensions"));
        npz::write(&path("a.npz"), |archive| {
            archive.array("t", &Array1::<f64>::zeros(3).view())?;
            archive.array("u", &Array1::<f64>::zeros(4).view())
        })
        .unwrap();
        assert!(read_matrix(&path("a.npz")).unwrap_err().to_string().contains("t: 3, u: 4"));
    }
}
