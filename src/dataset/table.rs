//! Rows of inputs and targets that a network learns from.

use std::path::Path;

use ndarray::{Array2, Axis, concatenate};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::error::{Error, Result};
use crate::format::arrays::{Conversion, csv, npz};

/// Inputs and targets, row by row.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    /// Names of the input columns.
    pub input_names: Vec<String>,
    /// Rows × inputs.
    pub inputs: Array2<f64>,
    /// Names of the target columns.
    pub target_names: Vec<String>,
    /// Rows × targets.
    pub targets: Array2<f64>,
    /// How the rows came to be.
    pub provenance: Map<String, Value>,
}

/// What `metadata.json` holds beside the arrays.
#[derive(Serialize, Deserialize)]
struct Metadata {
    content: String,
    inputs: Vec<String>,
    targets: Vec<String>,
    #[serde(default)]
    provenance: Map<String, Value>,
}

const CONTENT: &str = "emucell table";

impl Table {
    /// Number of rows.
    pub fn n_rows(&self) -> usize {
        self.inputs.nrows()
    }

    /// Writes the table to the file at `path`: `.npz` with arrays `inputs` and `targets` and a
    /// `metadata.json`, or `.csv` with the columns of both, which leaves out the provenance.
    ///
    /// # Errors
    /// Another extension, or the system's refusal to write there.
    pub fn write(&self, path: &Path) -> Result<()> {
        match path.extension().and_then(|e| e.to_str()) {
            Some("npz") => {
                let metadata = Metadata {
                    content: CONTENT.to_owned(),
                    inputs: self.input_names.clone(),
                    targets: self.target_names.clone(),
                    provenance: self.provenance.clone(),
                };
                let metadata = serde_json::to_string_pretty(&metadata).expect("plain data");
                npz::write(path, |archive| {
                    archive.array("inputs", &self.inputs.view())?;
                    archive.array("targets", &self.targets.view())?;
                    archive.text("metadata.json", &metadata)
                })
            }
            Some("csv") => {
                let names = [&self.input_names[..], &self.target_names[..]].concat();
                let values = concatenate(Axis(1), &[self.inputs.view(), self.targets.view()]);
                let values = values.map_err(|e| Error::invalid(format!("inputs and targets: {e}")))?;
                csv::write(path, &names, &values.view())
            }
            _ => Err(Error::unsupported(format!("cannot write a table to {}", path.display()))
                .remedy("give a file that ends in .npz or .csv")),
        }
    }

    /// Reads a table that [`write`](Self::write) wrote to a `.npz` file.
    ///
    /// # Errors
    /// An unreadable or malformed file, or one whose parts do not fit each other.
    pub fn read(path: &Path) -> Result<Self> {
        let mut archive = npz::Archive::open(path)?;
        let metadata: Metadata = read_metadata(&mut archive, path, CONTENT)?;
        let table = Self {
            input_names: metadata.inputs,
            inputs: archive.array("inputs", Conversion::Harmless)?,
            target_names: metadata.targets,
            targets: archive.array("targets", Conversion::Harmless)?,
            provenance: metadata.provenance,
        };
        let fits = table.inputs.nrows() == table.targets.nrows()
            && table.inputs.ncols() == table.input_names.len()
            && table.targets.ncols() == table.target_names.len();
        if !fits {
            return Err(Error::format("arrays and names do not fit each other").in_file(path));
        }
        Ok(table)
    }
}

/// The `metadata.json` of an archive, which must name its `content`.
pub(super) fn read_metadata<M: serde::de::DeserializeOwned>(
    archive: &mut npz::Archive,
    path: &Path,
    content: &str,
) -> Result<M> {
    let text = archive.text("metadata.json")?;
    let fault = |what: String| {
        Error::format(what)
            .at("metadata.json")
            .in_file(path)
            .remedy("generate the file again with `emucell generate`")
    };
    let value: Value = serde_json::from_str(&text).map_err(|e| fault(e.to_string()))?;
    if value["content"] != content {
        return Err(fault(format!("content {} where \"{content}\" is wanted", value["content"])));
    }
    serde_json::from_value(value).map_err(|e| fault(e.to_string()))
}
