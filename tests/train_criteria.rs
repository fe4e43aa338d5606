//! Criteria and losses of one's own: definitions, gradients, units, names.
#![cfg(feature = "train")]

use std::cell::Cell;
use std::rc::Rc;

use emucell::Activation;
use emucell::train::{
    Adam, Collocation, Criterion, CustomLoss, DataLoss, Form, FullyConnected, Loss, Model, Optimizer, Rates,
    ResidualLoss, Scaling, Trainer,
};
use ndarray::{Array1, Array2, ArrayView1, Axis, array};
use tch::{Kind, Tensor};

/// Numbers spread over −1 … 1, the same in every run.
fn spread(rows: usize, columns: usize, seed: usize) -> Array2<f64> {
    Array2::from_shape_fn((rows, columns), |(i, j)| {
        ((i * 37 + j * 61 + seed * 17 + i * j * 7 + 11) % 97) as f64 / 48.0 - 1.0
    })
}

fn tensor(array: &Array2<f64>) -> Tensor {
    Tensor::from_slice(array.as_slice().unwrap()).view([array.nrows() as i64, array.ncols() as i64])
}

fn criteria() -> Vec<Criterion> {
    vec![
        Criterion::Mse,
        Criterion::Mae,
        Criterion::Huber { delta: 0.3 },
        Criterion::Rmse,
        Criterion::Lp { p: 1.5 },
        Criterion::Lp { p: 3.0 },
        Criterion::RelativeL2,
        Criterion::RelativeL2Squared,
        Criterion::KlDivergence,
        Criterion::CosineSimilarity,
    ]
}

fn norm(x: ArrayView1<f64>) -> f64 {
    x.dot(&x).sqrt()
}

fn softmax(x: ArrayView1<f64>) -> Array1<f64> {
    let powers = x.mapv(f64::exp);
    &powers / powers.sum()
}

/// The definitions once more, on arrays.
fn by_definition(criterion: &Criterion, p: &Array2<f64>, t: &Array2<f64>) -> f64 {
    let e = p - t;
    let rows = || p.axis_iter(Axis(0)).zip(t.axis_iter(Axis(0)));
    let total = |x: &Array2<f64>| x.iter().map(|x| x * x).sum::<f64>();
    match criterion {
        Criterion::Mse => e.mapv(|e| e * e).mean().unwrap(),
        Criterion::Mae => e.mapv(f64::abs).mean().unwrap(),
        Criterion::Huber { delta } => {
            let parabola = |e: f64| e * e / (2.0 * delta);
            e.mapv(|e| if e.abs() < *delta { parabola(e) } else { e.abs() - delta / 2.0 }).mean().unwrap()
        }
        Criterion::Rmse => e.axis_iter(Axis(0)).map(norm).sum::<f64>() / e.nrows() as f64,
        Criterion::Lp { p } => e.mapv(|e| e.abs().powf(*p)).mean().unwrap(),
        Criterion::RelativeL2 => (total(&e) / total(t)).sqrt(),
        Criterion::RelativeL2Squared => total(&e) / total(t),
        Criterion::KlDivergence => {
            let row = |(p, t)| {
                let (p, q) = (softmax(p), softmax(t));
                q.iter().zip(&p).map(|(q, p)| q * (q / p).ln()).sum::<f64>()
            };
            rows().map(row).sum::<f64>() / e.nrows() as f64
        }
        Criterion::CosineSimilarity => {
            let row = |(p, t): (ArrayView1<f64>, ArrayView1<f64>)| p.dot(&t) / (norm(p) * norm(t));
            1.0 - rows().map(row).sum::<f64>() / e.nrows() as f64
        }
        other => panic!("{other:?}"),
    }
}

fn gradient(criterion: &Criterion, prediction: &Array2<f64>, target: &Array2<f64>) -> Vec<f64> {
    let p = tensor(prediction).set_requires_grad(true);
    let value = criterion.evaluate(&p, &tensor(target));
    let gradient = Tensor::run_backward(&[value], &[&p], false, false).remove(0);
    Vec::try_from(gradient.view([-1])).unwrap()
}

