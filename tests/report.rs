//! Reports on surrogates that are made here: a step map that is a slightly wrong Euler step, and
//! solution maps.
#![cfg(feature = "cli")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use emucell::Activation;
use emucell::cli::report::Report as Command;
use emucell::format::onnx;
use emucell::program::{BinaryOperator, BlockId, Operation, ProgramBuilder};
use emucell::report::evaluate::{Comparison, Draw, compare};
use emucell::report::{Counterpart, Losses, Options, Report, Tissue};
use emucell::surrogate::{CellModelDescription, Kind, Role, Surrogate, Variable};
use serde_json::{Value, json};

fn cubic() -> CellModelDescription {
    CellModelDescription { name: "fhn_cubic".to_owned(), parameters: BTreeMap::new() }
}

/// Forward Euler of the cubic model with step `dt`, its rate multiplied by `factor`:
/// u, w, s → u + dt·10·factor·[u (u − 0.4)(1 − u) − w + s], w + dt·(0.04 u − 0.16 w).
fn euler_step_map(dt: f64, factor: f64) -> Arc<Surrogate> {
    let mut b = ProgramBuilder::new(3).unwrap();
    let x = BlockId::INPUT;
    let u = b.slice(x, 0, 1).unwrap();
    // u − 0.4 and 1 − u, then their product with u.
    let parts = b.dense(u, vec![1.0, -1.0], vec![-0.4, 1.0], Activation::Linear).unwrap();
    let (left, right) = (b.slice(parts, 0, 1).unwrap(), b.slice(parts, 1, 1).unwrap());
    let product = b.binary(BinaryOperator::Multiply, left, right).unwrap();
    let hill = b.binary(BinaryOperator::Multiply, u, product).unwrap();
    let all = b.concat(&[x, hill]).unwrap();
    let (rate, dt32) = ((10.0 * dt * factor) as f32, dt as f32);
    let weights = vec![1.0, -rate, rate, rate, 0.04 * dt32, 1.0 - 0.16 * dt32, 0.0, 0.0];
    let y = b.dense(all, weights, vec![0.0; 2], Activation::Linear).unwrap();
    let state = |name: &str| Variable::new(name, "1", Role::State);
    let inputs = vec![
        state("u").with_range(-0.3, 1.1),
        state("w").with_range(-0.02, 0.2),
        Variable::new("s", "1", Role::Stimulus).with_range(0.0, 0.12),
    ];
    let provenance = json!({
        "recipe": "experiments/step.toml",
        "seed": 1,
        "note": "<script>alert(1)</script> & \"quoted\"",
        "validation": {"mae": 3.2e-4, "maximum": 0.21},
    });
    let Value::Object(provenance) = provenance else { unreachable!() };
    let kind = Kind::StepMap { dt };
    let surrogate = Surrogate::new(kind, inputs, vec![state("u"), state("w")], b.finish(y)).unwrap();
    let surrogate = surrogate.with_initial_state(vec![0.0, 0.0]).unwrap();
    Arc::new(surrogate.with_cell_model(cubic()).with_provenance(provenance))
}

