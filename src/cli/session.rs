//! How the commands that run a surrogate on data do it.

use std::sync::Arc;

use crate::error::Result;
use crate::session::{Counters, Guard, Session, SessionOptions};
use crate::surrogate::Surrogate;

/// Options of a session.
#[derive(Debug, clap::Args)]
pub struct SessionArguments {
    /// Threads that share the cells.
    #[arg(long, value_name = "N", default_value_t = 1)]
    threads: usize,
    /// What happens to cells outside the domain on which the surrogate was trained.
    #[arg(long, value_enum, default_value = "count")]
    guard: GuardArgument,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum GuardArgument {
    /// They are computed as they are, and counted.
    Count,
    /// Their inputs are moved to the domain's border, and they are counted.
    Clamp,
    /// The surrogate's own cell model computes them (forward Euler, steps of 0.01 ms).
    Fallback,
}

impl SessionArguments {
    pub fn session(&self, surrogate: &Arc<Surrogate>) -> Result<Session> {
        let guard = match self.guard {
            GuardArgument::Count => Guard::Count,
            GuardArgument::Clamp => Guard::Clamp,
            GuardArgument::Fallback => Guard::Fallback,
        };
        let options = SessionOptions { n_threads: self.threads, guard, ..SessionOptions::default() };
        Session::new(surrogate.clone(), &options)
    }
}

/// "3 outside the domain, 2 of them computed by the cell model" out of what a session counted.
pub fn describe_outside(counters: Counters) -> String {
    match counters.fallback {
        0 => format!("{} outside the domain", counters.outside_domain),
        n => format!("{} outside the domain and {n} computed by the cell model", counters.outside_domain),
    }
}
