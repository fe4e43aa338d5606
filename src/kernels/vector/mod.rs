//! Kernels written once for any vector type; an instruction set supplies the type and compiles
//! them with its features enabled.
//!
//! Everything here is `#[inline(always)]`, so that it becomes part of the instruction set's own
//! functions (see `x86_64/avx2.rs`) and is compiled with their features. A closure does not: what it
//! calls stays a call of its own, so that none may hold more than an operation or two.

mod columns;
mod dense;
mod dense_one;
mod elementwise;
mod function;
mod slope;
mod table;

use super::LANE_GROUP;

pub use columns::{binary_of_pairs, sums};
pub use dense::dense;
pub use dense_one::dense_one;
pub use elementwise::{activation, binary, exp, relax, slope};
pub use table::{table, table_slope};

/// Single-precision numbers of one register.
///
/// # Safety
/// Implementations need instructions that not every machine has: all methods may be called only
/// where those are available. `load`, `store`, `store_offsets` and `gather` access `LANES` numbers.
pub unsafe trait Vector: Copy {
    /// Numbers in the register.
    const LANES: usize;
    /// Rows that the dense kernel computes together, at most 12: two vectors of sums for each, two of
    /// inputs and a weight fill the registers.
    const DENSE_ROWS: usize;
    /// Row numbers of a table, one a lane.
    type Rows: Copy;

    /// `x` in all lanes.
    unsafe fn splat(x: f32) -> Self;
    /// The numbers at `p`.
    unsafe fn load(p: *const f32) -> Self;
    /// Puts the numbers at `p`.
    unsafe fn store(self, p: *mut f32);
    /// self + other
    unsafe fn add(self, other: Self) -> Self;
    /// self − other
    unsafe fn subtract(self, other: Self) -> Self;
    /// self · other
    unsafe fn multiply(self, other: Self) -> Self;
    /// self / other
    unsafe fn divide(self, other: Self) -> Self;
    /// self · factor + term, rounded once
    unsafe fn multiply_add(self, factor: Self, term: Self) -> Self;
    /// The larger; `other` where either is NaN.
    unsafe fn maximum(self, other: Self) -> Self;
    /// The smaller; `other` where either is NaN.
    unsafe fn minimum(self, other: Self) -> Self;
    /// The nearest whole number.
    unsafe fn round(self) -> Self;
    /// self · 2ⁿ for whole n with −126 ≤ n ≤ 127.
    unsafe fn scale(self, n: Self) -> Self;
    /// Absolute value.
    unsafe fn abs(self) -> Self;
    /// `positive` where self > 0, else `other`.
    unsafe fn if_positive(self, positive: Self, other: Self) -> Self;
    /// `other` where `other` is NaN, else self.
    unsafe fn or_nan_of(self, other: Self) -> Self;
    /// Whole part of a number that is not negative, limited to 0 ..= `last`; NaN becomes 0.
    unsafe fn rows(self, last: i32) -> Self::Rows;
    /// Row numbers as numbers.
    unsafe fn from_rows(rows: Self::Rows) -> Self;
    /// Row numbers times `width`: where rows of a matrix begin.
    unsafe fn row_offsets(rows: Self::Rows, width: i32) -> Self::Rows;
    /// Puts the offsets at `p`.
    unsafe fn store_offsets(offsets: Self::Rows, p: *mut i32);
    /// The numbers at `base + offset` for each lane.
    unsafe fn gather(base: *const f32, offsets: Self::Rows) -> Self;
    /// Exchanges vectors and lanes of the first `LANES` vectors.
    unsafe fn transpose(block: &mut [Self; LANE_GROUP]);
}
