//! `emucell train` in a program without libtorch: says what is missing.

use crate::error::{Error, Result};

/// Train a surrogate from a recipe (not in this build).
#[derive(Debug, clap::Args)]
pub struct Train {
    /// Whatever the command takes where it exists
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

impl Train {
    pub fn run(self) -> Result<()> {
        Err(Error::unsupported(format!("this emucell cannot train {:?}", self.arguments))
            .remedy("build it with `cargo build --release --features cli,train` after `make setup`"))
    }
}
