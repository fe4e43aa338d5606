//! Sessions: a surrogate prepared for one thread of the caller.

use std::cell::UnsafeCell;
use std::ffi::{CStr, c_char};
use std::sync::atomic::{AtomicU8, Ordering};

use super::guard::guarded;
use super::status::emucell_status;
use super::surrogate::emucell_surrogate;
use super::{check_struct_size, required, required_mut};
use crate::error::{Error, ErrorKind, Result};
use crate::session::{Guard, Session, SessionOptions};

/// Guard: inputs outside the domain are used as they are.
pub const EMUCELL_GUARD_IGNORE: u32 = 0;
/// Guard: inputs outside the domain are moved to its border before they are used.
pub const EMUCELL_GUARD_CLAMP: u32 = 1;

/// How a session computes. Call emucell_session_options_init() before setting fields.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct emucell_session_options {
    /// Size of this struct, set by emucell_session_options_init().
    pub struct_size: u32,
    /// Threads that share the cells of a call, the caller's included; 1 by default. The session
    /// starts the others and keeps them.
    pub n_threads: u32,
    /// EMUCELL_GUARD_IGNORE (default) or EMUCELL_GUARD_CLAMP.
    pub guard: u32,
    /// Must be 0.
    pub reserved: u32,
    /// Instruction set by name ("scalar", "avx2"); NULL (default) for the machine's fastest.
    pub instruction_set: *const c_char,
}

/// A surrogate prepared for use by one thread at a time; owns its workspace.
pub struct emucell_session {
    state: AtomicU8,
    session: UnsafeCell<Session>,
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
        body: impl FnOnce(&mut Session) -> Result<()>,
    ) -> emucell_status {
        let mut entered = false;
        let status = guarded(|| {
            // SAFETY: the handle is live; only shared parts are touched until it is entered.
            let handle = unsafe { required(session.cast_const(), "session")? };
            handle.enter()?;
            entered = true;
            // SAFETY: `enter` lets one thread in.
            let result = body(unsafe { &mut *handle.session.get() });
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

/// Fills options with the defaults.
///
/// # Safety
/// options is NULL or may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn emucell_session_options_init(
    options: *mut emucell_session_options,
) -> emucell_status {
    guarded(|| {
        // SAFETY: as this function's contract says.
        *unsafe { required_mut(options, "options")? } = emucell_session_options {
            struct_size: size_of::<emucell_session_options>() as u32,
            n_threads: 1,
            guard: EMUCELL_GUARD_IGNORE,
            reserved: 0,
            instruction_set: std::ptr::null(),
        };
        Ok(())
    })
}

/// Prepares surrogate for use; options may be NULL for the defaults. Everything that evaluating
/// and stepping need is allocated here.
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
        let options = match unsafe { options.as_ref() } {
            None => SessionOptions::default(),
            // SAFETY: the texts of options are NUL-terminated.
            Some(options) => unsafe { session_options(options)? },
        };
        let session = Session::new(surrogate.surrogate.clone(), &options)?;
        let handle = emucell_session { state: AtomicU8::new(IDLE), session: UnsafeCell::new(session) };
        *out = Box::into_raw(Box::new(handle));
        Ok(())
    })
}

/// # Safety
/// `instruction_set` is NULL or a NUL-terminated text.
unsafe fn session_options(options: &emucell_session_options) -> Result<SessionOptions> {
    check_struct_size::<emucell_session_options>(options.struct_size, "emucell_session_options")?;
    if options.reserved != 0 {
        return Err(
            Error::invalid("a reserved field is not 0").remedy("call emucell_session_options_init first")
        );
    }
    let guard = match options.guard {
        EMUCELL_GUARD_IGNORE => Guard::Ignore,
        EMUCELL_GUARD_CLAMP => Guard::Clamp,
        other => return Err(Error::invalid(format!("guard {other}"))),
    };
    let instruction_set = match options.instruction_set.is_null() {
        true => None,
        // SAFETY: as this function's contract says.
        false => Some(unsafe { CStr::from_ptr(options.instruction_set) }.to_string_lossy().into_owned()),
    };
    Ok(SessionOptions { n_threads: options.n_threads as usize, instruction_set, guard })
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
