//! Losses of unlike scale, balanced by the lengths of their gradients; random slopes; resumption.
#![cfg(feature = "train")]

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use emucell::train::recipe::{Options, Recipe, run};
use emucell::train::{
    Adam, Balance, Criterion, CustomLoss, DataLoss, FullyConnected, Lbfgs, Model, Optimizer, Schedule, Soap,
    Trainer,
};
use emucell::{Activation, ErrorKind};
use ndarray::Array2;
use tch::{Kind, Tensor};

/// The mean squared error from a function on one half of the interval: all parameters matter to both halves.
fn error(half: usize) -> impl Fn(&Model) -> Tensor {
    let x = Tensor::linspace(0, 1, 64, (Kind::Float, tch::Device::Cpu)).view([-1, 1]);
    let x = if half == 0 { -x } else { x };
    let y = if half == 0 { (&x * 3.0).sin() } else { x.square() };
    move |model| (model.forward(&x) - &y).square().mean(Kind::Float)
}

/// A trainer of both errors, one a million times larger, the other a million times smaller.
fn trainer(weights: [f64; 2], folder: &Path) -> Trainer {
    let network = FullyConnected::new(1, 1, &[(Activation::Tanh, 16)]).unwrap();
    let mut trainer = Trainer::new(network, folder).unwrap();
    for (i, (name, scale)) in [("large", 1e6), ("small", 1e-6)].into_iter().enumerate() {
        let (error, held_out) = (error(i), error(i));
        let loss = CustomLoss::new(name, move |model, _| error(model) * scale);
        trainer.add_loss(loss.validation(move |model| held_out(model) * scale), weights[i]);
    }
    trainer.optimizer(Optimizer::Adam(Adam::default()), 1e-2).schedule(Schedule::Constant).validate_every(50);
    trainer
}

/// Columns of `losses.csv` by name.
fn columns(folder: &Path, name: &str) -> Vec<f64> {
    let text = std::fs::read_to_string(folder.join("losses.csv")).unwrap();
    let position = text.lines().next().unwrap().split(',').position(|c| c.trim_matches('"') == name);
    let cell = |line: &str| line.split(',').nth(position.unwrap()).unwrap().parse().unwrap_or(f64::NAN);
    text.lines().skip(1).map(cell).collect()
}

#[test]
fn losses_of_unlike_scale_are_both_learned() {
    tch::set_num_threads(1);
    let folder = tempfile::tempdir().unwrap();
    let reached = |balance: Option<Balance>| {
        let mut trainer = trainer([1.0, 1.0], folder.path());
        balance.map(|balance| trainer.balance(balance));
        trainer.train(600).unwrap();
        [0, 1].map(|half| error(half)(trainer.model()).double_value(&[]))
    };
    let plain = reached(None);
    assert!(plain[0] < 1e-2 && plain[1] > 0.1, "{plain:?}");
    let balanced = reached(Some(Balance { every: 20, memory: 0.5 }));
    assert!(balanced[0] < 1e-2 && balanced[1] < 1e-2, "{balanced:?}");
    // Each loss relative to its first value: the sum begins at two.
    let validation = columns(folder.path(), "validation");
    assert!(validation[0] == 2.0 && validation.last().unwrap() < &0.05, "{validation:?}");
}

#[test]
fn weighted_gradients_are_as_long_as_the_weights_say() {
    tch::set_num_threads(1);
    let folder = tempfile::tempdir().unwrap();
    let mut trainer = trainer([1.0, 5.0], folder.path());
    let model = trainer.model();
    let lengths = [(0, 1e6), (1, 1e-6)].map(|(half, scale)| {
        let loss = error(half)(model) * scale;
        model.gradient(&loss).to_kind(Kind::Double).square().sum(Kind::Double).sqrt().double_value(&[])
    });
    // The only measurement is at the beginning.
    trainer.balance(Balance::default()).train(60).unwrap();
    let weights = ["large weight", "small weight"].map(|name| *columns(folder.path(), name).last().unwrap());
    let ratio = weights[1] * lengths[1] / (weights[0] * lengths[0]);
    assert!((ratio - 5.0).abs() < 1e-4, "{weights:?}, {lengths:?}: {ratio}");
}

/// Trains to `iterations` in runs that are cut off at each of `cuts`.
fn train_with_cuts(optimizer: Optimizer, cuts: &[u64], folder: &Path) -> Vec<f64> {
    let new = |cut: u64| {
        let random = Activation::RRelu { lower: 0.1, upper: 0.6 };
        let network = FullyConnected::new(2, 2, &[(random, 12), (Activation::Glu, 12)]).unwrap();
        let mut trainer = Trainer::new(network, folder).unwrap();
        let x = Array2::from_shape_fn((100, 2), |(i, j)| ((i * 37 + j * 61) % 101) as f64 / 50.0 - 1.0);
        let y = x.mapv(|x| (2.0 * x).sin());
        trainer.add_loss(DataLoss::new(Criterion::Mse, x, y).batch_size(25), 1.0);
        let flag = Arc::new(AtomicBool::new(false));
        let setter = Arc::clone(&flag);
        let small = CustomLoss::new("small weights", move |model, iteration| {
            setter.fetch_or(iteration == cut, Ordering::Relaxed);
            let leaves = model.network().leaves();
            leaves.iter().map(|leaf| leaf.square().sum(leaf.kind())).reduce(|a, b| a + b).unwrap()
        });
        trainer.add_loss(small, 1e-4).optimizer(optimizer, 3e-3).validate_every(50).resume("a recipe");
        trainer.balance(Balance { every: 30, memory: 0.8 }).interrupt_by(flag);
        trainer
    };
    for &cut in cuts {
        assert_eq!(new(cut).train(400).unwrap_err().kind(), ErrorKind::Interrupted);
    }
    let mut trainer = new(u64::MAX);
    trainer.train(400).unwrap();
    Vec::try_from(trainer.model().network().parameters().to_kind(Kind::Double)).unwrap()
}

