//! A training at rest in a file, so that an interrupted distillation goes on where it was.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ndarray::{ArrayView1, Ix1};
use serde_json::{Map, Value, json};

use crate::error::{Error, Result};
use crate::format::arrays::Conversion;
use crate::format::arrays::npz;
use crate::format::onnx;
use crate::surrogate::Surrogate;

/// Where a training is kept, and what it is a training of.
#[derive(Clone, Debug, PartialEq)]
pub struct Checkpoint {
    /// The file, of NumPy's archives.
    pub path: PathBuf,
    /// Everything that the training depends on, by the names that a user knows. A file of another subject is refused.
    pub subject: Map<String, Value>,
}

/// What is kept: numbers, texts and small values by name.
#[derive(Default)]
pub struct Kept {
    numbers: BTreeMap<String, Vec<f64>>,
    values: Map<String, Value>,
}

/// Member of the archive with everything that is no array.
const ABOUT: &str = "about.json";
/// Names of the values that every file has.
const SUBJECT: &str = "subject";
const VALUES: &str = "values";

impl Checkpoint {
    /// What the file keeps, if there is one.
    ///
    /// # Errors
    /// A damaged file, or one of another subject.
    pub fn load(&self) -> Result<Option<Kept>> {
        if !self.path.exists() {
            return Ok(None);
        }
        let (found, kept) = self.read().map_err(|e| {
            Error::format(format!("damaged checkpoint ({e})")).in_file(&self.path).remedy(self.anew())
        })?;
        self.compare(&found)?;
        Ok(Some(kept))
    }

    fn read(&self) -> Result<(Map<String, Value>, Kept)> {
        let mut archive = npz::Archive::open(&self.path)?;
        let about: Value = serde_json::from_str(&archive.text(ABOUT)?)
            .map_err(|e| Error::format(format!("{ABOUT}: {e}")))?;
        let object = |name: &str| {
            about[name].as_object().cloned().ok_or_else(|| Error::format(format!("{ABOUT} has no {name}")))
        };
        let (subject, values) = (object(SUBJECT)?, object(VALUES)?);
        let mut numbers = BTreeMap::new();
        for name in archive.array_names() {
            let array = archive.array::<f64, Ix1>(&name, Conversion::Exact)?;
            numbers.insert(name, array.to_vec());
        }
        Ok((subject, Kept { numbers, values }))
    }

    fn compare(&self, found: &Map<String, Value>) -> Result<()> {
        let names = self.subject.keys().chain(found.keys().filter(|name| !self.subject.contains_key(*name)));
        let show = |value: Option<&Value>| match value {
            None => "nothing".to_owned(),
            Some(Value::String(text)) => text.clone(),
            Some(value) => value.to_string(),
        };
        let differs = |name: &&String| self.subject.get(*name) != found.get(*name);
        let differences: Vec<String> = names
            .filter(differs)
            .map(|name| format!("{name} was {}, is {}", show(found.get(name)), show(self.subject.get(name))))
            .collect();
        match differences.is_empty() {
            true => Ok(()),
            false => Err(Error::invalid(format!(
                "an interrupted training of something else: {}",
                differences.join("; ")
            ))
            .in_file(&self.path)
            .remedy(format!("go on with what it was started with, or {}", self.anew()))),
        }
    }

    fn anew(&self) -> String {
        format!("remove {} to start anew", self.path.display())
    }

    /// Replaces the file.
    ///
    /// # Errors
    /// The system's refusal to write there.
    pub fn save(&self, kept: &Kept) -> Result<()> {
        npz::write(&self.path, |archive| {
            let about = json!({ SUBJECT: self.subject, VALUES: kept.values });
            archive.text(ABOUT, &about.to_string())?;
            kept.numbers.iter().try_for_each(|(name, n)| archive.array(name, &ArrayView1::from(&n[..])))
        })
    }

    /// Removes the file, if there is one: what it was for is done.
    ///
    /// # Errors
    /// The system's refusal.
    pub fn remove(&self) -> Result<()> {
        match std::fs::remove_file(&self.path) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(Error::io("remove", &self.path, e)),
            _ => Ok(()),
        }
    }

    /// The file that goes with a surrogate in `output`.
    pub fn beside(output: &Path) -> PathBuf {
        let mut name = output.file_name().unwrap_or_default().to_owned();
        name.push(".checkpoint");
        output.with_file_name(name)
    }
}

