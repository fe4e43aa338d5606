//! Branch–trunk products, maps of many times at once and maps in stages: as programs, their gradients, their recipes.
#![cfg(feature = "train")]

use std::path::Path;
use std::sync::Arc;

use emucell::Activation;
use emucell::dataset::{Problem, SolverChoice, Trajectories};
use emucell::format::onnx;
use emucell::session::{Session, SessionOptions};
use emucell::surrogate::Kind;
use emucell::train::recipe::{Options, Recipe, Trained, run};
use emucell::train::{Form, FullyConnected, Initial, Model, Scaling, StageNetwork};
use emucell::view::{View, ViewMut};
use emucell::{ErrorKind, Result};
use ndarray::{Array2, s};
use tch::{Device, Tensor};

const TIMES: [f64; 5] = [0.3, 1.0, 2.5, 6.0, 20.0];
const TAUS: [f64; 2] = [0.5, 4.0];

fn network(n_inputs: usize, n_outputs: usize, width: usize, seed: u64) -> FullyConnected {
    let hidden = [(Activation::Tanh, width), (Activation::Silu, width)];
    let mut network =
        FullyConnected::on(n_inputs, n_outputs, &hidden, tch::Kind::Double, Device::Cpu).unwrap();
    network.initialise(seed);
    network
}

/// Raw u0, w0, k.
fn cells(n: usize) -> Array2<f64> {
    Array2::from_shape_fn((n, 3), |(i, j)| {
        ((i * 37 + j * 61 + i * j * 7) % 101) as f64 / 100.0 * [0.9, 0.12, 1.0][j]
    })
}

fn scaling(shift: &[f64], scale: &[f64]) -> Scaling {
    Scaling::new(shift.to_vec(), scale.to_vec()).unwrap()
}

fn branch_trunk(form: Form, width: usize, rank: usize) -> Model {
    let inputs = scaling(&[10.0, 0.4, 0.06, 0.5], &[10.0, 0.45, 0.06, 0.5]);
    let outputs = scaling(&[0.1, 0.01], &[0.4, 0.03]);
    let networks = [network(3, 2 * rank, width, 1), network(3, 2 * rank, 6, 2)];
    Model::branch_trunk(networks, inputs, outputs, form, 0, &TAUS).unwrap()
}

fn solution() -> Form {
    Form::Solution { time: 0, states: vec![Initial::Column(1), Initial::Column(2)], relaxation: 0.7 }
}

fn in_stages() -> Model {
    let inputs = scaling(&[0.4, 0.06, 0.5], &[0.45, 0.06, 0.5]);
    let stage = |n_times: usize, seed, inputs: Scaling| StageNetwork {
        network: network(3, 2 * n_times, 7, seed),
        inputs,
        outputs: scaling(&vec![0.01; 2 * n_times], &[0.3, 0.02].repeat(n_times)),
    };
    let later = scaling(&[0.3, 0.08, 0.5], &[0.6, 0.04, 0.5]);
    let stages = vec![stage(1, 3, inputs.clone()), stage(3, 4, later.clone()), stage(1, 5, later)];
    Model::in_stages(stages, 2, inputs, scaling(&[0.0; 10], &[0.4, 0.03].repeat(5))).unwrap()
}

#[test]
fn a_trunk_folded_at_its_times_gives_what_the_pointwise_map_gives() {
    // A last layer of its own for the trunk, and one folded into the branch.
    for (width, rank) in [(6, 4), (30, 2)] {
        for form in [Form::Direct, solution()] {
            let pointwise = branch_trunk(form.clone(), width, rank);
            let many = branch_trunk(form, width, rank).at_times(&TIMES).unwrap();
            let (cells, programs) = (cells(40), [pointwise.program().unwrap(), many.program().unwrap()]);
            assert_eq!((programs[1].n_inputs(), programs[1].n_outputs()), (3, 2 * TIMES.len()));
            let at_once = many.predict(cells.view());
            for (k, &time) in TIMES.iter().enumerate() {
                let rows =
                    Array2::from_shape_fn((40, 4), |(i, j)| if j == 0 { time } else { cells[[i, j - 1]] });
                let expected = pointwise.predict(rows.view());
                let given = at_once.slice(s![.., 2 * k..2 * k + 2]);
                assert!((&given - &expected).iter().all(|d| d.abs() < 1e-14), "{time}");
                for (cell, row) in cells.rows().into_iter().zip(rows.rows()) {
                    let expected = programs[0].evaluate_reference(&row.to_vec());
                    let given = programs[1].evaluate_reference(&cell.to_vec());
                    for (g, e) in given[2 * k..2 * k + 2].iter().zip(&expected) {
                        assert!((g - e).abs() < 3e-7, "{time}: {g} {e}");
                    }
                }
            }
            // Beyond the rounding of the weights, the programs are the networks.
            many.check_program(&programs[1], cells.view()).unwrap();
        }
    }
}

