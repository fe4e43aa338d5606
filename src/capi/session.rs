//! Sessions: a surrogate prepared for one thread of the caller.

use std::cell::UnsafeCell;
use std::ffi::{CString, c_char};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use super::fallback::CallersFallback;
use super::guard::guarded;
use super::options::emucell_session_options;
use super::status::emucell_status;
use super::surrogate::emucell_surrogate;
use super::{required, required_mut};
use crate::error::{Error, ErrorKind, Result};
use crate::session::Session;
use crate::view::{View, ViewMut};

/// A surrogate prepared for use by one thread at a time; owns its workspace.
pub struct emucell_session {
    state: AtomicU8,
    inner: UnsafeCell<Inner>,
    name: CString,
}

/// What one thread at a time has of a session.
pub(super) struct Inner {
    pub session: Session,
    pub fallback: Option<Arc<CallersFallback>>,
    pub workspace: Workspace,
}

/// Room for a call's views. Each has a variable at least, so that there are no more than variables.
pub(super) struct Workspace {
    pub inputs: Vec<View<'static>>,
    pub outputs: Vec<ViewMut<'static>>,
}

const IDLE: u8 = 0;
const IN_USE: u8 = 1;
const POISONED: u8 = 2;

impl emucell_session {
    /// Runs `body` with the session, unless another thread has it or it is poisoned.
    ///
    /// # Safety
    /// The handle is live.
    pub(super) unsafe fn with(
        session: *mut Self,
        body: impl FnOnce(&mut Inner) -> Result<()>,
    ) -> emucell_status {
        let mut entered = false;
        let status = guarded(|| {
            // SAFETY: the handle is live; only shared parts are touched until it is entered.
            let handle = unsafe { required(session.cast_const(), "session")? };
            handle.enter()?;
            entered = true;
            // SAFETY: `enter` lets one thread in.
            let result = body(unsafe { &mut *handle.inner.get() });
            handle.state.store(IDLE, Ordering::Release);
            result
        });
        if entered && status == emucell_status::EMUCELL_PANIC {
            // SAFETY: it was entered, so the handle is live.
            unsafe { (*session).state.store(POISONED, Ordering::Release) };
        }
        status
    }

    fn enter(&self) -> Result<()> {
        match self.state.compare_exchange(IDLE, IN_USE, Ordering::Acquire, Ordering::Relaxed) {
            Ok(_) => Ok(()),
            Err(POISONED) => {
                Err(Error::new(ErrorKind::Poisoned, "this session stopped at an internal fault")
                    .remedy("destroy it and create another"))
            }
            Err(_) => Err(Error::new(ErrorKind::Busy, "another thread is using this session")
                .remedy("create a session for each thread; they can share one surrogate")),
        }
    }
}

/// Prepares surrogate for use; options may be NULL for the defaults. What evaluating and stepping
/// need is allocated here, as far as options tell the capacity.
///
/// On success *out is a handle to give to emucell_session_destroy() in the end; on failure NULL.
/// The session keeps what it needs of the surrogate. May be called from any thread.
/// Errors: EMUCELL_INVALID_ARGUMENT, EMUCELL_UNSUPPORTED.
///
/// # Safety
/// surrogate is NULL or a live handle; options is NULL or leads to options; out is NULL or may be
/// written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn emucell_session_create(
    surrogate: *const emucell_surrogate,
    options: *const emucell_session_options,
    out: *mut *mut emucell_session,
) -> emucell_status {
    guarded(|| {
        // SAFETY: as this function's contract says.
        let out = unsafe { required_mut(out, "out")? };
        *out = std::ptr::null_mut();
        // SAFETY: as this function's contract says.
        let surrogate = unsafe { required(surrogate, "surrogate")? };
        // SAFETY: as this function's contract says.
        let (options, fallback) = unsafe { emucell_session_options::read(options)? };
        let session = Session::new(surrogate.surrogate.clone(), &options)?;
        let workspace = Workspace {
            inputs: Vec::with_capacity(surrogate.surrogate.inputs().len()),
            outputs: Vec::with_capacity(surrogate.surrogate.outputs().len()),
        };
        let handle = emucell_session {
            state: AtomicU8::new(IDLE),
            name: CString::new(session.backend_name()).unwrap_or_default(),
            inner: UnsafeCell::new(Inner { session, fallback, workspace }),
        };
        *out = Box::into_raw(Box::new(handle));
        Ok(())
    })
}

/// Frees a session and makes *session NULL. Accepts NULL and a NULL handle.
///
/// # Safety
/// session is NULL or leads to a handle that no other thread is using.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn emucell_session_destroy(session: *mut *mut emucell_session) {
    guarded(|| {
        // SAFETY: as this function's contract says; handles come from Box::into_raw.
        unsafe {
            if let Some(handle) = session.as_mut().filter(|handle| !handle.is_null()) {
                drop(Box::from_raw(std::mem::replace(handle, std::ptr::null_mut())));
            }
        }
        Ok(())
    });
}

/// Device and instruction set that session computes with, for example "cpu avx512, threads: 1";
/// NULL for NULL. The text belongs to the session and lives as long as it.
///
/// # Safety
/// session is NULL or a live handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn emucell_session_name(session: *const emucell_session) -> *const c_char {
    // SAFETY: as this function's contract says.
    unsafe { session.as_ref() }.map_or(std::ptr::null(), |handle| handle.name.as_ptr())
}

/// Waits until everything that session was asked to do has been done. On the CPU it has been done
/// when evaluate or step return; on a GPU they only queue it on the stream.
///
/// Errors: EMUCELL_INVALID_ARGUMENT, EMUCELL_BUSY, EMUCELL_POISONED.
///
/// # Safety
/// session is NULL or a live handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn emucell_session_synchronize(session: *mut emucell_session) -> emucell_status {
    // SAFETY: as this function's contract says.
    unsafe { emucell_session::with(session, |inner| inner.session.synchronize()) }
}
