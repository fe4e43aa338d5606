//! A few threads that wait for work without allocating: the session's own, started when it is
//! made and ended with it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use crate::error::{Error, ErrorKind, Result};

/// Work for thread number `n`; the caller is number 0.
type Work<'a> = dyn Fn(usize) + Sync + 'a;

pub struct Pool {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

struct Shared {
    state: Mutex<State>,
    /// Work has come, or the end.
    wake: Condvar,
    /// The last thread is done.
    done: Condvar,
}

struct State {
    /// Counts the calls of [`Pool::run`], so that no thread works twice on one.
    call: u64,
    work: Option<WorkPointer>,
    n_threads: usize,
    running: usize,
    panicked: bool,
    ended: bool,
}

#[derive(Clone, Copy)]
struct WorkPointer(*const Work<'static>);

// SAFETY: the work is `Sync`, and `Pool::run` outlives every use of the pointer.
unsafe impl Send for WorkPointer {}

/// A thread panicked while it worked.
#[derive(Debug)]
pub struct Panicked;

impl Pool {
    /// Starts `n_threads` threads beside the caller's.
    pub fn new(n_threads: usize) -> Result<Self> {
        let state = State { call: 0, work: None, n_threads: 0, running: 0, panicked: false, ended: false };
        let shared =
            Arc::new(Shared { state: Mutex::new(state), wake: Condvar::new(), done: Condvar::new() });
        let mut pool = Self { shared, threads: Vec::with_capacity(n_threads) };
        for number in 1..=n_threads {
            let shared = pool.shared.clone();
            let builder = std::thread::Builder::new().name(format!("emucell-{number}"));
            let thread = builder.spawn(move || shared.serve(number)).map_err(|e| {
                Error::new(ErrorKind::Unsupported, format!("thread {number} cannot start ({e})"))
                    .remedy("ask for fewer threads")
            })?;
            pool.threads.push(thread);
        }
        // A thread that starts allocates; it has started when it has worked.
        pool.run(n_threads + 1, &|_| {}).expect("nothing to panic in");
        Ok(pool)
    }

    /// Calls `work(0)` here and `work(1)` … `work(n_threads − 1)` on the pool's threads, and
    /// returns when all are done.
    pub fn run(&self, n_threads: usize, work: &Work<'_>) -> Result<(), Panicked> {
        let helpers = n_threads.saturating_sub(1).min(self.threads.len());
        if helpers == 0 {
            return catch_unwind(AssertUnwindSafe(|| work(0))).map_err(|_| Panicked);
        }
        // SAFETY: the pointer is forgotten before this function returns, and it does not unwind.
        let pointer = WorkPointer(unsafe { std::mem::transmute::<&Work<'_>, &Work<'static>>(work) });
        {
            let mut state = self.shared.lock();
            state.call += 1;
            state.work = Some(pointer);
            state.n_threads = n_threads;
            state.running = helpers;
            state.panicked = false;
            self.shared.wake.notify_all();
        }
        let own = catch_unwind(AssertUnwindSafe(|| work(0)));
        let mut state = self.shared.lock();
        while state.running > 0 {
            state = self.shared.done.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.work = None;
        if own.is_err() || state.panicked { Err(Panicked) } else { Ok(()) }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.lock().ended = true;
        self.shared.wake.notify_all();
        for thread in self.threads.drain(..) {
            // Panics were caught where the work was done.
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn serve(&self, number: usize) {
        let mut last_call = 0;
        while let Some((call, work)) = self.next_work(last_call, number) {
            last_call = call;
            // SAFETY: `Pool::run` waits for `running` to reach 0 before the work goes out of scope.
            let result = catch_unwind(AssertUnwindSafe(|| unsafe { (*work.0)(number) }));
            let mut state = self.lock();
            state.panicked |= result.is_err();
            state.running -= 1;
            if state.running == 0 {
                self.done.notify_one();
            }
        }
    }

    /// Waits for a call that thread `number` has a part in; none at the end.
    fn next_work(&self, last_call: u64, number: usize) -> Option<(u64, WorkPointer)> {
        let mut state = self.lock();
        loop {
            if state.ended {
                return None;
            }
            match state.work {
                Some(work) if state.call != last_call && number < state.n_threads => {
                    return Some((state.call, work));
                }
                _ => state = self.wake.wait(state).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn every_thread_works_once_a_call() {
        let pool = Pool::new(3).unwrap();
        for n_threads in [1, 2, 4, 3, 4].repeat(200) {
            let counts: [AtomicUsize; 4] = Default::default();
            pool.run(n_threads, &|n| {
                counts[n].fetch_add(1, Ordering::Relaxed);
            })
            .unwrap();
            let counts = counts.map(AtomicUsize::into_inner);
            assert!(
                counts[..n_threads].iter().all(|&c| c == 1) && counts[n_threads..].iter().all(|&c| c == 0)
            );
        }
    }

    #[test]
    fn a_panic_is_reported_and_the_pool_goes_on() {
        let pool = Pool::new(1).unwrap();
        let guilty = |culprit| pool.run(2, &move |n| assert_ne!(n, culprit));
        assert!(guilty(0).is_err());
        assert!(guilty(1).is_err());
        assert!(guilty(2).is_ok());
    }
}
