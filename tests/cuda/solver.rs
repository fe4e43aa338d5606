//! Forward Euler for GPUs: emulated beside the processor's solver, and compiled.

use emucell::backend::cuda::compile::{self, Resources};
use emucell::backend::cuda::target::Target;
use emucell::cell_model::CellModel;
use emucell::cell_model::cuda::{CudaEuler, PerCell, Samples, kernel};
use emucell::cell_model::euler::{self, Euler};
use emucell::view::{Column, Element, ElementType, Layout, View, ViewMut};

use super::emulated_gpu::EmulatedGpu;
use super::programs::noise;

const N_CELLS: usize = 300;
const DT: f64 = 0.01;
const N_SAMPLES: usize = 3;
/// No multiple of the steps that are unrolled.
const STEPS: u32 = 37;

fn models() -> [CellModel; 2] {
    [CellModel::fhn_cubic().with_parameter("threshold", 0.3).unwrap(), CellModel::fhn_canonical()]
}

fn columns<T: Element>(numbers: &mut [T], n: usize) -> Vec<Column> {
    let pointers = numbers.chunks_mut(n).map(|column| column.as_mut_ptr().cast());
    pointers.map(|pointer| Column { pointer, element: T::TYPE, stride: 1 }).collect()
}

/// Cells of a model: states, stimulus and parameters, each its own.
struct Tissue<T> {
    state: Vec<T>,
    stimulus: Vec<T>,
    parameters: Vec<T>,
}

impl<T: Element> Tissue<T> {
    fn of(model: &CellModel, number: impl Fn(f64) -> T) -> Self {
        let own = |(p, value): (usize, &f64)| {
            let of_cell = |i: usize| value * (1.0 + 0.2 * f64::from(noise(31 * p + i)));
            (0..N_CELLS).map(of_cell).map(&number).collect::<Vec<T>>()
        };
        Self {
            state: (0..2 * N_CELLS).map(|i| number(0.4 * f64::from(noise(i)) + 0.3)).collect(),
            stimulus: (0..N_CELLS).map(|i| number(0.1 * f64::from(noise(i + 9)))).collect(),
            parameters: model.parameter_values().iter().enumerate().flat_map(own).collect(),
        }
    }

    /// What the processor's solver makes of them: samples, states side by side, with or without stimulus and parameters.
    fn on_processor(&self, model: &CellModel, has: [bool; 2], number: impl Fn(f64) -> T) -> Vec<T> {
        let view = View::new(&self.state, Layout::structure_of_arrays(N_CELLS, 2)).unwrap();
        let mut samples: Vec<T> = (0..2 * N_SAMPLES * N_CELLS).map(|_| number(0.0)).collect();
        let at_steps: Vec<u64> = (1..=N_SAMPLES as u64).map(|k| k * u64::from(STEPS)).collect();
        let layout = Layout::structure_of_arrays(N_CELLS, 2 * N_SAMPLES);
        let of_parameters = Layout::structure_of_arrays(N_CELLS, model.parameters().len());
        let per_cell = euler::PerCell {
            stimulus: has[0].then(|| View::array_of_structures(&self.stimulus, 1).unwrap()),
            parameters: has[1].then(|| View::new(&self.parameters, of_parameters).unwrap()),
        };
        let mut to = ViewMut::new(&mut samples, layout).unwrap();
        Euler::new(model, DT).unwrap().sample(&view, per_cell, &at_steps, &mut to).unwrap();
        samples
    }
}

