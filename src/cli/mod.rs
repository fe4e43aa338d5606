//! The `emucell` program's subcommands: parse, call, print.

pub mod generate;
