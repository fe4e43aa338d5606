//! How a recipe's training computes.

use serde::{Deserialize, Serialize};
use tch::Kind;

/// How training computes.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct TrainingSection {
    /// Of parameters and of everything that is computed with them; surrogates are in single precision always.
    #[serde(default)]
    pub precision: PrecisionName,
}

/// Precisions of a training.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum PrecisionName {
    /// Single.
    #[default]
    F32,
    /// Double.
    F64,
}

impl PrecisionName {
    pub(super) fn kind(self) -> Kind {
        match self {
            Self::F32 => Kind::Float,
            Self::F64 => Kind::Double,
        }
    }
}
