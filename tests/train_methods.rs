//! L-BFGS, AdamW and Levenberg–Marquardt against PyTorch's methods and against numbers found otherwise.
#![cfg(feature = "train")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use emucell::cell_model::CellModel;
use emucell::train::{
    Adam, CellModelRates, Collocation, Criterion, DataLoss, FullyConnected, Lbfgs, LevenbergMarquardt, Loss,
    Model, Optimizer, ResidualLoss, Schedule, StimulusSource, Trainer,
};
use emucell::{Activation, ErrorKind};
use ndarray::Array2;
use tch::{Device, Kind, Tensor};

const ROWS: usize = 60;

fn table() -> (Array2<f64>, Array2<f64>) {
    let x =
        Array2::from_shape_fn((ROWS, 2), |(i, j)| ((i * 37 + j * 61 + i * j * 7) % 101) as f64 / 50.0 - 1.0);
    let mut y = Array2::zeros((ROWS, 2));
    for (x, mut y) in x.rows().into_iter().zip(y.rows_mut()) {
        y[0] = (3.0 * x[0]).sin() * x[1];
        y[1] = x[0] * x[0] - 0.5 * x[1];
    }
    (x, y)
}

fn network() -> FullyConnected {
    let hidden = [(Activation::Tanh, 8), (Activation::Tanh, 8)];
    let mut network = FullyConnected::on(2, 2, &hidden, Kind::Double, Device::Cpu).unwrap();
    network.initialise(4);
    network
}

fn all_rows(criterion: Criterion) -> DataLoss {
    let (x, y) = table();
    DataLoss::new(criterion, x, y).batch_size(ROWS).validation_fraction(0.0)
}

fn trainer(folder: &Path, optimizer: Optimizer) -> Trainer {
    tch::set_num_threads(1);
    let mut trainer = Trainer::new(network(), folder).unwrap();
    trainer.optimizer(optimizer, 1e-2).validate_every(1);
    trainer
}

fn numbers(tensor: &Tensor) -> Vec<f64> {
    Vec::try_from(tensor.detach().to_kind(Kind::Double).contiguous().view([-1])).unwrap()
}

fn levenberg_marquardt() -> Optimizer {
    Optimizer::LevenbergMarquardt(LevenbergMarquardt::default())
}

fn lbfgs() -> Optimizer {
    Optimizer::Lbfgs(Lbfgs::default())
}

/// The column of `losses.csv` under `name`.
fn column(folder: &Path, name: &str) -> Vec<f64> {
    let text = std::fs::read_to_string(folder.join("losses.csv")).unwrap();
    let mut lines = text.lines();
    let index = lines.next().unwrap().split(',').position(|n| n == name).unwrap();
    lines.map(|l| l.split(',').nth(index).unwrap().parse().unwrap_or(f64::NAN)).collect()
}

/// The interpreter with PyTorch that `make setup` links into the checkout.
fn python() -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(".python/bin/python");
    if path.exists() {
        return Some(path);
    }
    assert!(std::env::var_os("CI").is_none(), "{} is missing: run make setup", path.display());
    eprintln!("skipped: {} is missing; run make setup", path.display());
    None
}

