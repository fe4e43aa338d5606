//! Losses over several steps, and step maps whose states stay within bounds.
#![cfg(feature = "train")]

use std::path::Path;
use std::sync::Arc;

use emucell::format::onnx;
use emucell::session::{Cells, Session, SessionOptions};
use emucell::surrogate::{Kind, Role};
use emucell::train::recipe::{Options, Recipe, Trained, run};
use emucell::train::{
    Criterion, DataLoss, Form, FullyConnected, Loss, Model, RolloutLoss, RolloutValidation, Scaling, Trainer,
};
use emucell::view::ViewMut;
use emucell::{Activation, ErrorKind};
use ndarray::{Array2, s};

/// A step map of two states (columns 1 and 2) and a drive (column 0), in double precision.
fn model(seed: u64) -> Model {
    let kind = tch::Kind::Double;
    let mut network = FullyConnected::on(3, 2, &[(Activation::Tanh, 8)], kind, tch::Device::Cpu).unwrap();
    network.initialise(seed);
    let inputs = Scaling::new(vec![0.1, 0.0, 0.2], vec![0.5, 1.0, 2.0]).unwrap();
    let outputs = Scaling::new(vec![0.0; 2], vec![0.3, 0.05]).unwrap();
    Model::new(network, inputs, outputs, Form::Step { states: vec![1, 2] }).unwrap()
}

/// Trajectories of `along` steps, one after the other; the drive changes from step to step.
fn trajectories(n: usize, along: usize) -> (Array2<f64>, Array2<f64>) {
    let (mut inputs, mut targets) = (Array2::zeros((n * along, 3)), Array2::zeros((n * along, 2)));
    for i in 0..n {
        let (mut u, mut w) = ((i as f64 * 0.37).sin(), (i as f64 * 0.91).cos());
        for k in 0..along {
            let row = i * along + k;
            let drive = ((row * 7) % 11) as f64 / 11.0;
            inputs.slice_mut(s![row, ..]).assign(&ndarray::array![drive, u, w]);
            (u, w) = (u + 0.3 * (u - u * u * u - w + drive), w + 0.05 * (u - 0.5 * w));
            targets.slice_mut(s![row, ..]).assign(&ndarray::array![u, w]);
        }
    }
    (inputs, targets)
}

fn rollout(horizon: usize) -> RolloutLoss {
    let (inputs, targets) = trajectories(6, 5);
    let loss = RolloutLoss::new(Criterion::Mse, inputs.clone(), targets.clone(), &[1, 2], horizon);
    loss.validation_data(inputs, targets).grow_until(0.5)
}

fn value(loss: &tch::Tensor) -> f64 {
    loss.double_value(&[])
}

#[test]
fn one_step_is_the_loss_on_data() {
    let (inputs, targets) = trajectories(6, 5);
    for criterion in [Criterion::Mse, Criterion::Huber { delta: 0.1 }, Criterion::Rmse, Criterion::RelativeL2]
    {
        let model = model(3);
        let mut data =
            DataLoss::new(criterion.clone(), inputs.clone(), targets.clone()).validation_fraction(0.0);
        let mut steps = RolloutLoss::new(criterion, inputs.clone(), targets.clone(), &[1, 2], 1)
            .validation_data(inputs.clone(), targets.clone());
        data.prepare(&model, 1).unwrap();
        steps.prepare(&model, 1).unwrap();
        let (data, steps) = (value(&data.on_batch(&model, 0)), value(&steps.on_batch(&model, 0)));
        assert!((data - steps).abs() < 1e-12 * data, "{data} {steps}");
    }
}