#[test]
fn criteria_are_what_their_definitions_say_with_their_gradients() {
    let (p, t) = (spread(20, 3, 1) * 1.3, spread(20, 3, 5));
    for criterion in criteria() {
        let expected = by_definition(&criterion, &p, &t);
        let given = criterion.evaluate(&tensor(&p), &tensor(&t)).double_value(&[]);
        assert!((given - expected).abs() < 1e-12, "{criterion:?}: {given} instead of {expected}");
        let gradient = gradient(&criterion, &p, &t);
        for (i, given) in gradient.iter().enumerate() {
            let h = 1e-6;
            let at = |change: f64| {
                let mut changed = p.clone();
                changed.as_slice_mut().unwrap()[i] += change;
                by_definition(&criterion, &changed, &t)
            };
            let expected = (at(h) - at(-h)) / (2.0 * h);
            assert!((given - expected).abs() < 1e-8, "{criterion:?}, {i}: {given} instead of {expected}");
        }
    }
}

#[test]
fn exact_agreement_and_zeros_have_finite_gradients() {
    let (p, zeros) = (spread(20, 3, 1), Array2::zeros((20, 3)));
    let mut with_zero_rows = p.clone();
    with_zero_rows.slice_mut(ndarray::s![..5, ..]).fill(0.0);
    for criterion in criteria() {
        let value = criterion.evaluate(&tensor(&p), &tensor(&p)).double_value(&[]);
        assert!(value.abs() <= 1e-12, "{criterion:?} of what agrees is {value}");
        let largest = gradient(&criterion, &p, &p).iter().fold(0.0f64, |m, g| m.max(g.abs()));
        assert!(largest <= 1e-12, "{criterion:?}: a slope of {largest} where there is no error");
        for (a, b) in
            [(&p, &zeros), (&zeros, &p), (&zeros, &zeros), (&with_zero_rows, &p), (&p, &with_zero_rows)]
        {
            for kind in [Kind::Double, Kind::Float] {
                let leaf = tensor(a).to_kind(kind).set_requires_grad(true);
                let value = criterion.evaluate(&leaf, &tensor(b).to_kind(kind));
                let gradient = Tensor::run_backward(&[value], &[&leaf], false, false).remove(0);
                assert!(gradient.isfinite().all().int64_value(&[]) == 1, "{criterion:?}, {kind:?}");
            }
        }
    }
}

#[test]
fn names_are_those_of_recipes_and_of_the_papers_classes() {
    for (name, expected) in [
        ("mse", Criterion::Mse),
        ("MSELoss", Criterion::Mse),
        ("MAE", Criterion::Mae),
        ("RMSELoss", Criterion::Rmse),
        ("huber", Criterion::Huber { delta: 0.1 }),
        ("l3", Criterion::Lp { p: 3.0 }),
        ("l2.5", Criterion::Lp { p: 2.5 }),
        ("L2", Criterion::RelativeL2),
        ("relative_l2", Criterion::RelativeL2),
        ("L2_squared", Criterion::RelativeL2Squared),
        ("relative_l2_squared", Criterion::RelativeL2Squared),
        ("KLDivergenceLoss", Criterion::KlDivergence),
        ("kl_divergence", Criterion::KlDivergence),
        ("CosineSimilarityLoss", Criterion::CosineSimilarity),
        ("cosine_similarity", Criterion::CosineSimilarity),
    ] {
        assert_eq!(Criterion::from_name(name).unwrap(), expected, "{name}");
    }
    for criterion in criteria() {
        let named = Criterion::from_name(&criterion.name()).unwrap();
        assert_eq!(
            std::mem::discriminant(&named),
            std::mem::discriminant(&criterion),
            "{}",
            criterion.name()
        );
    }
    for (name, expected) in [
        ("l2", "two things"),
        ("LPthLoss", "without its exponent"),
        ("l0.5", "unknown criterion"),
        ("mean", "unknown criterion \"mean\""),
    ] {
        let message = Criterion::from_name(name).unwrap_err().to_string();
        assert!(message.contains(expected) && message.contains("mse") | message.contains("l3"), "{message}");
    }
}

