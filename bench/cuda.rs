//! Times on a GPU as a record in Markdown: networks in every precision, the solver beside them, small batches.
//!
//!     cargo bench --features cuda,cli --bench cuda
//!
//! `bench/cuda.sh` runs the conformance tests first and keeps the record. Without cargo's `--bench`, as under
//! `cargo test --bench cuda`, it goes through all of it with few cells: that is for an emulated GPU.

use std::sync::Arc;

use emucell::activation::Activation;
use emucell::backend::cuda::Workplace;
use emucell::cell_model::CellModel;
use emucell::program::{BinaryOperator, BlockId, ProgramBuilder};
use emucell::report::bench::{Bench, Contender, Layout, Setting, gpu, table};
use emucell::session::{BackendChoice, Cells, Device, Precision, Session, SessionOptions};
use emucell::surrogate::{CellModelDescription, Kind, Role, Surrogate, Variable};
use emucell::view::{self, ElementType, View, ViewMut};
use emucell::{Error, Result};

const DEVICE: usize = 0;
/// Samples that the published comparison asks for of each trajectory, and the solver's steps for them.
const SAMPLES: usize = 26;
const STEPS: u32 = 5000;
/// ms of such a trajectory.
const HORIZON: f64 = 50.0;

/// How much is measured.
struct Sizes {
    /// Cells of an evaluation: more numbers than a second-level cache holds, and those of a small tissue.
    batches: Vec<usize>,
    /// Cells and steps of a call.
    steps: Vec<(usize, u32)>,
    solver: Vec<usize>,
    /// Cells of the published comparison.
    protocol: usize,
    calls: usize,
    precisions: &'static [(&'static str, Precision)],
}

impl Sizes {
    fn of_this_run() -> Self {
        match std::env::args().any(|argument| argument == "--bench") {
            true => Self {
                batches: vec![1 << 24, 1 << 17],
                steps: vec![(1024, 1), (1 << 17, 1), (1 << 22, 50)],
                solver: vec![20_000, 160_000, 1 << 22],
                protocol: 1 << 20,
                calls: 200,
                precisions: &PRECISIONS,
            },
            false => {
                Self {
                    batches: vec![200],
                    steps: vec![(100, 2)],
                    solver: vec![200],
                    protocol: 200,
                    calls: 2,
                    // Its kernels are the shortest, which an emulated GPU takes long to compile.
                    precisions: &PRECISIONS[2..3],
                }
            }
        }
    }
}

