//! Networks and models: export, state dicts, the gradient of residuals.
#![cfg(feature = "train")]

use std::path::Path;
use std::process::Command;

use emucell::Activation;
use emucell::format::pth;
use emucell::train::{Collocation, Form, FullyConnected, Initial, Loss, Model, Rates, ResidualLoss, Scaling};
use ndarray::Array2;
use tch::{Device, Kind, Tensor};

/// Numbers spread over −1 … 1, the same in every run.
fn spread(rows: usize, columns: usize) -> Array2<f64> {
    Array2::from_shape_fn((rows, columns), |(i, j)| ((i * 37 + j * 61 + 11) % 97) as f64 / 48.0 - 1.0)
}

fn assert_program_is_the_model(model: &Model, inputs: &Array2<f64>, tolerance: f64) {
    let program = model.program().unwrap();
    let expected = model.predict(inputs.view());
    for (row, expected) in inputs.rows().into_iter().zip(expected.rows()) {
        let given = program.evaluate_reference(&row.to_vec());
        for (g, e) in given.iter().zip(expected) {
            assert!((g - e).abs() <= tolerance * e.abs().max(1.0), "{given:?} instead of {expected}");
        }
    }
}

#[test]
fn every_activation_is_exported_as_trained() {
    for activation in Activation::ALL {
        let mut network = FullyConnected::new(3, 2, &[(activation, 16), (activation, 8)]).unwrap();
        network.initialise(5);
        assert_program_is_the_model(&network.into(), &(spread(40, 3) * 3.0), 2e-6);
    }
    for activation in [
        Activation::LeakyRelu { slope: 0.2 },
        Activation::Elu { alpha: 0.5 },
        Activation::Celu { alpha: 1.7 },
        Activation::RRelu { lower: 0.3, upper: 0.5 },
    ] {
        let network = FullyConnected::new(3, 2, &[(activation, 16)]).unwrap();
        assert_program_is_the_model(&network.into(), &(spread(40, 3) * 3.0), 2e-6);
    }
}

#[test]
fn every_form_is_exported_as_trained() {
    let inputs = || Scaling::new(vec![10.0, 0.3, 0.1, 0.5], vec![10.0, 0.5, 0.06, 0.5]).unwrap();
    let outputs = || Scaling::new(vec![0.4, 0.1], vec![0.5, 0.06]).unwrap();
    let network = |n_inputs| {
        FullyConnected::new(n_inputs, 2, &[(Activation::Tanh, 16), (Activation::Silu, 8)]).unwrap()
    };
    let mut rows = spread(60, 4);
    for mut row in rows.rows_mut() {
        for j in 0..4 {
            row[j] = row[j] * inputs().scale()[j] + inputs().shift()[j];
        }
    }
    let solution = |states: Vec<usize>| {
        let states = states.into_iter().map(Initial::Column).collect();
        Form::Solution { time: 0, states, relaxation: 2.0 }
    };
    let fixed = vec![Initial::Fixed(0.3), Initial::Column(2)];
    for form in [
        Form::Direct,
        Form::Step { states: vec![1, 2] },
        // Columns that are not neighbours in order need more than one slice.
        Form::Step { states: vec![3, 1] },
        solution(vec![1, 2]),
        Form::Solution { time: 0, states: fixed, relaxation: 2.0 },
    ] {
        let model = Model::new(network(4), inputs(), outputs(), form.clone()).unwrap();
        assert_program_is_the_model(&model, &rows, 2e-6);
        let constants = [0.3, 1.0, 6.0];
        let model = Model::with_time_features(network(7), inputs(), outputs(), form, 0, &constants).unwrap();
        assert_program_is_the_model(&model, &rows, 2e-6);
    }
    let model = Model::new(network(4), inputs(), outputs(), solution(vec![1, 2])).unwrap();
    let at_start = model.predict(ndarray::array![[0.0, 0.7, 0.05, 1.0]].view());
    assert!((at_start[[0, 0]] - 0.7).abs() < 1e-7 && (at_start[[0, 1]] - 0.05).abs() < 1e-8, "{at_start}");
}

#[test]
fn models_that_do_not_fit_are_refused() {
    let network = || FullyConnected::new(3, 2, &[]).unwrap();
    let scaling = Scaling::identity;
    let step = |states| Form::Step { states };
    assert!(Model::new(network(), scaling(4), scaling(2), Form::Direct).is_err());
    assert!(Model::new(network(), scaling(3), scaling(2), step(vec![0])).is_err());
    assert!(Model::new(network(), scaling(3), scaling(2), step(vec![0, 3])).is_err());
    let states = vec![Initial::Column(1), Initial::Column(2)];
    let solution = Form::Solution { time: 0, states, relaxation: 0.0 };
    assert!(Model::new(network(), scaling(3), scaling(2), solution).is_err());
    assert!(FullyConnected::new(3, 2, &[(Activation::Tanh, 0)]).is_err());
    let odd = FullyConnected::new(3, 2, &[(Activation::Tanh, 7), (Activation::Glu, 7)]).unwrap_err();
    assert!(odd.to_string().contains("width 7 with glu") && odd.to_string().contains("even"), "{odd}");
    assert!(Scaling::new(vec![0.0], vec![0.0]).is_err());
}

