//! The inner loop: a block of cells is loaded into registers, advanced there, and written back
//! only where a sample is wanted.

#![expect(clippy::needless_range_loop, reason = "one index runs through several arrays of registers")]

use std::ops::Range;

use super::vector::{Lanes, MAX_WIDTH, Scalar, Vector};
use crate::cell_model::equations::Equations;
use crate::view::{ElementType, View};

/// Where numbers of cells are read from; unlike a view it may lie where the results go.
#[derive(Clone, Copy)]
pub(super) struct Source {
    pub pointer: *const u8,
    pub element: ElementType,
    pub cell_stride: usize,
    pub variable_stride: usize,
}

impl From<&View<'_>> for Source {
    fn from(view: &View<'_>) -> Self {
        let layout = view.layout();
        Self {
            pointer: view.pointer(),
            element: view.element(),
            cell_stride: layout.cell_stride,
            variable_stride: layout.variable_stride,
        }
    }
}

/// Where samples go: sample `k` of state `j` is variable `k · n_states + j`.
#[derive(Clone, Copy)]
pub(super) struct Sink {
    pub pointer: *mut u8,
    pub cell_stride: usize,
    pub variable_stride: usize,
}

/// What to compute. Views have been checked: the numbers of states, parameters and samples, and
/// at least as many cells as are asked for.
#[derive(Clone, Copy)]
pub(super) struct Job<'a> {
    pub initial: Source,
    /// Replaces the default stimulus.
    pub stimulus: Option<Source>,
    /// Replaces `parameters`.
    pub cell_parameters: Option<Source>,
    pub parameters: &'a [f64],
    pub dt: f64,
    /// Steps from the start to each sample, never descending.
    pub at_steps: &'a [u64],
    pub sink: Sink,
}

// SAFETY: threads read through the sources and write disjoint cells of the sink; both outlive
// them because the views that they were made from are borrowed by the caller of all threads.
unsafe impl Sync for Job<'_> {}

/// Vectors advanced together. A step's chain of four to five dependent operations of four cycles
/// each needs about this many independent vectors to fill two arithmetic ports; with 16 registers
/// more would spill.
#[cfg(target_arch = "x86_64")]
const BLOCK_OF_16_REGISTERS: usize = 4;
#[cfg(target_arch = "x86_64")]
const BLOCK_OF_32_REGISTERS: usize = 6;

/// Computes `cells` of `job` in numbers of type `T` with the widest vectors of this machine.
///
/// # Safety
/// The job's sources and sink are valid for `cells`, the sink's element type is the vectors', and
/// nobody else touches the sink's part that belongs to `cells`.
pub(super) unsafe fn run<E, const S: usize, const P: usize, const C: usize>(
    equations: E,
    element: ElementType,
    job: &Job<'_>,
    cells: Range<usize>,
) where
    E: Equations<S, P, C>,
{
    #[cfg(target_arch = "x86_64")]
    {
        use super::vector::x86_64::{F32x8, F32x16, F64x4, F64x8};
        if is_x86_feature_detected!("avx512f") {
            // SAFETY: the feature was detected; the rest is the caller's promise.
            return unsafe {
                match element {
                    ElementType::F32 => avx512::<E, F32x16, S, P, C>(equations, job, cells),
                    ElementType::F64 => avx512::<E, F64x8, S, P, C>(equations, job, cells),
                }
            };
        }
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            // SAFETY: the features were detected; the rest is the caller's promise.
            return unsafe {
                match element {
                    ElementType::F32 => avx2::<E, F32x8, S, P, C>(equations, job, cells),
                    ElementType::F64 => avx2::<E, F64x4, S, P, C>(equations, job, cells),
                }
            };
        }
    }
    // SAFETY: the caller's promise.
    unsafe {
        match element {
            ElementType::F32 => blocks::<E, Lanes<f32, 4>, S, P, C, 4>(equations, job, cells),
            ElementType::F64 => blocks::<E, Lanes<f64, 2>, S, P, C, 4>(equations, job, cells),
        }
    }
}

/// # Safety
/// As for [`run`]; the machine has AVX-512F.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
unsafe fn avx512<E, V, const S: usize, const P: usize, const C: usize>(
    equations: E,
    job: &Job<'_>,
    cells: Range<usize>,
) where
    E: Equations<S, P, C>,
    V: Vector,
{
    // SAFETY: the caller's promise.
    unsafe { blocks::<E, V, S, P, C, BLOCK_OF_32_REGISTERS>(equations, job, cells) }
}