#[test]
fn the_cheaper_way_of_folding_is_taken() {
    let multiply_adds = |width, rank| {
        branch_trunk(solution(), width, rank).at_times(&TIMES).unwrap().program().unwrap().multiply_adds()
    };
    // Hidden layers, then either all outputs from the last hidden one or through the terms of the sums.
    assert_eq!(multiply_adds(6, 4), 3 * 6 + 6 * 6 + 6 * 10);
    assert_eq!(multiply_adds(30, 2), 3 * 30 + 30 * 30 + 30 * 4 + 4 * 10);
}

#[test]
fn stages_hand_on_their_last_state() {
    let model = in_stages();
    let cells = cells(30);
    let program = model.program().unwrap();
    model.check_program(&program, cells.view()).unwrap();
    // The same by hand, from the networks and scalings.
    let parts = model.network().parts();
    let later = scaling(&[0.3, 0.08, 0.5], &[0.6, 0.04, 0.5]);
    let mut start = cells.clone();
    let mut first = 0;
    for (part, inputs) in parts.iter().zip([model.input_scaling(), &later, &later]) {
        let scaled =
            Array2::from_shape_fn((30, 3), |(i, j)| (start[[i, j]] - inputs.shift()[j]) / inputs.scale()[j]);
        let x = Tensor::from_slice(scaled.as_slice().unwrap()).view([30, 3]);
        let y: Vec<f64> = Vec::try_from(tch::no_grad(|| part.forward(&x)).view([-1])).unwrap();
        let n = part.n_outputs();
        let states = Array2::from_shape_fn((30, n), |(i, j)| {
            start[[i, j % 2]] + 0.01 + [0.3, 0.02][j % 2] * y[i * n + j]
        });
        let given = model.predict(cells.view());
        let difference = &given.slice(s![.., first..first + n]) - &states;
        assert!(difference.iter().all(|d| d.abs() < 1e-13), "{difference}");
        start.slice_mut(s![.., ..2]).assign(&states.slice(s![.., n - 2..]));
        first += n;
    }
}

fn repeated() -> Model {
    let stage = StageNetwork {
        network: network(3, 2, 7, 6),
        inputs: scaling(&[0.3, 0.08, 0.5], &[0.6, 0.04, 0.5]),
        outputs: scaling(&[0.01, 0.0], &[0.3, 0.02]),
    };
    Model::repeated(stage, 2, 4, scaling(&[0.0; 8], &[0.4, 0.03].repeat(4))).unwrap()
}

#[test]
fn a_repeated_network_is_its_own_composition() {
    let model = repeated();
    let cells = cells(30);
    let program = model.program().unwrap();
    model.check_program(&program, cells.view()).unwrap();
    let all = model.predict(cells.view());
    // From the state at the first time, the states at the second come first.
    let mut later = cells.clone();
    later.slice_mut(s![.., ..2]).assign(&all.slice(s![.., ..2]));
    let difference = &model.predict(later.view()).slice(s![.., ..6]) - &all.slice(s![.., 2..]);
    assert!(difference.iter().all(|d| d.abs() < 1e-13), "{difference}");
    assert_eq!(model.state_dict().len(), 6);
    // Stages that the network gives exactly are without error, each from the state where it starts.
    let mut loss =
        emucell::train::DataLoss::new(emucell::train::Criterion::Mse, cells, all).validation_fraction(0.0);
    emucell::train::Loss::prepare(&mut loss, &model, 1).unwrap();
    let error = emucell::train::Loss::on_batch(&mut loss, &model, 0).double_value(&[]);
    assert!(error < 1e-24, "{error}");
}