/// A model of two inputs whose outputs, of unlike units, are the change from a state.
fn step_model() -> Model {
    let network = FullyConnected::on(2, 2, &[(Activation::Tanh, 8)], Kind::Double, tch::Device::Cpu).unwrap();
    let outputs = Scaling::new(vec![0.5, -2.0], vec![30.0, 0.01]).unwrap();
    Model::new(network, Scaling::identity(2), outputs, Form::Step { states: vec![0, 1] }).unwrap()
}

#[test]
fn data_losses_compare_errors_scaled_and_the_rest_in_the_units_of_the_data() {
    let model = step_model();
    let (x, y) = (spread(40, 2, 1), spread(40, 2, 9) * array![[50.0, 0.02]]);
    let raw = model.predict(x.view());
    let scaled = |y: &Array2<f64>| (y - &x - array![[0.5, -2.0]]) / array![[30.0, 0.01]];
    let closure = Criterion::custom("sum", |p, t| (p * 2.0 - t).sum(t.kind()));
    for criterion in criteria().into_iter().chain([closure]) {
        let expected = match &criterion {
            Criterion::Custom(_) => (&raw * 2.0 - &y).sum(),
            c @ (Criterion::RelativeL2
            | Criterion::RelativeL2Squared
            | Criterion::KlDivergence
            | Criterion::CosineSimilarity) => by_definition(c, &raw, &y),
            c => by_definition(c, &scaled(&raw), &scaled(&y)),
        };
        let mut loss = DataLoss::new(criterion.clone(), x.clone(), y.clone()).validation_fraction(0.0);
        loss.prepare(&model, 1).unwrap();
        let given = loss.on_validation(&model).unwrap().double_value(&[]);
        assert!((given - expected).abs() < 1e-9 * expected.abs(), "{criterion:?}: {given} for {expected}");
        // The whole table in one batch, in another order.
        let given = loss.on_batch(&model, 0).double_value(&[]);
        assert!((given - expected).abs() < 1e-9 * expected.abs(), "{criterion:?}: {given} for {expected}");
    }
}

#[test]
fn every_criterion_trains() {
    tch::set_num_threads(1);
    let x = spread(200, 2, 1);
    let y = Array2::from_shape_fn((200, 2), |(i, j)| (2.0 * x[[i, j]]).sin() + 0.3 * x[[i, 1 - j]]);
    let closure = Criterion::custom("fourth", |p, t| (p - t).square().square().mean(t.kind()));
    for criterion in criteria().into_iter().chain([closure]) {
        let folder = tempfile::tempdir().unwrap();
        let network = FullyConnected::new(2, 2, &[(Activation::Tanh, 16)]).unwrap();
        let mut trainer = Trainer::new(network, folder.path()).unwrap();
        let loss = DataLoss::new(criterion.clone(), x.clone(), y.clone()).batch_size(50);
        trainer.add_loss(loss, 1.0).optimizer(Optimizer::Adam(Adam::default()), 1e-2).validate_every(100);
        trainer.train(300).unwrap();
        let rows = std::fs::read_to_string(folder.path().join("losses.csv")).unwrap();
        let validation = |line: &str| line.split(',').nth(3).unwrap().parse::<f64>().unwrap();
        let (first, last) =
            (validation(rows.lines().nth(1).unwrap()), validation(rows.lines().last().unwrap()));
        assert!(last < 0.3 * first, "{criterion:?}: from {first} to {last}");
    }
}

struct Decay;

impl Rates for Decay {
    fn n_states(&self) -> usize {
        2
    }

    fn rates(&self, _: &Tensor, states: &Tensor) -> Tensor {
        -states
    }
}