/// t, u0, w0, k → x0 + (1 − e^(−t)) · (a small network), which is far from the truth.
fn solution_map() -> Arc<Surrogate> {
    let mut b = ProgramBuilder::new(4).unwrap();
    let x = BlockId::INPUT;
    let spread = |n: usize, seed: u32, scale: f32| -> Vec<f32> {
        let mut state = seed;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (f64::from(state) / f64::from(u32::MAX) - 0.5) as f32 * scale
        };
        (0..n).map(|_| next()).collect()
    };
    let h = b.dense(x, spread(64, 1, 0.8), spread(16, 2, 0.5), Activation::Tanh).unwrap();
    let h = b.dense(h, spread(256, 3, 0.8), spread(16, 4, 0.5), Activation::Tanh).unwrap();
    let change = b.dense(h, spread(32, 5, 0.3), vec![0.0; 2], Activation::Linear).unwrap();
    let exponent = b.dense(x, vec![-1.0, 0.0, 0.0, 0.0], vec![0.0], Activation::Linear).unwrap();
    let decay = b.push(Operation::Exp { input: exponent }).unwrap();
    let one = b.constant(vec![1.0]).unwrap();
    let gain = b.binary(BinaryOperator::Subtract, one, decay).unwrap();
    let grown = b.binary(BinaryOperator::Multiply, gain, change).unwrap();
    let initial = b.slice(x, 1, 2).unwrap();
    let y = b.binary(BinaryOperator::Add, initial, grown).unwrap();
    let inputs = vec![
        Variable::new("t", "ms", Role::Time).with_range(0.0, 20.0),
        Variable::new("u0", "1", Role::State).with_range(-0.1, 0.81),
        Variable::new("w0", "1", Role::State).with_range(0.0, 0.12),
        Variable::new("k", "1", Role::Parameter).with_range(0.0, 1.0),
    ];
    let outputs = vec![Variable::new("u", "1", Role::State), Variable::new("w", "1", Role::State)];
    let surrogate = Surrogate::new(Kind::SolutionMap, inputs, outputs, b.finish(y)).unwrap();
    Arc::new(surrogate.with_cell_model(cubic()))
}

fn few_cells() -> Options {
    Options { cells: 40, seed: 7, n_threads: 2, ..Options::default() }
}

fn losses_csv(folder: &Path) -> PathBuf {
    let mut text = String::from("iteration,\"data\",\"FHN residual\",total,validation,rate,seconds\n");
    text.push_str("0,,,,9.1e-1,1e-3,0.0\n");
    for i in 1..200 {
        let n = f64::from(i) * 100.0;
        let data = 0.5 / n.powf(0.9) * (1.0 + 0.3 * (n / 370.0).sin());
        let residual = 3.0 / n.powf(0.6);
        let rate = if i < 100 { 1e-3 } else { 1e-4 };
        let total = data + 0.1 * residual;
        text.push_str(&format!(
            "{n},{data:.6e},{residual:.6e},{total:.6e},{:.6e},{rate:e},{}\n",
            data * 1.3,
            n / 80.0
        ));
    }
    let path = folder.join("losses.csv");
    fs::write(&path, text).unwrap();
    path
}

/// A plane wave, in the surrogate a little late.
fn snapshots(folder: &Path, n_first: usize, n_times: usize) -> (PathBuf, PathBuf) {
    let (ny, nx) = (48, 64);
    let wave = |x: f64, y: f64| {
        let along = x + 3.0 * (y / 9.0).sin();
        1.0 / (1.0 + (-along).exp()) / (1.0 + ((along - 24.0) / 4.0).exp())
    };
    let array = ndarray::Array4::from_shape_fn((n_first, n_times, ny, nx), |(who, time, y, x)| {
        let front = 14.0 * time as f64 - if who == 1 { 0.4 * time as f64 } else { 0.0 };
        wave(front - x as f64 + 6.0, y as f64) as f32
    });
    let snapshots = folder.join("snapshots.npy");
    emucell::format::arrays::npy::write(&snapshots, &array.view()).unwrap();
    let numbers = folder.join("tissue.json");
    let times: Vec<f64> = (0..4).map(|i| 10.0 * f64::from(i)).collect();
    let text = json!({
        "snapshot_times_ms": times, "conduction_velocity_solver": 0.6125, "conduction_velocity_surrogate": 0.595,
        "seconds": {"solver": 12.25, "surrogate": 3.5}, "cells": 3072, "guard": "ignore",
    });
    fs::write(&numbers, text.to_string()).unwrap();
    (snapshots, numbers)
}

fn command(file: &Path, out: &Path) -> Command {
    Command {
        file: file.to_owned(),
        out: out.to_owned(),
        losses: None,
        tissue: None,
        tissue_json: None,
        cells: 40,
        seed: 7,
        long_steps: 0,
        long_cells: 8,
        json: false,
    }
}

