//! Emucell's own entries in an ONNX file's metadata.

use super::description::{Description, KindName};
use super::proto::{Model, Property};
use crate::error::{Error, Result};
use crate::surrogate::{Kind, Surrogate};

/// Who wrote the file, if emucell did.
pub const PRODUCER: &str = "emucell";

const FORMAT: &str = "emucell.format";
/// Number of emucell's entries, so that a file cut off between two of them is noticed.
const N_ENTRIES: &str = "emucell.n_entries";
const KIND: &str = "emucell.kind";
const DT: &str = "emucell.dt";
const INPUTS: &str = "emucell.inputs";
const OUTPUTS: &str = "emucell.outputs";
/// Times of the outputs of a solution map that gives the states at several at once.
const TIMES: &str = "emucell.times";
const INITIAL_STATE: &str = "emucell.initial_state";
const CELL_MODEL: &str = "emucell.cell_model";
const PROVENANCE: &str = "emucell.provenance";

/// Newest version of the metadata that this program reads, and the one it writes.
const FORMAT_VERSION: u32 = 1;

pub fn write(surrogate: &Surrogate) -> Vec<Property> {
    let json = |value: serde_json::Result<String>| value.expect("plain data turns into JSON");
    let mut entries = vec![
        (FORMAT, FORMAT_VERSION.to_string()),
        (KIND, surrogate.kind().name().to_owned()),
        (INPUTS, json(serde_json::to_string(surrogate.inputs()))),
        (OUTPUTS, json(serde_json::to_string(surrogate.outputs()))),
    ];
    if let Kind::StepMap { dt } = surrogate.kind() {
        entries.push((DT, dt.to_string()));
    }
    if !surrogate.times().is_empty() {
        entries.push((TIMES, json(serde_json::to_string(surrogate.times()))));
    }
    if let Some(state) = surrogate.initial_state() {
        entries.push((INITIAL_STATE, json(serde_json::to_string(state))));
    }
    if let Some(model) = surrogate.cell_model() {
        entries.push((CELL_MODEL, json(serde_json::to_string(model))));
    }
    if !surrogate.provenance().is_empty() {
        entries.push((PROVENANCE, json(serde_json::to_string(surrogate.provenance()))));
    }
    entries.insert(1, (N_ENTRIES, (entries.len() + 1).to_string()));
    entries.into_iter().map(|(key, value)| Property { key: key.to_owned(), value }).collect()
}

/// What `model`'s metadata say about the network; none where they are silent because the file is
/// not emucell's own.
pub fn read(model: &Model) -> Result<Option<Description>> {
    let properties = &model.metadata_props;
    let metadata = Metadata(properties);
    let version = match metadata.find(FORMAT) {
        Some(version) => version,
        None if model.producer_name == PRODUCER => return Err(metadata.damaged(FORMAT, "missing")),
        None => return Ok(None),
    };
    match version.parse::<u32>() {
        Ok(1..=FORMAT_VERSION) => {}
        Ok(newer) if newer > FORMAT_VERSION => {
            return Err(Error::unsupported(format!("metadata version {newer}"))
                .remedy("update emucell: this build reads version 1"));
        }
        _ => return Err(metadata.damaged(FORMAT, &format!("\"{version}\" is not a version"))),
    }
    let n_entries: usize = metadata.required_json(N_ENTRIES)?;
    let found = properties.iter().filter(|p| p.key.starts_with("emucell.")).count();
    if found != n_entries {
        return Err(metadata.damaged(N_ENTRIES, &format!("{found} entries where {n_entries} were written")));
    }
    let kind = match metadata.required(KIND)? {
        "solution_map" => KindName::SolutionMap,
        "step_map" => KindName::StepMap,
        other => return Err(metadata.damaged(KIND, &format!("unknown kind \"{other}\""))),
    };
    Ok(Some(Description {
        kind,
        dt: match kind {
            KindName::StepMap => Some(metadata.required_json(DT)?),
            KindName::SolutionMap => None,
        },
        inputs: metadata.required_json(INPUTS)?,
        outputs: metadata.required_json(OUTPUTS)?,
        times: metadata.json(TIMES)?.unwrap_or_default(),
        initial_state: metadata.json(INITIAL_STATE)?,
        cell_model: metadata.json(CELL_MODEL)?,
        provenance: metadata.json(PROVENANCE)?.unwrap_or_default(),
    }))
}

struct Metadata<'a>(&'a [Property]);

impl Metadata<'_> {
    fn find(&self, key: &str) -> Option<&str> {
        self.0.iter().find(|p| p.key == key).map(|p| p.value.as_str())
    }

    fn required(&self, key: &str) -> Result<&str> {
        self.find(key).ok_or_else(|| self.damaged(key, "missing"))
    }

    fn json<T: serde::de::DeserializeOwned>(&self, key: &str) -> Result<Option<T>> {
        let parse = |text: &str| serde_json::from_str(text).map_err(|e| self.damaged(key, &e.to_string()));
        self.find(key).map(parse).transpose()
    }

    fn required_json<T: serde::de::DeserializeOwned>(&self, key: &str) -> Result<T> {
        self.json(key)?.ok_or_else(|| self.damaged(key, "missing"))
    }

    fn damaged(&self, key: &str, what: &str) -> Error {
        Error::format(what)
            .at(format!("metadata \"{key}\""))
            .remedy("the file is damaged or was edited: export the surrogate again")
    }
}
