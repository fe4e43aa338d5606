//! A verification as text, JSON, pictures and one page.

mod figures;
mod page;
mod text;

use std::fs;
use std::path::Path;

use serde_json::json;

use self::figures::Figures;
use super::Verification;
use crate::error::{Error, Result};
use crate::format::atomic;

/// A verification of a surrogate, ready to be shown.
#[derive(Clone, Debug)]
pub struct VerificationReport<'a> {
    name: String,
    library: String,
    verification: &'a Verification,
}

impl<'a> VerificationReport<'a> {
    /// The report on the surrogate called `name`, verified against the cell model in the file called `library`.
    pub fn new(name: impl Into<String>, library: impl Into<String>, verification: &'a Verification) -> Self {
        Self { name: name.into(), library: library.into(), verification }
    }

    /// Name of the cell model's file.
    pub fn library(&self) -> &str {
        &self.library
    }

    /// The numbers as JSON text; what is not finite is `null`.
    pub fn json(&self) -> String {
        let mut value = json!({ "surrogate": self.name, "library": self.library });
        let numbers = serde_json::to_value(self.verification).expect("plain data turns into JSON");
        if let (Some(object), serde_json::Value::Object(numbers)) = (value.as_object_mut(), numbers) {
            object.extend(numbers);
        }
        format!("{value:#}\n")
    }

    /// The numbers as a table for a terminal.
    pub fn text(&self) -> String {
        text::text(self)
    }

    /// Writes `verification.html`, `verification.json` and the pictures, in `figures`, into `folder`, which is made if need be.
    ///
    /// # Errors
    /// The system's refusal to write there, a fault of the drawing library.
    pub fn write(&self, folder: &Path) -> Result<()> {
        let figures = Figures::draw(self.verification)?;
        let pictures = folder.join("figures");
        fs::create_dir_all(&pictures).map_err(|e| Error::io("make the folder", &pictures, e))?;
        for figure in figures.all() {
            atomic::write(&pictures.join(format!("{}.svg", figure.name)), figure.svg.as_bytes())?;
            atomic::write(&pictures.join(format!("{}.png", figure.name)), &figure.png)?;
        }
        atomic::write(&folder.join("verification.json"), self.json().as_bytes())?;
        atomic::write(&folder.join("verification.html"), page::html(self, &figures).as_bytes())
    }
}