fn noise(seed: usize) -> f32 {
    let mixed = (seed as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40;
    mixed as f32 / (1u64 << 23) as f32 - 1.0
}

/// (t, u0, w0 and more) → (u, w) with weights that look random.
fn network(widths: &[usize], activation: Activation) -> Result<Surrogate> {
    let mut b = ProgramBuilder::new(widths[0])?;
    let mut x = BlockId::INPUT;
    for (i, pair) in widths.windows(2).enumerate() {
        let scale = 1.5 / (pair[0] as f32).sqrt();
        let weights = (0..pair[0] * pair[1]).map(|j| scale * noise(j + 1000 * i)).collect();
        let bias = (0..pair[1]).map(|j| 0.3 * noise(j + 7)).collect();
        let is_last = i + 2 == widths.len();
        x = b.dense(x, weights, bias, if is_last { Activation::Linear } else { activation })?;
    }
    let names = ["t", "u", "w", "k"];
    let roles = [Role::Time, Role::State, Role::State, Role::Parameter];
    let variable = |i: usize| Variable::new(names[i], "1", roles[i]).with_range(0.0, 1.0);
    let inputs = (0..widths[0]).map(variable).collect();
    Surrogate::new(Kind::SolutionMap, inputs, vec![variable(1), variable(2)], b.finish(x))
}

/// A step map of two states: 16 × 2 tanh and a residual.
fn step_map() -> Result<Surrogate> {
    let mut b = ProgramBuilder::new(3)?;
    let mut x = BlockId::INPUT;
    for (n_inputs, n_outputs, activation) in
        [(3, 16, Activation::Tanh), (16, 16, Activation::Tanh), (16, 2, Activation::Linear)]
    {
        let weights = (0..n_inputs * n_outputs).map(|j| 0.1 * noise(j)).collect();
        x = b.dense(x, weights, vec![0.0; n_outputs], activation)?;
    }
    let state = b.slice(BlockId::INPUT, 0, 2)?;
    let output = b.binary(BinaryOperator::Add, state, x)?;
    let state = |name: &str| Variable::new(name, "1", Role::State).with_range(-1.0, 1.0);
    let stimulus = Variable::new("s", "1", Role::Stimulus).with_range(0.0, 0.12);
    let model = CellModelDescription { name: "fhn_cubic".to_owned(), ..CellModelDescription::default() };
    let states = vec![state("u"), state("w")];
    let inputs = vec![state("u"), state("w"), stimulus];
    Ok(Surrogate::new(Kind::StepMap { dt: 1.0 }, inputs, states, b.finish(output))?.with_cell_model(model))
}

const PRECISIONS: [(&str, Precision); 5] = [
    ("auto", Precision::Auto),
    ("f32", Precision::F32),
    ("f16", Precision::F16),
    ("bf16", Precision::Bf16),
    ("tf32", Precision::Tf32),
];

fn options(precision: Precision) -> SessionOptions {
    let (device, backend) = (Device::Cuda(DEVICE), BackendChoice::Native);
    SessionOptions { device, backend, precision, ..SessionOptions::default() }
}

fn networks(sizes: &Sizes) -> Result<()> {
    let all: [(&str, &[usize], Activation); 4] = [
        ("3-16-16-2 ReLU", &[3, 16, 16, 2], Activation::Relu),
        ("4-64-64-64-2 ReLU", &[4, 64, 64, 64, 2], Activation::Relu),
        ("4-128-128-64-2 ReLU", &[4, 128, 128, 64, 2], Activation::Relu),
        ("4-128-128-64-2 tanh", &[4, 128, 128, 64, 2], Activation::Tanh),
    ];
    for (name, widths, activation) in all {
        let surrogate = Arc::new(network(widths, activation)?);
        let contender = |&(precision, p): &(&'static str, Precision)| {
            gpu::sessions("native", precision, Layout::StructureOfArrays, &surrogate, options(p))
        };
        let contenders: Vec<Contender> = sizes.precisions.iter().map(contender).collect();
        let settings: Vec<Setting> =
            sizes.batches.iter().map(|&batch| Setting { batch, threads: 1 }).collect();
        println!("\n## {name}\n\n```\n{}```", table(&Bench::run(&surrogate, &contenders, &settings)?));
    }
    Ok(())
}

/// Seconds of a call of `n_steps` steps, queued one by one and repeated as a graph. The map has two states, and a stimulus
/// or a parameter.
fn step_seconds(
    surrogate: &Arc<Surrogate>,
    n_cells: usize,
    n_steps: u32,
    precision: Precision,
    calls: usize,
) -> Result<[f64; 2]> {
    let mut workplace = Workplace::open(DEVICE)?;
    let numbers = vec![0.1f32; 2 * n_cells];
    let [state, other] = [(); 2].map(|()| workplace.reserve(size_of_val(&numbers[..])));
    let pieces = [state?, other?];
    for piece in pieces {
        workplace.put(piece, &numbers)?;
    }
    let [state, other] = pieces.map(|piece| workplace.address(piece));
    let options = SessionOptions { stream: Some(workplace.stream()), ..options(precision) };
    let mut session = Session::new(surrogate.clone(), &options)?;
    let mut step = || {
        // SAFETY: pieces of the GPU's memory of these sizes.
        let (state, other) = unsafe {
            let layout = view::Layout::structure_of_arrays(n_cells, 2);
            let column = view::Layout::structure_of_arrays(n_cells, 1);
            (
                ViewMut::from_raw(state, ElementType::F32, layout)?,
                View::from_raw(other, ElementType::F32, column),
            )
        };
        let has = |role| !surrogate.columns_of(role).is_empty();
        let cells = Cells {
            stimulus: has(Role::Stimulus).then_some(other),
            parameters: has(Role::Parameter).then(|| other.into()),
            ..Cells::new(state)
        };
        session.step(cells, 1.0, n_steps)
    };
    step()?;
    let median = |times: &mut dyn FnMut() -> Result<f64>| {
        let mut times = (0..21).map(|_| times()).collect::<Result<Vec<f64>>>()?;
        times.sort_by(f64::total_cmp);
        Ok::<f64, Error>(times[10] / calls as f64)
    };
    let queued = median(&mut || workplace.seconds(|| (0..calls).try_for_each(|_| step())))?;
    let recording = workplace.record(|| (0..calls).try_for_each(|_| step()))?;
    let start = std::time::Instant::now;
    let repeated = median(&mut || {
        let start = start();
        workplace.repeat(&recording)?;
        workplace.seconds(|| Ok(()))?;
        Ok(start.elapsed().as_secs_f64())
    })?;
    Ok([queued, repeated])
}

fn steps(sizes: &Sizes) -> Result<()> {
    let surrogate = Arc::new(step_map()?);
    println!("\n## Step map 3-16-16-2 tanh + state\n");
    println!("| cells | steps a call | precision | µs a call | µs a call in a graph | cell steps a second |");
    println!("|---|---|---|---|---|---|");
    for &(n_cells, n_steps) in &sizes.steps {
        for &(name, precision) in sizes.precisions {
            let [queued, repeated] = step_seconds(&surrogate, n_cells, n_steps, precision, sizes.calls)?;
            let rate = n_cells as f64 * f64::from(n_steps) / queued;
            println!(
                "| {n_cells} | {n_steps} | {name} | {:.2} | {:.2} | {rate:.2e} |",
                1e6 * queued,
                1e6 * repeated
            );
        }
    }
    Ok(())
}

fn solvers(sizes: &Sizes) -> Result<()> {
    println!("\n## Forward Euler, single precision\n");
    println!("| model | cells | cell steps a second, own | of the limit of multiply-adds | as published |");
    println!("|---|---|---|---|---|");
    for model in [CellModel::fhn_cubic(), CellModel::fhn_canonical()] {
        let limit = gpu::solver_limit(&model, DEVICE)?;
        for &n_cells in &sizes.solver {
            let seconds = gpu::solver_seconds(&model, DEVICE, n_cells, 1000)?;
            let [own, published] = seconds.map(|s| n_cells as f64 / s);
            let share = 100.0 * limit * own;
            println!("| {} | {n_cells} | {own:.2e} | {share:.0} % | {published:.2e} |", model.name());
        }
    }
    Ok(())
}

/// Nanoseconds for a cell of what the published comparison asks for: the states at 26 times within 50 ms.
fn protocol(sizes: &Sizes) -> Result<()> {
    let n_cells = sizes.protocol;
    println!("\n## {SAMPLES} samples of {HORIZON} ms of cubic FitzHugh–Nagumo, {n_cells} cells\n");
    println!("| who | numbers | ns a cell | own solver's time, times | error |");
    println!("|---|---|---|---|---|");
    let [own, published] = gpu::solver_seconds(&CellModel::fhn_cubic(), DEVICE, n_cells, STEPS)?;
    let own = own * f64::from(STEPS);
    let row = |who: &str, numbers: &str, seconds: f64, error: &str| {
        let (ns, times) = (1e9 * seconds / n_cells as f64, own / seconds);
        println!("| {who} | {numbers} | {ns:.3} | {times:.2} | {error} |");
    };
    row(&format!("forward Euler, {STEPS} steps"), "f32", own, "its own, see models/README.md");
    row("the same as published", "mixed", published * f64::from(STEPS), "");
    let file = |name: &str| emucell::format::onnx::load(format!("models/{name}.onnx").as_ref()).map(Arc::new);
    let of_file = "see models/README.md";
    for &(name, precision) in sizes.precisions {
        let small = Arc::new(network(&[3, 16, 16, 2], Activation::Relu)?);
        for (who, surrogate, error) in [
            ("3-16-16-2 ReLU, all times in one call", small, "random weights"),
            ("fhn_cubic_solution, all times in one call", file("fhn_cubic_solution")?, of_file),
        ] {
            row(who, name, gpu::times_seconds(&surrogate, options(precision), n_cells, SAMPLES)?, error);
        }
        let many = file("fhn_cubic_25_times")?;
        let contender = gpu::sessions("native", name, Layout::StructureOfArrays, &many, options(precision));
        let found = Bench::run(&many, &[contender], &[Setting { batch: n_cells, threads: 1 }])?;
        row("fhn_cubic_25_times, one evaluation", name, found.measurements[0].seconds_median, of_file);
        let one_ms = file("fhn_cubic_step_1ms")?;
        let [seconds, _] = step_seconds(&one_ms, n_cells, HORIZON as u32, precision, sizes.calls.min(5))?;
        row(&format!("fhn_cubic_step_1ms, {HORIZON} steps in one call"), name, seconds, of_file);
    }
    Ok(())
}

fn main() {
    let sizes = Sizes::of_this_run();
    let all = [solvers, protocol, networks, steps];
    if let Err(fault) = all.into_iter().try_for_each(|part| part(&sizes)) {
        eprintln!("{fault}");
        std::process::exit(1);
    }
}
