//! Training data: where cells start, how they go on, and the tables that networks learn from.
//!
//! Everything is determined by its arguments and a seed; the same seed gives the same bytes on
//! every machine.

mod pairs;
mod papers;
mod problem;
pub mod sampling;
mod table;
pub mod threshold;
mod trajectories;

pub use pairs::{ExtraStarts, Pairs, StimulusInput};
pub use papers::{read_papers_layout, write_papers_layout};
pub use problem::Problem;
pub use sampling::Sampling;
pub use table::Table;
pub use trajectories::{SolverChoice, Trajectories};
