//! Recipes: a training written down in a TOML file.

mod build;
mod data;
mod date;
mod quantity;
mod recorded;
mod run;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

pub use quantity::{Milliseconds, Seconds};
pub use run::{Options, Trained, run};
use serde::{Deserialize, Serialize};

use crate::activation::Activation;
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
    /// How inputs and outputs are scaled.
    #[serde(default)]
    pub scaling: ScalingSection,
    /// The terms of the sum that is minimised.
    pub loss: Vec<LossSection>,
    /// The method and its rate.
    #[serde(default)]
    pub optimizer: OptimizerSection,
    /// How the rate changes.
    #[serde(default)]
    pub schedule: ScheduleSection,
    /// When training ends.
    pub stop: StopSection,
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

/// What is trained.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct SurrogateSection {
    /// Solution map or step map.
    pub kind: KindName,
    /// One of the papers' problems `a` to `d`, which gives cell model, inputs and domain.
    pub problem: Option<String>,
    /// Name of a cell model, where no problem is named.
    pub cell_model: Option<String>,
    /// The cell model's parameters that differ from their defaults.
    #[serde(default)]
    pub parameters: BTreeMap<String, f64>,
    /// A step map's step.
    pub dt: Option<Milliseconds>,
    /// A solution map's longest time.
    pub horizon: Option<Milliseconds>,
}

/// Names of [`Kind`](crate::surrogate::Kind).
#[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum KindName {
    /// (t, x0, parameters) → x(t).
    SolutionMap,
    /// (x, stimulus, parameters) → x after dt.
    StepMap,
}

/// What is trained on.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct DataSection {
    /// Cells to draw for a solution map.
    pub cells: Option<usize>,
    /// Random times of each of them.
    pub times: Option<usize>,
    /// Pairs of states to draw for a step map.
    pub pairs: Option<usize>,
    /// Consecutive pairs of a trajectory; 1, if not given, puts all pairs anywhere in the domain.
    pub along: Option<usize>,
    /// Cells, or pairs, drawn for validation; a tenth of the training's if not given.
    pub validation: Option<usize>,
    /// How cells are drawn.
    #[serde(default)]
    pub sampling: SamplingName,
    /// A file (`.npz`, `.csv`, `.pt`) with a column or array for each input and output, instead. A `.npz` table of
    /// recorded steps needs no cell model: it says itself what the states are.
    pub training_file: Option<PathBuf>,
    /// The same for validation; a tenth of the rows of the training file if not given.
    pub validation_file: Option<PathBuf>,
}

/// Names of [`Sampling`](crate::dataset::Sampling).
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum SamplingName {
    /// Independently.
    Uniform,
    /// One in each of n slices of every side.
    #[default]
    LatinHypercube,
}

/// The network and its form.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct NetworkSection {
    /// Activation and width of each hidden layer.
    pub hidden: Vec<(ActivationName, usize)>,
    /// How outputs come from the network.
    #[serde(default)]
    pub form: FormName,
    /// τ of the residual form of a solution map.
    pub relaxation: Option<Milliseconds>,
    /// Time constants of a solution map's time features.
    #[serde(default)]
    pub time_constants: Vec<Milliseconds>,
}

/// An activation by its name.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ActivationName(pub Activation);

impl<'de> Deserialize<'de> for ActivationName {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        Activation::from_name(&name).map(Self).map_err(serde::de::Error::custom)
    }
}

impl Serialize for ActivationName {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.name())
    }
}

/// Names of [`Form`](crate::train::Form).
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum FormName {
    /// Outputs are the network's.
    #[default]
    Direct,
    /// Outputs are the initial or present state and the network's change.
    Residual,
}

/// How inputs and outputs are scaled.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ScalingSection {
    /// The inputs.
    #[serde(default)]
    pub inputs: ScalingName,
    /// The outputs, or the changes in the residual form.
    #[serde(default)]
    pub outputs: ScalingName,
}

