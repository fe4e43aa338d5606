//! Recipes: what they make, and what is wrong with bad ones.
#![cfg(feature = "train")]

use std::path::Path;

use emucell::dataset::Pairs;
use emucell::format::onnx;
use emucell::format::pth::{self, NamedTensor};
use emucell::surrogate::{Kind, Role};
use emucell::train::recipe::{Options, Recipe, Trained, run};
use emucell::{ErrorKind, Result};

const STEP_MAP: &str = r#"
seed = 3
[surrogate]
kind = "step_map"
cell_model = "fhn_cubic"
dt = "0.1 ms"
[domain]
u = [-0.3, 1.1]
w = [-0.02, 0.2]
s = [0.0, 0.12]
[data]
pairs = 4000
validation = 500
[network]
hidden = [["tanh", 16], ["tanh", 16]]
form = "residual"
[[loss]]
kind = "data"
criterion = "huber"
batch = 256
[stop]
iterations = 1500
validate_every = 100
[evaluation]
cells = 50
horizon = "5 ms"
domain = { u = [-0.1, 1.0], w = [0.0, 0.2], k = [0.0, 1.0] }
"#;

fn options(folder: &Path) -> Options {
    tch::set_num_threads(1);
    Options {
        folder: folder.to_owned(),
        device: tch::Device::Cpu,
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
fn a_recipe_gives_a_surrogate_that_knows_how_it_came_to_be() {
    let folder = tempfile::tempdir().unwrap();
    let result = trained(STEP_MAP, folder.path()).unwrap();
    assert!(result.evaluation.as_ref().unwrap().exact.mean_absolute < 0.1, "{result:?}");
    let surrogate = onnx::load(&result.surrogate).unwrap();
    assert_eq!(surrogate.kind(), Kind::StepMap { dt: 0.1 });
    let names: Vec<_> = surrogate.inputs().iter().map(|v| v.name.as_str()).collect();
    assert_eq!(names, ["u", "w", "s"]);
    assert_eq!(surrogate.inputs()[2].role, Role::Stimulus);
    assert_eq!(surrogate.inputs()[0].range, Some([-0.3, 1.1]));
    assert_eq!(surrogate.cell_model().unwrap().name, "fhn_cubic");
    let provenance = surrogate.provenance();
    assert_eq!(provenance["recipe"], STEP_MAP);
    assert_eq!(provenance["seed"], 3);
    assert_eq!(provenance["data"]["training_rows"], 4000);
    assert!(provenance["evaluation"]["exact"]["maximum"].as_f64().unwrap() > 0.0);
    for file in ["best_model.pth", "losses.csv", "model_stats.txt", "checkpoint"] {
        assert!(folder.path().join(file).exists(), "{file}");
    }
    let losses = std::fs::read_to_string(folder.path().join("losses.csv")).unwrap();
    assert!(
        losses.starts_with("iteration,\"data\",total,validation,held_out,rate,seconds\n0,,,"),
        "{losses}"
    );
    assert_eq!(losses.lines().count(), 17);

    // The same again is not repeated; comments do not matter; another seed is another training.
    let again = trained(&format!("# again\n{STEP_MAP}"), folder.path()).unwrap();
    assert!(again.was_finished);
    assert_eq!(again.evaluation, result.evaluation);
    let other = STEP_MAP.replace("seed = 3", "seed = 4");
    let message = trained(&other, folder.path()).unwrap_err().to_string();
    assert!(message.contains("another recipe or seed") && message.contains("--force"), "{message}");
    let forced =
        run(&Recipe::parse(&other).unwrap(), Options { force: true, ..options(folder.path()) }).unwrap();
    assert!(!forced.was_finished && forced.evaluation != result.evaluation);
}

#[test]
fn a_lost_surrogate_file_is_made_again_without_training() {
    let folder = tempfile::tempdir().unwrap();
    let first = trained(STEP_MAP, folder.path()).unwrap();
    std::fs::remove_file(&first.surrogate).unwrap();
    let again = trained(STEP_MAP, folder.path()).unwrap();
    assert!(again.was_finished && again.surrogate.exists());
    assert_eq!(again.evaluation, first.evaluation);
    assert_eq!(again.seconds, first.seconds);
}

#[test]
fn a_physics_informed_recipe_learns_without_data() {
    let recipe = r#"
        [surrogate]
        kind = "solution_map"
        problem = "a"
        horizon = "1 ms"
        [network]
        hidden = [["tanh", 16], ["tanh", 16]]
        [[loss]]
        kind = "residual"
        batch = 64
        [[loss]]
        kind = "initial_condition"
        weight = 10.0
        [stop]
        iterations = 1500
    "#;
    let folder = tempfile::tempdir().unwrap();
    let result = trained(recipe, folder.path()).unwrap();
    assert!(result.evaluation.as_ref().unwrap().exact.maximum < 5e-3, "{result:?}");
    let names: Vec<_> =
        onnx::load(&result.surrogate).unwrap().inputs().iter().map(|v| v.name.clone()).collect();
    assert_eq!(names, ["t"]);
}

#[test]
fn data_may_come_from_a_file_beside_the_recipe() {
    let folder = tempfile::tempdir().unwrap();
    let mut text = String::from("s,w_next,u,w,u_next\n");
    for i in 0..200 {
        let (u, w, s) = (f64::from(i % 20) / 20.0, f64::from(i % 7) / 50.0, f64::from(i % 3) / 30.0);
        let du = 10.0 * (u * (u - 0.4) * (1.0 - u) - w + s);
        let dw = 0.04 * u - 0.16 * w;
        text += &format!("{s},{},{u},{w},{}\n", w + 0.1 * dw, u + 0.1 * du);
    }
    std::fs::write(folder.path().join("rows.csv"), text).unwrap();
    let recipe = STEP_MAP.replace("pairs = 4000\nvalidation = 500", "training_file = \"rows.csv\"");
    let path = folder.path().join("recipe.toml");
    std::fs::write(&path, recipe).unwrap();
    let result = run(&Recipe::load(&path).unwrap(), options(&folder.path().join("out"))).unwrap();
    assert!(result.best_validation < 0.1, "{result:?}");
    std::fs::write(folder.path().join("rows.csv"), "u,w,s,u_next\n1,2,3,4\n").unwrap();
    let other = options(&folder.path().join("other"));
    let message = run(&Recipe::load(&path).unwrap(), other).unwrap_err().to_string();
    assert!(message.contains("w_next") && message.contains("rows.csv"), "{message}");
}

#[test]
fn tensors_of_pytorch_are_training_data() {
    let folder = tempfile::tempdir().unwrap();
    let rows: Vec<[f32; 3]> =
        (0..200).map(|i| [(i % 20) as f32 / 20.0, (i % 7) as f32 / 50.0, (i % 3) as f32 / 30.0]).collect();
    let column = |name: &str, value: &dyn Fn(&[f32; 3]) -> f32| NamedTensor {
        name: name.to_owned(),
        shape: vec![rows.len(), 1],
        values: rows.iter().map(value).collect(),
    };
    let u_next = |&[u, w, s]: &[f32; 3]| u + u * (u - 0.4) * (1.0 - u) - w + s;
    let columns = [
        column("s", &|row| row[2]),
        column("w_next", &|&[u, w, _]| w + 0.1 * (0.04 * u - 0.16 * w)),
        column("u", &|row| row[0]),
        column("w", &|row| row[1]),
        column("u_next", &u_next),
    ];
    pth::save(&folder.path().join("rows.pt"), &columns).unwrap();
    let recipe = STEP_MAP.replace("pairs = 4000\nvalidation = 500", "training_file = \"rows.pt\"");
    let path = folder.path().join("recipe.toml");
    std::fs::write(&path, recipe).unwrap();
    let result = run(&Recipe::load(&path).unwrap(), options(&folder.path().join("out"))).unwrap();
    assert!(result.best_validation < 0.1, "{result:?}");
}

#[test]
fn what_generate_writes_is_training_data() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("recipe.toml");
    for (name, cells, seed) in [("training.npz", 3000, 1), ("validation.npz", 500, 2)] {
        Pairs::tissue(cells, seed).generate().unwrap().write(&folder.path().join(name)).unwrap();
    }
    let files = "training_file = \"training.npz\"\nvalidation_file = \"validation.npz\"";
    std::fs::write(&path, STEP_MAP.replace("pairs = 4000\nvalidation = 500", files)).unwrap();
    let result = run(&Recipe::load(&path).unwrap(), options(&folder.path().join("out"))).unwrap();
    // Against the cell model: columns that are mixed up can be learned, but not this.
    assert!(result.evaluation.as_ref().unwrap().exact.mean_absolute < 0.05, "{result:?}");
    let provenance = onnx::load(&result.surrogate).unwrap().provenance().clone();
    assert_eq!(provenance["data"]["training_rows"], 3000);
    assert_eq!(provenance["data"]["validation_rows"], 500);
}

#[test]
fn a_bad_recipe_gives_one_error_with_file_key_and_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bad.toml");
    let out = folder.path().join("out");
    let message = |from: &str, to: &str| {
        assert!(STEP_MAP.contains(from), "{from}");
        std::fs::write(&path, STEP_MAP.replacen(from, to, 1)).unwrap();
        let error = Recipe::load(&path).and_then(|r| run(&r, options(&out))).map(|_| ()).unwrap_err();
        assert!(
            matches!(error.kind(), ErrorKind::Format | ErrorKind::InvalidArgument | ErrorKind::Io),
            "{error}"
        );
        let message = error.to_string();
        assert!(!message.contains('\n'), "{message}");
        assert!(message.contains("bad.toml") || message.contains("nothing.npz"), "{message}");
        assert!(message.contains(": "), "{message}");
        message
    };
    for (from, to, wanted) in [
        ("batch = 256", "bach = 256", &["`bach`", "line 20", "`batch`"][..]),
        ("[stop]", "[stp]", &["`stp`", "`stop`"]),
        ("kind = \"step_map\"", "", &["missing field `kind`"]),
        ("dt = \"0.1 ms\"", "dt = \"0.1 mV\"", &["wrong unit", "\"dt\"", "us, ms, s"]),
        ("dt = \"0.1 ms\"", "dt = 0.1", &["no unit", "\"dt\"", "0.1 ms"]),
        ("dt = \"0.1 ms\"", "dt = \"-1 ms\"", &["not a positive quantity", "\"dt\""]),
        ("dt = \"0.1 ms\"", "", &["surrogate.dt", "give dt"]),
        ("[\"tanh\", 16]", "[\"tahn\", 16]", &["\"tahn\"", "hidden", "softplus"]),
        ("[\"tanh\", 16]", "[\"tanh\", 0]", &["width 0", "network.hidden", "from 1"]),
        ("fhn_cubic", "fhn_kubic", &["fhn_kubic", "surrogate.cell_model", "fhn_canonical"]),
        ("u = [-0.3, 1.1]", "u = [1.1, -0.3]", &["domain.u", "smaller one first"]),
        ("s = [0.0, 0.12]", "q = [0.0, 0.12]", &["domain.q", "s or k"]),
        ("\"huber\"", "\"hubber\"", &["hubber", "loss.criterion", "huber"]),
        ("\"huber\"", "\"mse\"\ndelta = 0.1", &["delta", "huber"]),
        ("\"huber\"", "\"mse\"\np = 3", &["loss.p", "\"lp\""]),
        ("\"huber\"", "\"LPthLoss\"", &["loss.criterion", "exponent", "give p"]),
        ("\"huber\"", "\"lp\"\np = 0.5", &["loss.p", "exponent of 0.5"]),
        ("\"huber\"", "\"l2\"", &["loss.criterion", "two things", "relative_l2"]),
        ("[[loss]]", "[[loss]]\nkind = \"data\"\n[[loss]]", &["two losses called \"data\"", "loss.name"]),
        ("[\"tanh\", 16]]", "[\"GLU\", 15]]", &["width 15 with glu", "network.hidden", "even"]),
        ("kind = \"data\"", "kind = \"residual\"", &["residual of a step map", "loss.kind"]),
        ("batch = 256", "batch = 0", &["loss.batch", "positive"]),
        ("pairs = 4000", "pairs = \"many\"", &["\"many\"", "pairs"]),
        ("pairs = 4000", "pairs = 0", &["data.pairs", "training_file"]),
        ("pairs = 4000", "training_file = \"nothing.npz\"", &["nothing.npz", "check the path"]),
        ("horizon = \"5 ms\"", "every = \"0.25 ms\"", &["evaluation.every", "multiples"]),
        ("cells = 50", "seed = 3", &["evaluation.seed"]),
        ("[stop]", "[optimizer]\nrate = -1.0\n[stop]", &["optimizer.rate", "positive"]),
        ("[stop]", "[schedule]\nkind = \"cosine\"\nwarm_up = 2.0\n[stop]", &["warm-up of 2"]),
    ] {
        let message = message(from, to);
        for part in wanted {
            assert!(message.contains(part), "{part} is missing in: {message}");
        }
    }
    let error = Recipe::load(&folder.path().join("none.toml")).map(|_| ()).unwrap_err().to_string();
    assert!(error.contains("none.toml") && error.contains("check the path"), "{error}");
}

#[test]
fn the_shipped_recipes_are_well_formed() {
    let mut n = 0;
    for entry in std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("experiments")).unwrap() {
        let path = entry.unwrap().path();
        // Searches are recipes of many trainings, with a test of their own.
        let is_search = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("search_"));
        if path.extension().is_some_and(|e| e == "toml") && !is_search {
            Recipe::load(&path).unwrap();
            n += 1;
        }
    }
    assert!(n >= 4);
}