#[test]
fn criteria_without_meaning_are_refused() {
    let model = step_model();
    let fault = |loss: &mut dyn Loss, model: &Model| loss.prepare(model, 1).unwrap_err().to_string();
    for criterion in criteria().into_iter().filter(Criterion::compares_raw) {
        let points = Collocation::Points(spread(10, 2, 1));
        let mut loss = ResidualLoss::new(Decay, points).criterion(criterion.clone());
        let message = fault(&mut loss, &model);
        assert!(message.contains(&criterion.name()) && message.contains("use mse"), "{message}");
    }
    let single: Model = FullyConnected::new(2, 1, &[]).unwrap().into();
    let mut loss = DataLoss::new(Criterion::KlDivergence, spread(9, 2, 1), spread(9, 1, 2));
    assert!(fault(&mut loss, &single).contains("kl_divergence of a single output"));
    let mut loss = DataLoss::new(Criterion::RelativeL2, spread(9, 2, 1), Array2::zeros((9, 2)));
    assert!(fault(&mut loss, &model).contains("all zero"));
    for (criterion, expected) in
        [(Criterion::Lp { p: 0.5 }, "exponent of 0.5"), (Criterion::Huber { delta: 0.0 }, "Huber delta of 0")]
    {
        let mut loss = DataLoss::new(criterion, spread(9, 2, 1), spread(9, 2, 2));
        assert!(fault(&mut loss, &model).contains(expected));
    }
}

#[test]
fn a_loss_of_ones_own_is_trained_and_validated() {
    tch::set_num_threads(1);
    let folder = tempfile::tempdir().unwrap();
    let network = FullyConnected::new(1, 1, &[(Activation::Tanh, 16)]).unwrap();
    let mut trainer = Trainer::new(network, folder.path()).unwrap();
    let x = Tensor::linspace(-1, 1, 50, (Kind::Float, tch::Device::Cpu)).view([-1, 1]);
    let target = x.square();
    let difference = move |model: &Model| (model.forward(&x) - &target).square().mean(Kind::Float);
    let held_out = |model: &Model| {
        let x = Tensor::from_slice(&[0.3f32, -0.7]).view([-1, 1]);
        (model.forward(&x) - x.square()).square().mean(Kind::Float)
    };
    let calls = Rc::new(Cell::new(0));
    let counted = calls.clone();
    let loss = CustomLoss::new("parabola", move |model, iteration| {
        counted.set(iteration);
        // A single number of any shape.
        difference(model).view([1, 1])
    });
    trainer.add_loss(loss.validation(held_out), 2.0);
    let small = CustomLoss::new("small", |model, _| {
        let leaves = model.network().leaves();
        leaves.iter().map(|leaf| leaf.square().sum(leaf.kind())).reduce(|a, b| a + b).unwrap()
    });
    trainer.add_loss(small, 1e-9).validate_every(100);
    let outcome = trainer.train(400).unwrap();
    assert_eq!(calls.get(), 399);
    let given = trainer.model().predict(array![[0.3], [-0.7]].view());
    let expected = 2.0 * ((given[[0, 0]] - 0.09).powi(2) + (given[[1, 0]] - 0.49).powi(2)) / 2.0;
    assert!(outcome.best_validation < 1e-2, "{outcome:?}");
    assert!((outcome.best_validation - expected).abs() < 1e-4 * expected, "{expected} {outcome:?}");

    let refused = |loss: CustomLoss| {
        let mut trainer = Trainer::new(FullyConnected::new(1, 1, &[]).unwrap(), folder.path()).unwrap();
        trainer.add_loss(loss, 1.0).train(1).unwrap_err().to_string()
    };
    let row = |model: &Model| model.forward(&Tensor::zeros([3, 1], tch::kind::FLOAT_CPU));
    let message = refused(CustomLoss::new("wide", move |model, _| row(model)));
    assert!(
        message.contains("[3, 1]") && message.contains("\"wide\"") && message.contains("mean"),
        "{message}"
    );
    let message = refused(CustomLoss::new("constant", move |model, _| row(model).detach().sum(Kind::Float)));
    assert!(message.contains("does not depend"), "{message}");
}
