//! The `emucell` program's commands: parse, call, print.

#[cfg(feature = "train")]
pub mod train;
