//! What a session counted.

use std::mem::MaybeUninit;

use super::guard::guarded;
use super::session::emucell_session;
use super::status::emucell_status;
use super::structs::{self, Sized32};

/// What a session did since it was made or its counters were reset. Call emucell_counters_init()
/// first.
///
/// Cells are counted once for every application of the surrogate: a call of 3 steps for 10 cells
/// counts 30. With EMUCELL_GUARD_IGNORE cells outside the domain and cells that are not finite are
/// only counted by calls with status bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct emucell_counters {
    /// Size of this struct, set by emucell_counters_init().
    pub struct_size: u32,
    /// 0.
    pub reserved: u32,
    /// Calls of evaluate and step that succeeded.
    pub n_calls: u64,
    /// Cells evaluated, and cells × steps.
    pub n_cell_steps: u64,
    /// Of these, with an input outside the domain.
    pub n_outside_domain: u64,
    /// Of these, with a result of the surrogate that is NaN or infinite.
    pub n_not_finite: u64,
    /// Of these, computed by the fallback.
    pub n_fallback: u64,
}

// SAFETY: repr(C), struct_size first, numbers only.
unsafe impl Sized32 for emucell_counters {
    const NAME: &'static str = "emucell_counters";
}

impl emucell_counters {
    const DEFAULT: Self = Self {
        struct_size: size_of::<emucell_counters>() as u32,
        reserved: 0,
        n_calls: 0,
        n_cell_steps: 0,
        n_outside_domain: 0,
        n_not_finite: 0,
        n_fallback: 0,
    };
}

/// Fills counters, struct_size bytes, with zeros and its size. Call the macro
/// emucell_counters_init(counters), which says the size that your header knows.
///
/// # Safety
/// counters is NULL or leads to struct_size bytes that may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn emucell_counters_init_sized(
    counters: *mut emucell_counters,
    struct_size: u32,
) -> emucell_status {
    // SAFETY: as this function's contract says.
    guarded(|| unsafe { structs::init(counters, struct_size, emucell_counters::DEFAULT, "counters") })
}

/// Copies what session counted to *counters.
///
/// Errors: EMUCELL_INVALID_ARGUMENT, EMUCELL_BUSY, EMUCELL_POISONED.
///
/// # Safety
/// session is NULL or a live handle; counters is NULL or leads to counters that may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn emucell_session_counters(
    session: *mut emucell_session,
    counters: *mut emucell_counters,
) -> emucell_status {
    // SAFETY: as this function's contract says.
    unsafe {
        emucell_session::with(session, |inner| {
            let mut copy = MaybeUninit::uninit();
            let size = structs::read(counters.cast_const(), "counters", &mut copy)?.struct_size as usize;
            let counted = inner.session.counters();
            let filled = emucell_counters {
                struct_size: size as u32,
                reserved: 0,
                n_calls: counted.calls,
                n_cell_steps: counted.cell_steps,
                n_outside_domain: counted.outside_domain,
                n_not_finite: counted.not_finite,
                n_fallback: counted.fallback,
            };
            // A header that knows fewer fields has less room.
            let known = size.min(size_of::<emucell_counters>());
            counters.cast::<u8>().copy_from_nonoverlapping((&raw const filled).cast(), known);
            Ok(())
        })
    }
}

/// Begins to count anew.
///
/// Errors: EMUCELL_INVALID_ARGUMENT, EMUCELL_BUSY, EMUCELL_POISONED.
///
/// # Safety
/// session is NULL or a live handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn emucell_session_reset_counters(session: *mut emucell_session) -> emucell_status {
    // SAFETY: as this function's contract says.
    unsafe {
        emucell_session::with(session, |inner| {
            inner.session.reset_counters();
            Ok(())
        })
    }
}
