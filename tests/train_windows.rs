//! Solution maps in windows of time: form, export, training one after another and at once, resumption.
#![cfg(all(feature = "cli", feature = "train"))]

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use emucell::cell_model::CellModel;
use emucell::train::{
    CellModelRates, Collocation, Criterion, DataLoss, Form, FullyConnected, Initial, LevenbergMarquardt,
    Loss, Model, Optimizer, ResidualLoss, Scaling, StimulusSource, Trainer,
};
use emucell::{Activation, ErrorKind};
use ndarray::Array2;
use tch::{Device, Kind, Tensor};

const EDGES: [f64; 4] = [0.0, 0.5, 2.0, 3.0];

/// t, u0, k → u, w with w0 = 0.05, in three windows.
fn model() -> Model {
    let networks = (0..3).map(|i| {
        let hidden = [(Activation::Tanh, 8), (Activation::Glu, 12)];
        let mut network = FullyConnected::on(3, 2, &hidden, Kind::Double, Device::Cpu).unwrap();
        network.initialise(i);
        network
    });
    let inputs = Scaling::new(vec![1.5, 0.3, 0.5], vec![1.5, 0.5, 0.5]).unwrap();
    let outputs = Scaling::new(vec![0.1, -0.02], vec![0.5, 0.06]).unwrap();
    let states = vec![Initial::Column(1), Initial::Fixed(0.05)];
    let form = Form::Solution { time: 0, states, relaxation: 0.7 };
    Model::in_windows(networks.collect(), inputs, outputs, form, &EDGES).unwrap()
}

fn inputs() -> Array2<f64> {
    Array2::from_shape_fn((62, 3), |(i, j)| match j {
        // Beyond the last window, too.
        0 => i as f64 * 0.05,
        1 => (i % 7) as f64 * 0.1,
        _ => (i % 5) as f64 * 0.2,
    })
}

#[test]
fn windows_start_where_those_before_end_and_are_exported_as_trained() {
    let model = model();
    let at = |t: f64| model.predict(ndarray::array![[t, 0.7, 0.3]].view());
    assert_eq!((at(0.0)[[0, 0]], at(0.0)[[0, 1]]), (0.7, 0.05));
    for edge in [0.5, 2.0] {
        let jump = &at(edge + 1e-9) - &at(edge - 1e-9);
        assert!(jump.iter().all(|x| x.abs() < 1e-7), "{jump}");
    }
    let program = model.program().unwrap();
    let expected = model.predict(inputs().view());
    for (row, expected) in inputs().rows().into_iter().zip(expected.rows()) {
        let given = program.evaluate_reference(&row.to_vec());
        for (g, e) in given.iter().zip(expected) {
            assert!((g - e).abs() < 1e-6, "{given:?} instead of {expected} at {row}");
        }
    }
    let names: Vec<_> = model.state_dict().into_iter().map(|t| t.name).collect();
    assert_eq!(names.len(), 18);
    assert_eq!(
        (names[0].as_str(), names[17].as_str()),
        ("windows.0.layers.0.weight", "windows.2.layers.4.bias")
    );
}

#[test]
fn windows_that_do_not_fit_are_refused() {
    let network = || FullyConnected::new(1, 2, &[]).unwrap();
    let build = |n: usize, edges: &[f64], form| {
        let networks = (0..n).map(|_| network()).collect();
        Model::in_windows(networks, Scaling::identity(1), Scaling::identity(2), form, edges).map(|_| ())
    };
    let form = || Form::Solution { time: 0, states: vec![Initial::Fixed(0.0); 2], relaxation: 1.0 };
    build(2, &[0.0, 1.0, 2.0], form()).unwrap();
    assert!(build(2, &[0.0, 1.0], form()).is_err());
    assert!(build(2, &[0.0, 2.0, 1.0], form()).is_err());
    assert!(build(0, &[0.0], form()).is_err());
    assert!(build(1, &[0.0, 1.0], Form::Direct).is_err());
}

/// The loss on data is the mean square of (model − targets) / scale, however it is prepared.
#[test]
fn data_are_compared_with_what_the_model_predicts() {
    let model = model();
    let targets = Array2::from_shape_fn((62, 2), |(i, j)| (i + j) as f64 * 0.01);
    let mut loss =
        DataLoss::new(Criterion::Mse, inputs(), targets.clone()).batch_size(62).validation_fraction(0.0);
    loss.prepare(&model, 1).unwrap();
    let mut errors = model.predict(inputs().view()) - &targets;
    errors.column_mut(0).mapv_inplace(|e| e / 0.5);
    errors.column_mut(1).mapv_inplace(|e| e / 0.06);
    let expected = errors.mapv(|e| e * e).mean().unwrap();
    let given = loss.on_batch(&model, 0).double_value(&[]);
    assert!((given - expected).abs() < 1e-12 * expected, "{given} instead of {expected}");
}

/// du/dt = −u, dw/dt = u: solved by u = u0·e^(−t).
struct Decay;

impl emucell::train::Rates for Decay {
    fn n_states(&self) -> usize {
        2
    }

