//! Speed of forward Euler, the solver that surrogates are compared with: cell steps a second.
//!
//! The arithmetic limit of a core is (vector width · 2 ports · clock) / operations a step; a step
//! of `fhn_cubic` takes 7 vector operations, one of `fhn_canonical` 8.

#![allow(missing_docs, reason = "criterion's macro makes an undocumented function")]

use std::hint::black_box;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use emucell::cell_model::CellModel;
use emucell::cell_model::euler::{Euler, PerCell};
use emucell::view::{Element, Layout, View, ViewMut};

const CELLS: usize = 65_536;
const STEPS: u64 = 500;

fn measure<T: Element>(criterion: &mut Criterion, precision: &str, number: impl Fn(f64) -> T) {
    let mut group = criterion.benchmark_group(format!("euler_{precision}"));
    group.throughput(Throughput::Elements(CELLS as u64 * STEPS));
    group.sample_size(10).warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2));
    let stimulus: Vec<T> = (0..CELLS).map(|i| number(0.08 + 0.04 * i as f64 / CELLS as f64)).collect();
    for model in [CellModel::fhn_cubic(), CellModel::fhn_canonical()] {
        for n_threads in [1, 2] {
            let solver = Euler::new(&model, 0.01).unwrap().with_threads(n_threads);
            let mut state: Vec<T> = (0..2 * CELLS).map(|i| number((i % 97) as f64 / 200.0)).collect();
            let id = BenchmarkId::new(model.name(), n_threads);
            group.bench_function(id, |bencher| {
                bencher.iter(|| {
                    let stimulus = View::new(&stimulus, Layout::structure_of_arrays(CELLS, 1)).unwrap();
                    let layout = Layout::structure_of_arrays(CELLS, 2);
                    let mut view = ViewMut::new(black_box(&mut state), layout).unwrap();
                    let per_cell = PerCell { stimulus: Some(stimulus), parameters: None };
                    solver.advance(&mut view, per_cell, STEPS).unwrap();
                });
            });
        }
    }
    group.finish();
}

fn solver(criterion: &mut Criterion) {
    measure::<f32>(criterion, "f32", |x| x as f32);
    measure::<f64>(criterion, "f64", |x| x);
}

criterion_group!(benches, solver);
criterion_main!(benches);
