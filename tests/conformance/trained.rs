//! Every activation on its whole way: trained for a few steps, exported, and run by everything that runs it.

use emucell::Activation;
use emucell::format::{onnx, pth};
use emucell::kernels::Kernels;
use emucell::surrogate::Surrogate;
use emucell::train::{Criterion, DataLoss, FullyConnected, Inference, Trainer};
use ndarray::Array2;

use super::support::python;
use super::{assert_close, double_precision, evaluate, inputs, programs, read_numbers, write_numbers};

/// A network with `activation` after some steps on a smooth function, its losses before and after.
fn trained(activation: Activation, folder: &std::path::Path) -> (Trainer, [f64; 2]) {
    let hidden = [(activation, 16), (activation, 8)];
    let mut network = FullyConnected::new(4, 2, &hidden).unwrap();
    network.initialise(7);
    let x = Array2::from_shape_fn((256, 4), |(i, j)| f64::from(programs::noise(4 * i + j)));
    let y = Array2::from_shape_fn((256, 2), |(i, j)| (x[[i, 0]] + x[[i, j + 1]]).sin() * x[[i, 3]]);
    let mut trainer = Trainer::new(network, folder).unwrap();
    trainer.add_loss(DataLoss::new(Criterion::Mse, x, y).batch_size(64).validation_fraction(0.0), 1.0);
    let after = trainer.validate_every(60).train(60).unwrap().best_validation;
    let rows = std::fs::read_to_string(folder.join("losses.csv")).unwrap();
    let before = rows.lines().nth(1).unwrap().split(',').nth(3).unwrap().parse().unwrap();
    (trainer, [before, after])
}

#[test]
fn every_activation_computes_the_same_wherever_it_runs() {
    tch::set_num_threads(1);
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, extension: &str| folder.path().join(format!("{name}.{extension}"));
    let x = inputs(4);
    let mut expected = Vec::new();
    for activation in Activation::ALL {
        let name = activation.name();
        let (trainer, [before, after]) = trained(activation, &folder.path().join(format!("{name} training")));
        assert!(after < 0.9 * before, "{name}: {before} before training, {after} after it");
        let program = trainer.model().program().unwrap();
        let exact = double_precision(&program, &x);
        onnx::save(&file(name, "onnx"), &Surrogate::anonymous(program)).unwrap();
        pth::save(&file(name, "pth"), &trainer.model().state_dict()).unwrap();
        write_numbers(&file(name, "x"), &x);
        expected.push(exact);
    }
    python::run("run_onnx.py", &[folder.path()]);
    python::run("run_torch.py", &[folder.path()]);
    for (activation, exact) in Activation::ALL.into_iter().zip(&expected) {
        let name = activation.name();
        assert_close(&read_numbers(&file(name, "y")), exact, &format!("{name}, ONNX Runtime"));
        assert_close(&read_numbers(&file(name, "torch")), exact, &format!("{name}, PyTorch"));
        let loaded = onnx::load(&file(name, "onnx")).unwrap();
        for kernels in Kernels::available() {
            assert_close(&evaluate(&loaded, &x, kernels.name), exact, &format!("{name}, {}", kernels.name));
        }
        let inference = Inference::new(loaded.program().unwrap(), tch::Device::Cpu).unwrap();
        let mut y = vec![0.0; exact.len()];
        inference.evaluate(&x, &mut y);
        assert_close(&y, exact, &format!("{name}, libtorch"));
        // The state dict, which does not tell its activations, and one made from the surrogate file.
        let hidden = [(activation, 16), (activation, 8)];
        let converted = pth::File::open(&file(name, "pth")).unwrap().network(Some(&hidden)).unwrap();
        assert_close(&double_precision(&converted.program, &x), exact, &format!("{name}, converted"));
        let back = pth::StateDict::of(loaded.program().unwrap()).unwrap();
        pth::save(&file(name, "back"), &back.tensors).unwrap();
        let again = pth::File::open(&file(name, "back")).unwrap().network(Some(&back.hidden)).unwrap();
        assert_eq!(double_precision(&again.program, &x), *exact, "{name}, converted back");
    }
}
