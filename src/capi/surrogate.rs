//! Surrogates: loading and describing.

use std::ffi::{CStr, CString, c_char};
use std::path::Path;
use std::sync::Arc;

use super::guard::guarded;
use super::status::emucell_status;
use super::variable::{VariableTexts, emucell_variable};
use super::{check_pointer, required, required_mut};
use crate::error::{Error, Result};
use crate::format::onnx;
use crate::surrogate::{Kind, Surrogate, Verified};

/// Kind of a surrogate: (t, x0, parameters) → x(t).
pub const EMUCELL_SOLUTION_MAP: u32 = 1;
/// Kind of a surrogate: (x, stimulus, parameters) → x after one step.
pub const EMUCELL_STEP_MAP: u32 = 2;
/// Kind of a surrogate made by emucell_surrogate_derivative().
pub const EMUCELL_DERIVATIVE: u32 = 3;

/// Nothing was claimed of the surrogate: it was trained, not distilled from a cell model library.
pub const EMUCELL_VERIFIED_UNKNOWN: u32 = 0;
/// The surrogate was distilled from a cell model library and missed its targets against it, or was
/// never verified: do not rely on it.
pub const EMUCELL_NOT_VERIFIED: u32 = 1;
/// The surrogate met the targets that its provenance names.
pub const EMUCELL_VERIFIED: u32 = 2;

/// A trained network with everything needed to use it. Immutable: any number of threads may use
/// one at once. Sessions keep what they need of it, so that it may be destroyed before them.
pub struct emucell_surrogate {
    pub(super) surrogate: Arc<Surrogate>,
    inputs: Vec<VariableTexts>,
    outputs: Vec<VariableTexts>,
    provenance: CString,
    cell_model: Option<CString>,
}

impl emucell_surrogate {
    fn new(surrogate: Surrogate) -> Self {
        let provenance = serde_json::to_string(surrogate.provenance()).unwrap_or_default();
        Self {
            inputs: surrogate.inputs().iter().map(VariableTexts::new).collect(),
            outputs: surrogate.outputs().iter().map(VariableTexts::new).collect(),
            // JSON text has no NUL bytes.
            provenance: CString::new(provenance).unwrap_or_default(),
            cell_model: surrogate.cell_model().and_then(|model| CString::new(model.name.as_str()).ok()),
            surrogate: Arc::new(surrogate),
        }
    }
}

/// Loads the surrogate in the ONNX file at path (UTF-8, NUL-terminated).
///
/// On success *out is a handle to give to emucell_surrogate_destroy() in the end; on failure NULL.
/// Errors: EMUCELL_IO, EMUCELL_FORMAT, EMUCELL_UNSUPPORTED. May be called from any thread.
///
/// # Safety
/// path is NULL or a NUL-terminated text; out is NULL or may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn emucell_surrogate_load(
    path: *const c_char,
    out: *mut *mut emucell_surrogate,
) -> emucell_status {
    // SAFETY: as this function's contract says.
    make_into(unsafe { required_mut(out, "out") }, || {
        check_pointer(path, "path")?;
        // SAFETY: as this function's contract says.
        let path = unsafe { CStr::from_ptr(path) };
        let path = path.to_str().map_err(|_| Error::invalid("path is not UTF-8"))?;
        onnx::load(Path::new(path))
    })
}

/// Loads the surrogate in the size bytes of an ONNX file at bytes, which may be freed afterwards.
///
/// Otherwise as emucell_surrogate_load().
///
/// # Safety
/// bytes is NULL or leads to size bytes; out is NULL or may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn emucell_surrogate_load_memory(
    bytes: *const u8,
    size: usize,
    out: *mut *mut emucell_surrogate,
) -> emucell_status {
    // SAFETY: as this function's contract says.
    make_into(unsafe { required_mut(out, "out") }, || {
        check_pointer(bytes, "bytes")?;
        // SAFETY: as this function's contract says.
        onnx::from_bytes(unsafe { std::slice::from_raw_parts(bytes, size) })
    })
}

/// Puts the surrogate that `make` makes into `out`, NULL if it fails.
pub(super) fn make_into(
    out: Result<&mut *mut emucell_surrogate>,
    make: impl FnOnce() -> Result<Surrogate>,
) -> emucell_status {
    guarded(|| {
        let out = out?;
        *out = std::ptr::null_mut();
        let surrogate = make()?;
        if let Some(warning) = surrogate.warning() {
            log::warn!("this surrogate is {warning}");
        }
        *out = Box::into_raw(Box::new(emucell_surrogate::new(surrogate)));
        Ok(())
    })
}