/// With the variable EMUCELL_KEEP_REPORT, reports are left in that folder to be looked at.
#[test]
fn a_full_report_has_all_sections_and_needs_no_other_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("step & map.onnx");
    onnx::save(&file, &euler_step_map(0.1, 1.02)).unwrap();
    let (tissue, tissue_json) = snapshots(folder.path(), 2, 4);
    let out = std::env::var_os("EMUCELL_KEEP_REPORT").map_or(folder.path().join("out"), PathBuf::from);
    let mut command = command(&file, &out);
    command.losses = Some(losses_csv(folder.path()));
    (command.tissue, command.tissue_json) = (Some(tissue), Some(tissue_json));
    command.run().unwrap();

    let html = fs::read_to_string(out.join("report.html")).unwrap();
    for id in [
        "accuracy",
        "traces",
        "errors",
        "over-time",
        "plane",
        "speed",
        "training",
        "tissue",
        "surrogate",
        "provenance",
    ] {
        assert!(html.contains(&format!("<section id=\"{id}\"")), "{id}");
    }
    for text in
        ["step &amp; map", "&lt;script&gt;", "problem D's box", "seconds.solver", "12.25", "FHN residual"]
    {
        assert!(html.contains(text), "{text}");
    }
    for foreign in ["http://", "https://", "<script", "<link", "@import", "url(", "src="] {
        assert!(!html.contains(foreign), "{foreign}");
    }
    let images = html.matches("href=\"").count();
    assert_eq!(images, html.matches("href=\"data:image/png;base64,").count());
    assert!(images > 4);

    let pictures: Vec<_> = fs::read_dir(out.join("figures")).unwrap().map(|f| f.unwrap().path()).collect();
    let (mut n_svg, mut n_png) = (0, 0);
    for picture in &pictures {
        if picture.extension().unwrap() == "svg" {
            n_svg += 1;
            assert!(fs::read_to_string(picture).unwrap().ends_with("</svg>\n"));
        } else {
            n_png += 1;
            let mut png = png::Decoder::new(fs::File::open(picture).unwrap()).read_info().unwrap();
            let mut pixels = vec![0; png.output_buffer_size()];
            let info = png.next_frame(&mut pixels).unwrap();
            let svg = fs::read_to_string(picture.with_extension("svg")).unwrap();
            assert!(svg.contains(&format!("viewBox=\"0 0 {} {}\"", info.width, info.height)));
            assert!(pixels.iter().any(|&p| p < 128), "{} is empty", picture.display());
        }
    }
    assert_eq!(n_svg, n_png);
    // Five cells (of 40 the best 99 % are all), two states twice, three planes, losses, four times.
    assert_eq!(n_svg, 5 + 4 + 3 + 1 + 4);

    let json: Value = serde_json::from_slice(&fs::read(out.join("report.json")).unwrap()).unwrap();
    assert_eq!(json["surrogate"]["dt"], 0.1);
    assert_eq!(json["accuracy"].as_array().unwrap().len(), 2);
    assert!(json["speed"]["euler"]["break_even_steps"].as_f64().unwrap() > 0.0);
    assert_eq!(json["tissue"]["cells"], 3072);
    assert_eq!(json["training"]["iterations"], 19_900.0);
}