    fn rates(&self, _: &Tensor, states: &Tensor) -> Tensor {
        let u = states.narrow(1, 0, 1);
        Tensor::cat(&[-&u, u], 1)
    }
}

/// Sets a flag at an iteration of the training.
struct Interrupting {
    calls: u64,
    at: u64,
    flag: Arc<AtomicBool>,
}

impl Loss for Interrupting {
    fn name(&self) -> &str {
        "zero"
    }

    fn prepare(&mut self, _: &Model, _: u64) -> emucell::Result<()> {
        Ok(())
    }

    fn on_batch(&mut self, model: &Model, iteration: u64) -> Tensor {
        self.residuals(model, iteration).unwrap().square().mean(Kind::Double)
    }

    fn residuals(&mut self, model: &Model, _: u64) -> Option<Tensor> {
        self.calls += 1;
        if self.calls >= self.at {
            self.flag.store(true, Ordering::Relaxed);
        }
        // In the middle of the trained window, wherever that is.
        let row = Tensor::from_slice(&[1.0, 0.5, 0.5]).view([1, 3]);
        Some(model.forward(&row) * 0.0)
    }

    fn is_fixed(&self) -> bool {
        true
    }

    fn on_validation(&self, _: &Model) -> Option<Tensor> {
        None
    }
}

fn train(folder: &Path, calls: u64) -> (Model, emucell::Result<emucell::train::Outcome>) {
    tch::set_num_threads(1);
    let points = Array2::from_shape_fn((600, 3), |(i, j)| match j {
        0 => (i as f64 + 0.5) / 200.0,
        1 => (i % 7) as f64 * 0.1,
        _ => 0.5,
    });
    let mut trainer = Trainer::new(model(), folder).unwrap();
    let flag = Arc::new(AtomicBool::new(false));
    trainer.add_loss(ResidualLoss::new(Decay, Collocation::Points(points)).batch_size(600), 1.0);
    trainer.add_loss(Interrupting { calls: 0, at: calls, flag: Arc::clone(&flag) }, 1.0);
    let method = Optimizer::LevenbergMarquardt(LevenbergMarquardt::default());
    trainer.optimizer(method, 1.0).windows_in_turn().validate_every(5);
    trainer.resume("a recipe").interrupt_by(flag);
    let outcome = trainer.train(25);
    let mut copy = model();
    copy.network_mut().set_parameters(trainer.model().network().parameters());
    (copy, outcome)
}

