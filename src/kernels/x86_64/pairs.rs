//! Pairs of columns by vectors of 256 bits, which serve AVX-512 as well: where numbers are put in order, wider ones gain
//! nothing.

use std::arch::x86_64::*;

use crate::kernels::{ColumnPair, Kept, Offsets, TILE, TileColumn, Transfer};

pub static TRANSFER: Transfer =
    Transfer { load_f32, load_f64, store_f32, store_f64, update_f64, all_within, all_finite };

/// # Safety
/// See [`Transfer`].
#[target_feature(enable = "avx2")]
unsafe fn load_f64(first: *const f64, offsets: &Offsets, tile: &mut [ColumnPair]) {
    for (i, cells) in offsets.as_chunks().0.iter().enumerate() {
        for (j, [x, y]) in tile.iter_mut().enumerate() {
            // SAFETY: pair j of the cells' rows, four places of a tile's columns.
            unsafe { keep_rounded(four_pairs(first.add(2 * j), cells), x, y, 4 * i) };
        }
    }
}

/// # Safety
/// See [`Transfer`].
#[target_feature(enable = "avx2")]
unsafe fn store_f64(first: *mut f64, offsets: &Offsets, tile: &[ColumnPair]) {
    for (i, cells) in offsets.as_chunks().0.iter().enumerate() {
        for (j, [x, y]) in tile.iter().enumerate() {
            // SAFETY: pair j of the cells' rows, four places of a tile's columns.
            unsafe { put_four_pairs(widened(x, y, 4 * i), first.add(2 * j), cells) };
        }
    }
}

/// # Safety
/// See [`Transfer`].
#[target_feature(enable = "avx2")]
unsafe fn update_f64(first: *mut f64, offsets: &Offsets, tile: &mut [ColumnPair], kept: &[[Kept; 2]]) {
    for (i, cells) in offsets.as_chunks().0.iter().enumerate() {
        for (j, ([x, y], kept)) in tile.iter_mut().zip(kept).enumerate() {
            // SAFETY: pair j of the cells' rows, four places of a tile's columns, two words.
            unsafe {
                let numbers = first.add(2 * j);
                let (even, odd) = four_pairs(numbers, cells);
                let kept =
                    _mm256_castsi256_pd(_mm256_broadcastsi128_si256(_mm_loadu_si128(kept.as_ptr().cast())));
                // −0 + change is change, also where that is −0.
                let replaced = _mm256_andnot_pd(kept, _mm256_set1_pd(-0.0));
                let keep = |old| _mm256_or_pd(_mm256_and_pd(old, kept), replaced);
                let changes = widened(x, y, 4 * i);
                let sums = (_mm256_add_pd(keep(even), changes.0), _mm256_add_pd(keep(odd), changes.1));
                put_four_pairs(sums, numbers, cells);
                keep_rounded(sums, x, y, 4 * i);
            }
        }
    }
}

/// The pairs of four cells: of the first and third, and of the second and fourth.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn four_pairs(first: *const f64, cells: &[usize; 4]) -> (__m256d, __m256d) {
    // SAFETY: the caller vouches for the pairs.
    let [a, b, c, d] = cells.map(|offset| unsafe { _mm_loadu_pd(first.add(offset)) });
    (_mm256_set_m128d(c, a), _mm256_set_m128d(d, b))
}

/// Puts what [`four_pairs`] gives.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn put_four_pairs((even, odd): (__m256d, __m256d), first: *mut f64, cells: &[usize; 4]) {
    let [a, b, c, d] = cells.map(|offset| first.wrapping_add(offset));
    // SAFETY: the caller vouches for the pairs.
    unsafe {
        _mm_storeu_pd(a, _mm256_castpd256_pd128(even));
        _mm_storeu_pd(b, _mm256_castpd256_pd128(odd));
        _mm_storeu_pd(c, _mm256_extractf128_pd::<1>(even));
        _mm_storeu_pd(d, _mm256_extractf128_pd::<1>(odd));
    }
}

/// Four numbers of each column from place `at` on, as [`four_pairs`] gives them.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn widened(x: &TileColumn, y: &TileColumn, at: usize) -> (__m256d, __m256d) {
    // SAFETY: the caller vouches for four places.
    let [x, y] = [x, y].map(|column| unsafe { _mm256_cvtps_pd(_mm_loadu_ps(column.0.as_ptr().add(at))) });
    (_mm256_unpacklo_pd(x, y), _mm256_unpackhi_pd(x, y))
}

/// Rounds what [`four_pairs`] gives into four places of each column from `at` on.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn keep_rounded((even, odd): (__m256d, __m256d), x: &mut TileColumn, y: &mut TileColumn, at: usize) {
    // SAFETY: the caller vouches for four places.
    unsafe {
        _mm_storeu_ps(x.0.as_mut_ptr().add(at), _mm256_cvtpd_ps(_mm256_unpacklo_pd(even, odd)));
        _mm_storeu_ps(y.0.as_mut_ptr().add(at), _mm256_cvtpd_ps(_mm256_unpackhi_pd(even, odd)));
    }
}