#[test]
fn gradients_are_those_of_finite_differences() {
    let models = [
        ("pointwise", branch_trunk(solution(), 6, 3)),
        ("many times", branch_trunk(solution(), 6, 3).at_times(&TIMES).unwrap()),
        ("stages", in_stages()),
        ("repeated", repeated()),
    ];
    for (name, mut model) in models {
        let cells = cells(12);
        let inputs = match model.n_inputs() {
            3 => cells,
            _ => {
                Array2::from_shape_fn((12, 4), |(i, j)| if j == 0 { TIMES[i % 5] } else { cells[[i, j - 1]] })
            }
        };
        let x = Tensor::from_slice(inputs.as_slice().unwrap()).view([12, -1]);
        let loss = |model: &Model| model.forward(&x).square().mean(tch::Kind::Double);
        let gradient: Vec<f64> = Vec::try_from(model.gradient(&loss(&model))).unwrap();
        let parameters: Vec<f64> = Vec::try_from(model.network().parameters()).unwrap();
        let largest = gradient.iter().fold(0.0f64, |m, g| m.max(g.abs()));
        assert!(largest > 1e-3, "{name}");
        for i in (0..parameters.len()).step_by(7) {
            let mut value_at = |d: f64| {
                let mut moved = parameters.clone();
                moved[i] += d;
                model.network_mut().set_parameters(&Tensor::from_slice(&moved));
                loss(&model).double_value(&[])
            };
            let difference = (value_at(1e-5) - value_at(-1e-5)) / 2e-5;
            assert!(
                (difference - gradient[i]).abs() < 1e-8 * largest.max(1.0),
                "{name} {i}: {difference} {}",
                gradient[i]
            );
        }
    }
}

#[test]
fn shapes_that_do_not_fit_are_refused() {
    let inputs = || scaling(&[0.0; 4], &[1.0; 4]);
    let outputs = || scaling(&[0.0; 2], &[1.0; 2]);
    let fault = |branch, trunk| {
        let model = Model::branch_trunk([branch, trunk], inputs(), outputs(), Form::Direct, 0, &TAUS);
        model.unwrap_err().to_string()
    };
    assert!(fault(network(4, 6, 5, 1), network(3, 6, 5, 2)).contains("a branch of 4 inputs"));
    assert!(fault(network(3, 6, 5, 1), network(3, 4, 5, 2)).contains("a trunk of 3 and 4"));
    assert!(fault(network(3, 5, 5, 1), network(3, 5, 5, 2)).contains("2 outputs"));
    let plain: Model = network(3, 2, 5, 1).into();
    assert!(plain.at_times(&TIMES).unwrap_err().to_string().contains("branch and a trunk"));
    assert!(branch_trunk(Form::Direct, 6, 2).at_times(&[]).is_err());
    let stage = |n_outputs| StageNetwork {
        network: network(3, n_outputs, 5, 1),
        inputs: Scaling::identity(3),
        outputs: Scaling::identity(n_outputs),
    };
    let stages = |stages, n| {
        let model = Model::in_stages(stages, 2, Scaling::identity(3), Scaling::identity(n));
        model.unwrap_err().to_string()
    };
    assert!(stages(vec![stage(2), stage(3)], 5).contains("2 stages"));
    assert!(stages(vec![stage(2)], 4).contains("with 2 outputs"));
}

const MANY: &str = r#"
seed = 5
[surrogate]
kind = "solution_map"
problem = "c"
[data]
cells = 600
validation = 100
[network]
hidden = [["tanh", 24], ["tanh", 24]]
form = "residual"
many_times = 10
[[loss]]
kind = "data"
criterion = "huber"
batch = 128
[stop]
iterations = 1500
validate_every = 250
[evaluation]
cells = 60
"#;

fn options(folder: &Path) -> Options {
    tch::set_num_threads(1);
    Options {
        folder: folder.to_owned(),
        device: Device::Cpu,
        n_threads: 1,
        force: false,
        interrupt: None,
        on_progress: None,
    }
}

fn trained(text: &str, folder: &Path) -> Result<Trained> {
    run(&Recipe::parse(text)?, options(folder))
}

