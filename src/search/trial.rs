//! One training of a search: its recipe, its folder, how it ended.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use super::document::compact;
use crate::error::{Error, Result};
use crate::format::atomic;
use crate::train::recipe::{Recipe, Trained};

/// A training to do.
#[derive(Clone, Debug, PartialEq)]
pub struct Trial {
    /// Name of its folder. It follows from the recipe, so that a search that was extended knows what it has.
    pub name: String,
    /// What it has that others have not, by key; for tables.
    pub settings: Vec<(String, String)>,
    /// Seed of weights, data and batches.
    pub seed: u64,
    /// The hidden layers.
    pub architecture: String,
    /// The recipe as TOML.
    pub recipe: String,
}

impl Trial {
    /// The trial of the recipe `document`, which would lie at `source`, with the `settings` that tell it from others.
    ///
    /// # Errors
    /// A recipe that makes no sense; the message names the settings.
    pub fn new(document: &Table, source: &Path, settings: Vec<(String, String)>) -> Result<Self> {
        let text = toml::to_string(document).map_err(|e| Error::format(e.to_string()).in_file(source))?;
        let place = |e: Error| {
            let described: Vec<String> =
                settings.iter().map(|(key, value)| format!("{key} = {value}")).collect();
            if described.is_empty() { e } else { e.at(format!("the trial with {}", described.join(", "))) }
        };
        // From the document and not from its text: lines of a text that nobody wrote would mislead.
        let recipe: Result<Recipe, _> = document.clone().try_into();
        let mut recipe = recipe.map_err(|e: toml::de::Error| {
            let what = e.message().trim().replace('\n', " ");
            let remedy = "correct the recipe or what is searched; experiments/*.toml show every key";
            place(Error::format(what).remedy(remedy)).in_file(source)
        })?;
        source.clone_into(&mut recipe.path);
        recipe.validate().map_err(place)?;
        let hidden = document.get("network").and_then(|network| network.get("hidden"));
        Ok(Self {
            name: format!("{:012x}", hash(&text) >> 16),
            settings,
            seed: recipe.seed,
            architecture: hidden.map(compact).unwrap_or_default(),
            recipe: text,
        })
    }

    /// Its folder in that of the search.
    pub fn folder(&self, search: &Path) -> PathBuf {
        search.join("trials").join(&self.name)
    }

    /// The surrogate that it leaves.
    pub fn surrogate(&self, search: &Path) -> PathBuf {
        self.folder(search).join("surrogate.onnx")
    }

    /// How it ended, if it did. A file that cannot be understood counts as none: the trial is then done again, which
    /// costs nothing if only this file was damaged.
    pub fn ending(&self, search: &Path) -> Option<Ending> {
        Ending::read(&self.folder(search))
    }
}

/// How a trial ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum Ending {
    /// It left a surrogate.
    Trained(Accuracy),
    /// It ended with an error, as it would again: not repeated.
    Failed {
        /// The error.
        reason: String,
    },
    /// Its process died, or the system refused something: repeated by the next run.
    Crashed {
        /// What is known.
        reason: String,
    },
}

/// What a training reached. Numbers that are not finite are none.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Accuracy {
    /// Why training ended.
    pub ended: String,
    /// Iterations done.
    pub iterations: u64,
    /// Seconds of training, over all resumptions.
    pub seconds: f64,
    /// Lowest validation error, in units of the losses.
    pub validation: Option<f64>,
    /// Held-out cells on which the following was measured.
    pub cells: Option<usize>,
    /// Their seed.
    pub cells_seed: Option<u64>,
    /// Mean absolute error against the exact solution, in the units of the states.
    pub mean_absolute: Option<f64>,
    /// Largest absolute error.
    pub maximum: Option<f64>,
    /// Relative L2 error of the first state over a cell's samples, mean over cells.
    pub relative_l2: Option<f64>,
    /// Share of cells that fire early only in the surrogate or only in the exact solution; none where no cell fires.
    pub excitation_wrong: Option<f64>,
    /// Mean absolute error against forward Euler, the reference of the published results.
    pub mean_absolute_euler: Option<f64>,
    /// Largest absolute error against it.
    pub maximum_euler: Option<f64>,
}

impl From<&Trained> for Accuracy {
    fn from(trained: &Trained) -> Self {
        let finite = |x: f64| Some(x).filter(|x| x.is_finite());
        let evaluation = trained.evaluation.as_ref();
        let exact = evaluation.map(|e| &e.exact);
        let euler = evaluation.map(|e| &e.euler);
        Self {
            ended: trained.reason.clone(),
            iterations: trained.iterations,
            seconds: trained.seconds,
            validation: finite(trained.best_validation),
            cells: evaluation.map(|e| e.cells),
            cells_seed: evaluation.map(|e| e.seed),
            mean_absolute: exact.and_then(|e| finite(e.mean_absolute)),
            maximum: exact.and_then(|e| finite(e.maximum)),
            relative_l2: exact.and_then(|e| finite(e.relative_l2_mean)),
            excitation_wrong: evaluation
                .filter(|e| e.excited > 0.0 || e.exact.excitation_wrong > 0.0)
                .and_then(|e| finite(e.exact.excitation_wrong)),
            mean_absolute_euler: euler.and_then(|e| finite(e.mean_absolute)),
            maximum_euler: euler.and_then(|e| finite(e.maximum)),
        }
    }
}

const FILE: &str = "trial.json";

impl Ending {
    /// Writes it into a trial's folder.
    pub(super) fn write(&self, folder: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self).expect("plain data");
        atomic::write(&folder.join(FILE), text.as_bytes())
    }

    /// Forgets it.
    pub(super) fn remove(folder: &Path) -> Result<()> {
        let path = folder.join(FILE);
        std::fs::remove_file(&path).map_err(|e| Error::io("remove", &path, e))
    }

    fn read(folder: &Path) -> Option<Self> {
        let text = std::fs::read_to_string(folder.join(FILE)).ok()?;
        let ending: Self = serde_json::from_str(&text).ok()?;
        // A table must not promise a surrogate that somebody removed.
        let kept = !matches!(ending, Self::Trained(_)) || folder.join("surrogate.onnx").exists();
        kept.then_some(ending)
    }

    /// True if the next run need not look at the trial again.
    pub fn is_final(&self) -> bool {
        !matches!(self, Self::Crashed { .. })
    }
}

/// FNV-1a, 64 bits (RFC 9923): the same on every machine and with every version of Rust.
pub(super) fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// The text of a setting's value, for tables.
pub(super) fn described(settings: &[(String, Value)]) -> Vec<(String, String)> {
    settings.iter().map(|(key, value)| (key.clone(), compact(value))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_fnv_1a() {
        assert_eq!(hash(""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(hash("a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(hash("foobar"), 0x8594_4171_f739_67e8);
    }
}
