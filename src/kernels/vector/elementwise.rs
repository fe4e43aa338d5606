//! Operations on each element by itself.

use super::Vector;
use super::function::{Exp, Function, WithFunction, with_function};
use super::slope::with_slope;
use crate::activation::Activation;
use crate::kernels::{Operand, Operator, TILE};

/// See [`crate::kernels::Kernels::activation`].
#[inline(always)]
pub unsafe fn activation<V: Vector>(
    activation: Activation,
    x: *const f32,
    y: *mut f32,
    width: usize,
    lanes: usize,
) {
    // SAFETY: the caller vouches for the instructions and the blocks.
    unsafe {
        with_function(activation, Columns::<V> { x, y, width, lanes, vector: std::marker::PhantomData })
    }
}

/// See [`crate::kernels::Kernels::slope`].
#[inline(always)]
pub unsafe fn slope<V: Vector>(
    activation: Activation,
    x: *const f32,
    y: *mut f32,
    width: usize,
    lanes: usize,
) {
    // SAFETY: the caller vouches for the instructions and the blocks.
    unsafe { with_slope(activation, Columns::<V> { x, y, width, lanes, vector: std::marker::PhantomData }) }
}

/// See [`crate::kernels::Kernels::exp`].
#[inline(always)]
pub unsafe fn exp<V: Vector>(x: *const f32, y: *mut f32, width: usize, lanes: usize) {
    // SAFETY: the caller vouches for the instructions and the blocks.
    unsafe { Columns::<V> { x, y, width, lanes, vector: std::marker::PhantomData }.run(Exp) }
}

struct Columns<V> {
    x: *const f32,
    y: *mut f32,
    width: usize,
    lanes: usize,
    vector: std::marker::PhantomData<V>,
}

impl<V: Vector> WithFunction for Columns<V> {
    #[inline(always)]
    unsafe fn run<F: Function>(self, function: F) {
        for column in 0..self.width {
            for lane in (0..self.lanes).step_by(V::LANES) {
                let i = column * TILE + lane;
                // SAFETY: offsets stay inside the caller's blocks.
                unsafe { function.apply(V::load(self.x.add(i))).store(self.y.add(i)) };
            }
        }
    }
}

/// See [`crate::kernels::Kernels::binary`].
#[inline(always)]
pub unsafe fn binary<V: Vector>(
    operator: Operator,
    left: Operand,
    right: Operand,
    y: *mut f32,
    width: usize,
    lanes: usize,
) {
    let columns = (left, right, y, width, lanes);
    // SAFETY: the caller vouches for the instructions and the blocks. `maximum` and `minimum`
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
    (left, right, y, width, lanes): (Operand, Operand, *mut f32, usize, usize),
    operation: impl Fn(V, V) -> V,
) {
    let column = |operand: Operand, i: usize| if operand.repeated { i % TILE } else { i };
    // SAFETY: a repeated operand has one column, any other `width` columns.
    unsafe {
        for_each::<V>(width, lanes, |i| {
            let l = V::load(left.columns.add(column(left, i)));
            let r = V::load(right.columns.add(column(right, i)));
            operation(l, r).store(y.add(i));
        });
    }
}

/// See [`crate::kernels::Kernels::relax`].
#[inline(always)]
pub unsafe fn relax<V: Vector>(
    state: *const f32,
    rate: *const f32,
    drive: *const f32,
    y: *mut f32,
    width: usize,
    lanes: usize,
) {
    // SAFETY: the caller vouches for the instructions and the blocks.
    unsafe {
        for_each::<V>(width, lanes, |i| {
            let state = V::load(state.add(i));
            let decay = V::load(rate.add(i)).multiply(state);
            state.add(V::load(drive.add(i)).subtract(decay)).store(y.add(i));
        });
    }
}

/// Calls `f` with the offset of every vector of every column.
#[inline(always)]
unsafe fn for_each<V: Vector>(width: usize, lanes: usize, f: impl Fn(usize)) {
    for column in 0..width {
        for lane in (0..lanes).step_by(V::LANES) {
            f(column * TILE + lane);
        }
    }
}