#[test]
fn windows_are_trained_one_after_another_and_resumed_in_the_right_one() {
    let (whole, cut) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (expected, outcome) = train(whole.path(), u64::MAX);
    let outcome = outcome.unwrap();
    assert_eq!(outcome.iterations, 75);
    assert!(outcome.best_validation < 1e-5, "{outcome:?}");
    let exact = |t: f64, u0: f64| [u0 * (-t).exp(), 0.05 + u0 * (1.0 - (-t).exp())];
    for t in [0.0, 0.3, 0.5, 1.3, 2.0, 3.0] {
        let given = expected.predict(ndarray::array![[t, 0.5, 0.5]].view());
        for (g, e) in given.iter().zip(exact(t, 0.5)) {
            assert!((g - e).abs() < 3e-3, "{given} at {t}");
        }
    }
    let mut interruptions = 0;
    let resumed = loop {
        let (model, outcome) = train(cut.path(), 50);
        match outcome {
            Ok(outcome) => {
                assert_eq!(outcome.iterations, 75);
                break model;
            }
            Err(e) => assert_eq!(e.kind(), ErrorKind::Interrupted, "{e}"),
        }
        interruptions += 1;
    };
    assert!(interruptions >= 3, "{interruptions}");
    let numbers = |m: &Model| Vec::<f64>::try_from(m.network().parameters()).unwrap();
    assert!(numbers(&expected) == numbers(&resumed), "the resumed training has other weights");
    let rows = |folder: &Path| {
        let text = std::fs::read_to_string(folder.join("losses.csv")).unwrap();
        text.lines().map(|l| l.rsplit_once(',').unwrap().0.to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(rows(whole.path()), rows(cut.path()));
}

#[test]
fn a_window_without_data_is_found_before_it_is_trained() {
    let folder = tempfile::tempdir().unwrap();
    let mut trainer = Trainer::new(model(), folder.path()).unwrap();
    let early = inputs().slice(ndarray::s![..8, ..]).to_owned();
    let targets = Array2::zeros((8, 2));
    trainer.add_loss(DataLoss::new(Criterion::Mse, early, targets).named("early"), 1.0).windows_in_turn();
    let message = trainer.train(3).unwrap_err().to_string();
    assert!(message.contains("early") && message.contains("0.5 to 2"), "{message}");
}

/// The residual of a model in windows that are trained together has the gradient of finite differences.
#[test]
fn windows_are_trained_together_too() {
    let mut model = model();
    let cell_model = CellModel::from_name("fhn_cubic", &Default::default()).unwrap();
    let rates = CellModelRates::new(cell_model, StimulusSource::Constant(0.08));
    let points = inputs().slice(ndarray::s![1..55;3, ..]).to_owned() + 0.011;
    let mut loss = ResidualLoss::new(rates, Collocation::Points(points)).batch_size(100);
    loss.prepare(&model, 1).unwrap();
    let gradient = model.gradient(&loss.on_batch(&model, 0));
    let parameters = model.network().parameters().copy();
    let mut value_at = |i: i64, change: f64| {
        let changed = parameters.copy();
        let _ = changed.get(i).fill_(parameters.double_value(&[i]) + change);
        model.network_mut().set_parameters(&changed);
        loss.on_batch(&model, 0).double_value(&[])
    };
    let largest = gradient.abs().max().double_value(&[]);
    for i in (0..gradient.size()[0]).step_by(11) {
        let difference = (value_at(i, 1e-5) - value_at(i, -1e-5)) / 2e-5;
        let given = gradient.double_value(&[i]);
        assert!((given - difference).abs() < 1e-6 * largest, "{i}: {given} {difference}");
    }
}

const RECIPE: &str = r#"
seed = 2
[surrogate]
kind = "solution_map"
problem = "a"
horizon = "6 ms"
[network]
hidden = [["tanh", 10]]
form = "residual"
relaxation = "1 ms"
[windows]
count = 4
sequential = true
[training]
precision = "f64"
[[loss]]
kind = "residual"
points = 30
placement = "chebyshev"
[optimizer]
method = "levenberg_marquardt"
[stop]
iterations = 60
validate_every = 10
"#;

/// Kills the program at times that no one chose, and has it go on to the numbers of a run that nobody killed.
#[test]
fn a_killed_training_goes_on_to_the_same_numbers() {
    let folder = tempfile::tempdir().unwrap();
    let recipe = folder.path().join("recipe.toml");
    std::fs::write(&recipe, RECIPE).unwrap();
    let command = |out: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_emucell"));
        command.arg("train").arg(&recipe).arg("--out").arg(folder.path().join(out));
        command.env("OMP_NUM_THREADS", "1").stdout(Stdio::null()).stderr(Stdio::null());
        command
    };
    let start = std::time::Instant::now();
    assert!(command("whole").status().unwrap().success());
    let whole = start.elapsed();
    for part in [0.35, 0.2, 0.5, 0.3] {
        let mut child = command("killed").spawn().unwrap();
        std::thread::sleep(Duration::from_secs_f64(whole.as_secs_f64() * part));
        child.kill().unwrap();
        child.wait().unwrap();
    }
    assert!(command("killed").status().unwrap().success());
    let weights = |out: &str| std::fs::read(folder.path().join(out).join("best_model.pth")).unwrap();
    assert!(weights("whole") == weights("killed"), "the killed training has other weights");
}

#[test]
fn recipes_that_contradict_themselves_are_refused() {
    use emucell::train::recipe::Recipe;
    Recipe::parse(RECIPE).unwrap().validate().unwrap();
    for (from, to, key, remedy) in [
        ("count = 4", "count = 4\nedges = [\"2 ms\"]", "windows.edges", "one of them"),
        ("count = 4", "", "windows.count", "edges"),
        ("count = 4", "count = 0", "windows", "1 to"),
        ("count = 4", "edges = [\"2 ms\", \"1 ms\"]", "windows.edges", "ascending"),
        ("count = 4", "edges = [\"6 ms\"]", "windows.edges", "horizon"),
        ("form = \"residual\"", "form = \"direct\"", "network.form", "residual"),
        (
            "relaxation = \"1 ms\"",
            "relaxation = \"1 ms\"\ntime_constants = [\"1 ms\"]",
            "time_constants",
            "remove",
        ),
        ("placement = \"chebyshev\"", "criterion = \"huber\"", "loss.criterion", "mse"),
        ("points = 30", "", "loss.placement", "points"),
        (
            "method = \"levenberg_marquardt\"",
            "method = \"levenberg_marquardt\"\nrate = 1e-3",
            "optimizer.rate",
            "remove",
        ),
        ("method = \"levenberg_marquardt\"", "method = \"lbfgs\"\nclip = 1.0", "optimizer.clip", "remove"),
        ("method = \"levenberg_marquardt\"", "method = \"adam\"\ndecay = 0.1", "optimizer.decay", "remove"),
        ("[stop]", "[schedule]\nkind = \"constant\"\n[stop]", "", ""),
        (
            "[stop]",
            "[schedule]\nkind = \"plateau\"\nfactor = 0.5\npatience = 2\n[stop]",
            "schedule",
            "remove",
        ),
        ("precision = \"f64\"", "precision = \"f16\"", "precision", "f32"),
        ("[[loss]]", "[[loss]]\nkind = \"initial_condition\"\n[[loss]]", "loss.kind", "remove"),
    ] {
        let text = RECIPE.replacen(from, to, 1);
        assert_ne!(text, RECIPE);
        let result = Recipe::parse(&text).and_then(|recipe| recipe.validate());
        if key.is_empty() {
            result.unwrap();
            continue;
        }
        let message = result.expect_err(&text).to_string();
        assert!(message.contains(key) && message.contains(remedy), "{to}: {message}");
    }
}
