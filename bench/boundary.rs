//! What the C ABI costs: one cell stepped through the shared library, as a simulator links it, and by the bare
//! Rust call. `make build` makes the library.
//!
//! The difference is small beside what other work on the machine does to a mean: both are timed in short
//! batches, turn by turn, and the fastest batch counts.

use std::ffi::{CString, c_char, c_void};
use std::path::{Path, PathBuf};
use std::ptr::{null, null_mut};
use std::sync::Arc;
use std::time::Instant;

use emucell::capi::{
    EMUCELL_F32, emucell_cells, emucell_session, emucell_session_options, emucell_status, emucell_surrogate,
    emucell_view_of_structures,
};
use emucell::session::{Cells, Session, SessionOptions};
use emucell::view::{View, ViewMut};

const DT: f64 = 0.1;

/// The functions of `libemucell.so`.
struct Library {
    load: unsafe extern "C" fn(*const c_char, *mut *mut emucell_surrogate) -> emucell_status,
    create: unsafe extern "C" fn(
        *const emucell_surrogate,
        *const emucell_session_options,
        *mut *mut emucell_session,
    ) -> emucell_status,
    cells_init: unsafe extern "C" fn(*mut emucell_cells, u32) -> emucell_status,
    step: unsafe extern "C" fn(*mut emucell_session, *const emucell_cells, f64, u32) -> emucell_status,
}

impl Library {
    fn open() -> Self {
        let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
        let target = std::env::var_os("CARGO_TARGET_DIR").map_or(root.join("target"), PathBuf::from);
        let path = target.join("release/libemucell.so");
        let name = CString::new(path.to_str().unwrap()).unwrap();
        // SAFETY: the library is emucell's own.
        let handle = unsafe { libc::dlopen(name.as_ptr(), libc::RTLD_NOW) };
        assert!(!handle.is_null(), "no {}: run `make build` first", path.display());
        let find = |name: &str| -> *mut c_void {
            let name = CString::new(name).unwrap();
            // SAFETY: the handle is open.
            let address = unsafe { libc::dlsym(handle, name.as_ptr()) };
            assert!(!address.is_null(), "{name:?}");
            address
        };
        // SAFETY: the functions have these types.
        unsafe {
            Self {
                load: std::mem::transmute::<*mut c_void, _>(find("emucell_surrogate_load")),
                create: std::mem::transmute::<*mut c_void, _>(find("emucell_session_create")),
                cells_init: std::mem::transmute::<*mut c_void, _>(find("emucell_cells_init_sized")),
                step: std::mem::transmute::<*mut c_void, _>(find("emucell_step")),
            }
        }
    }
}

/// Nanoseconds of one call, on average of a batch.
fn time_batch(mut call: impl FnMut()) -> f64 {
    const CALLS: u32 = 1000;
    let start = Instant::now();
    (0..CALLS).for_each(|_| call());
    start.elapsed().as_secs_f64() * 1e9 / f64::from(CALLS)
}

fn main() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/fhn_cubic_step.onnx");
    let surrogate = Arc::new(emucell::format::onnx::load(&path).unwrap());
    let mut rust_session = Session::new(surrogate, &SessionOptions::default()).unwrap();
    let library = Library::open();
    let path = CString::new(path.to_str().unwrap()).unwrap();
    let (mut surrogate, mut session) = (null_mut(), null_mut());
    // SAFETY: all pointers lead to what the functions ask for.
    let mut cells = unsafe {
        assert_eq!((library.load)(path.as_ptr(), &mut surrogate), emucell_status::EMUCELL_OK);
        assert_eq!((library.create)(surrogate, null(), &mut session), emucell_status::EMUCELL_OK);
        let mut cells = std::mem::zeroed::<emucell_cells>();
        let size = size_of::<emucell_cells>() as u32;
        assert_eq!((library.cells_init)(&mut cells, size), emucell_status::EMUCELL_OK);
        cells
    };
    cells.n_cells = 1;

    let (mut state, stimulus) = ([0.3f32, 0.01], [0.05f32]);
    let (mut rust, mut c) = (f64::INFINITY, f64::INFINITY);
    for _ in 0..5000 {
        let batch = time_batch(|| {
            let cells = Cells {
                stimulus: Some(View::array_of_structures(&stimulus, 1).unwrap()),
                ..Cells::new(ViewMut::array_of_structures(&mut state, 2).unwrap())
            };
            rust_session.step(cells, DT, 1).unwrap();
        });
        rust = rust.min(batch);
        let batch = time_batch(|| {
            // A simulator makes its views anew, too.
            cells.state = emucell_view_of_structures(state.as_mut_ptr().cast(), EMUCELL_F32, 1, 2);
            let stimulus = stimulus.as_ptr().cast_mut().cast();
            cells.stimulus = emucell_view_of_structures(stimulus, EMUCELL_F32, 1, 1);
            // SAFETY: state and stimulus are there, and the session is this thread's.
            let status = unsafe { (library.step)(session, &cells, DT, 1) };
            assert_eq!(status, emucell_status::EMUCELL_OK);
        });
        c = c.min(batch);
    }
    println!("step of one cell: {rust:.0} ns in Rust, {c:.0} ns through C, boundary {:.0} ns", c - rust);
}
