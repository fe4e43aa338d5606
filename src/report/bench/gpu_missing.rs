//! A build without CUDA: sessions say what is missing.

use std::sync::Arc;

use super::contender::{Contender, Layout};
use crate::cell_model::CellModel;
use crate::error::{Error, Result};
use crate::session::SessionOptions;
use crate::surrogate::Surrogate;

/// Sessions with `options`.
pub fn sessions(
    backend: &str,
    precision: &str,
    layout: Layout,
    surrogate: &Arc<Surrogate>,
    options: SessionOptions,
) -> Contender {
    Contender::sessions(backend, precision, layout, surrogate, options)
}

/// Fails.
///
/// # Errors
/// Always: the build has not the feature `cuda`.
pub fn solver_seconds(_: &CellModel, number: usize, _: usize, _: u32) -> Result<[f64; 2]> {
    Err(Error::unsupported(format!("the solver on cuda:{number}: this emucell was built without it"))
        .remedy("build emucell with `--features cuda`"))
}