#[test]
fn recipes_give_all_times_in_one_file_and_one_call() {
    let stages = "many_times = 10\nstages = [{ until = \"2 ms\", hidden = [[\"tanh\", 16]] }]";
    let trunk = "many_times = 10\nrelaxation = \"1 ms\"\ntrunk = [[\"tanh\", 24]]\nrank = 6\npod = true\n\
                 time_constants = [\"0.5 ms\", \"2 ms\", \"6 ms\"]";
    for network in ["many_times = 10", stages, trunk, "many_times = 10\nrepeated = true"] {
        let folder = tempfile::tempdir().unwrap();
        let result = trained(&MANY.replace("many_times = 10", network), folder.path()).unwrap();
        let evaluation = result.evaluation.as_ref().unwrap();
        assert!(evaluation.samples == 10 && evaluation.horizon == 20.0, "{evaluation:?}");
        assert!(evaluation.exact.mean_absolute < 0.09, "{network}: {evaluation:?}");
        let within = evaluation.exact.always_within;
        assert!((0.0..=1.0).contains(&within), "{within}");

        let surrogate = onnx::load(&result.surrogate).unwrap();
        assert_eq!(surrogate.kind(), Kind::SolutionMap);
        let times: Vec<f64> = (1..=10).map(|i| 2.0 * f64::from(i)).collect();
        assert_eq!(surrogate.times(), times);
        let names: Vec<_> = surrogate.inputs().iter().map(|v| v.name.clone()).collect();
        assert_eq!(names, ["u0", "w0", "k"]);
        assert_eq!((surrogate.outputs()[3].name.as_str(), surrogate.outputs().len()), ("w@4", 20));
        assert_eq!(surrogate.states()[1].name, "w");
        assert_eq!(surrogate.initial_state().unwrap().len(), 2);

        // One call; its error against the exact solution is what training says.
        let starts = [[0.1, 0.02, 0.3], [0.7, 0.1, 0.9]];
        let mut session = Session::new(Arc::new(surrogate), &SessionOptions::default()).unwrap();
        let (inputs, mut outputs) = (starts.concat(), vec![0.0; 40]);
        let to = ViewMut::array_of_structures(&mut outputs, 20).unwrap();
        session.evaluate(View::array_of_structures(&inputs, 3).unwrap(), to, None).unwrap();
        let starts = Array2::from_shape_vec((2, 3), inputs).unwrap();
        let exact =
            Trajectories::of_problem(Problem::C, &starts, &times, SolverChoice::Reference, 1).unwrap();
        let errors = exact.states.iter().zip(&outputs).map(|(a, b)| (a - b).abs());
        let mean = errors.sum::<f64>() / 40.0;
        assert!(mean < 0.2, "{network}: {mean}");
    }
}

#[test]
fn modes_of_the_data_are_where_the_trunk_begins() {
    let error = |pod: &str| {
        let folder = tempfile::tempdir().unwrap();
        let trunk = format!(
            "many_times = 10\nrelaxation = \"1 ms\"\ntrunk = [[\"tanh\", 24]]\nrank = 6\npod = {pod}\n\
             time_constants = [\"0.5 ms\", \"2 ms\", \"6 ms\"]"
        );
        let recipe = MANY.replace("many_times = 10", &trunk).replace("iterations = 1500", "iterations = 100");
        trained(&recipe, folder.path()).unwrap().best_validation
    };
    let (with, without) = (error("true"), error("false"));
    assert!(with < 0.8 * without, "{with} {without}");
}

#[test]
fn rows_at_single_times_are_brought_together() {
    let folder = tempfile::tempdir().unwrap();
    let starts = Problem::C.ranges();
    let starts = emucell::dataset::Sampling::Uniform.sample(&starts, 80, 3).unwrap();
    let times: Vec<f64> = (1..=20).map(f64::from).collect();
    let all = Trajectories::of_problem(Problem::C, &starts, &times, SolverChoice::Reference, 1).unwrap();
    all.pointwise(&["t", "u0", "w0", "k"]).unwrap().write(&folder.path().join("rows.npz")).unwrap();
    let path = folder.path().join("recipe.toml");
    let recipe = MANY.replace("cells = 600\nvalidation = 100", "training_file = \"rows.npz\"");
    std::fs::write(&path, recipe.replace("iterations = 1500", "iterations = 20")).unwrap();
    let result = run(&Recipe::load(&path).unwrap(), options(&folder.path().join("out"))).unwrap();
    let provenance = onnx::load(&result.surrogate).unwrap().provenance().clone();
    assert_eq!(provenance["data"]["training_rows"], 80);
    // Times that the rows have not.
    let other = std::fs::read_to_string(&path).unwrap().replace("many_times = 10", "many_times = 16");
    std::fs::write(&path, other).unwrap();
    let fault =
        run(&Recipe::load(&path).unwrap(), options(&folder.path().join("other"))).unwrap_err().to_string();
    assert!(
        fault.contains("t = 1.25") && fault.contains("rows.npz") && fault.contains("network.times"),
        "{fault}"
    );
}