/// Losses before and after each of `steps` steps of PyTorch's own method from the same weights.
fn in_pytorch(python: &Path, method: &str, steps: usize) -> Vec<f64> {
    let network = network();
    let (x, y) = table();
    let numbers = serde_json::json!({
        "parameters": numbers(network.parameters()), "method": method, "steps": steps, "width": 8,
        "x": x.iter().collect::<Vec<_>>(), "y": y.iter().collect::<Vec<_>>(),
    });
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/optimizers.py");
    let output = Command::new(python).arg(script).arg(numbers.to_string()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().split_whitespace().map(|y| y.parse().unwrap()).collect()
}

#[test]
fn adamw_takes_pytorchs_steps() {
    let Some(python) = python() else { return };
    let folder = tempfile::tempdir().unwrap();
    let mut trainer = trainer(folder.path(), Optimizer::Adam(Adam { decay: 0.3, ..Adam::default() }));
    trainer.add_loss(all_rows(Criterion::Mse), 1.0);
    trainer.train(100).unwrap();
    let (given, expected) = (column(folder.path(), "validation"), in_pytorch(&python, "adamw", 100));
    assert_eq!(given.len(), expected.len());
    for (i, (g, e)) in given.iter().zip(&expected).enumerate() {
        assert!((g - e).abs() < 1e-8 * e, "step {i}: {g} instead of {e}");
    }
}

#[test]
fn lbfgs_gets_as_far_as_pytorchs() {
    let Some(python) = python() else { return };
    let folder = tempfile::tempdir().unwrap();
    let mut trainer = trainer(folder.path(), Optimizer::Lbfgs(Lbfgs { history: 10 }));
    trainer.add_loss(all_rows(Criterion::Mse), 1.0);
    trainer.train(200).unwrap();
    let (given, expected) = (column(folder.path(), "validation"), in_pytorch(&python, "lbfgs", 200));
    // The same directions and, where the first trial is good enough, the same steps.
    for (i, (g, e)) in given.iter().zip(&expected).take(5).enumerate() {
        assert!((g - e).abs() < 1e-6 * e, "step {i}: {g} instead of {e}");
    }
    let (g, e) = (given[200], expected[200]);
    eprintln!("L-BFGS after 200 steps: {g:.3e}, PyTorch's {e:.3e}");
    assert!(g < 2.0 * e && g < 1e-3 * given[0], "{g} instead of {e}");
}

#[test]
fn levenberg_marquardt_solves_a_linear_problem_in_few_steps() {
    // A network without hidden layers is linear least squares: the minimum is known.
    let folder = tempfile::tempdir().unwrap();
    let mut linear = FullyConnected::on(2, 2, &[], Kind::Double, Device::Cpu).unwrap();
    linear.initialise(1);
    let mut trainer = Trainer::new(linear, folder.path()).unwrap();
    trainer.optimizer(levenberg_marquardt(), 1.0).validate_every(1);
    trainer.add_loss(all_rows(Criterion::Mse), 0.7);
    let outcome = trainer.train(60).unwrap();
    let (x, y) = table();
    let tensor = |a: &Array2<f64>| Tensor::from_slice(a.as_slice().unwrap()).view([ROWS as i64, 2]);
    let ones = Tensor::ones([ROWS as i64, 1], (Kind::Double, Device::Cpu));
    let (solution, _, _, _) =
        Tensor::cat(&[tensor(&x), ones.shallow_clone()], 1).linalg_lstsq(&tensor(&y), None, "gelsd");
    let expected =
        [numbers(&solution.narrow(0, 0, 2).tr().contiguous()), numbers(&solution.select(0, 2))].concat();
    for (g, e) in numbers(trainer.model().network().parameters()).iter().zip(&expected) {
        assert!((g - e).abs() < 1e-7, "{g} instead of {e}");
    }
    assert!(outcome.reason.contains("finds nothing better"), "{}", outcome.reason);
}

#[test]
fn levenberg_marquardt_takes_the_steps_of_an_independent_implementation() {
    let Some(python) = python() else { return };
    let folder = tempfile::tempdir().unwrap();
    let mut trainer = trainer(folder.path(), levenberg_marquardt());
    trainer.add_loss(all_rows(Criterion::Mse), 1.0);
    trainer.train(12).unwrap();
    let (given, expected) =
        (column(folder.path(), "validation"), in_pytorch(&python, "levenberg_marquardt", 12));
    for (i, (g, e)) in given.iter().zip(&expected).enumerate() {
        assert!((g - e).abs() < 1e-5 * e, "step {i}: {g} instead of {e}");
    }
    assert!(given[12] < 1e-2 * given[0], "{given:?}");
}

fn residual() -> ResidualLoss<CellModelRates> {
    let points = Array2::from_shape_fn((20, 2), |(i, j)| match j {
        0 => i as f64 / 4.0,
        _ => (i % 3) as f64 * 0.1,
    });
    let model = CellModel::from_name("fhn_cubic", &Default::default()).unwrap();
    let stimulus = StimulusSource::Input { column: 1, factor: 1.0, offset: 0.02 };
    ResidualLoss::new(CellModelRates::new(model, stimulus), Collocation::Points(points)).batch_size(20)
}

#[test]
fn residuals_of_all_losses_have_the_loss_as_their_mean_square() {
    let model: Model = network().into();
    let losses: [Box<dyn Loss>; 2] = [Box::new(all_rows(Criterion::Mse)), Box::new(residual())];
    for mut loss in losses {
        loss.prepare(&model, 3).unwrap();
        assert!(loss.is_fixed());
        let residuals = loss.residuals(&model, 0).unwrap();
        let mean = residuals.square().mean(Kind::Double).double_value(&[]);
        let expected = loss.on_batch(&model, 0).double_value(&[]);
        assert!((mean - expected).abs() < 1e-14 * expected, "{mean} {expected}");
    }
}

#[test]
fn levenberg_marquardt_and_lbfgs_train_on_residuals_beside_data() {
    for optimizer in [levenberg_marquardt(), lbfgs()] {
        let folder = tempfile::tempdir().unwrap();
        let mut trainer = trainer(folder.path(), optimizer);
        trainer.add_loss(residual(), 0.3).add_loss(all_rows(Criterion::Mse).named("second"), 1.0);
        trainer.train(40).unwrap();
        let reached = column(folder.path(), "validation");
        assert!(reached[40] < 0.2 * reached[0], "{optimizer:?}: {} to {}", reached[0], reached[40]);
        assert!(reached.windows(2).all(|w| w[1] <= w[0] * (1.0 + 1e-12)), "{optimizer:?} rises: {reached:?}");
    }
}

/// A loss that is zero until an iteration, and there sets a flag or becomes NaN.
struct Event {
    at: u64,
    flag: Arc<AtomicBool>,
    value: f64,
}

impl Loss for Event {
    fn name(&self) -> &str {
        "event"
    }

    fn prepare(&mut self, _: &Model, _: u64) -> emucell::Result<()> {
        Ok(())
    }

    fn on_batch(&mut self, model: &Model, iteration: u64) -> Tensor {
        self.residuals(model, iteration).unwrap().square().mean(Kind::Double)
    }

    fn residuals(&mut self, model: &Model, iteration: u64) -> Option<Tensor> {
        let value = if iteration >= self.at { self.value } else { 0.0 };
        if iteration >= self.at {
            self.flag.store(true, Ordering::Relaxed);
        }
        Some(model.forward(&Tensor::zeros([1, 2], tch::kind::DOUBLE_CPU)) * value)
    }

    fn is_fixed(&self) -> bool {
        true
    }

    fn on_validation(&self, _: &Model) -> Option<Tensor> {
        None
    }
}

#[test]
fn interrupted_trainings_resume_to_the_same_numbers() {
    for optimizer in [levenberg_marquardt(), lbfgs()] {
        let train = |folder: &Path, at: u64| {
            let mut trainer = trainer(folder, optimizer);
            let flag = Arc::new(AtomicBool::new(false));
            trainer.add_loss(all_rows(Criterion::Mse), 1.0).add_loss(residual(), 0.1);
            trainer.add_loss(Event { at, flag: Arc::clone(&flag), value: 0.0 }, 1.0);
            trainer.resume("a recipe").interrupt_by(flag);
            let outcome = trainer.train(40);
            (numbers(trainer.model().network().parameters()), outcome)
        };
        let (whole, cut) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (expected, outcome) = train(whole.path(), u64::MAX);
        outcome.unwrap();
        for at in [7, 8, 25] {
            assert_eq!(train(cut.path(), at).1.unwrap_err().kind(), ErrorKind::Interrupted);
        }
        let (resumed, outcome) = train(cut.path(), u64::MAX);
        outcome.unwrap();
        assert!(expected == resumed, "{optimizer:?}: the resumed training has other weights");
        // The first row has no losses yet.
        assert_eq!(column(whole.path(), "total")[1..], column(cut.path(), "total")[1..]);
    }
}

#[test]
fn a_loss_that_is_not_finite_ends_training_with_the_best_weights() {
    // L-BFGS knows the objective already where it begins an iteration, but for the first one.
    for (optimizer, at) in [(levenberg_marquardt(), 9), (lbfgs(), 0)] {
        let folder = tempfile::tempdir().unwrap();
        let mut trainer = trainer(folder.path(), optimizer);
        trainer.add_loss(all_rows(Criterion::Mse), 1.0);
        trainer.add_loss(Event { at, flag: Arc::default(), value: f64::NAN }, 1.0);
        let error = trainer.train(50).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Numeric);
        let message = error.to_string();
        assert!(
            message.contains(&format!("\"event\" became NaN at iteration {at}")),
            "{optimizer:?}: {message}"
        );
        let reached = column(folder.path(), "validation");
        assert_eq!(reached.len() as u64, at + 1);
        assert!(at == 0 || reached[at as usize] < 0.5 * reached[0], "{reached:?}");
        let weights = trainer.model().network().parameters();
        assert!(weights.isfinite().all().int64_value(&[]) == 1);
    }
}