#[test]
fn several_steps_start_from_what_the_model_gave() {
    let (inputs, targets) = trajectories(6, 5);
    let model = model(5).bounded(&[[-0.9, 0.9], [-0.7, 0.7]]).unwrap();
    let mut loss = rollout(3);
    loss.prepare(&model, 1).unwrap();
    loss.on_progress(1.0);
    let given = value(&loss.on_batch(&model, 0));
    let (mut sum, mut n, mut limited) = (0.0, 0, 0);
    for first in (0..30).filter(|row| row % 5 <= 2) {
        let mut state: Option<Array2<f64>> = None;
        for row in first..first + 3 {
            let mut x = inputs.slice(s![row..row + 1, ..]).to_owned();
            if let Some(state) = &state {
                x.slice_mut(s![.., 1..]).assign(state);
            }
            // The error is of what the network says, the next step starts from within the bounds.
            let free = tch::no_grad(|| unbounded(5, &x));
            for (j, scale) in [0.3, 0.05].iter().enumerate() {
                sum += ((free[[0, j]] - targets[[row, j]]) / scale).powi(2);
                n += 1;
            }
            let next = model.predict(x.view());
            limited += usize::from(next != free);
            state = Some(next);
        }
    }
    assert!((given - sum / n as f64).abs() < 1e-12 * given, "{given} {}", sum / n as f64);
    assert!(limited > 3, "the bounds were not tried");

    // Steps grow evenly from one to three until half of the training.
    let mut single = rollout(1);
    single.prepare(&model, 1).unwrap();
    loss.on_progress(0.0);
    let all = trajectories(6, 5);
    let mut data = DataLoss::new(Criterion::Mse, all.0, all.1).validation_fraction(0.0);
    data.prepare(&model, 1).unwrap();
    let value_at = |loss: &mut RolloutLoss, fraction: f64| {
        loss.on_progress(fraction);
        value(&loss.on_batch(&model, 0))
    };
    let [start, half_way, grown, end] = [0.0, 0.25, 0.5, 1.0].map(|f| value_at(&mut loss, f));
    assert!(start != half_way && half_way != grown && grown == end && end == given);
}

fn unbounded(seed: u64, x: &Array2<f64>) -> Array2<f64> {
    model(seed).predict(x.view())
}

#[test]
fn gradients_go_back_through_all_steps() {
    let mut model = model(7);
    let mut loss = rollout(4);
    loss.prepare(&model, 1).unwrap();
    loss.on_progress(1.0);
    let gradient = model.gradient(&loss.on_batch(&model, 0));
    let start = model.network().parameters().copy();
    for i in (0..start.size()[0]).step_by(5) {
        let at = |model: &mut Model, loss: &mut RolloutLoss, change: f64| {
            let changed = start.copy();
            let _ = changed.narrow(0, i, 1).fill_(start.double_value(&[i]) + change);
            model.network_mut().set_parameters(&changed);
            value(&loss.on_batch(model, 0))
        };
        let h = 1e-5;
        let slope = (at(&mut model, &mut loss, h) - at(&mut model, &mut loss, -h)) / (2.0 * h);
        let given = gradient.double_value(&[i]);
        assert!((slope - given).abs() < 1e-6 * (1.0 + slope.abs()), "parameter {i}: {slope} {given}");
    }
}

#[test]
fn noise_follows_from_seed_and_iteration() {
    let model = model(7);
    let noisy = |seed, iteration| {
        let mut loss = rollout(2).noise(0.05);
        loss.prepare(&model, seed).unwrap();
        loss.on_progress(1.0);
        value(&loss.on_batch(&model, iteration))
    };
    assert_eq!(noisy(1, 4), noisy(1, 4));
    assert_ne!(noisy(1, 4), noisy(1, 5));
    assert_ne!(noisy(1, 4), noisy(2, 4));
    let mut quiet = rollout(2);
    quiet.prepare(&model, 1).unwrap();
    quiet.on_progress(1.0);
    let quiet = value(&quiet.on_batch(&model, 4));
    assert!((noisy(1, 4) / quiet - 1.0).abs() < 0.5 && noisy(1, 4) != quiet);
}

#[test]
fn what_cannot_be_rolled_out_is_refused() {
    let model = model(1);
    let fault = |loss: RolloutLoss| {
        let mut loss = loss;
        loss.prepare(&model, 1).unwrap_err().to_string()
    };
    let message = fault(rollout(6));
    assert!(message.contains("no 6 consecutive steps") && message.contains("data.along"), "{message}");
    assert!(fault(rollout(0)).contains("0 steps"));
    assert!(fault(rollout(2).grow_until(1.5)).contains("1.5 of the training"));
    assert!(fault(rollout(2).noise(-1.0)).contains("noise of -1"));
    let (inputs, targets) = trajectories(6, 5);
    let wrong = RolloutLoss::new(Criterion::Mse, inputs, targets, &[1], 2);
    assert!(fault(wrong).contains("columns [1]"));
}

