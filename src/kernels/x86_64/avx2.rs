//! AVX2 with fused multiply-add: eight lanes a vector.

use std::arch::x86_64::*;

use crate::kernels::LANE_GROUP;
use crate::kernels::table::kernel_table;
use crate::kernels::vector::Vector;

kernel_table!("avx2", "avx2,fma", Lanes, super::pairs::TRANSFER);

pub fn is_available() -> bool {
    is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")
}

/// Eight single-precision numbers.
#[derive(Clone, Copy)]
struct Lanes(__m256);

// SAFETY: every method uses AVX2 and FMA only; loads, stores and gathers touch eight numbers.
unsafe impl Vector for Lanes {
    const LANES: usize = 8;
    const DENSE_ROWS: usize = 6;
    type Rows = __m256i;

    #[inline(always)]
    unsafe fn splat(x: f32) -> Self {
        // SAFETY: the caller vouches for the instructions; so for all methods below.
        Self(unsafe { _mm256_set1_ps(x) })
    }

    #[inline(always)]
    unsafe fn load(p: *const f32) -> Self {
        // SAFETY: the caller vouches for eight numbers at `p`.
        Self(unsafe { _mm256_loadu_ps(p) })
    }

    #[inline(always)]
    unsafe fn store(self, p: *mut f32) {
        // SAFETY: the caller vouches for eight numbers at `p`.
        unsafe { _mm256_storeu_ps(p, self.0) }
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        // SAFETY: instructions available.
        Self(unsafe { _mm256_add_ps(self.0, other.0) })
    }

    #[inline(always)]
    unsafe fn subtract(self, other: Self) -> Self {
        // SAFETY: instructions available.
        Self(unsafe { _mm256_sub_ps(self.0, other.0) })
    }

    #[inline(always)]
    unsafe fn multiply(self, other: Self) -> Self {
        // SAFETY: instructions available.
        Self(unsafe { _mm256_mul_ps(self.0, other.0) })
    }

    #[inline(always)]
    unsafe fn divide(self, other: Self) -> Self {
        // SAFETY: instructions available.
        Self(unsafe { _mm256_div_ps(self.0, other.0) })
    }

    #[inline(always)]
    unsafe fn multiply_add(self, factor: Self, term: Self) -> Self {
        // SAFETY: instructions available.
        Self(unsafe { _mm256_fmadd_ps(self.0, factor.0, term.0) })
    }

    #[inline(always)]
    unsafe fn maximum(self, other: Self) -> Self {
        // SAFETY: instructions available.
        Self(unsafe { _mm256_max_ps(self.0, other.0) })
    }

    #[inline(always)]
    unsafe fn minimum(self, other: Self) -> Self {
        // SAFETY: instructions available.
        Self(unsafe { _mm256_min_ps(self.0, other.0) })
    }

    #[inline(always)]
    unsafe fn round(self) -> Self {
        // SAFETY: instructions available.
        Self(unsafe { _mm256_round_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(self.0) })
    }

    #[inline(always)]
    unsafe fn scale(self, n: Self) -> Self {
        // SAFETY: instructions available.
        unsafe {
            // 2ⁿ by its exponent field, which is biased by 127.
            let exponent = _mm256_add_epi32(_mm256_cvtps_epi32(n.0), _mm256_set1_epi32(127));
            Self(_mm256_mul_ps(self.0, _mm256_castsi256_ps(_mm256_slli_epi32::<23>(exponent))))
        }
    }

    #[inline(always)]
    unsafe fn abs(self) -> Self {
        // SAFETY: instructions available.
        Self(unsafe { _mm256_andnot_ps(_mm256_set1_ps(-0.0), self.0) })
    }

    #[inline(always)]
    unsafe fn if_positive(self, positive: Self, other: Self) -> Self {
        // SAFETY: instructions available.
        unsafe {
            let mask = _mm256_cmp_ps::<_CMP_GT_OQ>(self.0, _mm256_setzero_ps());
            Self(_mm256_blendv_ps(other.0, positive.0, mask))
        }
    }

    #[inline(always)]
    unsafe fn or_nan_of(self, other: Self) -> Self {
        // SAFETY: instructions available.
        unsafe {
            let is_nan = _mm256_cmp_ps::<_CMP_UNORD_Q>(other.0, other.0);
            Self(_mm256_blendv_ps(self.0, other.0, is_nan))
        }
    }

    #[inline(always)]
    unsafe fn rows(self, last: i32) -> __m256i {
        // SAFETY: instructions available. NaN converts to the smallest integer.
        unsafe {
            let whole = _mm256_max_epi32(_mm256_cvttps_epi32(self.0), _mm256_setzero_si256());
            _mm256_min_epi32(whole, _mm256_set1_epi32(last))
        }
    }

    #[inline(always)]
    unsafe fn from_rows(rows: __m256i) -> Self {
        // SAFETY: instructions available.
        Self(unsafe { _mm256_cvtepi32_ps(rows) })
    }

    #[inline(always)]
    unsafe fn row_offsets(rows: __m256i, width: i32) -> __m256i {
        // SAFETY: instructions available.
        unsafe { _mm256_mullo_epi32(rows, _mm256_set1_epi32(width)) }
    }

    #[inline(always)]
    unsafe fn gather(base: *const f32, offsets: __m256i) -> Self {
        // SAFETY: the caller vouches for the numbers at the offsets.
        Self(unsafe { _mm256_i32gather_ps::<4>(base, offsets) })
    }

    #[inline(always)]
    unsafe fn store_offsets(offsets: __m256i, p: *mut i32) {
        // SAFETY: the caller vouches for eight numbers at `p`.
        unsafe { _mm256_storeu_si256(p.cast(), offsets) }
    }

    #[inline(always)]
    unsafe fn transpose(block: &mut [Self; LANE_GROUP]) {
        // SAFETY: instructions available.
        unsafe {
            // Four rows at a time within halves of 128 bits: `quads[4g + c]` has in half h the
            // columns 4h + c of the rows 4g to 4g + 3.
            let mut quads = [_mm256_setzero_ps(); 8];
            for g in [0, 4] {
                let (a, b, c, d) = (block[g].0, block[g + 1].0, block[g + 2].0, block[g + 3].0);
                let ab = _mm256_castps_pd(_mm256_unpacklo_ps(a, b));
                let cd = _mm256_castps_pd(_mm256_unpacklo_ps(c, d));
                quads[g] = _mm256_castpd_ps(_mm256_unpacklo_pd(ab, cd));
                quads[g + 1] = _mm256_castpd_ps(_mm256_unpackhi_pd(ab, cd));
                let ab = _mm256_castps_pd(_mm256_unpackhi_ps(a, b));
                let cd = _mm256_castps_pd(_mm256_unpackhi_ps(c, d));
                quads[g + 2] = _mm256_castpd_ps(_mm256_unpacklo_pd(ab, cd));
                quads[g + 3] = _mm256_castpd_ps(_mm256_unpackhi_pd(ab, cd));
            }
            const LOW: i32 = 0x20;
            const HIGH: i32 = 0x31;
            for c in 0..4 {
                block[c] = Self(_mm256_permute2f128_ps::<LOW>(quads[c], quads[4 + c]));
                block[4 + c] = Self(_mm256_permute2f128_ps::<HIGH>(quads[c], quads[4 + c]));
            }
        }
    }
}