/// # Safety
/// As for [`run`]; the machine has AVX2 and FMA.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn avx2<E, V, const S: usize, const P: usize, const C: usize>(
    equations: E,
    job: &Job<'_>,
    cells: Range<usize>,
) where
    E: Equations<S, P, C>,
    V: Vector,
{
    // SAFETY: the caller's promise.
    unsafe { blocks::<E, V, S, P, C, BLOCK_OF_16_REGISTERS>(equations, job, cells) }
}

/// # Safety
/// As for [`run`]; the machine has the instructions of `V`.
#[inline(always)]
unsafe fn blocks<E, V, const S: usize, const P: usize, const C: usize, const K: usize>(
    equations: E,
    job: &Job<'_>,
    cells: Range<usize>,
) where
    E: Equations<S, P, C>,
    V: Vector,
{
    let mut uniform = [0.0; P];
    uniform.copy_from_slice(job.parameters);
    let uniform = equations.coefficients(&uniform, job.dt);
    let mut coefficients = [[V::splat(0.0); C]; 1];
    for c in 0..C {
        coefficients[0][c] = V::splat(uniform[c]);
    }
    let mut first = cells.start;
    while first < cells.end {
        let count = (cells.end - first).min(K * V::WIDTH);
        // SAFETY: the caller's promise for these cells, which are among `cells`.
        unsafe {
            if let Some(source) = job.cell_parameters {
                let own = load_coefficients::<E, V, S, P, C, K>(equations, source, job.dt, first, count);
                block::<E, V, S, P, C, K, K>(equations, job, &own, first, count);
            } else {
                block::<E, V, S, P, C, K, 1>(equations, job, &coefficients, first, count);
            }
        }
        first += count;
    }
}

/// Advances `count` cells from `first`, at most `K` vectors of them. `coefficients` has one set
/// for each vector, or one set for all.
///
/// # Safety
/// As for [`run`].
#[inline(always)]
unsafe fn block<E, V, const S: usize, const P: usize, const C: usize, const K: usize, const SETS: usize>(
    equations: E,
    job: &Job<'_>,
    coefficients: &[[V; C]; SETS],
    first: usize,
    count: usize,
) where
    E: Equations<S, P, C>,
    V: Vector,
{
    let mut state = [[V::splat(0.0); S]; K];
    let mut stimulus = [V::splat(E::STIMULUS.default); K];
    for k in 0..K {
        // SAFETY: `load` keeps to the `count` cells from `first`.
        unsafe {
            for j in 0..S {
                state[k][j] = load(job.initial, j, first, count, k);
            }
            if let Some(source) = job.stimulus {
                stimulus[k] = load(source, 0, first, count, k);
            }
        }
    }
    let mut done = 0;
    for (sample, &step) in job.at_steps.iter().enumerate() {
        while done < step {
            for k in 0..K {
                let set = &coefficients[if SETS == 1 { 0 } else { k }];
                state[k] = equations.add_rates(set, &state[k], &stimulus[k], state[k]);
            }
            done += 1;
        }
        for k in 0..K {
            for j in 0..S {
                // SAFETY: `store` keeps to the `count` cells from `first`.
                unsafe { store(state[k][j], job.sink, sample * S + j, first, count, k) };
            }
        }
    }
}

/// Coefficients of cells that have parameters of their own.
///
/// # Safety
/// As for [`run`].
#[inline(always)]
unsafe fn load_coefficients<E, V, const S: usize, const P: usize, const C: usize, const K: usize>(
    equations: E,
    source: Source,
    dt: f64,
    first: usize,
    count: usize,
) -> [[V; C]; K]
where
    E: Equations<S, P, C>,
    V: Vector,
{
    let mut result = [[V::splat(0.0); C]; K];
    for (k, set) in result.iter_mut().enumerate() {
        let mut numbers = [[V::Number::default(); MAX_WIDTH]; C];
        for lane in 0..V::WIDTH {
            let cell = first + (k * V::WIDTH + lane).min(count - 1);
            let mut parameters = [0.0; P];
            for (variable, parameter) in parameters.iter_mut().enumerate() {
                // SAFETY: the cell is among the `count` from `first`.
                *parameter = unsafe { get(source, variable, cell) };
            }
            let own = equations.coefficients(&parameters, dt);
            for c in 0..C {
                numbers[c][lane] = V::Number::narrow(own[c]);
            }
        }
        for c in 0..C {
            // SAFETY: a row of `numbers` is as wide as the widest vector.
            set[c] = unsafe { V::load(numbers[c].as_ptr()) };
        }
    }
    result
}

/// # Safety
/// `source` has the variable and the cell.
#[inline(always)]
unsafe fn get(source: Source, variable: usize, cell: usize) -> f64 {
    let offset = variable * source.variable_stride + cell * source.cell_stride;
    // SAFETY: the caller's promise.
    unsafe {
        match source.element {
            ElementType::F32 => f64::from(*source.pointer.cast::<f32>().add(offset)),
            ElementType::F64 => *source.pointer.cast::<f64>().add(offset),
        }
    }
}

