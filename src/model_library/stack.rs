//! What a library finds in variables that it never sets.

use std::hint::black_box;

/// Numbers on the stack that are filled: more than the frames of a cell model hold.
const NUMBERS: usize = 2048;

/// Fills the stack that the next call will use, so that what a library reads without having set it is the same each time and does
/// not depend on what this program did before.
#[inline(never)]
pub fn fill(value: f64) {
    black_box(&mut [value; NUMBERS]);
}
