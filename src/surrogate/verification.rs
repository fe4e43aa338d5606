//! Whether a surrogate was proved against the cell model that it was made from.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::Surrogate;

/// Key of the provenance under which a [`Verification`] is kept.
const KEY: &str = "verification";
/// Key of the provenance that surrogates distilled from a model library have.
const DISTILLED: &str = "distill";

/// What is known of a surrogate's faithfulness.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verified {
    /// Nothing was claimed: an ordinary trained surrogate.
    Unknown,
    /// It was distilled, and missed its targets or was never verified.
    No,
    /// It met the targets that the file names.
    Yes,
}

/// The result of a verification, as a file keeps it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Verification {
    /// Whether all targets were met.
    pub verified: bool,
    /// The targets as they were stated, for example `apd90 1%, cv 1%`.
    #[serde(default)]
    pub targets: String,
    /// Targets that were missed, in words.
    #[serde(default)]
    pub missed: Vec<String>,
    /// Errors that were found and how they were found.
    #[serde(default)]
    pub errors: Map<String, Value>,
}

impl Surrogate {
    /// The verification that the file tells of; `None` too where its entry makes no sense.
    pub fn verification(&self) -> Option<Verification> {
        Verification::deserialize(self.provenance().get(KEY)?).ok()
    }

    /// Whether it was proved against the cell model that it was made from.
    pub fn verified(&self) -> Verified {
        match self.verification() {
            Some(Verification { verified: true, .. }) => Verified::Yes,
            Some(_) => Verified::No,
            None if self.provenance().contains_key(KEY) || self.provenance().contains_key(DISTILLED) => {
                Verified::No
            }
            None => Verified::Unknown,
        }
    }

    /// What a user of an unverified surrogate must know, in a sentence without a full stop.
    pub fn warning(&self) -> Option<String> {
        match (self.verified(), self.verification()) {
            (Verified::Yes | Verified::Unknown, _) => None,
            (Verified::No, None) => Some("not verified against its cell model".to_owned()),
            (Verified::No, Some(verification)) => {
                let missed = match verification.missed.is_empty() {
                    true => verification.targets,
                    false => verification.missed.join("; "),
                };
                Some(format!("not verified, it missed its targets: {missed}"))
            }
        }
    }

    /// The same surrogate with `verification` in its provenance.
    #[must_use]
    pub fn with_verification(self, verification: &Verification) -> Self {
        let mut provenance = self.provenance().clone();
        let value = serde_json::to_value(verification).expect("plain data turns into JSON");
        provenance.insert(KEY.to_owned(), value);
        self.with_provenance(provenance)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::program::{BlockId, ProgramBuilder};

    fn surrogate(provenance: Value) -> Surrogate {
        let mut b = ProgramBuilder::new(1).unwrap();
        let y = b.slice(BlockId::INPUT, 0, 1).unwrap();
        let Value::Object(provenance) = provenance else { panic!() };
        Surrogate::anonymous(b.finish(y)).with_provenance(provenance)
    }

    #[test]
    fn only_what_was_distilled_must_prove_itself() {
        let verified = |provenance| surrogate(provenance).verified();
        assert_eq!(verified(json!({"recipe": "…"})), Verified::Unknown);
        assert_eq!(verified(json!({"distill": {}})), Verified::No);
        assert_eq!(verified(json!({"verification": {"verified": false}})), Verified::No);
        assert_eq!(verified(json!({"distill": {}, "verification": {"verified": true}})), Verified::Yes);
        // A damaged entry proves nothing.
        assert_eq!(verified(json!({"verification": "yes"})), Verified::No);
    }

    #[test]
    fn the_warning_names_what_was_missed() {
        assert_eq!(surrogate(json!({})).warning(), None);
        assert_eq!(
            surrogate(json!({"distill": {}})).warning().unwrap(),
            "not verified against its cell model"
        );
        let failed = Verification {
            targets: "apd90 1%".into(),
            missed: vec!["apd90 3.2 % instead of 1 %".into()],
            ..Verification::default()
        };
        let marked = surrogate(json!({"distill": {"seed": 1}})).with_verification(&failed);
        assert_eq!(marked.verification(), Some(failed));
        assert!(marked.provenance().contains_key("distill"));
        let warning = marked.warning().unwrap();
        assert_eq!(warning, "not verified, it missed its targets: apd90 3.2 % instead of 1 %");
    }
}