/// Where a scaling is taken from.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum ScalingName {
    /// Inputs by range, outputs by data, where there are any.
    #[default]
    Auto,
    /// The domain's ranges to −1 … 1.
    Range,
    /// Mean 0 and standard deviation 1 of the training data.
    Data,
    /// None.
    None,
}

/// A term of the sum.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct LossSection {
    /// Data, residual or initial condition.
    pub kind: LossName,
    /// Name in `losses.csv`.
    pub name: Option<String>,
    /// Factor in the sum.
    #[serde(default = "one")]
    pub weight: f64,
    /// Distance: `mse`, `mae`, `huber`, `rmse`, `l3`, ….
    pub criterion: Option<String>,
    /// Where Huber's parabola becomes a line, in units of the scaled outputs.
    pub delta: Option<f64>,
    /// Rows or points of a batch.
    pub batch: Option<usize>,
    /// Fixed collocation points, drawn once; new ones for every batch if not given.
    pub points: Option<usize>,
}

fn one() -> f64 {
    1.0
}

/// Kinds of losses.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum LossName {
    /// [`DataLoss`](crate::train::DataLoss)
    Data,
    /// [`ResidualLoss`](crate::train::ResidualLoss)
    Residual,
    /// [`InitialConditionLoss`](crate::train::InitialConditionLoss)
    InitialCondition,
}

/// The method and its rate.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct OptimizerSection {
    /// The method.
    pub method: MethodName,
    /// Learning rate.
    pub rate: f64,
    /// Largest norm of the gradient.
    pub clip: Option<f64>,
    /// SOAP: steps between updates of the eigenbasis.
    pub refresh_every: Option<u64>,
}

impl Default for OptimizerSection {
    fn default() -> Self {
        Self { method: MethodName::Soap, rate: 3e-3, clip: None, refresh_every: None }
    }
}

/// Names of [`Optimizer`](crate::train::Optimizer).
#[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum MethodName {
    /// Adam.
    Adam,
    /// SOAP.
    Soap,
}

/// How the rate changes.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, tag = "kind", rename_all = "snake_case")]
pub enum ScheduleSection {
    /// It does not.
    Constant,
    /// A rise, then half a cosine down.
    Cosine {
        /// Part of the training that the rise takes.
        #[serde(default = "warm_up")]
        warm_up: f64,
        /// Factor at the end.
        #[serde(default)]
        last: f64,
    },
    /// Lower when validation does not improve.
    Plateau {
        /// What the rate is multiplied by.
        factor: f64,
        /// Validations to wait.
        patience: u32,
        /// Smallest factor.
        #[serde(default)]
        least: f64,
    },
    /// Not written: a cosine with its defaults.
    #[default]
    #[serde(skip_deserializing)]
    Default,
}

fn warm_up() -> f64 {
    0.02
}

/// When training ends.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct StopSection {
    /// Iterations at most.
    pub iterations: u64,
    /// Clock time at most.
    pub time_limit: Option<Seconds>,
    /// Validations without improvement.
    pub patience: Option<u32>,
    /// Part of the validation error that counts as an improvement.
    pub tolerance: Option<f64>,
    /// Iterations between validations.
    pub validate_every: Option<u64>,
}

/// The cells on which the result is measured.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct EvaluationSection {
    /// Number of cells; 2000 if not given, or one where nothing but the time varies.
    pub cells: Option<usize>,
    /// Seed of the cells; one that follows from the recipe's if not given.
    pub seed: Option<u64>,
    /// Time evaluated or rolled out; a solution map's horizon or 50 ms if not given.
    pub horizon: Option<Milliseconds>,
    /// Time between samples; a 25th of a solution map's horizon or 1 ms if not given.
    pub every: Option<Milliseconds>,
    /// Ranges that differ from the training's; `k` may stand for the stimulus.
    #[serde(default)]
    pub domain: BTreeMap<String, [f64; 2]>,
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