/// # Safety
/// See [`Transfer`].
#[target_feature(enable = "avx2")]
unsafe fn load_f32(first: *const f32, offsets: &Offsets, tile: &mut [ColumnPair]) {
    for (i, cells) in offsets.as_chunks().0.iter().enumerate() {
        for (j, [x, y]) in tile.iter_mut().enumerate() {
            // SAFETY: pair j of the cells' rows, eight places of a tile's columns; a pair is as large as a double.
            unsafe {
                let [a, b, c, d, e, f, g, h]: [f64; 8] =
                    cells.map(|offset| first.add(offset + 2 * j).cast::<f64>().read_unaligned());
                let left = _mm256_castpd_ps(_mm256_set_pd(f, e, b, a));
                let right = _mm256_castpd_ps(_mm256_set_pd(h, g, d, c));
                _mm256_storeu_ps(
                    x.0.as_mut_ptr().add(8 * i),
                    _mm256_shuffle_ps::<0b10_00_10_00>(left, right),
                );
                _mm256_storeu_ps(
                    y.0.as_mut_ptr().add(8 * i),
                    _mm256_shuffle_ps::<0b11_01_11_01>(left, right),
                );
            }
        }
    }
}

/// # Safety
/// See [`Transfer`].
#[target_feature(enable = "avx2")]
unsafe fn store_f32(first: *mut f32, offsets: &Offsets, tile: &[ColumnPair]) {
    for (i, cells) in offsets.as_chunks::<8>().0.iter().enumerate() {
        for (j, [x, y]) in tile.iter().enumerate() {
            // SAFETY: pair j of the cells' rows, eight places of a tile's columns; a pair is as large as a double.
            unsafe {
                let [x, y] = [x, y].map(|column| _mm256_loadu_ps(column.0.as_ptr().add(8 * i)));
                let left = _mm256_castps_pd(_mm256_unpacklo_ps(x, y));
                let right = _mm256_castps_pd(_mm256_unpackhi_ps(x, y));
                let quarters = [
                    _mm256_castpd256_pd128(left),
                    _mm256_castpd256_pd128(right),
                    _mm256_extractf128_pd::<1>(left),
                    _mm256_extractf128_pd::<1>(right),
                ];
                for (quarter, [a, b]) in quarters.into_iter().zip(cells.as_chunks().0) {
                    let [a, b] = [a, b].map(|offset| first.add(offset + 2 * j).cast::<f64>());
                    a.write_unaligned(_mm_cvtsd_f64(quarter));
                    b.write_unaligned(_mm_cvtsd_f64(_mm_unpackhi_pd(quarter, quarter)));
                }
            }
        }
    }
}

/// # Safety
/// See [`Transfer`].
#[target_feature(enable = "avx2")]
unsafe fn all_within(columns: &[TileColumn], ranges: &[[f32; 2]]) -> bool {
    let mut all = _mm256_castsi256_ps(_mm256_set1_epi32(-1));
    for (TileColumn(values), &[low, high]) in columns.iter().zip(ranges) {
        let (low, high) = (_mm256_set1_ps(low), _mm256_set1_ps(high));
        for lane in (0..TILE).step_by(8) {
            // SAFETY: eight numbers of a tile's column.
            let x = unsafe { _mm256_loadu_ps(values.as_ptr().add(lane)) };
            all = _mm256_and_ps(all, _mm256_cmp_ps::<_CMP_GE_OQ>(x, low));
            all = _mm256_and_ps(all, _mm256_cmp_ps::<_CMP_LE_OQ>(x, high));
        }
    }
    _mm256_movemask_ps(all) == 0xFF
}

/// # Safety
/// See [`Transfer`].
#[target_feature(enable = "avx2,fma")]
unsafe fn all_finite(columns: &[TileColumn]) -> bool {
    // Zero times anything that is not finite is NaN, and stays NaN in a sum.
    let mut sums = [_mm256_setzero_ps(); TILE / 8];
    for TileColumn(values) in columns {
        for (i, sum) in sums.iter_mut().enumerate() {
            // SAFETY: eight numbers of a tile's column.
            let x = unsafe { _mm256_loadu_ps(values.as_ptr().add(8 * i)) };
            *sum = _mm256_fmadd_ps(x, _mm256_setzero_ps(), *sum);
        }
    }
    let [a, b, c, d] = sums;
    let sum = _mm256_add_ps(_mm256_add_ps(a, b), _mm256_add_ps(c, d));
    _mm256_movemask_ps(_mm256_cmp_ps::<_CMP_ORD_Q>(sum, sum)) == 0xFF
}