impl Kept {
    /// Keeps an array.
    pub fn put(&mut self, name: &str, numbers: &[f64]) {
        self.numbers.insert(name.to_owned(), numbers.to_vec());
    }

    /// The array called `name`.
    ///
    /// # Errors
    /// None of that name.
    pub fn numbers(&self, name: &str) -> Result<&[f64]> {
        self.numbers.get(name).map(|n| &n[..]).ok_or_else(|| missing(name))
    }

    /// Keeps a value.
    pub fn put_value(&mut self, name: &str, value: impl Into<Value>) {
        self.values.insert(name.to_owned(), value.into());
    }

    /// The value called `name`.
    ///
    /// # Errors
    /// None of that name and type.
    pub fn value<T: serde::de::DeserializeOwned>(&self, name: &str) -> Result<T> {
        let value = self.values.get(name).ok_or_else(|| missing(name))?;
        serde_json::from_value(value.clone())
            .map_err(|e| Error::format(format!("{name} of a checkpoint: {e}")))
    }

    /// Keeps a surrogate.
    ///
    /// # Errors
    /// A surrogate that no file can hold.
    pub fn put_surrogate(&mut self, name: &str, surrogate: &Surrogate) -> Result<()> {
        self.put_value(name, STANDARD.encode(onnx::to_bytes(surrogate)?));
        Ok(())
    }

    /// The surrogate called `name`, if there is one.
    ///
    /// # Errors
    /// A damaged one.
    pub fn surrogate(&self, name: &str) -> Result<Option<Surrogate>> {
        if !self.values.contains_key(name) {
            return Ok(None);
        }
        let bytes = STANDARD.decode(self.value::<String>(name)?);
        let bytes = bytes.map_err(|e| Error::format(format!("{name} of a checkpoint: {e}")))?;
        onnx::from_bytes(&bytes).map(Some)
    }
}

fn missing(name: &str) -> Error {
    Error::format(format!("the checkpoint has no {name}"))
        .remedy("it is of another version or another model; remove it to start anew")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checkpoint(folder: &Path, seed: u64) -> Checkpoint {
        let Value::Object(subject) = json!({ "library": "a.so", "seed": seed }) else { unreachable!() };
        Checkpoint { path: Checkpoint::beside(&folder.join("x.onnx")), subject }
    }

    #[test]
    fn what_was_kept_comes_back_bit_by_bit() {
        let folder = tempfile::tempdir().unwrap();
        let own = checkpoint(folder.path(), 1);
        assert!(own.load().unwrap().is_none());
        let mut kept = Kept::default();
        kept.put("weights", &[0.1, -1e-300, f64::from(0.3f32)]);
        kept.put_value("round", 3u64);
        own.save(&kept).unwrap();
        let back = own.load().unwrap().unwrap();
        assert_eq!(back.numbers("weights").unwrap(), [0.1, -1e-300, f64::from(0.3f32)]);
        assert_eq!(back.value::<u64>("round").unwrap(), 3);
        assert!(back.numbers("other").is_err() && back.value::<String>("round").is_err());
        assert!(back.surrogate("best").unwrap().is_none());
        own.remove().unwrap();
        own.remove().unwrap();
        assert!(own.load().unwrap().is_none());
    }

    #[test]
    fn another_subject_and_a_damaged_file_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let own = checkpoint(folder.path(), 1);
        own.save(&Kept::default()).unwrap();
        let fault = checkpoint(folder.path(), 2).load().err().unwrap().to_string();
        assert!(fault.contains("seed was 1, is 2") && fault.contains("x.onnx.checkpoint"), "{fault}");
        assert!(!fault.contains("library"), "{fault}");
        let bytes = std::fs::read(&own.path).unwrap();
        std::fs::write(&own.path, &bytes[..bytes.len() / 2]).unwrap();
        let fault = own.load().err().unwrap().to_string();
        assert!(fault.contains("damaged checkpoint") && fault.contains("start anew"), "{fault}");
    }
}
