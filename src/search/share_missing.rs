//! Which trials fall to this process, in a program without MPI: all of them.

use std::time::Duration;

use crate::error::{Error, Result};

/// What a process may do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// This trial.
    Trial(usize),
    /// Ask again.
    #[allow(dead_code, reason = "other ranks answer late")]
    Later,
    /// Nothing: all trials are given away.
    None,
}

/// This process among those that share a search.
#[derive(Debug)]
pub struct Share {
    given: usize,
}

impl Share {
    /// # Errors
    /// Several MPI ranks, each of which would do everything.
    pub fn start() -> Result<Self> {
        let ranks = ["OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "MV2_COMM_WORLD_SIZE"]
            .iter()
            .find_map(|name| std::env::var(name).ok()?.parse::<u32>().ok());
        match ranks {
            Some(ranks) if ranks > 1 => {
                Err(Error::unsupported(format!("{ranks} MPI ranks for an emucell that is built without MPI"))
                    .remedy("build it with `cargo build --release --features cli,train,mpi`, or use --jobs"))
            }
            _ => Ok(Self { given: 0 }),
        }
    }

    /// Number of this process.
    pub fn rank(&self) -> usize {
        0
    }

    /// Processes that share the search.
    pub fn n_ranks(&self) -> usize {
        1
    }

    /// Number of this process among those of this machine.
    pub fn local_rank(&self) -> usize {
        0
    }

    /// Ends all processes, after an error of this one.
    pub fn abort(&self) {}

    pub(super) fn next(&mut self, n: usize) -> Next {
        if self.given == n {
            return Next::None;
        }
        self.given += 1;
        Next::Trial(self.given - 1)
    }

    pub(super) fn attend(&mut self, _n: usize) {}

    pub(super) fn finish(&mut self, _pause: Duration) {}
}
