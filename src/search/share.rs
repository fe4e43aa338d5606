//! Which trials fall to this process: rank 0 gives them away one by one, so that fast ranks do more.

use std::time::Duration;

use mpi::Threading;
use mpi::collective::CommunicatorCollectives;
use mpi::environment::Universe;
use mpi::point_to_point::{Destination, Source};
use mpi::topology::{Communicator, SimpleCommunicator};

use crate::error::{Error, Result};

/// What a process may do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// This trial.
    Trial(usize),
    /// Ask again.
    Later,
    /// Nothing: all trials are given away.
    None,
}

const ASK: i32 = 1;
const ANSWER: i32 = 2;
/// In place of a trial's number: there is none left.
const NONE: u64 = u64::MAX;

/// This process among those that share a search.
pub struct Share {
    job: Option<Job>,
    given: usize,
    asked: bool,
}

/// An MPI job.
struct Job {
    world: SimpleCommunicator,
    rank: i32,
    size: i32,
    local_rank: i32,
    /// Last, so that it is dropped after what belongs to it.
    _universe: Universe,
}

impl Share {
    /// Joins the MPI job that this process was started in, if it was.
    ///
    /// # Errors
    /// An MPI library that does not start.
    pub fn start() -> Result<Self> {
        let launched = ["OMPI_COMM_WORLD_SIZE", "PMIX_RANK", "PMI_RANK", "MV2_COMM_WORLD_SIZE"];
        if !launched.iter().any(|name| std::env::var_os(name).is_some()) {
            return Ok(Self { job: None, given: 0, asked: false });
        }
        // Only this thread calls MPI; another one waits for signals.
        let (universe, _) = mpi::initialize_with_threading(Threading::Funneled)
            .ok_or_else(|| Error::unsupported("MPI does not start").remedy("check mpirun and its library"))?;
        let world = universe.world();
        let (rank, size) = (world.rank(), world.size());
        let local_rank = world.split_shared(rank).rank();
        let job = Job { world, rank, size, local_rank, _universe: universe };
        Ok(Self { job: Some(job), given: 0, asked: false })
    }

    /// Number of this process.
    pub fn rank(&self) -> usize {
        self.job.as_ref().map_or(0, |job| job.rank as usize)
    }

    /// Processes that share the search.
    pub fn n_ranks(&self) -> usize {
        self.job.as_ref().map_or(1, |job| job.size as usize)
    }

    /// Number of this process among those of this machine.
    pub fn local_rank(&self) -> usize {
        self.job.as_ref().map_or(0, |job| job.local_rank as usize)
    }

    /// Ends all processes, after an error of this one.
    pub fn abort(&self) {
        if let Some(job) = self.job.as_ref().filter(|job| job.size > 1) {
            job.world.abort(1);
        }
    }

    pub(super) fn next(&mut self, n: usize) -> Next {
        let Some(job) = self.job.as_ref().filter(|job| job.rank > 0) else {
            if self.given == n {
                return Next::None;
            }
            self.given += 1;
            return Next::Trial(self.given - 1);
        };
        let root = job.world.process_at_rank(0);
        if !self.asked {
            root.send_with_tag(&0_u64, ASK);
            self.asked = true;
        }
        if root.immediate_probe_with_tag(ANSWER).is_none() {
            return Next::Later;
        }
        self.asked = false;
        match root.receive_with_tag::<u64>(ANSWER).0 {
            NONE => Next::None,
            trial => Next::Trial(trial as usize),
        }
    }

    /// Answers the other ranks, on rank 0.
    pub(super) fn attend(&mut self, n: usize) {
        let Some(job) = self.job.as_ref().filter(|job| job.rank == 0) else { return };
        while let Some(status) = job.world.any_process().immediate_probe_with_tag(ASK) {
            let asking = job.world.process_at_rank(status.source_rank());
            let _ = asking.receive_with_tag::<u64>(ASK);
            let answer = if self.given < n { self.given as u64 } else { NONE };
            self.given = n.min(self.given + 1);
            asking.send_with_tag(&answer, ANSWER);
        }
    }

    /// Waits until all ranks have come here, and answers those that have not.
    pub(super) fn finish(&mut self, pause: Duration) {
        let Some(mut barrier) = self.job.as_ref().map(|job| job.world.immediate_barrier()) else { return };
        while let Err(pending) = barrier.test() {
            barrier = pending;
            // Whoever asks now gets nothing: either all is given away or the search was interrupted.
            self.attend(0);
            std::thread::sleep(pause);
        }
    }
}