/// Frees a surrogate and makes *surrogate NULL. Accepts NULL and a NULL handle.
///
/// # Safety
/// surrogate is NULL or leads to a handle that no other thread is using.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn emucell_surrogate_destroy(surrogate: *mut *mut emucell_surrogate) {
    guarded(|| {
        // SAFETY: as this function's contract says; handles come from Box::into_raw.
        unsafe {
            if let Some(handle) = surrogate.as_mut().filter(|handle| !handle.is_null()) {
                drop(Box::from_raw(std::mem::replace(handle, std::ptr::null_mut())));
            }
        }
        Ok(())
    });
}

/// Puts EMUCELL_SOLUTION_MAP, EMUCELL_STEP_MAP or EMUCELL_DERIVATIVE into *kind, and the step of a
/// step map, in the unit of its time, into *dt (0 for other kinds). Either may be NULL.
///
/// # Safety
/// surrogate is NULL or a live handle; kind and dt are NULL or may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn emucell_surrogate_kind(
    surrogate: *const emucell_surrogate,
    kind: *mut u32,
    dt: *mut f64,
) -> emucell_status {
    guarded(|| {
        // SAFETY: as this function's contract says.
        let (surrogate, kind, dt) =
            unsafe { (required(surrogate, "surrogate")?, kind.as_mut(), dt.as_mut()) };
        let (own_kind, own_dt) = match surrogate.surrogate.kind() {
            Kind::SolutionMap => (EMUCELL_SOLUTION_MAP, 0.0),
            Kind::StepMap { dt } => (EMUCELL_STEP_MAP, dt),
            Kind::Derivative => (EMUCELL_DERIVATIVE, 0.0),
        };
        if let Some(kind) = kind {
            *kind = own_kind;
        }
        if let Some(dt) = dt {
            *dt = own_dt;
        }
        Ok(())
    })
}

/// Number of input variables; 0 for NULL.
///
/// # Safety
/// surrogate is NULL or a live handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn emucell_surrogate_n_inputs(surrogate: *const emucell_surrogate) -> usize {
    // SAFETY: as this function's contract says.
    unsafe { surrogate.as_ref() }.map_or(0, |s| s.inputs.len())
}

/// Number of output variables; 0 for NULL. A step map's outputs are its states; those of a solution map are the states,
/// at each of emucell_surrogate_times() in turn, if there are any.
///
/// # Safety
/// surrogate is NULL or a live handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn emucell_surrogate_n_outputs(surrogate: *const emucell_surrogate) -> usize {
    // SAFETY: as this function's contract says.
    unsafe { surrogate.as_ref() }.map_or(0, |s| s.outputs.len())
}

/// Number of times at which a solution map gives the states in one evaluation; 0 for NULL and where each output is one
/// state at one time.
///
/// # Safety
/// surrogate is NULL or a live handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn emucell_surrogate_n_times(surrogate: *const emucell_surrogate) -> usize {
    // SAFETY: as this function's contract says.
    unsafe { surrogate.as_ref() }.map_or(0, |s| s.surrogate.times().len())
}

/// Copies the times of the outputs, n = emucell_surrogate_n_times() numbers in the unit of the cell model's time
/// (milliseconds), ascending, to times. The outputs are all states at the first time, then all at the second, …, and are
/// called like "u@0.8".
///
/// Errors: EMUCELL_INVALID_ARGUMENT if n is another number.
///
/// # Safety
/// surrogate is NULL or a live handle; times is NULL or leads to n numbers that may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn emucell_surrogate_times(
    surrogate: *const emucell_surrogate,
    times: *mut f64,
    n: usize,
) -> emucell_status {
    guarded(|| {
        // SAFETY: as this function's contract says.
        let surrogate = unsafe { required(surrogate, "surrogate")? };
        let own = surrogate.surrogate.times();
        if n != own.len() {
            return Err(Error::invalid(format!("{n} numbers for {} times", own.len()))
                .remedy("ask emucell_surrogate_n_times() for their number"));
        }
        if n > 0 {
            check_pointer(times.cast_const(), "times")?;
            // SAFETY: as this function's contract says.
            unsafe { times.copy_from_nonoverlapping(own.as_ptr(), n) };
        }
        Ok(())
    })
}

