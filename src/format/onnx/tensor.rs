//! ONNX tensors with their sizes checked against the data that is there.

use std::rc::Rc;

use super::proto::{Tensor, data_type};
use crate::error::{Error, Result};

/// Constant numbers of a graph, shared by all nodes that read them.
#[derive(Clone, Debug)]
pub enum Constant {
    Floats { dims: Rc<[usize]>, values: Rc<[f32]> },
    Integers { values: Rc<[i64]> },
}

pub fn floats(name: &str, dims: &[usize], values: &[f32]) -> Tensor {
    Tensor {
        name: name.to_owned(),
        dims: dims.iter().map(|&d| d as i64).collect(),
        data_type: data_type::FLOAT,
        raw_data: values.iter().flat_map(|v| v.to_le_bytes()).collect(),
        ..Tensor::default()
    }
}

pub fn integers(name: &str, values: &[i64]) -> Tensor {
    Tensor {
        name: name.to_owned(),
        dims: vec![values.len() as i64],
        data_type: data_type::INT64,
        raw_data: values.iter().flat_map(|v| v.to_le_bytes()).collect(),
        ..Tensor::default()
    }
}

/// The numbers of `tensor`; doubles are narrowed to single precision.
pub fn constant(tensor: &Tensor) -> Result<Constant> {
    let name = || format!("tensor \"{}\"", tensor.name);
    if tensor.data_location != 0 {
        return Err(Error::unsupported("weights in a file of their own")
            .at(name())
            .remedy("export the model with its weights inside"));
    }
    let dims = tensor.dims.iter().map(|&d| usize::try_from(d).ok()).collect::<Option<Rc<[_]>>>();
    let (dims, count) = dims
        .and_then(|dims| {
            let count = dims.iter().try_fold(1usize, |n, &d| n.checked_mul(d))?;
            Some((dims, count))
        })
        .ok_or_else(|| Error::format(format!("impossible shape {:?}", tensor.dims)).at(name()))?;
    let raw = !tensor.raw_data.is_empty();
    let constant = match tensor.data_type {
        data_type::FLOAT if raw => {
            Constant::Floats { dims, values: from_raw(&tensor.raw_data, f32::from_le_bytes) }
        }
        data_type::FLOAT => Constant::Floats { dims, values: tensor.float_data.as_slice().into() },
        data_type::DOUBLE if raw => {
            Constant::Floats { dims, values: from_raw(&tensor.raw_data, |b| f64::from_le_bytes(b) as f32) }
        }
        data_type::DOUBLE => {
            Constant::Floats { dims, values: tensor.double_data.iter().map(|&v| v as f32).collect() }
        }
        data_type::INT64 if raw => {
            Constant::Integers { values: from_raw(&tensor.raw_data, i64::from_le_bytes) }
        }
        data_type::INT64 => Constant::Integers { values: tensor.int64_data.as_slice().into() },
        other => {
            return Err(Error::unsupported(format!("element type {other}"))
                .at(name())
                .remedy("export the model in single precision"));
        }
    };
    let found = match &constant {
        Constant::Floats { values, .. } => values.len(),
        Constant::Integers { values } => values.len(),
    };
    if found != count {
        return Err(Error::format(format!("{found} numbers for shape {:?}", tensor.dims))
            .at(name())
            .remedy("the file is damaged: copy or export it again"));
    }
    Ok(constant)
}

/// Whole elements of `bytes`; a rest shows up as a wrong count.
fn from_raw<const N: usize, T>(bytes: &[u8], convert: impl Fn([u8; N]) -> T) -> Rc<[T]> {
    if !bytes.len().is_multiple_of(N) {
        return Rc::new([]);
    }
    bytes.chunks_exact(N).map(|c| convert(c.try_into().expect("a chunk of N bytes"))).collect()
}