/// Vector `k` of a block of `count` cells from `first`; beyond the last cell it repeats that cell,
/// whose numbers are as harmless to compute with as they were.
///
/// # Safety
/// `source` has the variable and the cells.
#[inline(always)]
unsafe fn load<V: Vector>(source: Source, variable: usize, first: usize, count: usize, k: usize) -> V {
    let start = k * V::WIDTH;
    let same_type = source.element == <V::Number as crate::view::Element>::TYPE;
    if same_type && source.cell_stride == 1 && start + V::WIDTH <= count {
        let offset = variable * source.variable_stride + first + start;
        // SAFETY: a whole vector of cells lies there, in numbers of this type.
        return unsafe { V::load(source.pointer.cast::<V::Number>().add(offset)) };
    }
    let mut numbers = [V::Number::default(); MAX_WIDTH];
    for (lane, number) in numbers.iter_mut().enumerate().take(V::WIDTH) {
        // SAFETY: the cell is among the `count` from `first`.
        *number = V::Number::narrow(unsafe { get(source, variable, first + (start + lane).min(count - 1)) });
    }
    // SAFETY: `numbers` is as wide as the widest vector.
    unsafe { V::load(numbers.as_ptr()) }
}

/// Writes vector `k` of a block of `count` cells from `first`, without what lies beyond them.
///
/// # Safety
/// `sink` has the variable and the cells, in numbers of the vector's type.
#[inline(always)]
unsafe fn store<V: Vector>(vector: V, sink: Sink, variable: usize, first: usize, count: usize, k: usize) {
    let start = k * V::WIDTH;
    let to = sink.pointer.cast::<V::Number>();
    let base = variable * sink.variable_stride;
    if sink.cell_stride == 1 && start + V::WIDTH <= count {
        // SAFETY: a whole vector of cells belongs there.
        unsafe { vector.store(to.add(base + first + start)) };
        return;
    }
    let mut numbers = [V::Number::default(); MAX_WIDTH];
    // SAFETY: `numbers` is as wide as the widest vector.
    unsafe { vector.store(numbers.as_mut_ptr()) };
    for lane in 0..V::WIDTH.min(count.saturating_sub(start)) {
        let cell = first + start + lane;
        // SAFETY: the cell is among the `count` from `first`.
        unsafe { *to.add(base + cell * sink.cell_stride) = numbers[lane] };
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::cell_model::{CellModel, FhnCubic};
    use crate::view::ViewMut;

    /// Advances copies of single-precision cells of the cubic model with every instruction set
    /// that this machine has, and gives each result to `check`.
    pub fn run_all_sets(
        model: &CellModel,
        state: &mut ViewMut<'_>,
        stimulus: &View<'_>,
        dt: f64,
        n_steps: u64,
        check: impl Fn(View<'_>),
    ) {
        type Run = unsafe fn(FhnCubic, &Job<'_>, Range<usize>);
        #[cfg_attr(not(target_arch = "x86_64"), expect(unused_mut))]
        let mut sets: Vec<Run> = vec![
            blocks::<_, Lanes<f32, 1>, 2, 4, 5, 1>,
            blocks::<_, Lanes<f32, 4>, 2, 4, 5, 4>,
            blocks::<_, Lanes<f32, 16>, 2, 4, 5, 2>,
        ];
        #[cfg(target_arch = "x86_64")]
        {
            use super::super::vector::x86_64::{F32x8, F32x16};
            if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                sets.push(avx2::<_, F32x8, 2, 4, 5>);
            }
            if is_x86_feature_detected!("avx512f") {
                sets.push(avx512::<_, F32x16, 2, 4, 5>);
            }
        }
        let layout = state.layout();
        let start: Vec<f32> = (0..layout.n_cells)
            .flat_map(|i| [state.as_view().get(i, 0) as f32, state.as_view().get(i, 1) as f32])
            .collect();
        for run in sets {
            let mut copy = start.clone();
            let mut copy = ViewMut::array_of_structures(&mut copy, 2).unwrap();
            let job = Job {
                initial: Source::from(&copy.as_view()),
                stimulus: Some(Source::from(stimulus)),
                cell_parameters: None,
                parameters: model.parameter_values(),
                dt,
                at_steps: &[n_steps],
                sink: Sink { pointer: copy.pointer(), cell_stride: 2, variable_stride: 1 },
            };
            // SAFETY: the job is made of a view and a stimulus for each of its cells, and the
            // instruction sets were detected.
            unsafe { run(FhnCubic, &job, 0..layout.n_cells) };
            check(copy.as_view());
        }
    }
}
