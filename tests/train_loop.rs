//! The training loop: methods, resumption, early ends.
#![cfg(feature = "train")]

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use emucell::train::{
    Adam, Criterion, DataLoss, FullyConnected, InitialConditionLoss, Optimizer, Outcome, Schedule, Soap,
    Stop, Trainer,
};
use emucell::{Activation, ErrorKind};
use ndarray::Array2;

fn table(rows: usize) -> (Array2<f64>, Array2<f64>) {
    let x =
        Array2::from_shape_fn((rows, 2), |(i, j)| ((i * 37 + j * 61 + i * j * 7) % 101) as f64 / 50.0 - 1.0);
    let mut y = Array2::zeros((rows, 2));
    for (x, mut y) in x.rows().into_iter().zip(y.rows_mut()) {
        y[0] = (3.0 * x[0]).sin() * x[1];
        y[1] = x[0] * x[0] - 0.5 * x[1];
    }
    (x, y)
}

fn trainer(folder: &Path, optimizer: Optimizer, rate: f64) -> Trainer {
    let net = FullyConnected::new(2, 2, &[(Activation::Tanh, 16), (Activation::Tanh, 16)]).unwrap();
    let (x, y) = table(400);
    let mut trainer = Trainer::new(net, folder).unwrap();
    trainer.add_loss(DataLoss::new(Criterion::Mse, x, y).batch_size(64), 1.0);
    trainer.optimizer(optimizer, rate).validate_every(50);
    trainer
}

fn soap() -> Optimizer {
    Optimizer::Soap(Soap::default())
}

#[test]
fn soap_gets_further_than_adam_in_as_many_steps() {
    tch::set_num_threads(1);
    let reached = |optimizer, rate| {
        let folder = tempfile::tempdir().unwrap();
        let mut trainer = trainer(folder.path(), optimizer, rate);
        trainer.schedule(Schedule::Cosine { warm_up: 0.05, last: 0.01 });
        trainer.train(1500).unwrap().best_validation
    };
    let adam = reached(Optimizer::Adam(Adam::default()), 3e-3);
    let soap = reached(soap(), 3e-3);
    eprintln!("Adam {adam:.2e}, SOAP {soap:.2e}");
    assert!(adam < 5e-3, "{adam}");
    assert!(soap < 0.5 * adam, "SOAP {soap}, Adam {adam}");
}

/// Trains to `iterations` in runs that are cut off at each of `cuts`.
fn train_with_cuts(
    folder: &Path,
    optimizer: Optimizer,
    iterations: u64,
    cuts: &[u64],
) -> (Vec<f64>, Outcome) {
    let losses = |trainer: &mut Trainer| {
        let inputs = ndarray::array![[0.0, 0.0], [0.0, 0.5]];
        trainer.add_loss(
            InitialConditionLoss::new(Criterion::Huber { delta: 0.1 }, inputs.clone(), inputs),
            0.3,
        );
        trainer.schedule(Schedule::Plateau { factor: 0.5, patience: 1, least: 0.1 });
        trainer.clip_gradient(0.5).resume("a recipe");
    };
    for &cut in cuts {
        let mut trainer = trainer(folder, optimizer, 3e-3);
        losses(&mut trainer);
        let flag = Arc::new(AtomicBool::new(false));
        let setter = Arc::clone(&flag);
        // The loss of the iteration at which the user interrupts.
        trainer.add_loss(Interrupting { at: cut, flag: setter }, 1e-9);
        trainer.interrupt_by(flag);
        let error = trainer.train(iterations).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Interrupted, "{error}");
    }
    let mut trainer = trainer(folder, optimizer, 3e-3);
    losses(&mut trainer);
    trainer.add_loss(Interrupting { at: u64::MAX, flag: Arc::default() }, 1e-9);
    let outcome = trainer.train(iterations).unwrap();
    (Vec::try_from(trainer.model().network().parameters().to_kind(tch::Kind::Double)).unwrap(), outcome)
}

/// A loss that is zero and sets a flag at an iteration.
struct Interrupting {
    at: u64,
    flag: Arc<AtomicBool>,
}

impl emucell::train::Loss for Interrupting {
    fn name(&self) -> &str {
        "zero"
    }

    fn prepare(&mut self, _: &emucell::train::Model, _: u64) -> emucell::Result<()> {
        Ok(())
    }

    fn on_batch(&mut self, model: &emucell::train::Model, iteration: u64) -> tch::Tensor {
        if iteration == self.at {
            self.flag.store(true, Ordering::Relaxed);
        }
        model.forward(&tch::Tensor::zeros([1, 2], tch::kind::FLOAT_CPU)).sum(tch::Kind::Float) * 0.0
    }

