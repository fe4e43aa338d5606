//! Latent gates in a build without libtorch: says what is missing.

use super::Fit;
use crate::activation::Activation;
use crate::error::{Error, Result};

/// Cannot be done.
pub fn start(_: usize, _: &[(Activation, usize)], _: [f64; 2], _: u64) -> Result<Box<dyn Fit>> {
    Err(Error::unsupported("this emucell cannot train networks")
        .remedy("build it with `cargo build --release --features cli,train` after `make setup`"))
}
