//! Descriptions of a surrogate's variables.

use std::ffi::{CString, c_char};

use crate::surrogate::{Role, Variable};

/// Role of a variable: time since the initial state.
pub const EMUCELL_TIME: u32 = 1;
/// Role of a variable: state of the cell model.
pub const EMUCELL_STATE: u32 = 2;
/// Role of a variable: stimulus that the simulator applies.
pub const EMUCELL_STIMULUS: u32 = 3;
/// Role of a variable: a number of the cell that does not change in time.
pub const EMUCELL_PARAMETER: u32 = 4;

/// What a column of a surrogate's inputs or outputs is. The texts belong to the surrogate and
/// live as long as it.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct emucell_variable {
    /// Name in the cell model.
    pub name: *const c_char,
    /// Unit as text, "1" for dimensionless, empty if unknown.
    pub unit: *const c_char,
    /// EMUCELL_TIME, EMUCELL_STATE, EMUCELL_STIMULUS or EMUCELL_PARAMETER.
    pub role: u32,
    /// 1 if the range is known, else 0.
    pub has_range: u32,
    /// Smallest value of the training data.
    pub range_low: f64,
    /// Largest value of the training data.
    pub range_high: f64,
}

/// A variable with its texts as C strings.
pub(super) struct VariableTexts {
    name: CString,
    unit: CString,
}

impl VariableTexts {
    pub(super) fn new(variable: &Variable) -> Self {
        // Surrogates have no names with NUL bytes.
        let text = |s: &str| CString::new(s).unwrap_or_default();
        Self { name: text(&variable.name), unit: text(&variable.unit) }
    }

    pub(super) fn describe(&self, variable: &Variable) -> emucell_variable {
        let [range_low, range_high] = variable.range.unwrap_or_default();
        emucell_variable {
            name: self.name.as_ptr(),
            unit: self.unit.as_ptr(),
            role: match variable.role {
                Role::Time => EMUCELL_TIME,
                Role::State => EMUCELL_STATE,
                Role::Stimulus => EMUCELL_STIMULUS,
                Role::Parameter => EMUCELL_PARAMETER,
            },
            has_range: variable.range.is_some().into(),
            range_low,
            range_high,
        }
    }
}
