//! Searches: many trainings that differ in what a recipe's `[search]` section varies, several at once, over the ranks
//! of an MPI job where there is one, and one table of them all.
//!
//! A search knows no key of recipes: it edits their TOML documents, so that whatever a recipe can say can be varied.

mod distribution;
mod document;
mod measure;
mod page;
mod picture;
mod process;
mod run;
mod section;
#[cfg(feature = "mpi")]
mod share;
#[cfg(not(feature = "mpi"))]
#[path = "share_missing.rs"]
mod share;
mod table;
mod trial;
mod worker;

pub use document::{compact, set};
pub use measure::measure;
pub use picture::{Point, accuracy_against_speed};
pub use run::{Event, Settings, run};
pub use section::Search;
pub use share::Share;
pub use table::{Row, Table};
pub use trial::{Accuracy, Ending, Trial};
pub use worker::{Work, work};
