//! The commands of the `emucell` program.

pub mod report;
