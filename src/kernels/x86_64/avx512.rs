//! AVX-512 (foundation and doubleword/quadword instructions): sixteen lanes a vector.

use std::arch::x86_64::*;

use crate::kernels::LANE_GROUP;
use crate::kernels::table::kernel_table;
use crate::kernels::vector::Vector;

kernel_table!("avx512", "avx512f,avx512dq", Lanes, super::pairs::TRANSFER);

pub fn is_available() -> bool {
    super::avx2::is_available() && is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512dq")
}

/// Sixteen single-precision numbers.
#[derive(Clone, Copy)]
struct Lanes(__m512);

// SAFETY: every method uses AVX-512F and DQ only; loads, stores and gathers touch sixteen numbers.
unsafe impl Vector for Lanes {
    const LANES: usize = 16;
    const DENSE_ROWS: usize = 12;
    type Rows = __m512i;

    #[inline(always)]
    unsafe fn splat(x: f32) -> Self {
        // SAFETY: the caller vouches for the instructions; so for all methods below.
        Self(unsafe { _mm512_set1_ps(x) })
    }

    #[inline(always)]
    unsafe fn load(p: *const f32) -> Self {
        // SAFETY: the caller vouches for sixteen numbers at `p`.
        Self(unsafe { _mm512_loadu_ps(p) })
    }

    #[inline(always)]
    unsafe fn store(self, p: *mut f32) {
        // SAFETY: the caller vouches for sixteen numbers at `p`.
        unsafe { _mm512_storeu_ps(p, self.0) }
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        // SAFETY: instructions available.
        Self(unsafe { _mm512_add_ps(self.0, other.0) })
    }

    #[inline(always)]
    unsafe fn subtract(self, other: Self) -> Self {
        // SAFETY: instructions available.
        Self(unsafe { _mm512_sub_ps(self.0, other.0) })
    }

    #[inline(always)]
    unsafe fn multiply(self, other: Self) -> Self {
        // SAFETY: instructions available.
        Self(unsafe { _mm512_mul_ps(self.0, other.0) })
    }

    #[inline(always)]
    unsafe fn divide(self, other: Self) -> Self {
        // SAFETY: instructions available.
        Self(unsafe { _mm512_div_ps(self.0, other.0) })
    }

    #[inline(always)]
    unsafe fn multiply_add(self, factor: Self, term: Self) -> Self {
        // SAFETY: instructions available.
        Self(unsafe { _mm512_fmadd_ps(self.0, factor.0, term.0) })
    }

    #[inline(always)]
    unsafe fn maximum(self, other: Self) -> Self {
        // SAFETY: instructions available.
        Self(unsafe { _mm512_max_ps(self.0, other.0) })
    }

    #[inline(always)]
    unsafe fn minimum(self, other: Self) -> Self {
        // SAFETY: instructions available.
        Self(unsafe { _mm512_min_ps(self.0, other.0) })
    }

    #[inline(always)]
    unsafe fn round(self) -> Self {
        // SAFETY: instructions available.
        Self(unsafe { _mm512_roundscale_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(self.0) })
    }

    #[inline(always)]
    unsafe fn scale(self, n: Self) -> Self {
        // SAFETY: instructions available.
        Self(unsafe { _mm512_scalef_ps(self.0, n.0) })
    }

    #[inline(always)]
    unsafe fn abs(self) -> Self {
        // SAFETY: instructions available.
        Self(unsafe { _mm512_abs_ps(self.0) })
    }

    #[inline(always)]
    unsafe fn if_positive(self, positive: Self, other: Self) -> Self {
        // SAFETY: instructions available.
        unsafe {
            let mask = _mm512_cmp_ps_mask::<_CMP_GT_OQ>(self.0, _mm512_setzero_ps());
            Self(_mm512_mask_blend_ps(mask, other.0, positive.0))
        }
    }