/// The canonical FitzHugh–Nagumo equations, written out once more to test with.
struct Fhn;

impl Rates for Fhn {
    fn n_states(&self) -> usize {
        2
    }

    fn rates(&self, inputs: &Tensor, states: &Tensor) -> Tensor {
        let (u, w, current) = (states.narrow(1, 0, 1), states.narrow(1, 1, 1), inputs.narrow(1, 1, 1));
        let du = &u - u.pow_tensor_scalar(3) / 3.0 - &w + current;
        let dw = (&u + 0.7 - &w * 0.8) / 12.5;
        Tensor::cat(&[du, dw], 1)
    }
}

#[test]
fn the_residual_loss_has_the_gradient_of_finite_differences() {
    let elu = Activation::Elu { alpha: 0.7 };
    for activation in [Activation::Tanh, Activation::Silu, Activation::Gelu, Activation::Glu, elu] {
        let hidden = [(activation, 12), (activation, 12)];
        let network = FullyConnected::on(2, 2, &hidden, Kind::Double, Device::Cpu).unwrap();
        let mut model: Model = network.into();
        let mut loss = ResidualLoss::new(Fhn, Collocation::Points(spread(50, 2))).batch_size(50);
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
        for i in (0..gradient.size()[0]).step_by(7) {
            let h = 1e-5;
            let difference = (value_at(i, h) - value_at(i, -h)) / (2.0 * h);
            let given = gradient.double_value(&[i]);
            assert!(
                (given - difference).abs() < 1e-7 * largest.max(1.0),
                "{activation:?} {i}: {given} {difference}"
            );
        }
    }
}

#[test]
fn uniform_collocation_draws_the_same_points_for_the_same_iteration() {
    let model: Model = FullyConnected::new(2, 2, &[(Activation::Tanh, 8)]).unwrap().into();
    let new = |seed| {
        let ranges = vec![[0.0, 20.0], [0.0, 1.0]];
        let mut loss = ResidualLoss::new(Fhn, Collocation::Uniform(ranges)).batch_size(64);
        loss.prepare(&model, seed).unwrap();
        loss
    };
    let value = |loss: &mut ResidualLoss<Fhn>, i| loss.on_batch(&model, i).double_value(&[]);
    let (mut a, mut b, mut c) = (new(1), new(1), new(2));
    assert_eq!(value(&mut a, 7), value(&mut b, 7));
    assert_ne!(value(&mut a, 7), value(&mut a, 8));
    assert_ne!(value(&mut a, 7), value(&mut c, 7));
}

/// The interpreter with PyTorch that `make setup` links into the checkout.
fn python() -> Option<std::path::PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(".python/bin/python");
    if path.exists() {
        return Some(path);
    }
    assert!(std::env::var_os("CI").is_none(), "{} is missing: run make setup", path.display());
    eprintln!("skipped: {} is missing; run make setup", path.display());
    None
}

const READ_BACK: &str = r#"
import sys, torch
from torch import nn
state = torch.load(sys.argv[1])
class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 5), nn.SiLU(), nn.Linear(5, 2))
    def forward(self, x):
        return self.layers(x)
network = Network()
print(network.load_state_dict(state), type(state).__name__, list(state), file=sys.stderr)
x = torch.tensor([[0.1, -0.2, 0.3], [1.0, 2.0, -3.0]])
print(" ".join(f"{y:.9g}" for y in network(x).flatten().tolist()))
"#;

#[test]
fn python_loads_the_state_dict_and_computes_the_same() {
    let Some(python) = python() else { return };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("best_model.pth");
    let network = FullyConnected::new(3, 2, &[(Activation::Tanh, 8), (Activation::Silu, 5)]).unwrap();
    let scaling = Scaling::new(vec![1.0, 0.5, -2.0], vec![2.0, 0.1, 3.0]).unwrap();
    let outputs = Scaling::new(vec![0.5, 0.1], vec![3.0, 0.2]).unwrap();
    let model = Model::new(network, scaling, outputs, Form::Direct).unwrap();
    pth::save(&path, &model.state_dict()).unwrap();
    let output = Command::new(python).arg("-c").arg(READ_BACK).arg(&path).output().unwrap();
    let messages = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{messages}");
    assert!(messages.contains("All keys matched") && messages.contains("OrderedDict"), "{messages}");
    let given: Vec<f64> =
        String::from_utf8(output.stdout).unwrap().split_whitespace().map(|y| y.parse().unwrap()).collect();
    let expected = model.predict(ndarray::array![[0.1, -0.2, 0.3], [1.0, 2.0, -3.0]].view());
    assert_eq!(given.len(), 4);
    for (g, e) in given.iter().zip(&expected) {
        assert!((g - e).abs() < 2e-6 * e.abs().max(1.0), "{given:?} {expected}");
    }
}
