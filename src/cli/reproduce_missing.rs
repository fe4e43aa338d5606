//! `emucell reproduce` in a program without libtorch: says what is missing.

use crate::error::{Error, Result};

/// Run the papers' study (not in this build).
#[derive(Debug, clap::Args)]
pub struct Reproduce {
    /// Whatever the command takes where it exists
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

impl Reproduce {
    pub fn run(self) -> Result<()> {
        Err(Error::unsupported(format!("this emucell cannot train {:?}", self.arguments))
            .remedy("build it with `cargo build --release --features cli,train` after `make setup`"))
    }
}