#[test]
fn bounds_are_in_the_exported_program() {
    let bounds = [[-0.9, 0.8], [-0.1, 0.2]];
    let model = model(5).bounded(&bounds).unwrap();
    let program = model.program().unwrap();
    let mut limited = 0;
    for i in 0..200 {
        let x: Vec<f64> = (0..3).map(|j| f64::from((i * 7 + j * 13) % 23) * 0.2 - 2.0).collect();
        let y = program.evaluate_reference(&x);
        let own = model.predict(Array2::from_shape_vec((1, 3), x).unwrap().view());
        for (j, [low, high]) in bounds.iter().enumerate() {
            let (low, high) = (f64::from(*low as f32), f64::from(*high as f32));
            assert!((low..=high).contains(&y[j]), "{}", y[j]);
            assert!((own[[0, j]] - y[j]).abs() < 1e-6);
            limited += usize::from(y[j] == low || y[j] == high);
        }
    }
    assert!(limited > 20);
    for bad in [&bounds[..1], &[[0.0, 1.0], [1.0, 0.0]], &[[0.0, 1.0], [0.0, f64::INFINITY]]] {
        assert!(self::model(5).bounded(bad).is_err());
    }
}

#[test]
fn validation_by_rollout_keeps_the_weights_that_roll_out_best() {
    tch::set_num_threads(1);
    // States that the model itself gave, from which its weights are then moved away.
    let own = model(4);
    let inputs = trajectories(4, 1).0;
    let mut states = ndarray::Array3::zeros((4, 7, 2));
    let mut now = inputs.clone();
    for step in 0..7 {
        let next = own.predict(now.view());
        now.slice_mut(s![.., 1..]).assign(&next);
        states.slice_mut(s![.., step, ..]).assign(&next);
    }
    let folder = tempfile::tempdir().unwrap();
    let (x, y) = trajectories(6, 5);
    let mut trainer = Trainer::new(model(4), folder.path()).unwrap();
    trainer.add_loss(DataLoss::new(Criterion::Mse, x.clone(), y.clone()), 1.0).validate_every(10);
    let cells = |units| RolloutValidation::new(inputs.clone(), states.clone(), vec![1, 2], units);
    trainer.validate_by_rollout(cells(vec![2.0, 3.0]));
    let outcome = trainer.train(100).unwrap();
    // The loss falls all the time, and the first weights roll out without error.
    assert_eq!((outcome.best_iteration, outcome.best_validation), (0, 0.0));
    let text = std::fs::read_to_string(folder.path().join("losses.csv")).unwrap();
    assert!(text.starts_with("iteration,\"data\",total,validation,held_out,rate,seconds\n0,,,0.0"), "{text}");
    let rows: Vec<Vec<f64>> =
        text.lines().skip(2).map(|l| l.split(',').map(|x| x.parse().unwrap()).collect()).collect();
    let (first, last) = (&rows[0], &rows[rows.len() - 1]);
    assert!(last[3] > 0.0 && last[4] < first[4], "{text}");

    let mut wrong = Trainer::new(model(4), folder.path()).unwrap();
    wrong.add_loss(DataLoss::new(Criterion::Mse, x, y), 1.0).validate_by_rollout(cells(vec![1.0]));
    assert!(wrong.train(10).unwrap_err().to_string().contains("validation by rollout"));
}

fn trained(text: &str, folder: &Path) -> emucell::Result<Trained> {
    let options = Options {
        folder: folder.to_owned(),
        device: tch::Device::Cpu,
        n_threads: 1,
        force: false,
        interrupt: None,
        on_progress: None,
    };
    run(&Recipe::parse(text)?, options)
}

/// Steps from 0.05 to 0.5 ms in one network.
const ANY_STEP: &str = r#"
seed = 3
[surrogate]
kind = "step_map"
problem = "d"
dt = ["0.05 ms", "0.5 ms"]
[data]
pairs = 3000
[network]
hidden = [["tanh", 16], ["tanh", 16]]
form = "residual"
bounded = true
[[loss]]
kind = "rollout"
horizon = 2
noise = 0.001
criterion = "huber"
batch = 128
[stop]
iterations = 1500
validate_every = 100
[validation]
cells = 32
[evaluation]
cells = 50
dt = "0.1 ms"
horizon = "5 ms"
"#;

