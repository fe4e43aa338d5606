//! Recipes: a training written down in a TOML file.

mod balance;
mod build;
mod data;
mod date;
mod evaluation;
mod loss;
mod network;
mod optimizer;
mod quantity;
mod recorded;
mod run;
mod scaling;
mod shape;
mod steps;
mod surrogate;
mod training;
mod validation;
mod windows;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

pub use balance::BalanceSection;
pub use data::{DataSection, SamplingName};
pub use evaluation::EvaluationSection;
pub use loss::{AdaptiveSection, LossName, LossSection};
pub use network::{ActivationName, FormName, NetworkSection};
pub use optimizer::{MethodName, OptimizerSection, ScheduleSection, StopSection};
pub use quantity::{Milliseconds, Seconds, StepLength};
pub use run::{Options, Trained, run};
pub use scaling::{ScalingName, ScalingSection};
use serde::{Deserialize, Serialize};
pub use shape::StageSection;
pub use surrogate::{KindName, SurrogateSection};
pub use training::{PrecisionName, TrainingSection};
pub use validation::{ValidationName, ValidationSection};
pub use windows::{Placement, WindowsSection};

use crate::error::{Error, Result};

/// A training written down.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// Seed of weights, data and batches.
    #[serde(default)]
    pub seed: u64,
    /// What is trained.
    pub surrogate: SurrogateSection,
    /// Ranges of the inputs; those of the problem where it names one.
    #[serde(default)]
    pub domain: BTreeMap<String, [f64; 2]>,
    /// What it is trained on.
    #[serde(default)]
    pub data: DataSection,
    /// The network and its form.
    pub network: NetworkSection,
    /// A network for each window of time.
    pub windows: Option<WindowsSection>,
    /// How training computes.
    #[serde(default)]
    pub training: TrainingSection,
    /// How inputs and outputs are scaled.
    #[serde(default)]
    pub scaling: ScalingSection,
    /// The terms of the sum that is minimised.
    pub loss: Vec<LossSection>,
    /// How losses are balanced, if they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub balance: Option<BalanceSection>,
    /// The method and its rate.
    #[serde(default)]
    pub optimizer: OptimizerSection,
    /// How the rate changes.
    #[serde(default)]
    pub schedule: ScheduleSection,
    /// When training ends.
    pub stop: StopSection,
    /// What decides which weights are the best.
    #[serde(default)]
    pub validation: ValidationSection,
    /// The cells on which the result is measured.
    #[serde(default)]
    pub evaluation: EvaluationSection,
    /// The file's text, for the surrogate's provenance.
    #[serde(skip)]
    pub text: String,
    /// The file, for messages and for data files beside it.
    #[serde(skip)]
    pub path: PathBuf,
}

impl Recipe {
    /// The recipe in the file at `path`.
    ///
    /// # Errors
    /// A file that cannot be read, an unknown or missing key, a wrong unit or an impossible
    /// value; the message names file, line, key and remedy.
    pub fn load(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(|e| Error::io("read", path, e))?;
        let mut recipe = Self::parse(&text).map_err(|e| e.in_file(path))?;
        recipe.path = path.to_owned();
        Ok(recipe)
    }

    /// The recipe written as `text`.
    ///
    /// # Errors
    /// As [`Self::load`], without the file.
    pub fn parse(text: &str) -> Result<Self> {
        let mut recipe: Self = toml::from_str(text).map_err(|e| fault(text, &e))?;
        recipe.text = text.to_owned();
        Ok(recipe)
    }
}

/// serde's complaint as one line with the place in the file.
fn fault(text: &str, error: &toml::de::Error) -> Error {
    let message = error.message().trim().replace('\n', " ");
    // Messages of ours end in what to do; toml's own say what was expected.
    let (what, remedy) = match message.split_once("; ").or_else(|| message.split_once(": use ")) {
        Some((what, remedy)) if remedy.starts_with("write") => (what.to_owned(), remedy.to_owned()),
        Some((what, remedy)) => (what.to_owned(), format!("use {}", remedy.trim_start_matches("use "))),
        None => (message, "correct the recipe; experiments/*.toml show every key".to_owned()),
    };
    let mut fault = Error::format(what);
    if let Some(span) = error.span() {
        let before = &text[..span.start.min(text.len())];
        let line = before.matches('\n').count();
        let key = text.lines().nth(line).and_then(|l| l.split_once('=')).map(|(key, _)| key.trim());
        if let Some(key) = key.filter(|k| !k.is_empty() && !k.starts_with('#')) {
            fault = fault.at(format!("key \"{key}\""));
        }
        fault = fault.at(format!("line {}", line + 1));
    }
    fault.remedy(remedy)
}