/// Describes input variable i, counted from 0 in the order of evaluate's input columns.
///
/// # Safety
/// surrogate is NULL or a live handle; out is NULL or may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn emucell_surrogate_input(
    surrogate: *const emucell_surrogate,
    i: usize,
    out: *mut emucell_variable,
) -> emucell_status {
    guarded(|| {
        // SAFETY: as this function's contract says.
        let (handle, out) = unsafe { (required(surrogate, "surrogate")?, required_mut(out, "out")?) };
        *out = describe(&handle.inputs, handle.surrogate.inputs(), i)?;
        Ok(())
    })
}

/// Describes output variable i, counted from 0 in the order of evaluate's output columns, which
/// is the order of the states in emucell_cells.
///
/// # Safety
/// surrogate is NULL or a live handle; out is NULL or may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn emucell_surrogate_output(
    surrogate: *const emucell_surrogate,
    i: usize,
    out: *mut emucell_variable,
) -> emucell_status {
    guarded(|| {
        // SAFETY: as this function's contract says.
        let (handle, out) = unsafe { (required(surrogate, "surrogate")?, required_mut(out, "out")?) };
        *out = describe(&handle.outputs, handle.surrogate.outputs(), i)?;
        Ok(())
    })
}

fn describe(
    texts: &[VariableTexts],
    variables: &[crate::surrogate::Variable],
    i: usize,
) -> Result<emucell_variable> {
    match (texts.get(i), variables.get(i)) {
        (Some(texts), Some(variable)) => Ok(texts.describe(variable)),
        _ => Err(Error::invalid(format!("variable {i} of {}", variables.len()))),
    }
}

/// Copies the state in which a cell starts, n numbers in the order of the outputs (of one time, where they are
/// states at several), to state.
///
/// Errors: EMUCELL_UNSUPPORTED if the file tells no initial state, EMUCELL_INVALID_ARGUMENT if n
/// is not the number of states: of outputs, divided by the number of their times if there are any.
///
/// # Safety
/// surrogate is NULL or a live handle; state is NULL or leads to n numbers that may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn emucell_surrogate_initial_state(
    surrogate: *const emucell_surrogate,
    state: *mut f64,
    n: usize,
) -> emucell_status {
    guarded(|| {
        // SAFETY: as this function's contract says.
        let surrogate = unsafe { required(surrogate, "surrogate")? };
        check_pointer(state.cast_const(), "state")?;
        let own = surrogate.surrogate.initial_state().ok_or_else(|| {
            Error::unsupported("this surrogate tells no initial state")
                .remedy("start cells in a state of your own")
        })?;
        if n != own.len() {
            return Err(Error::invalid(format!("{n} numbers for {} states", own.len())));
        }
        // SAFETY: as this function's contract says.
        unsafe { state.copy_from_nonoverlapping(own.as_ptr(), n) };
        Ok(())
    })
}

/// How the surrogate came to be (recipe, seed, data, errors, program version) as a JSON object;
/// NULL for NULL. The text belongs to the surrogate and lives as long as it.
///
/// # Safety
/// surrogate is NULL or a live handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn emucell_surrogate_provenance(surrogate: *const emucell_surrogate) -> *const c_char {
    // SAFETY: as this function's contract says.
    unsafe { surrogate.as_ref() }.map_or(std::ptr::null(), |s| s.provenance.as_ptr())
}

/// Name of the cell model that the surrogate stands for, for example "fhn_cubic"; NULL for NULL
/// and where the file tells none. The text belongs to the surrogate and lives as long as it.
///
/// # Safety
/// surrogate is NULL or a live handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn emucell_surrogate_cell_model(surrogate: *const emucell_surrogate) -> *const c_char {
    // SAFETY: as this function's contract says.
    let name = unsafe { surrogate.as_ref() }.and_then(|handle| handle.cell_model.as_ref());
    name.map_or(std::ptr::null(), |name| name.as_ptr())
}

/// Whether the surrogate was proved against the cell model that it was made from:
/// EMUCELL_VERIFIED_UNKNOWN, EMUCELL_NOT_VERIFIED or EMUCELL_VERIFIED; EMUCELL_VERIFIED_UNKNOWN for
/// NULL. The targets and errors are in the member "verification" of emucell_surrogate_provenance().
///
/// # Safety
/// surrogate is NULL or a live handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn emucell_surrogate_verified(surrogate: *const emucell_surrogate) -> u32 {
    // SAFETY: as this function's contract says.
    match unsafe { surrogate.as_ref() }.map(|handle| handle.surrogate.verified()) {
        None | Some(Verified::Unknown) => EMUCELL_VERIFIED_UNKNOWN,
        Some(Verified::No) => EMUCELL_NOT_VERIFIED,
        Some(Verified::Yes) => EMUCELL_VERIFIED,
    }
}
