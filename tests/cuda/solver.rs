//! Forward Euler for GPUs: emulated beside the processor's solver, and compiled.

use emucell::backend::cuda::compile::{self, Resources};
use emucell::backend::cuda::target::Target;
use emucell::cell_model::CellModel;
use emucell::cell_model::cuda::{CudaEuler, Samples, kernel};
use emucell::cell_model::euler::{Euler, PerCell};
use emucell::view::{Column, ElementType, Layout, View, ViewMut};

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

fn columns(numbers: &mut [f32], n: usize) -> Vec<Column> {
    let pointers = numbers.chunks_mut(n).map(|column| column.as_mut_ptr().cast());
    pointers.map(|pointer| Column { pointer, element: ElementType::F32, stride: 1 }).collect()
}

#[test]
fn both_kernels_give_what_the_processors_solver_gives() {
    for model in models() {
        let start: Vec<f32> = (0..2 * N_CELLS).map(|i| 0.4 * noise(i) + 0.3).collect();
        let stimulus: Vec<f32> = (0..N_CELLS).map(|i| 0.1 * noise(i + 9)).collect();
        for stimulus in [Some(stimulus), None] {
            let euler = Euler::new(&model, DT).unwrap();
            let view = View::new(&start, Layout::structure_of_arrays(N_CELLS, 2)).unwrap();
            let mut expected = vec![0f32; 2 * N_SAMPLES * N_CELLS];
            let at_steps: Vec<u64> = (1..=N_SAMPLES as u64).map(|k| k * u64::from(STEPS)).collect();
            let layout = Layout::structure_of_arrays(N_CELLS, 2 * N_SAMPLES);
            let per_cell = PerCell {
                stimulus: stimulus.as_ref().map(|s| View::array_of_structures(s, 1).unwrap()),
                parameters: None,
            };
            euler
                .sample(&view, per_cell, &at_steps, &mut ViewMut::new(&mut expected, layout).unwrap())
                .unwrap();

            let gpu = EmulatedGpu::new(&format!("solver_{}", model.name()));
            let mut solver = CudaEuler::on(Box::new(gpu), &model, DT).unwrap();
            let (mut state, pitch) = (start.clone(), N_CELLS + 5);
            let mut samples = vec![-7f32; 2 * N_SAMPLES * pitch];
            let stimulus = stimulus.map(|mut s| (columns(&mut s, N_CELLS)[0], s));
            let column = stimulus.as_ref().map(|(column, _)| *column);
            let state_columns = columns(&mut state, N_CELLS);
            let to = Samples {
                address: samples.as_mut_ptr() as u64,
                pitch,
                n_samples: N_SAMPLES,
                steps_per_sample: STEPS,
            };
            // SAFETY: all columns have as many numbers as there are cells.
            unsafe { solver.sample(N_CELLS, &state_columns, column, to).unwrap() };
            assert_eq!(state, start);
            // SAFETY: as above.
            unsafe { solver.advance_as_published(N_CELLS, &state_columns, column, 3 * STEPS).unwrap() };
            for j in 0..2 * N_SAMPLES {
                for i in 0..N_CELLS {
                    let (a, b) = (expected[j * N_CELLS + i], samples[j * pitch + i]);
                    assert!((a - b).abs() < 2e-6, "{}, number {j} of cell {i}: {a} {b}", model.name());
                }
                assert!(samples[j * pitch + N_CELLS..][..5].iter().all(|x| *x == -7.0));
            }
            let last = &expected[2 * (N_SAMPLES - 1) * N_CELLS..];
            for (i, (a, b)) in last.iter().zip(&state).enumerate() {
                assert!((a - b).abs() < 5e-6, "{} as published, number {i}: {a} {b}", model.name());
            }
        }
    }
}

#[test]
fn solvers_compile_and_make_few_instructions_a_step() {
    let Some(nvrtc) = super::nvrtc() else { return };
    for architecture in [75, 90, 120] {
        for model in models() {
            let options = compile::options(Target::of(architecture).unwrap());
            let cubin = nvrtc.compile(&kernel(&model).text_for_gpu(), &options).unwrap();
            for resources in Resources::of(&cubin).unwrap() {
                assert!(resources.stack == 0 && resources.registers <= 64, "{resources:?}");
            }
        }
    }
}
