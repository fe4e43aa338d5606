//! Addresses and streams that are not what was promised.

use cudarc::driver::sys;
use emucell::ErrorKind;

use super::driver::{Driver, Simulator, current, ok};
use super::sheet::{N_CELLS, assert_close, expected, session, start, step, stimulus};

#[test]
fn memory_that_a_session_cannot_use_is_refused_before_anything_is_done() {
    let driver = Driver::new();
    let [mut other_gpu, mut other_context, mut own] = [0, 1, 1].map(Simulator::on);
    let mut session = session(1, Some(&own)).unwrap();
    let (state, good_stimulus) = (own.put(&start()), own.put(&stimulus()));
    let short = own.put(&start()[..2 * N_CELLS - 1]);
    let cases = [
        (other_gpu.put(&start()), good_stimulus, "memory of GPU 0 for a session on cuda:1"),
        (state, other_gpu.put(&stimulus()), "memory of GPU 0 for a session on cuda:1"),
        (other_context.put(&start()), good_stimulus, "memory of another context of cuda:1"),
        (short, good_stimulus, "go beyond the GPU's memory"),
        (state, short.wrapping_add(4 * N_CELLS), "go beyond the GPU's memory"),
    ];
    let context = current();
    driver.calls();
    for (state, stimulus, what) in cases {
        let fault = step(&mut session, state, stimulus, 1).unwrap_err();
        assert_eq!(fault.kind(), ErrorKind::InvalidArgument, "{fault}");
        assert!(fault.to_string().contains(what), "{fault}");
        assert!(!driver.calls().iter().any(|call| call == "cuLaunchKernel"));
        assert_eq!(current(), context);
    }
    // The session goes on.
    step(&mut session, state, good_stimulus, 2).unwrap();
    assert_close(&own.get(state, 2 * N_CELLS), &expected(2));
    drop(session);
    drop(own);
    drop(other_context);
    drop(other_gpu);
}

#[test]
fn memory_of_both_is_worked_on_where_it_is() {
    let driver = Driver::new();
    let mut simulator = Simulator::on(0);
    let mut session = session(0, Some(&simulator)).unwrap();
    let mut address = 0;
    // SAFETY: the driver fills the variable; both sides reach this memory.
    let state = unsafe {
        ok(sys::cuMemAllocManaged(&raw mut address, 8 * N_CELLS, 1));
        (address as *mut f32).copy_from_nonoverlapping(start().as_ptr(), 2 * N_CELLS);
        std::slice::from_raw_parts(address as *const f32, 2 * N_CELLS)
    };
    let stimulus = simulator.put(&stimulus());
    driver.calls();
    step(&mut session, address as *mut u8, stimulus, 3).unwrap();
    assert!(!driver.calls().iter().any(|call| call.contains("Memcpy")));
    session.synchronize().unwrap();
    assert_close(state, &expected(3));
    drop(session);
    // SAFETY: reserved above.
    unsafe { ok(sys::cuMemFree_v2(address)) };
}

#[test]
fn a_stream_of_another_gpu_and_one_that_is_no_more_are_refused() {
    let driver = Driver::new();
    let mut simulator = Simulator::on(1);
    let fault = session(0, Some(&simulator)).err().unwrap();
    assert_eq!(fault.kind(), ErrorKind::InvalidArgument);
    assert!(fault.to_string().contains("a stream of GPU 1 for a session on cuda:0"), "{fault}");
    assert_eq!(current(), simulator.context);
    // SAFETY: nobody uses the stream; it is replaced at once.
    unsafe { ok(sys::cuStreamDestroy_v2(simulator.stream)) };
    let before = driver.counts();
    let fault = session(1, Some(&simulator)).err().unwrap().to_string();
    assert!(fault.contains("INVALID_HANDLE") && fault.contains("stream and context are alive"), "{fault}");
    assert_eq!(driver.counts(), before);
    // SAFETY: the driver fills the variable.
    unsafe { ok(sys::cuStreamCreate(&raw mut simulator.stream, 0)) };
    let fault = session(2, None).err().unwrap().to_string();
    assert!(fault.contains("device cuda:2: this machine has 2 GPUs"), "{fault}");
}

#[test]
fn memory_of_no_context_is_taken_if_it_is_the_gpus() {
    let driver = Driver::new();
    // As the CUDA runtime reserves it with cudaMallocAsync.
    let reserve = |simulator: &Simulator, bytes: usize| {
        let mut address = 0;
        // SAFETY: the driver fills the variable; the context is pushed for the time.
        unsafe {
            ok(sys::cuCtxPushCurrent_v2(simulator.context));
            ok(sys::cuMemAllocAsync(&raw mut address, bytes, simulator.stream));
            let mut popped = std::ptr::null_mut();
            ok(sys::cuCtxPopCurrent_v2(&raw mut popped));
        }
        address
    };
    let [other_gpu, own] = [0, 1].map(Simulator::on);
    let mut session = session(1, Some(&own)).unwrap();
    let [state, elsewhere] = [&own, &other_gpu].map(|simulator| reserve(simulator, 8 * N_CELLS));
    let mut own = own;
    let stimulus = own.put(&stimulus());
    // SAFETY: as many bytes as were reserved; the simulator's context is the thread's.
    unsafe { ok(sys::cuMemcpyHtoD_v2(state, start().as_ptr().cast(), 8 * N_CELLS)) };
    driver.calls();
    step(&mut session, state as *mut u8, stimulus, 3).unwrap();
    assert!(!driver.calls().iter().any(|call| call.contains("Memcpy")));
    assert_close(&own.get(state as *mut u8, 2 * N_CELLS), &expected(3));
    let fault = step(&mut session, elsewhere as *mut u8, stimulus, 1).unwrap_err().to_string();
    assert!(fault.contains("memory of GPU 0 for a session on cuda:1"), "{fault}");
    drop(session);
    // SAFETY: reserved above.
    unsafe { [state, elsewhere].into_iter().for_each(|address| ok(sys::cuMemFree_v2(address))) };
    drop(own);
    drop(other_gpu);
}