    fn on_validation(&self, _: &emucell::train::Model) -> Option<tch::Tensor> {
        None
    }
}

#[test]
fn an_interrupted_training_resumes_to_the_same_numbers() {
    tch::set_num_threads(1);
    for optimizer in [soap(), Optimizer::Adam(Adam { decay: 0.1, ..Adam::default() })] {
        let whole = tempfile::tempdir().unwrap();
        let cut = tempfile::tempdir().unwrap();
        let (expected, outcome) = train_with_cuts(whole.path(), optimizer, 430, &[]);
        let (resumed, resumed_outcome) = train_with_cuts(cut.path(), optimizer, 430, &[37, 250]);
        assert!(expected == resumed, "the resumed training has other weights");
        assert_eq!(outcome.best_validation, resumed_outcome.best_validation);
        assert_eq!(outcome.best_iteration, resumed_outcome.best_iteration);
        let losses = |folder: &Path| {
            let text = std::fs::read_to_string(folder.join("losses.csv")).unwrap();
            // All but the seconds.
            text.lines().map(|l| l.rsplit_once(',').unwrap().0.to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(losses(whole.path()), losses(cut.path()));
        assert!(
            whole.path().join("best_model.pth").exists() && whole.path().join("model_stats.txt").exists()
        );

        // What is finished is not done again, and another recipe does not go on from it.
        let (again, outcome) = train_with_cuts(cut.path(), optimizer, 430, &[]);
        assert!(again == expected);
        assert!(outcome.was_finished);
        let mut other = trainer(cut.path(), optimizer, 3e-3);
        let message = other.resume("another recipe").train(430).unwrap_err().to_string();
        assert!(message.contains("another recipe") && message.contains("--force"), "{message}");
    }
}

#[test]
fn a_loss_that_is_not_finite_ends_training_with_the_best_weights() {
    let folder = tempfile::tempdir().unwrap();
    let mut trainer = trainer(folder.path(), Optimizer::Adam(Adam::default()), 1e4);
    let (x, y) = table(400);
    trainer.add_loss(DataLoss::new(Criterion::Lp { p: 40.0 }, x, y * 3.0).named("steep"), 1.0);
    let error = trainer.train(5000).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Numeric);
    let message = error.to_string();
    assert!(message.contains("\"steep\" became") && message.contains("at iteration"), "{message}");
    let weights = trainer.model().network().parameters();
    assert!(weights.isfinite().all().int64_value(&[]) == 1);
    assert!(folder.path().join("best_model.pth").exists());
}

#[test]
fn training_ends_when_validation_improves_no_more_or_time_is_up() {
    let folder = tempfile::tempdir().unwrap();
    let mut impatient = trainer(folder.path(), soap(), 1e-12);
    impatient.stop(Stop { patience: Some(3), tolerance: 0.5, ..Stop::default() });
    let outcome = impatient.train(100_000).unwrap();
    assert!(outcome.reason.contains("no improvement in 3"), "{}", outcome.reason);
    assert_eq!(outcome.iterations, 150);

    let mut hurried = trainer(folder.path(), soap(), 1e-3);
    hurried.stop(Stop { seconds: Some(0.3), ..Stop::default() });
    let outcome = hurried.train(100_000_000).unwrap();
    assert!(outcome.reason.contains("time limit") && outcome.seconds < 3.0, "{outcome:?}");
}

#[test]
fn settings_that_make_no_sense_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let fails = |change: &dyn Fn(&mut Trainer)| {
        let mut trainer = trainer(folder.path(), soap(), 1e-3);
        change(&mut trainer);
        trainer.train(10).unwrap_err().to_string()
    };
    assert!(
        fails(&|t| {
            t.optimizer(soap(), -1.0);
        })
        .contains("learning rate")
    );
    assert!(
        fails(&|t| {
            t.optimizer(Optimizer::Soap(Soap { beta1: 1.0, ..Soap::default() }), 1.0);
        })
        .contains("decay")
    );
    assert!(
        fails(&|t| {
            t.validate_every(0);
        })
        .contains("validations")
    );
    let wrong = |x, y| DataLoss::new(Criterion::Mse, x, y).named("second");
    let data = |rows, columns| Array2::<f64>::zeros((rows, columns));
    let message = fails(&|t| {
        t.add_loss(wrong(data(9, 3), data(9, 2)), 1.0);
    });
    assert!(
        message.contains("second") && message.contains("[9, 3]") || message.contains("(9, 3)"),
        "{message}"
    );
    assert!(
        fails(&|t| {
            t.add_loss(wrong(data(9, 2) / 0.0, data(9, 2)), 1.0);
        })
        .contains("finite")
    );
}