#[test]
fn errors_of_an_euler_step_are_those_computed_by_hand() {
    let surrogate = euler_step_map(0.05, 1.0);
    let counterpart = Counterpart::of(&surrogate).unwrap();
    let draw = Draw { cells: 20, seed: 3, n_threads: 1 };
    let comparisons = compare(&surrogate, &counterpart, draw).unwrap();
    let Comparison { inputs, accuracy, reference, .. } = &comparisons[0];
    assert_eq!(comparisons[1].accuracy.cells_from, "problem D's box");
    assert_eq!((accuracy.samples, accuracy.horizon.round()), (100, 50.0));

    // Ten steps of 0.05 ms in double precision reach each sample; a fine Runge–Kutta method of
    // order 4 stands for the reference.
    let rates = |[u, w]: [f64; 2], s: f64| [10.0 * (u * (u - 0.4) * (1.0 - u) - w + s), 0.04 * u - 0.16 * w];
    let add = |x: [f64; 2], d: [f64; 2], h: f64| [x[0] + h * d[0], x[1] + h * d[1]];
    let (mut sum, mut largest, mut worst_reference) = ([0.0; 2], 0.0_f64, 0.0_f64);
    for (cell, row) in inputs.rows().into_iter().enumerate() {
        let (mut euler, mut exact, s) = ([row[0], row[1]], [row[0], row[1]], row[2]);
        for sample in 0..100 {
            for _ in 0..10 {
                euler = add(euler, rates(euler, s), 0.05);
            }
            for _ in 0..500 {
                let h = 1e-3;
                let a = rates(exact, s);
                let b = rates(add(exact, a, h / 2.0), s);
                let c = rates(add(exact, b, h / 2.0), s);
                let d = rates(add(exact, c, h), s);
                for j in 0..2 {
                    exact[j] += h / 6.0 * (a[j] + 2.0 * b[j] + 2.0 * c[j] + d[j]);
                }
            }
            for j in 0..2 {
                let error = (euler[j] - exact[j]).abs();
                sum[j] += error / 2000.0;
                largest = if j == 0 { largest.max(error) } else { largest };
                worst_reference = worst_reference.max((exact[j] - reference[[cell, sample, j]]).abs());
            }
        }
    }
    assert!(worst_reference < 1e-7, "{worst_reference}");
    let own = &accuracy.surrogate;
    for (state, sum) in own.states.iter().zip(sum) {
        // The surrogate computes in single precision.
        assert!((state.mean_absolute / sum - 1.0).abs() < 5e-3, "{} {sum}", state.mean_absolute);
    }
    assert!((own.mean_absolute - (sum[0] + sum[1]) / 2.0).abs() < 5e-3 * own.mean_absolute);
    assert!((own.states[0].maximum / largest - 1.0).abs() < 2e-2, "{} {largest}", own.states[0].maximum);
    // It is Euler with 0.05 ms, five times the step and so about five times the error.
    assert!((3.0..8.0).contains(&(own.mean_absolute / accuracy.euler.mean_absolute)));
    assert!(accuracy.equal_euler_dt.is_some_and(|dt| (0.04..=0.05 + 1e-9).contains(&dt)));
    assert_eq!(accuracy.not_finite, 0.0);
    assert!(own.excitation_wrong.is_some());
}

#[test]
fn solution_maps_are_compared_up_to_their_last_time() {
    let report = Report::new("map", &solution_map(), None, None, few_cells()).unwrap();
    let accuracy = &report.numbers().accuracy[0];
    assert_eq!((accuracy.horizon, accuracy.samples), (20.0, 100));
    assert_eq!(accuracy.ranges.iter().map(|r| r.name.as_str()).collect::<Vec<_>>(), ["u0", "w0", "k"]);
    // With k in 0 … 1 most cells fire early.
    assert!(accuracy.excited.is_some_and(|share| share > 0.6));
    assert!(accuracy.surrogate.mean_absolute > 10.0 * accuracy.euler.mean_absolute);
    let html = report.html();
    assert!(html.contains("No loss curves were given") && html.contains("No tissue simulation was given"));
    assert!(report.summary().contains("One evaluation takes as long as"));
    if let Some(folder) = std::env::var_os("EMUCELL_KEEP_REPORT") {
        report.write(&Path::new(&folder).join("map")).unwrap();
    }
}