#[test]
fn a_resumed_training_has_the_same_slopes_and_weights() {
    tch::set_num_threads(1);
    for optimizer in [Optimizer::Adam(Adam::default()), Optimizer::Soap(Soap::default())] {
        let [whole, cut] = [(); 2].map(|()| tempfile::tempdir().unwrap());
        let expected = train_with_cuts(optimizer, &[], whole.path());
        // In the middle between measurements, and at one.
        let resumed = train_with_cuts(optimizer, &[47, 89, 270], cut.path());
        assert!(expected == resumed, "the resumed training has other weights");
        for name in ["data", "small weights", "data weight", "small weights weight", "total", "validation"] {
            let of = |folder: &Path| format!("{:?}", columns(folder, name));
            assert_eq!(of(whole.path()), of(cut.path()), "{name}");
        }
        let weights = columns(whole.path(), "data weight");
        assert!(weights[0] == 1.0 && weights[2] != weights[8], "{weights:?}");
    }
}

#[test]
fn what_cannot_be_balanced_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let fault = |change: &dyn Fn(&mut Trainer)| {
        let mut trainer = trainer([1.0, 1.0], folder.path());
        change(&mut trainer);
        trainer.train(10).unwrap_err().to_string()
    };
    let set = |balance: Balance| fault(&move |t| _ = t.balance(balance));
    assert!(set(Balance { every: 0, ..Balance::default() }).contains("0 iterations"));
    assert!(set(Balance { memory: 1.0, ..Balance::default() }).contains("memory of 1"));
    let lbfgs = Optimizer::Lbfgs(Lbfgs::default());
    let message = fault(&move |t| _ = t.balance(Balance::default()).optimizer(lbfgs, 1.0));
    assert!(message.contains("a balance of the losses with L-BFGS"), "{message}");
    let network = FullyConnected::new(1, 1, &[]).unwrap();
    let mut single = Trainer::new(network, folder.path()).unwrap();
    let rows = || Array2::<f64>::ones((9, 1));
    single.add_loss(DataLoss::new(Criterion::Mse, rows(), rows()), 1.0).balance(Balance::default());
    assert!(single.train(1).unwrap_err().to_string().contains("balance between 1 losses"));
}

const PINN: &str = r#"
[surrogate]
kind = "solution_map"
problem = "a"
horizon = "1 ms"
[network]
hidden = [["GLU", 16], ["RReLU", 16]]
[[loss]]
kind = "residual"
batch = 64
[[loss]]
kind = "initial_condition"
criterion = "RMSELoss"
[balance]
every = 10
[stop]
iterations = 40
validate_every = 20
"#;

#[test]
fn a_recipe_balances_its_losses() {
    tch::set_num_threads(1);
    let folder = tempfile::tempdir().unwrap();
    let options = || Options {
        folder: folder.path().to_owned(),
        device: tch::Device::Cpu,
        n_threads: 1,
        force: true,
        interrupt: None,
        on_progress: None,
    };
    run(&Recipe::parse(PINN).unwrap(), options()).unwrap();
    let weights = columns(folder.path(), "residual weight");
    assert!(weights.len() == 3 && weights[0] == 1.0 && weights[1] != 1.0, "{weights:?}");

    for (from, to, wanted) in [
        ("every = 10", "evry = 10", &["`evry`", "`memory`"][..]),
        ("every = 10", "every = 0", &["\"balance\"", "0 iterations"]),
        ("every = 10", "memory = 1.0", &["\"balance\"", "memory of 1", "below 1"]),
        ("[balance]", "[optimizer]\nmethod = \"lbfgs\"\n[balance]", &["\"balance\"", "L-BFGS", "use Adam"]),
        ("kind = \"initial_condition\"", "kind = \"residual\"", &["two losses called \"residual\""]),
        (
            "kind = \"residual\"",
            "kind = \"residual\"\ncriterion = \"L2\"",
            &["relative_l2 of a residual", "loss.criterion"],
        ),
        (
            "kind = \"residual\"",
            "kind = \"residual\"\ncriterion = \"cosine\"",
            &["cosine_similarity of a residual"],
        ),
    ] {
        assert!(PINN.contains(from), "{from}");
        let recipe = Recipe::parse(&PINN.replacen(from, to, 1));
        let message = recipe.and_then(|recipe| recipe.validate()).unwrap_err().to_string();
        assert!(wanted.iter().all(|part| message.contains(part)) && !message.contains('\n'), "{message}");
    }
}
