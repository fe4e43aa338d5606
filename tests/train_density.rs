//! Adaptive point density: by errors in training, and near the threshold in the data.
#![cfg(feature = "train")]

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use emucell::format::onnx;
use emucell::train::recipe::{Options, Recipe, Trained, run};
use emucell::train::{
    Adam, Adaptive, CellModelRates, Collocation, Criterion, DataLoss, FullyConnected, Loss, Model, Optimizer,
    ResidualLoss, StimulusSource, Trainer,
};
use emucell::{Activation, ErrorKind, Result};
use ndarray::Array2;

const EVERY_20: Adaptive = Adaptive { every: 20, exponent: 1.0, floor: 0.2, pool: 300 };

fn rows() -> (Array2<f64>, Array2<f64>) {
    let x = Array2::from_shape_fn((300, 2), |(i, j)| ((i * 37 + j * 61 + i * j * 7) % 101) as f64 / 100.0);
    // A step that few rows see.
    let y = Array2::from_shape_fn((300, 2), |(i, j)| 0.1 * x[[i, j]] + f64::from(u8::from(x[[i, 0]] > 0.95)));
    (x, y)
}

/// Sets a flag at an iteration, and is 0 otherwise.
struct Interrupting {
    at: u64,
    flag: Arc<AtomicBool>,
}

impl Loss for Interrupting {
    fn name(&self) -> &str {
        "zero"
    }

    fn prepare(&mut self, _: &Model, _: u64) -> Result<()> {
        Ok(())
    }

    fn on_batch(&mut self, model: &Model, iteration: u64) -> tch::Tensor {
        if iteration == self.at {
            self.flag.store(true, Ordering::Relaxed);
        }
        model.forward(&tch::Tensor::zeros([1, 2], tch::kind::FLOAT_CPU)).sum(tch::Kind::Float) * 0.0
    }

    fn on_validation(&self, _: &Model) -> Option<tch::Tensor> {
        None
    }
}

/// Trains on data and a residual, both with an adaptive density, cut off at each of `cuts`.
fn parameters_after(folder: &Path, adaptive: Option<Adaptive>, cuts: &[u64]) -> Vec<f64> {
    tch::set_num_threads(1);
    let trainer = |at, flag: Arc<AtomicBool>| {
        let net = FullyConnected::new(2, 2, &[(Activation::Tanh, 12)]).unwrap();
        let mut trainer = Trainer::new(net, folder).unwrap();
        let (x, y) = rows();
        let mut data = DataLoss::new(Criterion::Mse, x, y).batch_size(32);
        let rates =
            CellModelRates::new(emucell::cell_model::CellModel::fhn_cubic(), StimulusSource::Constant(0.1));
        let ranges = vec![[0.0, 5.0], [0.0, 1.0]];
        let mut residual = ResidualLoss::new(rates, Collocation::Uniform(ranges)).batch_size(32);
        if let Some(adaptive) = adaptive {
            (data, residual) = (data.adaptive(adaptive), residual.adaptive(adaptive));
        }
        trainer.add_loss(data, 1.0);
        trainer.add_loss(residual, 0.01);
        trainer.add_loss(Interrupting { at, flag: flag.clone() }, 1e-9);
        trainer.optimizer(Optimizer::Adam(Adam::default()), 3e-3).validate_every(50);
        trainer.resume("a recipe").interrupt_by(flag);
        trainer
    };
    for &cut in cuts {
        let error = trainer(cut, Arc::default()).train(130).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Interrupted, "{error}");
    }
    let mut last = trainer(u64::MAX, Arc::default());
    last.train(130).unwrap();
    Vec::try_from(last.model().network().parameters().to_kind(tch::Kind::Double)).unwrap()
}

#[test]
fn a_training_with_adaptive_density_resumes_to_the_same_numbers() {
    let folders: Vec<_> = (0..4).map(|_| tempfile::tempdir().unwrap()).collect();
    let whole = parameters_after(folders[0].path(), Some(EVERY_20), &[]);
    // Between measurements, just before one, and long after the last.
    let resumed = parameters_after(folders[1].path(), Some(EVERY_20), &[33, 59, 119]);
    assert!(whole == resumed, "the resumed training has other weights");
    assert!(whole == parameters_after(folders[2].path(), Some(EVERY_20), &[]));
    assert!(whole != parameters_after(folders[3].path(), None, &[]));
}

