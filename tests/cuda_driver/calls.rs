//! What a session asks of the driver, and what becomes of the driver's faults.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use cudarc::driver::sys::CUresult;
use emucell::session::Session;

use super::driver::{Driver, Simulator, current};
use super::sheet::{assert_close, expected, session, start, step, stimulus};

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: everything is the system's allocator's.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn a_step_looks_at_its_memory_and_starts_one_kernel_and_does_nothing_else() {
    let driver = Driver::new();
    let mut simulator = Simulator::on(1);
    let (state, stimulus) = (simulator.put(&start()), simulator.put(&stimulus()));
    let mut session = session(1, Some(&simulator)).unwrap();
    step(&mut session, state, stimulus, 1).unwrap();
    driver.calls();
    let before = ALLOCATIONS.get();
    step(&mut session, state, stimulus, 1).unwrap();
    assert_eq!(ALLOCATIONS.get(), before, "allocations of a step");
    // One look at each piece of memory, however many columns lie in it.
    let pointers = ["cuPointerGetAttributes"; 2];
    let own = [&["cuCtxGetCurrent"][..], &pointers, &["cuLaunchKernel"]].concat();
    assert_eq!(driver.calls(), own);
    // The same from a thread without a context, which has none afterwards either.
    let calls = std::thread::scope(|scope| {
        let elsewhere = || {
            step(&mut session, state, stimulus, 1).unwrap();
            let calls = driver.calls();
            assert!(current().is_null());
            calls
        };
        let state = AssertSend(elsewhere);
        scope.spawn(move || state.call()).join().unwrap()
    });
    let entered =
        [&["cuCtxGetCurrent", "cuCtxPushCurrent_v2"][..], &own[1..], &["cuCtxPopCurrent_v2"]].concat();
    assert_eq!(calls, entered);
    assert_close(&simulator.get(state, 400), &expected(3));
}

/// Addresses of a GPU's memory may go to another thread.
struct AssertSend<F>(F);

// SAFETY: what the test captures is used by one thread at a time.
unsafe impl<F> Send for AssertSend<F> {}

impl<T, F: FnOnce() -> T> AssertSend<F> {
    fn call(self) -> T {
        (self.0)()
    }
}

#[test]
fn sessions_on_two_gpus_and_streams_keep_to_their_own() {
    let driver = Driver::new();
    let before = driver.counts();
    {
        let mut simulators = [0, 1, 1].map(Simulator::on);
        let mut sessions: Vec<Session> = [0, 1, 1]
            .into_iter()
            .zip(&simulators)
            .map(|(gpu, simulator)| session(gpu, Some(simulator)).unwrap())
            .collect();
        let memory = simulators.each_mut().map(|s| (s.put(&start()), s.put(&stimulus())));
        let context = current();
        for _ in 0..4 {
            for (session, (state, stimulus)) in sessions.iter_mut().zip(memory) {
                step(session, state, stimulus, 5).unwrap();
                assert_eq!(current(), context);
            }
        }
        for (simulator, (state, _)) in simulators.iter_mut().zip(memory) {
            assert_close(&simulator.get(state, 400), &expected(20));
        }
        drop(sessions);
        // Contexts lie on one another.
        let [first, second, third] = simulators;
        drop(third);
        drop(second);
        drop(first);
    }
    assert_eq!(driver.counts(), before, "nothing is left behind");
}

#[test]
fn numbers_of_the_processor_go_there_and_back() {
    let driver = Driver::new();
    let before = driver.counts();
    let mut session = session(0, None).unwrap();
    let (mut state, mut stimulus) = (start(), stimulus());
    step(&mut session, state.as_mut_ptr().cast(), stimulus.as_mut_ptr().cast(), 20).unwrap();
    assert_close(&state, &expected(20));
    drop(session);
    assert!(current().is_null());
    assert_eq!(driver.counts(), before);
}

#[test]
fn every_fault_of_the_driver_becomes_an_error_and_leaves_nothing_behind() {
    let driver = Driver::new();
    let (mut simulator, context) = (Simulator::on(0), current());
    let (there, stimulus_there) = (simulator.put(&start()), simulator.put(&stimulus()));
    for own_stream in [false, true] {
        let work = || {
            let mut session = session(0, (!own_stream).then_some(&simulator))?;
            let (mut state, mut stimulus) = (start(), stimulus());
            if !own_stream {
                step(&mut session, there, stimulus_there, 1)?;
                // The stimulus is the processor's.
                step(&mut session, there, stimulus.as_mut_ptr().cast(), 1)?;
            }
            step(&mut session, state.as_mut_ptr().cast(), stimulus.as_mut_ptr().cast(), 1)?;
            session.synchronize()
        };
        work().unwrap();
        driver.calls();
        work().unwrap();
        let n_calls = driver.calls().len();
        assert!(n_calls > 30);
        let mut survived = Vec::new();
        for n in 0..n_calls {
            driver.calls();
            let before = driver.counts();
            driver.fail_after(n, CUresult::CUDA_ERROR_LAUNCH_FAILED);
            let outcome = work();
            driver.fail_no_more();
            let calls = driver.calls();
            let failed = &calls[n];
            assert_eq!(current(), context, "after a fault of {failed}, call {n}");
            // What could not be given back, because that failed, is still there; when a session ends nobody is told.
            let is_release =
                ["Free", "Destroy", "Unload", "Release", "Pop"].iter().any(|f| failed.contains(f))
                    || outcome.is_ok() && failed == "cuCtxGetCurrent";
            match outcome {
                Err(fault) => assert!(fault.to_string().contains(": "), "{fault}"),
                Ok(()) if !is_release => survived.push(failed.clone()),
                Ok(()) => {}
            }
            if !is_release {
                assert_eq!(driver.counts(), before, "after a fault of {failed}, call {n}");
            }
        }
        assert!(survived.len() <= 4, "faults that nobody was told of: {survived:?}");
    }
}

#[test]
fn too_little_memory_is_told() {
    let driver = Driver::new();
    let simulator = Simulator::on(0);
    let before = driver.counts();
    driver.set_memory(1000);
    let fault = session(0, Some(&simulator)).err().unwrap().to_string();
    assert!(fault.contains("OUT_OF_MEMORY") && fault.contains("free memory of the GPU"), "{fault}");
    assert_eq!(driver.counts(), before);
    assert_eq!(current(), simulator.context);
}