    #[inline(always)]
    unsafe fn or_nan_of(self, other: Self) -> Self {
        // SAFETY: instructions available.
        unsafe {
            let is_nan = _mm512_cmp_ps_mask::<_CMP_UNORD_Q>(other.0, other.0);
            Self(_mm512_mask_blend_ps(is_nan, self.0, other.0))
        }
    }

    #[inline(always)]
    unsafe fn rows(self, last: i32) -> __m512i {
        // SAFETY: instructions available. NaN converts to the smallest integer.
        unsafe {
            let whole = _mm512_max_epi32(_mm512_cvttps_epi32(self.0), _mm512_setzero_si512());
            _mm512_min_epi32(whole, _mm512_set1_epi32(last))
        }
    }

    #[inline(always)]
    unsafe fn from_rows(rows: __m512i) -> Self {
        // SAFETY: instructions available.
        Self(unsafe { _mm512_cvtepi32_ps(rows) })
    }

    #[inline(always)]
    unsafe fn row_offsets(rows: __m512i, width: i32) -> __m512i {
        // SAFETY: instructions available.
        unsafe { _mm512_mullo_epi32(rows, _mm512_set1_epi32(width)) }
    }

    #[inline(always)]
    unsafe fn gather(base: *const f32, offsets: __m512i) -> Self {
        // SAFETY: the caller vouches for the numbers at the offsets.
        Self(unsafe { _mm512_i32gather_ps::<4>(offsets, base) })
    }

    #[inline(always)]
    unsafe fn store_offsets(offsets: __m512i, p: *mut i32) {
        // SAFETY: the caller vouches for sixteen numbers at `p`.
        unsafe { _mm512_storeu_si512(p.cast(), offsets) }
    }

    #[inline(always)]
    unsafe fn transpose(block: &mut [Self; LANE_GROUP]) {
        // SAFETY: instructions available.
        unsafe {
            // Four rows at a time within quarters of 128 bits: `quads[4g + c]` has in quarter q
            // the columns 4q + c of the rows 4g to 4g + 3.
            let mut quads = [_mm512_setzero_ps(); 16];
            for g in [0, 4, 8, 12] {
                let (a, b, c, d) = (block[g].0, block[g + 1].0, block[g + 2].0, block[g + 3].0);
                let ab = _mm512_castps_pd(_mm512_unpacklo_ps(a, b));
                let cd = _mm512_castps_pd(_mm512_unpacklo_ps(c, d));
                quads[g] = _mm512_castpd_ps(_mm512_unpacklo_pd(ab, cd));
                quads[g + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(ab, cd));
                let ab = _mm512_castps_pd(_mm512_unpackhi_ps(a, b));
                let cd = _mm512_castps_pd(_mm512_unpackhi_ps(c, d));
                quads[g + 2] = _mm512_castpd_ps(_mm512_unpacklo_pd(ab, cd));
                quads[g + 3] = _mm512_castpd_ps(_mm512_unpackhi_pd(ab, cd));
            }
            const EVEN: i32 = 0b10_00_10_00;
            const ODD: i32 = 0b11_01_11_01;
            for c in 0..4 {
                let (q, r, s, t) = (quads[c], quads[4 + c], quads[8 + c], quads[12 + c]);
                let (qr, st) = (_mm512_shuffle_f32x4::<EVEN>(q, r), _mm512_shuffle_f32x4::<EVEN>(s, t));
                block[c] = Self(_mm512_shuffle_f32x4::<EVEN>(qr, st));
                block[8 + c] = Self(_mm512_shuffle_f32x4::<ODD>(qr, st));
                let (qr, st) = (_mm512_shuffle_f32x4::<ODD>(q, r), _mm512_shuffle_f32x4::<ODD>(s, t));
                block[4 + c] = Self(_mm512_shuffle_f32x4::<EVEN>(qr, st));
                block[12 + c] = Self(_mm512_shuffle_f32x4::<ODD>(qr, st));
            }
        }
    }
}