#[test]
fn rows_of_large_error_are_seen_more_often() {
    let (x, y) = rows();
    let model: Model = FullyConnected::new(2, 2, &[(Activation::Tanh, 12)]).unwrap().into();
    let predicted = model.predict(x.view());
    let squares = |i: usize| (0..2).map(|j| (predicted[[i, j]] - y[[i, j]]).powi(2)).sum::<f64>() / 2.0;
    let errors = |i: usize| (0..2).map(|j| (predicted[[i, j]] - y[[i, j]]).abs()).sum::<f64>() / 2.0;
    let mean_error = (0..300).map(errors).sum::<f64>() / 300.0;
    let weights: Vec<f64> = (0..300).map(|i| errors(i) / mean_error + 0.2).collect();
    let total: f64 = weights.iter().sum();
    let expected = (0..300).map(|i| weights[i] * squares(i)).sum::<f64>() / total;
    let uniform = (0..300).map(squares).sum::<f64>() / 300.0;

    let mut loss =
        DataLoss::new(Criterion::Mse, x, y).validation_fraction(0.0).batch_size(150).adaptive(EVERY_20);
    loss.prepare(&model, 1).unwrap();
    let mut mean = |range: std::ops::Range<u64>| {
        let n = range.end - range.start;
        range.map(|i| loss.on_batch(&model, i).double_value(&[])).sum::<f64>() / n as f64
    };
    // Nothing is learnt here: the same network sees equal rows first, then those that are worst for it.
    let (before, after) = (mean(0..20), mean(20..420));
    assert!((before / uniform - 1.0).abs() < 0.01, "{before} {uniform}");
    assert!(
        (after / expected - 1.0).abs() < 0.02 && expected > 1.2 * uniform,
        "{after} {expected} {uniform}"
    );
}

#[test]
fn collocation_points_follow_the_residual() {
    let rates =
        || CellModelRates::new(emucell::cell_model::CellModel::fhn_cubic(), StimulusSource::Constant(0.1));
    let model: Model = FullyConnected::new(2, 2, &[(Activation::Tanh, 12)]).unwrap().into();
    let ranges = vec![[0.0, 5.0], [0.0, 1.0]];
    let mean = |adaptive: Option<Adaptive>| {
        let mut loss = ResidualLoss::new(rates(), Collocation::Uniform(ranges.clone())).batch_size(200);
        if let Some(adaptive) = adaptive {
            loss = loss.adaptive(Adaptive { exponent: 4.0, pool: 2000, ..adaptive });
        }
        loss.prepare(&model, 1).unwrap();
        (20..60).map(|i| loss.on_batch(&model, i).double_value(&[])).sum::<f64>() / 40.0
    };
    let (uniform, adaptive) = (mean(None), mean(Some(EVERY_20)));
    assert!(adaptive > 1.2 * uniform, "{adaptive} {uniform}");
}

const RECIPE: &str = r#"
seed = 5
[surrogate]
kind = "solution_map"
problem = "b"
[data]
cells = 300
validation = 50
near_threshold = 0.5
[network]
hidden = [["tanh", 12]]
form = "residual"
many_times = 5
[[loss]]
kind = "data"
criterion = "huber"
batch = 64
adaptive = { every = 50, exponent = 2.0 }
[stop]
iterations = 120
[evaluation]
cells = 20
"#;

fn trained(text: &str, folder: &Path) -> Result<Trained> {
    tch::set_num_threads(1);
    let options = Options {
        folder: folder.to_owned(),
        device: tch::Device::Cpu,
        n_threads: 1,
        force: true,
        interrupt: None,
        on_progress: None,
    };
    run(&Recipe::parse(text)?, options)
}

#[test]
fn recipes_place_cells_near_the_threshold_and_rows_by_error() {
    let pointwise = RECIPE
        .replace("validation = 50", "validation = 50\ntimes = 4")
        .replace("many_times = 5", "relaxation = \"1 ms\"");
    for (recipe, rows) in [(RECIPE, 300), (pointwise.as_str(), 1200)] {
        let folder = tempfile::tempdir().unwrap();
        let result = trained(recipe, folder.path()).unwrap();
        let provenance = onnx::load(&result.surrogate).unwrap().provenance().clone();
        assert_eq!(provenance["data"]["training_rows"], rows);
        assert_eq!(provenance["data"]["generated"]["near_threshold"], 0.5);
        assert!(result.evaluation.unwrap().exact.mean_absolute.is_finite());
    }
}

#[test]
fn densities_that_make_no_sense_name_key_and_remedy() {
    let folder = tempfile::tempdir().unwrap();
    for (from, to, wanted) in [
        ("every = 50", "every = 0", &["loss.adaptive", "positive"][..]),
        ("exponent = 2.0", "exponent = -2.0", &["loss.adaptive", "power of -2"]),
        ("exponent = 2.0", "floor = 0.0", &["loss.adaptive", "floor of 0"]),
        ("exponent = 2.0", "pool = 10", &["loss.adaptive.pool", "remove"]),
        ("exponent = 2.0", "power = 2.0", &["power", "exponent"]),
        ("near_threshold = 0.5", "near_threshold = 1.0", &["data.near_threshold", "less than 1"]),
        ("near_threshold = 0.5", "near_threshold = nan", &["data.near_threshold"]),
        ("near_threshold = 0.5", "near_threshold = 0.998", &["data.near_threshold", "more cells"]),
    ] {
        assert!(RECIPE.contains(from), "{from}");
        let message = trained(&RECIPE.replacen(from, to, 1), folder.path()).unwrap_err().to_string();
        assert!(!message.contains('\n'), "{message}");
        for wanted in wanted {
            assert!(message.contains(wanted), "{to}: \"{wanted}\" is missing in: {message}");
        }
    }
}
