//! Everything that a training needs to go on, in one file.
//!
//! The file is in the safetensors format (a header length, a JSON header, raw numbers), with the
//! scalars as JSON under the metadata key `emucell`.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tch::{Device, Kind, Tensor};

use super::pace::Pace;
use super::schedule::Plateau;
use crate::error::{Error, Result};
use crate::format::atomic;

/// Numbers that change in the course of training.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Progressed {
    /// What was being trained; a checkpoint goes on only with the same.
    pub recipe: String,
    pub seed: u64,
    /// The window of time that is trained.
    pub window: usize,
    /// What earlier windows took: iterations, seconds, rows of `losses.csv`; their largest validation error, as bits.
    pub iterations_before: u64,
    pub seconds_before: f64,
    pub rows_before: usize,
    pub validation_before: u64,
    /// Iterations on this window.
    pub iteration: u64,
    pub seconds: f64,
    /// Lowest validation error, as bits because JSON has no infinity.
    pub best_validation: u64,
    pub best_iteration: u64,
    /// Validation error that early stopping compares with, as bits.
    pub reference_validation: u64,
    /// Validations since that one.
    pub waited: u32,
    pub plateau: Plateau,
    pub pace: Pace,
    /// Why training ended, if it did.
    pub finished: Option<String>,
    /// Names of the losses, the columns of `rows` between iteration and total.
    pub losses: Vec<String>,
}

/// A training at rest.
pub(crate) struct Checkpoint {
    pub progressed: Progressed,
    /// Parameters, best parameters, the optimiser's state, rows of `losses.csv`.
    pub tensors: BTreeMap<String, Tensor>,
}

/// Largest header accepted, far beyond any that is written.
const MAX_HEADER: usize = 16 << 20;

impl Checkpoint {
    /// The tensor called `name`.
    pub fn tensor(&self, name: &str) -> Result<&Tensor> {
        self.tensors
            .get(name)
            .ok_or_else(|| Error::format(format!("the checkpoint has no tensor \"{name}\"")))
    }

    /// Replaces the file at `path`.
    pub fn save(&self, path: &Path) -> Result<()> {
        let mut header = serde_json::Map::new();
        let scalars = serde_json::to_string(&self.progressed).expect("plain numbers and text");
        header.insert("__metadata__".to_owned(), json!({ "emucell": scalars }));
        let mut data: Vec<u8> = Vec::new();
        for (name, tensor) in &self.tensors {
            let start = data.len();
            let bytes = tensor.numel() * tensor.kind().elt_size_in_bytes();
            data.resize(start + bytes, 0);
            let tensor = tensor.detach().to_device(Device::Cpu).contiguous();
            tensor.copy_data_u8(&mut data[start..], tensor.numel());
            let dtype = if tensor.kind() == Kind::Double { "F64" } else { "F32" };
            let entry =
                json!({ "dtype": dtype, "shape": tensor.size(), "data_offsets": [start, data.len()] });
            header.insert(name.clone(), entry);
        }
        let header = Value::Object(header).to_string();
        atomic::write_with(path, |file| {
            let length = (header.len() as u64).to_le_bytes();
            [&length[..], header.as_bytes(), &data]
                .iter()
                .try_for_each(|part| file.write_all(part))
                .map_err(|e| Error::io("write", path, e))
        })
    }

    /// Reads the file at `path`, if there is one.
    pub fn load(path: &Path) -> Result<Option<Self>> {
        let bytes = match std::fs::read(path) {
            Ok(bytes) => bytes,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(Error::io("read", path, e)),
        };
        parse(&bytes).map(Some).map_err(|what| {
            Error::format(format!("damaged checkpoint ({what})"))
                .in_file(path)
                .remedy("remove it, or train with --force to start anew")
        })
    }
}

fn parse(bytes: &[u8]) -> std::result::Result<Checkpoint, String> {
    let (length, rest) = bytes.split_first_chunk().ok_or("no header")?;
    let length = usize::try_from(u64::from_le_bytes(*length)).map_err(|e| e.to_string())?;
    if length > MAX_HEADER || length > rest.len() {
        return Err(format!("a header of {length} bytes"));
    }
    let (header, data) = rest.split_at(length);
    let mut header: BTreeMap<String, Value> = serde_json::from_slice(header).map_err(|e| e.to_string())?;
    let metadata = header.remove("__metadata__").ok_or("no metadata")?;
    let scalars = metadata["emucell"].as_str().ok_or("not written by emucell")?;
    let progressed = serde_json::from_str(scalars).map_err(|e| e.to_string())?;
    let mut tensors = BTreeMap::new();
    for (name, entry) in header {
        let entry: Entry = serde_json::from_value(entry).map_err(|e| format!("{name}: {e}"))?;
        let kind = if entry.dtype == "F64" { Kind::Double } else { Kind::Float };
        let [start, end] = entry.data_offsets;
        let values = data.get(start..end).ok_or_else(|| format!("{name} lies beyond the end"))?;
        let count = entry.shape.iter().try_fold(1_usize, |n, &d| n.checked_mul(usize::try_from(d).ok()?));
        if count.and_then(|n| n.checked_mul(kind.elt_size_in_bytes())) != Some(values.len()) {
            return Err(format!("{name} has not the size of its shape"));
        }
        let tensor = Tensor::f_from_data_size(values, &entry.shape, kind).map_err(|e| e.to_string())?;
        tensors.insert(name, tensor);
    }
    Ok(Checkpoint { progressed, tensors })
}

#[derive(Deserialize)]
struct Entry {
    dtype: String,
    shape: Vec<i64>,
    data_offsets: [usize; 2],
}
