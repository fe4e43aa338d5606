//! NEON, which every 64-bit ARM processor has: four lanes a vector.

use std::arch::aarch64::*;

use crate::kernels::LANE_GROUP;
use crate::kernels::table::kernel_table;
use crate::kernels::vector::Vector;

kernel_table!("neon", "neon", Lanes, crate::kernels::pairs::SCALAR);

/// Four single-precision numbers.
#[derive(Clone, Copy)]
struct Lanes(float32x4_t);

// SAFETY: every method uses NEON only; loads, stores and gathers touch four numbers.
unsafe impl Vector for Lanes {
    const LANES: usize = 4;
    // 32 registers: two vectors of sums for each row, two of inputs, four with weights of four rows each.
    const DENSE_ROWS: usize = 12;
    type Rows = int32x4_t;

    #[inline(always)]
    unsafe fn splat(x: f32) -> Self {
        // SAFETY: every processor has the instructions; so for all methods below.
        Self(unsafe { vdupq_n_f32(x) })
    }

    #[inline(always)]
    unsafe fn load(p: *const f32) -> Self {
        // SAFETY: the caller vouches for four numbers at `p`.
        Self(unsafe { vld1q_f32(p) })
    }

    #[inline(always)]
    unsafe fn store(self, p: *mut f32) {
        // SAFETY: the caller vouches for four numbers at `p`.
        unsafe { vst1q_f32(p, self.0) }
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        // SAFETY: instructions available.
        Self(unsafe { vaddq_f32(self.0, other.0) })
    }

    #[inline(always)]
    unsafe fn subtract(self, other: Self) -> Self {
        // SAFETY: instructions available.
        Self(unsafe { vsubq_f32(self.0, other.0) })
    }

    #[inline(always)]
    unsafe fn multiply(self, other: Self) -> Self {
        // SAFETY: instructions available.
        Self(unsafe { vmulq_f32(self.0, other.0) })
    }

    #[inline(always)]
    unsafe fn divide(self, other: Self) -> Self {
        // SAFETY: instructions available.
        Self(unsafe { vdivq_f32(self.0, other.0) })
    }

    #[inline(always)]
    unsafe fn multiply_add(self, factor: Self, term: Self) -> Self {
        // SAFETY: instructions available.
        Self(unsafe { vfmaq_f32(term.0, self.0, factor.0) })
    }

    // FMAX and FMIN give NaN where either is NaN; a comparison that fails chooses `other`.
    #[inline(always)]
    unsafe fn maximum(self, other: Self) -> Self {
        // SAFETY: instructions available.
        Self(unsafe { vbslq_f32(vcgtq_f32(self.0, other.0), self.0, other.0) })
    }

    #[inline(always)]
    unsafe fn minimum(self, other: Self) -> Self {
        // SAFETY: instructions available.
        Self(unsafe { vbslq_f32(vcltq_f32(self.0, other.0), self.0, other.0) })
    }

    #[inline(always)]
    unsafe fn round(self) -> Self {
        // SAFETY: instructions available.
        Self(unsafe { vrndnq_f32(self.0) })
    }

    #[inline(always)]
    unsafe fn scale(self, n: Self) -> Self {
        // SAFETY: instructions available.
        unsafe {
            // 2ⁿ by its exponent field, which is biased by 127.
            let exponent = vaddq_s32(vcvtnq_s32_f32(n.0), vdupq_n_s32(127));
            Self(vmulq_f32(self.0, vreinterpretq_f32_s32(vshlq_n_s32::<23>(exponent))))
        }
    }

    #[inline(always)]
    unsafe fn abs(self) -> Self {
        // SAFETY: instructions available.
        Self(unsafe { vabsq_f32(self.0) })
    }

    #[inline(always)]
    unsafe fn if_positive(self, positive: Self, other: Self) -> Self {
        // SAFETY: instructions available.
        Self(unsafe { vbslq_f32(vcgtzq_f32(self.0), positive.0, other.0) })
    }

    #[inline(always)]
    unsafe fn or_nan_of(self, other: Self) -> Self {
        // SAFETY: instructions available. A number equals itself, NaN does not.
        Self(unsafe { vbslq_f32(vceqq_f32(other.0, other.0), self.0, other.0) })
    }

    #[inline(always)]
    unsafe fn rows(self, last: i32) -> int32x4_t {
        // SAFETY: instructions available. NaN converts to 0.
        unsafe { vminq_s32(vmaxq_s32(vcvtq_s32_f32(self.0), vdupq_n_s32(0)), vdupq_n_s32(last)) }
    }

    #[inline(always)]
    unsafe fn from_rows(rows: int32x4_t) -> Self {
        // SAFETY: instructions available.
        Self(unsafe { vcvtq_f32_s32(rows) })
    }

    #[inline(always)]
    unsafe fn row_offsets(rows: int32x4_t, width: i32) -> int32x4_t {
        // SAFETY: instructions available.
        unsafe { vmulq_s32(rows, vdupq_n_s32(width)) }
    }

    #[inline(always)]
    unsafe fn store_offsets(offsets: int32x4_t, p: *mut i32) {
        // SAFETY: the caller vouches for four numbers at `p`.
        unsafe { vst1q_s32(p, offsets) }
    }

    #[inline(always)]
    unsafe fn gather(base: *const f32, offsets: int32x4_t) -> Self {
        let mut at = [0i32; 4];
        // SAFETY: the caller vouches for the numbers at the offsets.
        unsafe {
            vst1q_s32(at.as_mut_ptr(), offsets);
            let numbers = at.map(|offset| *base.add(offset as usize));
            Self(vld1q_f32(numbers.as_ptr()))
        }
    }

    #[inline(always)]
    unsafe fn transpose(block: &mut [Self; LANE_GROUP]) {
        // SAFETY: instructions available.
        unsafe {
            let [a, b, c, d] = [block[0].0, block[1].0, block[2].0, block[3].0];
            // Pairs of rows side by side, then pairs of pairs.
            let (ab, cd) = (vtrn1q_f32(a, b), vtrn1q_f32(c, d));
            let pairs = |x, y| (vreinterpretq_f64_f32(x), vreinterpretq_f64_f32(y));
            let (x, y) = pairs(ab, cd);
            block[0] = Self(vreinterpretq_f32_f64(vtrn1q_f64(x, y)));
            block[2] = Self(vreinterpretq_f32_f64(vtrn2q_f64(x, y)));
            let (x, y) = pairs(vtrn2q_f32(a, b), vtrn2q_f32(c, d));
            block[1] = Self(vreinterpretq_f32_f64(vtrn1q_f64(x, y)));
            block[3] = Self(vreinterpretq_f32_f64(vtrn2q_f64(x, y)));
        }
    }
}
