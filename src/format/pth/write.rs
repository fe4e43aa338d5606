//! State dicts as PyTorch writes them.

use std::io::{Cursor, Write};
use std::path::Path;

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use crate::error::{Error, Result};
use crate::format::atomic;

/// A tensor of a state dict.
#[derive(Clone, Debug, PartialEq)]
pub struct NamedTensor {
    /// Its key, for example `layers.0.weight`.
    pub name: String,
    /// Its shape; an empty one is a single number.
    pub shape: Vec<usize>,
    /// Its numbers, row-major.
    pub values: Vec<f32>,
}

/// Replaces the file at `path` by a state dict of `tensors` that Python's default
/// `torch.load` (`weights_only=True`) reads as an `OrderedDict` in the same order.
///
/// # Errors
/// A shape that does not fit its values, or the system's refusal to write.
pub fn save(path: &Path, tensors: &[NamedTensor]) -> Result<()> {
    for tensor in tensors {
        if tensor.shape.iter().product::<usize>() != tensor.values.len() {
            return Err(Error::invalid(format!(
                "{} values for tensor \"{}\" of shape {:?}",
                tensor.values.len(),
                tensor.name,
                tensor.shape
            )));
        }
    }
    // In memory first: an archive that cannot be finished, on a full disk, prints to standard error.
    let mut archive = Cursor::new(Vec::new());
    let written = write_archive(&mut archive, tensors);
    written.map_err(|e| Error::io("write", path, std::io::Error::other(e)))?;
    atomic::write(path, archive.get_ref())
}

/// The archive's layout is that of `torch/csrc/api/src/serialize` and `caffe2/serialize`
/// (PyTorch's zip container): stored, not deflated, so that tensors can be mapped into memory.
fn write_archive(file: &mut Cursor<Vec<u8>>, tensors: &[NamedTensor]) -> zip::result::ZipResult<()> {
    let mut archive = ZipWriter::new(file);
    // PyTorch aligns tensors to 64 bytes.
    let options =
        SimpleFileOptions::default().compression_method(CompressionMethod::Stored).with_alignment(64);
    let mut put = |name: &str, bytes: &[u8]| -> zip::result::ZipResult<()> {
        archive.start_file(format!("archive/{name}"), options)?;
        Ok(archive.write_all(bytes)?)
    };
    put("data.pkl", &pickle(tensors))?;
    put("byteorder", b"little")?;
    for (i, tensor) in tensors.iter().enumerate() {
        let bytes: Vec<u8> = tensor.values.iter().flat_map(|v| v.to_le_bytes()).collect();
        put(&format!("data/{i}"), &bytes)?;
    }
    put("version", b"3\n")?;
    archive.finish()?;
    Ok(())
}

/// Protocol 2 pickle of `OrderedDict(name → _rebuild_tensor_v2(storage, 0, size, stride, False,
/// OrderedDict()))`, with the opcodes of Python's `pickletools`.
fn pickle(tensors: &[NamedTensor]) -> Vec<u8> {
    let mut p = Pickle(vec![0x80, 2]);
    p.empty_ordered_dict();
    p.raw(b"(");
    for (i, tensor) in tensors.iter().enumerate() {
        p.text(&tensor.name);
        p.raw(b"ctorch._utils\n_rebuild_tensor_v2\n((");
        p.text("storage");
        p.raw(b"ctorch\nFloatStorage\n");
        p.text(&i.to_string());
        p.text("cpu");
        p.integer(tensor.values.len());
        p.raw(b"tQ");
        p.integer(0);
        p.tuple(&tensor.shape);
        p.tuple(&strides(&tensor.shape));
        // requires_grad = False, then the (empty) backward hooks.
        p.raw(&[0x89]);
        p.empty_ordered_dict();
        p.raw(b"tR");
    }
    p.raw(b"u.");
    p.0
}

fn strides(shape: &[usize]) -> Vec<usize> {
    let mut strides = vec![1; shape.len()];
    for i in (1..shape.len()).rev() {
        strides[i - 1] = strides[i] * shape[i];
    }
    strides
}

struct Pickle(Vec<u8>);

impl Pickle {
    fn raw(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    fn empty_ordered_dict(&mut self) {
        self.raw(b"ccollections\nOrderedDict\n)R");
    }

    fn text(&mut self, text: &str) {
        self.raw(b"X");
        self.raw(&(text.len() as u32).to_le_bytes());
        self.raw(text.as_bytes());
    }

    /// `LONG1` of eight bytes fits every size.
    fn integer(&mut self, value: usize) {
        self.raw(&[0x8a, 8]);
        self.raw(&(value as i64).to_le_bytes());
    }

    fn tuple(&mut self, values: &[usize]) {
        self.raw(b"(");
        values.iter().for_each(|&v| self.integer(v));
        self.raw(b"t");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shape_must_fit_its_values() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.pth");
        let tensor = NamedTensor { name: "x".into(), shape: vec![2, 3], values: vec![0.0; 5] };
        assert!(save(&path, &[tensor]).unwrap_err().to_string().contains("[2, 3]"));
        assert!(!path.exists());
    }

    #[test]
    fn strides_are_row_major() {
        assert_eq!(strides(&[2, 3, 4]), [12, 4, 1]);
        assert_eq!(strides(&[]), [0; 0]);
    }
}
