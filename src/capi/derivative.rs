//! Derivatives of surrogates.

use super::status::emucell_status;
use super::surrogate::{emucell_surrogate, make_into};
use super::{required, required_mut};
use crate::error::{Error, Result};
use crate::surrogate::Derivative;

/// Derivative: inputs x; outputs y, then dy_i/dx_j row by row.
pub const EMUCELL_JACOBIAN: u32 = 1;
/// Derivative: inputs x, then v; outputs y, then J v.
pub const EMUCELL_JACOBIAN_VECTOR: u32 = 2;
/// Derivative: inputs x, then w; outputs y, then w^T J.
pub const EMUCELL_VECTOR_JACOBIAN: u32 = 3;

/// Makes the surrogate that computes the outputs y of surrogate and a derivative of them with respect
/// to all of its inputs x: with n inputs and m outputs,
///
/// - EMUCELL_JACOBIAN: inputs x; outputs y, then dy_i/dx_j in column m + i * n + j;
/// - EMUCELL_JACOBIAN_VECTOR: inputs x, then v (n columns each); outputs y, then J v (m columns each);
/// - EMUCELL_VECTOR_JACOBIAN: inputs x, then w (m columns); outputs y, then w^T J (n columns).
///
/// An implicit solver that has F(x) = 0 to solve, with F made of the surrogate, evaluates the Jacobian
/// once an iteration of Newton and takes value and matrix from one call; a Krylov method wants
/// J v only; optimisation of parameters or stimuli wants w^T J, with w the gradient of its objective
/// with respect to y. The derivative is that of the network, exact up to rounding.
///
/// *out is a surrogate of kind EMUCELL_DERIVATIVE, a handle to give to emucell_surrogate_destroy()
/// and independent of surrogate. Describe it, make sessions of it and evaluate it as any other; it is
/// never stepped. A step map's y is the state after its own step; along several steps, J v of
/// one is the v of the next in the state's columns. Inputs x keep their ranges: with
/// EMUCELL_GUARD_CLAMP the derivative is the one at the border. ReLU and leaky ReLU at 0 have the slope
/// of negative arguments. Entries that are the same for all inputs are so for NaN too.
/// Errors: EMUCELL_INVALID_ARGUMENT, EMUCELL_UNSUPPORTED (of a derivative, for one); *out is NULL then.
/// May be called from any thread.
///
/// # Safety
/// surrogate is NULL or a live handle; out is NULL or may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn emucell_surrogate_derivative(
    surrogate: *const emucell_surrogate,
    kind: u32,
    out: *mut *mut emucell_surrogate,
) -> emucell_status {
    // SAFETY: as this function's contract says.
    make_into(unsafe { required_mut(out, "out") }, || {
        // SAFETY: as this function's contract says.
        let surrogate = unsafe { required(surrogate, "surrogate")? };
        surrogate.surrogate.derivative(derivative(kind)?)
    })
}

fn derivative(kind: u32) -> Result<Derivative> {
    match kind {
        EMUCELL_JACOBIAN => Ok(Derivative::Jacobian),
        EMUCELL_JACOBIAN_VECTOR => Ok(Derivative::JacobianVector),
        EMUCELL_VECTOR_JACOBIAN => Ok(Derivative::VectorJacobian),
        _ => Err(Error::invalid(format!("derivative of kind {kind}"))
            .remedy("use EMUCELL_JACOBIAN, EMUCELL_JACOBIAN_VECTOR or EMUCELL_VECTOR_JACOBIAN")),
    }
}
