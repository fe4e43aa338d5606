//! Operations on columns that need not be neighbours.

use super::Vector;
use crate::kernels::columns::ColumnTerm;
use crate::kernels::{ColumnSums, OperandPair, Operator, TILE};

/// See [`crate::kernels::Kernels::binary_of_pairs`].
#[inline(always)]
pub unsafe fn binary_of_pairs<V: Vector>(
    operator: Operator,
    base: *const f32,
    pairs: &[OperandPair],
    y: *mut f32,
    lanes: usize,
) {
    let columns = (base, pairs, y, lanes);
    // SAFETY: the caller vouches for the instructions and the columns. `maximum` and `minimum`
    // give the right operand where either is NaN: only a NaN on the left needs care.
    unsafe {
        match operator {
            Operator::Add => combine::<V>(columns, |l, r| l.add(r)),
            Operator::Subtract => combine::<V>(columns, |l, r| l.subtract(r)),
            Operator::Multiply => combine::<V>(columns, |l, r| l.multiply(r)),
            Operator::Divide => combine::<V>(columns, |l, r| l.divide(r)),
            Operator::Minimum => combine::<V>(columns, |l, r| l.minimum(r).or_nan_of(l)),
            Operator::Maximum => combine::<V>(columns, |l, r| l.maximum(r).or_nan_of(l)),
        }
    }
}

#[inline(always)]
unsafe fn combine<V: Vector>(
    (base, pairs, y, lanes): (*const f32, &[OperandPair], *mut f32, usize),
    operation: impl Fn(V, V) -> V,
) {
    for (i, pair) in pairs.iter().enumerate() {
        // SAFETY: the caller vouches for the columns of all pairs.
        unsafe {
            let (left, right) = (base.add(pair.left as usize), base.add(pair.right as usize));
            let y = y.add(i * TILE);
            for lane in (0..lanes).step_by(V::LANES) {
                operation(V::load(left.add(lane)), V::load(right.add(lane))).store(y.add(lane));
            }
        }
    }
}

/// See [`crate::kernels::Kernels::sums`].
#[inline(always)]
pub unsafe fn sums<V: Vector>(sums: &ColumnSums, base: *const f32, y: *mut f32, lanes: usize) {
    let mut first = 0;
    for (i, sum) in sums.sums.iter().enumerate() {
        let terms = &sums.terms[first..first + sum.n_terms];
        first += sum.n_terms;
        let mut lane = 0;
        // SAFETY: the caller vouches for the columns of all terms and one of y for each sum.
        unsafe {
            let y = y.add(i * TILE);
            while lane + 2 * V::LANES <= lanes {
                one_sum::<V, 2>(sum.bias, terms, base.add(lane), y.add(lane));
                lane += 2 * V::LANES;
            }
            while lane < lanes {
                one_sum::<V, 1>(sum.bias, terms, base.add(lane), y.add(lane));
                lane += V::LANES;
            }
        }
    }
}

/// Of so many terms, every other one goes into a sum of its own: a sum waits for the one before.
const SPLIT_FROM: usize = 16;

/// A sum on `N` vectors.
#[inline(always)]
unsafe fn one_sum<V: Vector, const N: usize>(bias: f32, terms: &[ColumnTerm], base: *const f32, y: *mut f32) {
    // SAFETY: as in `sums`.
    unsafe {
        let (mut even, mut odd) = ([V::splat(bias); N], [V::splat(0.0); N]);
        let in_pairs = if terms.len() >= SPLIT_FROM { terms.len() / 2 * 2 } else { 0 };
        let (pairs, rest) = terms.split_at(in_pairs);
        for pair in pairs.chunks_exact(2) {
            add_term(&mut even, pair[0], base);
            add_term(&mut odd, pair[1], base);
        }
        for term in rest {
            add_term(&mut even, *term, base);
        }
        for n in 0..N {
            even[n].add(odd[n]).store(y.add(n * V::LANES));
        }
    }
}

#[inline(always)]
unsafe fn add_term<V: Vector, const N: usize>(sums: &mut [V; N], term: ColumnTerm, base: *const f32) {
    // SAFETY: as in `sums`.
    unsafe {
        let (weight, column) = (V::splat(term.weight), base.add(term.offset as usize));
        for (n, sum) in sums.iter_mut().enumerate() {
            *sum = weight.multiply_add(V::load(column.add(n * V::LANES)), *sum);
        }
    }
}