#[test]
fn a_step_map_may_read_its_step() {
    let folder = tempfile::tempdir().unwrap();
    let result = trained(ANY_STEP, folder.path()).unwrap();
    let of_tenth = result.evaluation.unwrap().exact.mean_absolute;
    assert!(of_tenth < 0.1, "{of_tenth}");
    let surrogate = Arc::new(onnx::load(&result.surrogate).unwrap());
    assert_eq!(surrogate.kind(), Kind::StepMap { dt: 0.5 });
    let step = surrogate.step_input().unwrap();
    assert_eq!((step.name.as_str(), step.role, step.range), ("dt", Role::Time, Some([0.05, 0.5])));
    let losses = std::fs::read_to_string(folder.path().join("losses.csv")).unwrap();
    assert!(losses.contains("held_out"), "{losses}");

    // Ten steps of 0.05 ms, five of 0.1 ms and one of 0.5 ms arrive at about the same place.
    let mut session = Session::new(Arc::clone(&surrogate), &SessionOptions::default()).unwrap();
    let mut after = |dt: f64, n_steps: u32| -> Result<[f64; 2], emucell::Error> {
        let (mut state, parameters) = ([0.6, 0.05], [0.5]);
        let mut cells = Cells::new(ViewMut::array_of_structures(&mut state, 2)?);
        cells.parameters = Some(emucell::view::View::array_of_structures(&parameters, 1)?.into());
        session.step(cells, dt, n_steps)?;
        Ok(state)
    };
    let far = after(0.5, 1).unwrap();
    assert!(far[0] > 0.65, "{far:?}");
    for (dt, n_steps) in [(0.05, 10), (0.1, 5), (0.25, 2)] {
        let near = after(dt, n_steps).unwrap();
        assert!((near[0] - far[0]).abs() < 0.1 && (near[1] - far[1]).abs() < 0.03, "{dt}: {near:?} {far:?}");
    }
    for dt in [0.04, 0.51, 0.0, -0.1, f64::NAN, f64::INFINITY] {
        let error = after(dt, 1).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WrongStep, "{error}");
        assert!(error.to_string().contains("from 0.05 to 0.5"), "{error}");
    }
}

#[test]
fn keys_of_step_maps_that_make_no_sense_are_named() {
    let folder = tempfile::tempdir().unwrap();
    for (from, to, wanted) in [
        (
            "[\"0.05 ms\", \"0.5 ms\"]",
            "[\"0.5 ms\", \"0.05 ms\"]",
            &["surrogate.dt", "shorter one first"][..],
        ),
        ("[\"0.05 ms\", \"0.5 ms\"]", "[\"0.5 ms\"]", &["not two steps", "\"dt\""]),
        ("[\"0.05 ms\", \"0.5 ms\"]", "[\"0.05 ms\", \"0.5 mV\"]", &["wrong unit", "\"dt\""]),
        ("horizon = 2", "", &["loss.horizon", "number of steps"]),
        ("pairs = 3000", "pairs = 3000\nalong = 1", &["loss.horizon", "data.along"]),
        ("noise = 0.001", "noise = -1.0", &["loss.noise", "-1"]),
        ("noise = 0.001", "grow_until = 2.0", &["loss.grow_until", "0 to 1"]),
        ("kind = \"rollout\"", "kind = \"data\"", &["loss.horizon", "rollout"]),
        ("bounded = true", "margin = 0.1", &["network.margin", "bounded = true"]),
        ("bounded = true", "bounded = true\nmargin = -0.1", &["network.margin", "-0.1"]),
        ("cells = 32", "cells = 0", &["validation.cells"]),
        ("cells = 32", "by = \"loss\"\nhorizon = \"5 ms\"", &["validation.by", "rollout"]),
        ("cells = 32", "horizon = \"0.1 ms\"", &["validation.horizon", "one step"]),
        ("dt = \"0.1 ms\"", "dt = \"0.6 ms\"", &["evaluation.dt", "0.05 to 0.5"]),
    ] {
        assert!(ANY_STEP.contains(from), "{from}");
        let error = trained(&ANY_STEP.replace(from, to), folder.path()).map(|_| ()).unwrap_err();
        let message = error.to_string();
        for part in wanted {
            assert!(message.contains(part), "{part} is missing in: {message}");
        }
    }
}