fn check<T>(model: &CellModel, limit: f64, number: impl Fn(f64) -> T + Copy)
where
    T: Element + PartialEq + std::fmt::Debug + Into<f64>,
{
    let name = format!("solver_{}_{:?}", model.name(), T::TYPE);
    let mut solver = CudaEuler::on(Box::new(EmulatedGpu::new(&name)), model, DT, T::TYPE).unwrap();
    for has in [[false, false], [true, false], [true, true]] {
        let mut tissue = Tissue::of(model, number);
        let expected = tissue.on_processor(model, has, number);
        let start = tissue.state.clone();
        let pitch = N_CELLS + 5;
        let mut samples: Vec<T> = (0..2 * N_SAMPLES * pitch).map(|_| number(-7.0)).collect();
        let stimulus = columns(&mut tissue.stimulus, N_CELLS)[0];
        let parameters = columns(&mut tissue.parameters, N_CELLS);
        let per_cell =
            PerCell { stimulus: has[0].then_some(stimulus), parameters: has[1].then_some(&parameters) };
        let state = columns(&mut tissue.state, N_CELLS);
        let to = Samples {
            address: samples.as_mut_ptr() as u64,
            pitch,
            n_samples: N_SAMPLES,
            steps_per_sample: STEPS,
        };
        let close = |a: &T, b: &T, what: &str, i: usize| {
            let (a, b): (f64, f64) = ((*a).into(), (*b).into());
            assert!((a - b).abs() < limit, "{name} {has:?}, {what} number {i}: {a} {b}");
        };
        // SAFETY: all columns have as many numbers as there are cells, here and below.
        unsafe { solver.sample(N_CELLS, &state, per_cell, to).unwrap() };
        assert!(tissue.state == start, "{name}");
        for j in 0..2 * N_SAMPLES {
            let own = &samples[j * pitch..];
            (0..N_CELLS).for_each(|i| close(&expected[j * N_CELLS + i], &own[i], "samples", j * N_CELLS + i));
            assert!(own[N_CELLS..N_CELLS + 5].iter().all(|x| *x == number(-7.0)));
        }
        let last = &expected[2 * (N_SAMPLES - 1) * N_CELLS..];
        // SAFETY: see above.
        unsafe { solver.advance(N_CELLS, &state, per_cell, N_SAMPLES as u32 * STEPS).unwrap() };
        last.iter().zip(&tissue.state).enumerate().for_each(|(i, (a, b))| close(a, b, "in place", i));
        if T::TYPE == ElementType::F32 && !has[1] {
            tissue.state.clone_from_slice(&start);
            let (stimulus, n_steps) = (per_cell.stimulus, N_SAMPLES as u32 * STEPS);
            // SAFETY: see above.
            unsafe { solver.advance_as_published(N_CELLS, &state, stimulus, n_steps).unwrap() };
            last.iter().zip(&tissue.state).enumerate().for_each(|(i, (a, b))| close(a, b, "as published", i));
        }
    }
}

#[test]
fn all_kernels_give_what_the_processors_solver_gives() {
    for model in models() {
        check::<f32>(&model, 5e-6, |x| x as f32);
        // Single precision anywhere would be seen.
        check::<f64>(&model, 1e-13, |x| x);
    }
}

#[test]
fn what_a_solver_cannot_do_is_refused() {
    let model = CellModel::fhn_cubic();
    let on = |element, dt| CudaEuler::on(Box::new(EmulatedGpu::new("refusing")), &model, dt, element);
    assert!(on(ElementType::F32, f64::NAN).is_err());
    let mut solver = on(ElementType::F64, DT).unwrap();
    let mut state = vec![0f64; 2];
    let columns = columns(&mut state, 1);
    let parameters = PerCell { parameters: Some(&columns), stimulus: None };
    // SAFETY: all columns have a number.
    let faults = unsafe {
        [
            solver.advance(1, &columns[..1], PerCell::default(), 1).unwrap_err(),
            solver.advance(1, &columns, parameters, 1).unwrap_err(),
            solver.advance_as_published(1, &columns, None, 1).unwrap_err(),
        ]
    };
    let words =
        ["1 states of fhn_cubic, which has 2", "2 parameters of fhn_cubic, which has 4", "double precision"];
    for (fault, words) in faults.iter().zip(words) {
        assert!(fault.to_string().contains(words), "{fault}");
    }
    assert_eq!(state, [0.0; 2]);
}

#[test]
fn solvers_compile_and_make_few_instructions_a_step() {
    let Some(nvrtc) = super::nvrtc() else { return };
    for architecture in [75, 90, 120] {
        for model in models() {
            let options = compile::options(Target::of(architecture).unwrap());
            for element in [ElementType::F32, ElementType::F64] {
                let cubin = nvrtc.compile(&kernel(&model, element).text_for_gpu(), &options).unwrap();
                for resources in Resources::of(&cubin).unwrap() {
                    let is_ours = resources.kernel.starts_with("emucell_");
                    assert!(!is_ours || resources.stack == 0 && resources.registers <= 64, "{resources:?}");
                }
            }
        }
    }
}
