//! Networks in a build without libtorch: says what is missing.

use std::time::Duration;

use super::ask::Asker;
use super::exact::Exact;
use super::network::Learned;
use crate::error::{Error, Result};
use crate::harvest::Visited;
use crate::structure::Structure;

/// Cannot be made.
pub enum Learner {}

impl Learner {
    pub fn new(
        exact: &Exact,
        structure: &Structure,
        _: &[[f64; 2]],
        _: &mut Asker,
        _: &Visited,
        _: u64,
    ) -> Result<Self> {
        let names: Vec<&str> =
            exact.formula.unknown.iter().map(|&s| structure.states[s].name.as_str()).collect();
        Err(Error::unsupported(format!(
            "tables do not describe {}, and this emucell cannot train networks for them",
            names.join(", ")
        ))
        .remedy("build it with `cargo build --release --features cli,train` after `make setup`"))
    }

    pub fn add(&mut self, _: &mut Asker, _: &Visited) -> Result<()> {
        match *self {}
    }

    pub fn train(&mut self, _: Duration, _: &dyn Fn() -> bool) -> Result<Vec<Learned>> {
        match *self {}
    }
}
