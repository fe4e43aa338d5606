//! A few threads that wait for work without allocating: the session's own, started when it is
//! made and ended with it.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use crate::error::{Error, ErrorKind, Result};

/// Work for thread number `n`; the caller is number 0.
type Work<'a> = dyn Fn(usize) + Sync + 'a;

/// What a panic carries.
type Payload = Box<dyn Any + Send>;

pub struct Pool {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
    /// The threads live there only: a forked child has none of them.
    process: u32,
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
    panic: Option<Payload>,
    ended: bool,
}

#[derive(Clone, Copy)]
struct WorkPointer(*const Work<'static>);

// SAFETY: the work is `Sync`, and `Pool::run` outlives every use of the pointer.
unsafe impl Send for WorkPointer {}

impl Pool {
    /// Starts `n_threads` threads beside the caller's.
    pub fn new(n_threads: usize) -> Result<Self> {
        let state = State { call: 0, work: None, n_threads: 0, running: 0, panic: None, ended: false };
        let shared =
            Arc::new(Shared { state: Mutex::new(state), wake: Condvar::new(), done: Condvar::new() });
        let process = std::process::id();
        let mut pool = Self { shared, threads: Vec::with_capacity(n_threads), process };
        with_signals_blocked(|| {
            for number in 1..=n_threads {
                let shared = pool.shared.clone();
                let builder = std::thread::Builder::new().name(format!("emucell-{number}"));
                let thread = builder.spawn(move || shared.serve(number)).map_err(|e| {
                    Error::new(ErrorKind::Unsupported, format!("thread {number} cannot start ({e})"))
                        .remedy("ask for fewer threads")
                })?;
                pool.threads.push(thread);
            }
            Ok(())
        })?;
        // A thread that starts allocates; it has started when it has worked.
        let _ = pool.run(n_threads + 1, &|_| {});
        Ok(pool)
    }

    /// Calls `work(0)` here and `work(1)` … `work(n_threads − 1)` on the pool's threads, and
    /// returns when all are done: with what one of them panicked, if any did.
    pub fn run(&self, n_threads: usize, work: &Work<'_>) -> Result<(), Payload> {
        let helpers = n_threads.saturating_sub(1).min(self.threads.len());
        if helpers == 0 || self.is_in_forked_child() {
            return catch_unwind(AssertUnwindSafe(|| (0..=helpers).for_each(work)));
        }
        // SAFETY: the pointer is forgotten before this function returns, and it does not unwind.
        let pointer = WorkPointer(unsafe { std::mem::transmute::<&Work<'_>, &Work<'static>>(work) });
        {
            let mut state = self.shared.lock();
            state.call += 1;
            state.work = Some(pointer);
            state.n_threads = n_threads;
            state.running = helpers;
            state.panic = None;
            self.shared.wake.notify_all();
        }
        let own = catch_unwind(AssertUnwindSafe(|| work(0)));
        let mut state = self.shared.lock();
        while state.running > 0 {
            state = self.shared.done.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.work = None;
        state.panic.take().map_or(own, Err)
    }

    /// Nobody serves a pool in a child that the process forked, and its lock may be held for ever.
    fn is_in_forked_child(&self) -> bool {
        std::process::id() != self.process
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        if self.threads.is_empty() {
            return;
        }
        if self.is_in_forked_child() {
            // Neither joined nor detached: the child's C library knows nothing of them.
            self.threads.drain(..).for_each(std::mem::forget);
            return;
        }
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
            if let Err(payload) = result {
                state.panic = Some(payload);
            }
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

/// Threads that `body` starts leave the host's signals to the host's threads, which know them. Faults
/// of the thread's own and the profiler's clock still arrive.
fn with_signals_blocked<T>(body: impl FnOnce() -> T) -> T {
    #[cfg(all(unix, not(miri)))]
    {
        const OWN: [i32; 7] = [
            libc::SIGSEGV,
            libc::SIGBUS,
            libc::SIGFPE,
            libc::SIGILL,
            libc::SIGTRAP,
            libc::SIGSYS,
            libc::SIGPROF,
        ];
        let mut all = std::mem::MaybeUninit::uninit();
        let mut before = std::mem::MaybeUninit::uninit();
        // SAFETY: the sets are filled before they are read.
        unsafe {
            libc::sigfillset(all.as_mut_ptr());
            OWN.iter().for_each(|&signal| _ = libc::sigdelset(all.as_mut_ptr(), signal));
            libc::pthread_sigmask(libc::SIG_SETMASK, all.as_ptr(), before.as_mut_ptr());
        }
        let result = body();
        // SAFETY: as above.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, before.as_ptr(), std::ptr::null_mut()) };
        result
    }
    #[cfg(not(all(unix, not(miri))))]
    body()
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
    fn a_panic_is_handed_on_and_the_pool_goes_on() {
        let pool = Pool::new(1).unwrap();
        let guilty = |culprit| {
            pool.run(2, &move |n| {
                if n == culprit {
                    panic!("planted in {n}")
                }
            })
        };
        for culprit in [0, 1] {
            let payload = guilty(culprit).unwrap_err();
            assert_eq!(payload.downcast_ref::<String>().unwrap(), &format!("planted in {culprit}"));
        }
        assert!(guilty(2).is_ok());
    }
}