#[test]
fn the_canonical_model_has_no_excursions_to_judge() {
    // t, u0, w0 → u0, w0, with the stimulus that is the model's default.
    let mut b = ProgramBuilder::new(3).unwrap();
    let y = b.slice(BlockId::INPUT, 1, 2).unwrap();
    let inputs = vec![
        Variable::new("t", "ms", Role::Time).with_range(0.0, 50.0),
        Variable::new("u0", "1", Role::State).with_range(-2.0, 2.0),
        Variable::new("w0", "1", Role::State).with_range(-1.0, 1.5),
    ];
    let outputs = vec![Variable::new("u", "1", Role::State), Variable::new("w", "1", Role::State)];
    let surrogate = Surrogate::new(Kind::SolutionMap, inputs, outputs, b.finish(y)).unwrap();
    let model = CellModelDescription { name: "fhn_canonical".to_owned(), ..cubic() };
    let report = Report::new("still", &Arc::new(surrogate.with_cell_model(model)), None, None, few_cells());
    let report = report.unwrap();
    let accuracy = &report.numbers().accuracy[0];
    assert_eq!((accuracy.excited, accuracy.surrogate.excitation_wrong), (None, None));
    // Published for this model and step: 9.9e-4 on one trajectory.
    assert!((1e-4..5e-3).contains(&accuracy.euler.mean_absolute), "{}", accuracy.euler.mean_absolute);
    assert!(!report.html().contains("first excursion"));
}

#[test]
fn fixed_starts_and_stimuli_come_from_the_file() {
    // Problem A's only input is the time; a network that stays at its start.
    let mut b = ProgramBuilder::new(1).unwrap();
    let y = b.dense(BlockId::INPUT, vec![0.0, 0.0], vec![0.5, 0.0], Activation::Linear).unwrap();
    let program = b.finish(y);
    let inputs = vec![Variable::new("t", "ms", Role::Time).with_range(0.0, 25.0)];
    let outputs = vec![Variable::new("u", "1", Role::State), Variable::new("w", "1", Role::State)];
    let surrogate = Surrogate::new(Kind::SolutionMap, inputs, outputs, program).unwrap();
    let surrogate = surrogate.with_initial_state(vec![0.5, 0.0]).unwrap().with_cell_model(cubic());
    let counterpart = Counterpart::of(&surrogate).unwrap();
    assert_eq!((counterpart.initial_state(&[3.0]), counterpart.stimulus(&[3.0])), (vec![0.5, 0.0], 0.0));

    let mut parameters = BTreeMap::from([("s".to_owned(), 0.08), ("threshold".to_owned(), 0.3)]);
    let description = CellModelDescription { parameters: parameters.clone(), ..cubic() };
    let driven = Counterpart::of(&surrogate.clone().with_cell_model(description)).unwrap();
    assert_eq!(driven.stimulus(&[3.0]), 0.08);
    assert_eq!(driven.model().parameter_map()["threshold"], 0.3);
    parameters.insert("treshold".to_owned(), 0.3);
    let description = CellModelDescription { parameters, ..cubic() };
    assert!(Counterpart::of(&surrogate.clone().with_cell_model(description)).is_err());
    let provenance = |key: &str, value: Value| serde_json::Map::from_iter([(key.to_owned(), value)]);
    let told = surrogate.clone().with_provenance(provenance("stimulus", json!(0.1)));
    assert_eq!(Counterpart::of(&told).unwrap().stimulus(&[3.0]), 0.1);

    let k = Counterpart::of(&solution_map()).unwrap();
    assert!((k.stimulus(&[0.0, 0.1, 0.1, 0.5]) - 0.1).abs() < 1e-12);
    // One cell, no plane of initial states.
    let report = Report::new("a", &Arc::new(surrogate), None, None, few_cells()).unwrap();
    assert!(!report.html().contains("id=\"plane\"") && report.html().contains("id=\"traces\""));
}

#[test]
fn a_surrogate_of_an_unknown_cell_gets_a_report_without_errors() {
    let anonymous = Arc::new(Surrogate::anonymous(solution_map().program().unwrap().clone()));
    let report = Report::new("anonymous", &anonymous, None, None, few_cells()).unwrap();
    assert!(report.numbers().accuracy.is_empty());
    assert!(
        report.html().contains("Errors are missing: the surrogate&#39;s file names no cell model")
            || report.html().contains("Errors are missing: the surrogate's file names no cell model")
    );
    assert!(report.numbers().speed.euler.is_none());

    let other = CellModelDescription { name: "hodgkin_huxley".to_owned(), ..cubic() };
    let other = Arc::new(Surrogate::clone(&solution_map()).with_cell_model(other));
    let report = Report::new("other", &other, None, None, few_cells()).unwrap();
    assert!(report.summary().contains("unknown cell model \"hodgkin_huxley\""), "{}", report.summary());
}

