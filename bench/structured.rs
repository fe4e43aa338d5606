//! Speed of a step map made of tables and current monomials, shaped as one of the ten Tusscher 3 model: eleven gates, a
//! background current and five currents as functions of V, states in double precision, cell after cell.

#![allow(missing_docs, reason = "criterion's macro makes an undocumented function")]

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use emucell::activation::Activation;
use emucell::program::{BinaryOperator, BlockId, Operation, Program, ProgramBuilder, Table};
use emucell::session::{Cells, Session, SessionOptions};
use emucell::surrogate::{Kind, Role, Surrogate, Variable};
use emucell::view::{View, ViewMut};

const GATES: usize = 11;
const STATES: usize = 1 + GATES;
const CELLS: usize = 10_000;
/// Gates that multiply each other in each current, counted from 0.
const CURRENTS: [&[usize]; 5] = [&[0, 0, 0, 1, 2], &[3, 10], &[4, 4], &[5, 9], &[6, 7, 8]];

/// Rates, drives, background current and coefficients of the currents, all from one table of V in mV.
fn program() -> Program {
    let mut b = ProgramBuilder::new(STATES + 1).unwrap();
    let [v, gates, stimulus] = [(0, 1), (1, GATES), (STATES, 1)]
        .map(|(start, width)| b.slice(BlockId::INPUT, start, width).unwrap());
    let width = 2 * GATES + 1 + CURRENTS.len();
    let value = |row: usize, column: usize| {
        let v = row as f32 * 0.25 - 120.0;
        let steady = 1.0 / (1.0 + ((v + 40.0 + column as f32) / 7.0).exp());
        match column {
            0..GATES => 0.01 + 1e-4 * column as f32,
            GATES..22 => 0.01 * steady,
            _ => 1e-3 * (v + 80.0),
        }
    };
    let values = (0..961).flat_map(|row| (0..width).map(move |column| value(row, column))).collect();
    let table = Table { first: -120.0, rows_per_unit: 4.0, width, values };
    let table = b.push(Operation::Table { input: v, table }).unwrap();
    let [rate, drive, background] =
        [(0, GATES), (GATES, GATES), (22, 1)].map(|(start, width)| b.slice(table, start, width).unwrap());
    let next_gates = b.push(Operation::Relax { state: gates, rate, drive }).unwrap();
    let mut terms = vec![background, stimulus];
    for (i, factors) in CURRENTS.iter().enumerate() {
        let coefficient = b.slice(table, 23 + i, 1).unwrap();
        terms.push(factors.iter().fold(coefficient, |product, &gate| {
            let gate = b.slice(gates, gate, 1).unwrap();
            b.binary(BinaryOperator::Multiply, product, gate).unwrap()
        }));
    }
    let current =
        terms[1..].iter().fold(terms[0], |sum, &term| b.binary(BinaryOperator::Add, sum, term).unwrap());
    let change = b.dense(current, vec![-0.02], vec![0.0], Activation::Linear).unwrap();
    let next_v = b.binary(BinaryOperator::Add, v, change).unwrap();
    let next = b.concat(&[next_v, next_gates]).unwrap();
    b.finish(next)
}

fn structured(criterion: &mut Criterion) {
    let state = |i: usize| Variable::new(&format!("x{i}"), "1", Role::State);
    let states: Vec<Variable> = (0..STATES).map(state).collect();
    let mut inputs = states.clone();
    inputs.push(Variable::new("stimulus", "pA/pF", Role::Stimulus));
    let surrogate = Surrogate::new(Kind::StepMap { dt: 0.02 }, inputs, states, program()).unwrap();
    let surrogate = Arc::new(surrogate);
    let mut group = criterion.benchmark_group("structured_step");
    group.throughput(Throughput::Elements(CELLS as u64));
    group.warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2));
    let stimulus = vec![0.0f64; CELLS];
    // A wave spreads V over its range; neighbours are close to each other.
    let start: Vec<f64> = (0..CELLS * STATES)
        .map(|i| match (i / STATES, i % STATES) {
            (cell, 0) => -85.0 + 110.0 * (cell as f64 / CELLS as f64),
            (cell, gate) => ((cell + gate) % 97) as f64 / 97.0,
        })
        .collect();
    for instruction_set in ["avx2", "avx512"] {
        let options =
            SessionOptions { instruction_set: Some(instruction_set.into()), ..SessionOptions::default() };
        let Ok(mut session) = Session::new(surrogate.clone(), &options) else { continue };
        for steps in [1u32, 10] {
            let mut numbers = start.clone();
            group.bench_function(BenchmarkId::new(instruction_set, format!("f64_{steps}")), |bencher| {
                bencher.iter(|| {
                    let state = ViewMut::array_of_structures(black_box(&mut numbers), STATES).unwrap();
                    let stimulus = Some(View::array_of_structures(&stimulus, 1).unwrap());
                    session.step(Cells { stimulus, ..Cells::new(state) }, 0.02, steps).unwrap();
                });
            });
        }
        let mut numbers: Vec<f32> = start.iter().map(|&x| x as f32).collect();
        group.bench_function(BenchmarkId::new(instruction_set, "f32_1"), |bencher| {
            bencher.iter(|| {
                let state = ViewMut::array_of_structures(black_box(&mut numbers), STATES).unwrap();
                let stimulus = Some(View::array_of_structures(&stimulus, 1).unwrap());
                session.step(Cells { stimulus, ..Cells::new(state) }, 0.02, 1).unwrap();
            });
        });
    }
    group.finish();
}

criterion_group!(benches, structured);
criterion_main!(benches);