#[test]
fn recipes_of_shapes_that_make_no_sense_name_key_and_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let step_map = "kind = \"step_map\"\ndt = \"1 ms\"\n";
    for (from, to, wanted) in [
        ("kind = \"solution_map\"\n", step_map, &["network.times", "one time"][..]),
        ("many_times = 10", "many_times = 0", &["network.many_times", "positive"]),
        ("many_times = 10", "times = [\"2 ms\", \"1 ms\"]", &["network.times", "ascending"]),
        ("many_times = 10", "times = [\"2 ms\", \"21 ms\"]", &["network.times", "horizon, 20 ms"]),
        ("many_times = 10", "times = [\"2.005 ms\"]", &["network.times", "multiples of 0.01"]),
        ("many_times = 10", "many_times = 10\ntimes = [\"2 ms\"]", &["network.many_times", "either"]),
        ("many_times = 10", "many_times = 10\nrank = 3", &["network.rank", "trunk"]),
        ("many_times = 10", "many_times = 10\npod = true", &["network.rank", "trunk"]),
        ("many_times = 10", "many_times = 10\ntrunk = [[\"tanh\", 8]]", &["without a rank", "network.rank"]),
        ("many_times = 10", "many_times = 10\ntrunk = [[\"tanh\", 8]]\nrank = 0", &["network.rank"]),
        ("many_times = 10", "many_times = 10\ntrunk = [[\"tanh\", 8]]\nrank = 3", &["network.relaxation"]),
        ("many_times = 10", "many_times = 10\nrelaxation = \"1 ms\"", &["network.relaxation", "remove"]),
        ("many_times = 10", "many_times = 10\ntime_constants = [\"1 ms\"]", &["network.time_constants"]),
        (
            "many_times = 10",
            "stages = [{ until = \"2 ms\", hidden = [] }]\nmany_times = 10\ntrunk = [[\"tanh\", 8]]",
            &["stages with a trunk"],
        ),
        (
            "many_times = 10",
            "many_times = 10\nstages = [{ until = \"3 ms\", hidden = [] }]",
            &["until 3 ms", "network.stages"],
        ),
        (
            "many_times = 10",
            "many_times = 10\nstages = [{ until = \"20 ms\", hidden = [] }]",
            &["until 20 ms"],
        ),
        (
            "many_times = 10",
            "stages = [{ until = \"2 ms\", hidden = [] }]",
            &["network.stages", "many_times"],
        ),
        (
            "form = \"residual\"\nmany_times = 10",
            "many_times = 10\nstages = [{ until = \"2 ms\", hidden = [] }]",
            &["network.form", "residual"],
        ),
        ("many_times = 10", "times = [\"1 ms\", \"3 ms\"]\nrepeated = true", &["network.repeated", "uneven"]),
        ("many_times = 10", "repeated = true", &["network.repeated", "many_times"]),
        ("validation = 100", "validation = 100\ntimes = 7", &["data.times", "remove"]),
        ("kind = \"data\"\ncriterion = \"huber\"", "kind = \"residual\"", &["loss.kind", "times"]),
        (
            "[evaluation]\ncells = 60",
            "[evaluation]\ncells = 60\nevery = \"1 ms\"",
            &["evaluation.every", "own"],
        ),
        (
            "many_times = 10",
            "many_times = 10\nrelaxation = \"1 ms\"\ntrunk = [[\"tanh\", 8]]\nrank = 11\npod = true",
            &["11 modes", "network.pod"],
        ),
    ] {
        assert!(MANY.contains(from), "{from}");
        let error = trained(&MANY.replacen(from, to, 1), folder.path()).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Format | ErrorKind::InvalidArgument), "{error}");
        let message = error.to_string();
        assert!(!message.contains('\n'), "{message}");
        for wanted in wanted {
            assert!(message.contains(wanted), "{to}: \"{wanted}\" is missing in: {message}");
        }
    }
}