#[test]
fn a_step_map_that_runs_away_is_counted_and_drawn() {
    let report = Report::new("wild", &euler_step_map(1.0, 5.0), None, None, few_cells()).unwrap();
    let accuracy = &report.numbers().accuracy[0];
    assert!(accuracy.not_finite > 0.0);
    assert!(report.html().contains("gave no finite numbers"));
}

#[test]
fn wrong_inputs_give_one_clear_error() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("map.onnx");
    onnx::save(&file, &solution_map()).unwrap();
    let fails = |change: &dyn Fn(&mut Command)| {
        let mut command = command(&file, &folder.path().join("out"));
        change(&mut command);
        command.run().unwrap_err().to_string()
    };
    let empty = folder.path().join("empty.csv");
    fs::write(&empty, "iteration,total,validation,rate,seconds\n").unwrap();
    let message = fails(&|c| c.losses = Some(empty.clone()));
    assert!(message.contains("no rows of losses") && message.contains("empty.csv"), "{message}");

    let (three, numbers) = snapshots(folder.path(), 3, 4);
    let message = Tissue::read(&three, &numbers).unwrap_err().to_string();
    assert!(message.contains("snapshots of shape [3, 4, 48, 64]"), "{message}");
    let (two, numbers) = snapshots(folder.path(), 2, 5);
    let message = Tissue::read(&two, &numbers).unwrap_err().to_string();
    assert!(message.contains("4 times for 5 snapshots"), "{message}");

    let message = fails(&|c| c.tissue = Some(two.clone()));
    assert!(message.contains("belong together"), "{message}");
    let message = fails(&|c| c.cells = 0);
    assert!(message.contains("0 cells"), "{message}");
    // A file where the folder should be.
    let message = fails(&|c| c.out = file.clone());
    assert!(message.contains("cannot make the folder"), "{message}");
    let message = Losses::read(&folder.path().join("absent.csv")).unwrap_err().to_string();
    assert!(message.contains("absent.csv") && message.contains("check the path"), "{message}");
}

#[test]
fn a_long_rollout_tells_whether_a_step_map_keeps_time() {
    let options = Options { long_steps: 60_000, long_cells: 6, ..few_cells() };
    let long = |euler_dt: f64| {
        let map = euler_step_map(euler_dt, 1.0);
        let (inputs, outputs) = (map.inputs().to_vec(), map.outputs().to_vec());
        let program = map.program().unwrap().clone();
        let map = Surrogate::new(Kind::StepMap { dt: 0.01 }, inputs, outputs, program).unwrap();
        let report =
            Report::new("map", &Arc::new(map.with_cell_model(cubic())), None, None, options).unwrap();
        assert!(report.html().contains("id=\"long-rollout\"") && report.summary().contains("60000 steps"));
        report.numbers().long_rollout.clone().unwrap()
    };
    let right = long(0.01);
    assert!(right.oscillating > 0.1 && right.collapsed == 0.0 && right.not_finite == 0.0, "{right:?}");
    assert!(right.period_error_maximum.unwrap() < 1e-3, "{right:?}");
    assert!((right.excursion - right.reference_excursion).abs() < 0.01, "{right:?}");
    // Its time goes 2 % faster than it says.
    let fast = long(0.0102);
    let error = fast.period_error_mean.unwrap();
    assert!((error - 0.02 / 1.02).abs() < 1e-3, "{fast:?}");
    // A step of Euler so long that u explodes.
    let exploding = long(0.9);
    assert!(exploding.not_finite > 0.5 && exploding.period_error_mean.is_none(), "{exploding:?}");

    let short = Options { long_steps: 10_000, ..options };
    let error = Report::new("map", &euler_step_map(0.01, 1.0), None, None, short).unwrap_err().to_string();
    assert!(error.contains("20000 steps"), "{error}");
}