#[test]
fn what_a_method_cannot_do_is_refused_before_training() {
    let refusal = |optimizer, change: &dyn Fn(&mut Trainer)| {
        let folder = tempfile::tempdir().unwrap();
        let mut trainer = trainer(folder.path(), optimizer);
        change(&mut trainer);
        let error = trainer.train(5).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
        error.to_string()
    };
    let message = refusal(levenberg_marquardt(), &|t| {
        t.add_loss(all_rows(Criterion::Huber { delta: 0.1 }).named("robust"), 1.0);
    });
    assert!(message.contains("robust") && message.contains("mse"), "{message}");
    let message = refusal(lbfgs(), &|t| {
        t.add_loss(all_rows(Criterion::Huber { delta: 0.1 }).batch_size(20).named("some"), 1.0);
    });
    assert!(message.contains("some") && message.contains("batch"), "{message}");
    for optimizer in [levenberg_marquardt(), lbfgs()] {
        let message = refusal(optimizer, &|t| {
            t.add_loss(all_rows(Criterion::Mse), 1.0).clip_gradient(1.0);
        });
        assert!(message.contains("clip"), "{message}");
        let message = refusal(optimizer, &|t| {
            t.add_loss(all_rows(Criterion::Mse), 1.0).schedule(Schedule::Cosine { warm_up: 0.0, last: 0.0 });
        });
        assert!(message.contains("schedule"), "{message}");
    }
    let large = |t: &mut Trainer| {
        let (x, y) = table();
        let network = FullyConnected::new(2, 2, &[(Activation::Tanh, 256), (Activation::Tanh, 256)]).unwrap();
        *t = Trainer::new(network, tempfile::tempdir().unwrap().path()).unwrap();
        t.optimizer(levenberg_marquardt(), 1.0).add_loss(DataLoss::new(Criterion::Mse, x, y), 1.0);
    };
    assert!(refusal(levenberg_marquardt(), &large).contains("parameters"));
}
