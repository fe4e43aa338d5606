//! `emucell search` in a program without libtorch: says what is missing.

use crate::error::{Error, Result};

/// Train many networks that differ in architecture, seed or any other key of a recipe (not in this build).
#[derive(Debug, clap::Args)]
pub struct Search {
    /// Whatever the command takes where it exists
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

/// A search's trial (not in this build).
#[derive(Debug, clap::Args)]
pub struct SearchTrial {
    /// Whatever the command takes where it exists
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

impl Search {
    pub fn run(self) -> Result<()> {
        cannot(&self.arguments)
    }
}

impl SearchTrial {
    pub fn run(self) -> Result<()> {
        cannot(&self.arguments)
    }
}

fn cannot(arguments: &[String]) -> Result<()> {
    Err(Error::unsupported(format!("this emucell cannot train {arguments:?}"))
        .remedy("build it with `cargo build --release --features cli,train` after `make setup`"))
}
