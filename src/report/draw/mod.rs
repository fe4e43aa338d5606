//! The pictures of a report, each from the numbers that it shows.

pub(crate) mod axis;
mod colour_map;
mod drivers;
mod font;
mod histogram;
mod losses;
mod over_time;
pub(crate) mod panel;
mod plane;
pub(crate) mod scene;
mod speed;
pub(crate) mod style;
mod tissue;
mod traces;

pub use axis::{chosen, number};
pub use drivers::{Action, Column, Drivers, Kind, Row, drivers};
pub use histogram::histograms;
pub use losses::losses;
pub use over_time::over_time;
pub use plane::planes;
pub use speed::speed;
pub use tissue::tissue;
pub use traces::traces;

use crate::error::Result;
use scene::Scene;

/// A picture in both formats.
#[derive(Clone, Debug)]
pub struct Figure {
    /// Name of its files, without their ending.
    pub name: String,
    /// What it shows, for those who cannot see it.
    pub description: String,
    /// The text of an SVG file.
    pub svg: String,
    /// The bytes of a PNG file.
    pub png: Vec<u8>,
}

impl Figure {
    /// Puts `scene` on paper.
    ///
    /// # Errors
    /// A fault of the drawing library.
    pub(crate) fn new(
        name: impl Into<String>,
        description: impl Into<String>,
        scene: &Scene,
    ) -> Result<Self> {
        font::register();
        Ok(Self { name: name.into(), description: description.into(), svg: scene.svg()?, png: scene.png()? })
    }
}

/// A variable's name with its unit, as on an axis.
pub(crate) fn with_unit(name: &str, unit: &str) -> String {
    match unit {
        "" => name.to_owned(),
        "1" => format!("{name} (dimensionless)"),
        unit => format!("{name} ({unit})"),
    }
}
