//! A report on a surrogate: what it is, how far it is from its cell model, whether it is worth
//! its time; as numbers (`report.json`), pictures (SVG and PNG) and one self-contained page.

pub mod bench;
mod counterpart;
pub(crate) mod draw;
pub mod evaluate;
mod losses;
pub(crate) mod page;
mod steady;
mod tissue;
mod verdict;

use std::fs;
use std::path::Path;
use std::sync::Arc;

use serde::Serialize;
use serde_json::{Map, Value};

pub use counterpart::Counterpart;
pub use draw::{Figure, chosen, number};
pub use losses::{LossSummary, Losses};
pub use tissue::Tissue;

use crate::error::{Error, Result};
use crate::format::atomic;
use crate::program::Program;
use crate::surrogate::{CellModelDescription, Kind, Role, Surrogate, Variable};
use evaluate::{Accuracy, AgainstEuler, Comparison, Draw, LongRollout, Speed};
use verdict::Verdict;

/// Most cells of an evaluation, which are kept in memory with all their samples.
const MAX_CELLS: usize = 50_000;

/// What a report is made with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Cells that are compared in each box.
    pub cells: usize,
    /// Seed that they are drawn with; another than training's.
    pub seed: u64,
    /// Threads of the reference solver; they do not change the numbers.
    pub n_threads: usize,
    /// Steps in a row of a step map's long rollout; none is made if 0.
    pub long_steps: u64,
    /// Cells of the long rollout.
    pub long_cells: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { cells: 2000, seed: 19_520_828, n_threads: 1, long_steps: 0, long_cells: 256 }
    }
}

/// The numbers of a report.
#[derive(Clone, Debug, Serialize)]
pub struct Numbers {
    /// Version of the program that made them.
    pub program_version: &'static str,
    /// What the surrogate is.
    pub surrogate: Description,
    /// Its errors, box by box; none if nothing is known to compare with.
    pub accuracy: Vec<Accuracy>,
    /// Why there are no errors.
    pub accuracy_missing: Option<String>,
    /// A step map over thousands of steps, if that was asked for.
    pub long_rollout: Option<LongRollout>,
    /// Its speed.
    pub speed: Speed,
    /// Where its training ended, if loss curves were given.
    pub training: Option<LossSummary>,
    /// What was measured in a tissue, if that was given.
    pub tissue: Option<Map<String, Value>>,
}

impl Numbers {
    fn speed_verdict(&self, euler: &AgainstEuler) -> Verdict {
        let is_time = |v: &&Variable| v.role == Role::Time && self.surrogate.dt.is_none();
        let time = self.surrogate.inputs.iter().find(is_time);
        // An evaluation at many times stands for all of the solution up to the last.
        let last = self.surrogate.times.last().copied();
        let horizon = time.and_then(|v| v.range).map(|[_, end]| end).or(last).unwrap_or(50.0);
        let equal = self.accuracy.first().and_then(|a| a.equal_euler_dt);
        verdict::on_speed(euler, self.surrogate.dt.or(last), horizon, equal)
    }
}

/// What a surrogate is.
#[derive(Clone, Debug, Serialize)]
pub struct Description {
    /// `solution_map` or `step_map`.
    pub kind: &'static str,
    /// Milliseconds of a step map's step.
    pub dt: Option<f64>,
    /// Times of the outputs of a solution map that gives the states at several at once, in milliseconds.
    pub times: Vec<f64>,
    /// Input variables.
    pub inputs: Vec<Variable>,
    /// Output variables.
    pub outputs: Vec<Variable>,
    /// State in which a cell starts.
    pub initial_state: Option<Vec<f64>>,
    /// The cell model that it stands for.
    pub cell_model: Option<CellModelDescription>,
    /// Operations of its program, if its network is one.
    pub operations: Option<usize>,
    /// Multiplications with additions of one evaluation, if they are known.
    pub multiply_adds: Option<usize>,
    /// How it came to be.
    pub provenance: Map<String, Value>,
}

impl Description {
    fn of(surrogate: &Surrogate) -> Self {
        Self {
            kind: surrogate.kind().name(),
            dt: match surrogate.kind() {
                Kind::StepMap { dt } => Some(dt),
                Kind::SolutionMap | Kind::Derivative => None,
            },
            times: surrogate.times().to_vec(),
            inputs: surrogate.inputs().to_vec(),
            outputs: surrogate.outputs().to_vec(),
            initial_state: surrogate.initial_state().map(<[f64]>::to_vec),
            cell_model: surrogate.cell_model().cloned(),
            operations: surrogate.program().ok().map(|p| p.operations().len()),
            multiply_adds: surrogate.program().ok().map(Program::multiply_adds),
            provenance: surrogate.provenance().clone(),
        }
    }
}

/// A report with its pictures, ready to be written.
#[derive(Clone, Debug)]
pub struct Report {
    name: String,
    numbers: Numbers,
    tissue_scalars: Vec<(String, Value)>,
    figures: Figures,
}

/// The pictures, section by section.
#[derive(Clone, Debug, Default)]
struct Figures {
    traces: Vec<Figure>,
    histograms: Vec<Figure>,
    over_time: Vec<Figure>,
    planes: Vec<Figure>,
    losses: Vec<Figure>,
    tissue: Vec<Figure>,
}

impl Figures {
    fn all(&self) -> impl Iterator<Item = &Figure> {
        let Self { traces, histograms, over_time, planes, losses, tissue } = self;
        [traces, histograms, over_time, planes, losses, tissue].into_iter().flatten()
    }
}

impl Report {
    /// Evaluates `surrogate`, called `name` in the title, and draws the pictures.
    ///
    /// A surrogate that cannot be compared with a built-in cell model gets a report without
    /// errors, which says why.
    ///
    /// # Errors
    /// No or too many cells, a surrogate that this machine cannot run, an integration that fails.
    pub fn new(
        name: &str,
        surrogate: &Arc<Surrogate>,
        losses: Option<&Losses>,
        tissue: Option<&Tissue>,
        options: Options,
    ) -> Result<Self> {
        if !(1..=MAX_CELLS).contains(&options.cells) {
            return Err(Error::invalid(format!("{} cells", options.cells))
                .remedy(format!("give a number from 1 to {MAX_CELLS}")));
        }
        let draw = Draw { cells: options.cells, seed: options.seed, n_threads: options.n_threads };
        let counterpart = Counterpart::of(surrogate);
        let comparable = match &counterpart {
            Ok(counterpart) => evaluate::domain(surrogate).map(|_| counterpart).map_err(|e| e.to_string()),
            Err(e) => Err(e.to_string()),
        };
        let comparisons = match comparable.as_ref() {
            Ok(counterpart) => evaluate::compare(surrogate, counterpart, draw)?,
            Err(_) => Vec::new(),
        };
        let long_rollout = match (&comparable, options.long_steps) {
            (Ok(counterpart), steps @ 1..) => {
                let Options { long_cells, seed, n_threads, .. } = options;
                evaluate::long_rollout(surrogate, counterpart, steps, long_cells, seed, n_threads)?
            }
            _ => None,
        };
        let mut figures = Figures::default();
        if let (Ok(counterpart), Some(first)) = (&comparable, comparisons.first()) {
            figures = pictures(surrogate, counterpart, first, options.n_threads)?;
        }
        if let Some(losses) = losses {
            figures.losses = vec![draw::losses(losses)?];
        }
        if let Some(tissue) = tissue {
            figures.tissue = draw::tissue(tissue)?;
        }
        let typical = ndarray::Array2::from_shape_fn((1, surrogate.inputs().len()), |(_, j)| {
            surrogate.inputs()[j].range.map_or(0.5, |[low, high]| (low + high) / 2.0)
        });
        let inputs = comparisons.first().map_or(&typical, |c| &c.inputs);
        let numbers = Numbers {
            program_version: env!("CARGO_PKG_VERSION"),
            surrogate: Description::of(surrogate),
            speed: evaluate::measure(surrogate, counterpart.as_ref().ok(), inputs)?,
            long_rollout,
            accuracy: comparisons.into_iter().map(|c| c.accuracy).collect(),
            accuracy_missing: comparable.err(),
            training: losses.map(Losses::summary),
            tissue: tissue.map(|t| t.numbers.clone()),
        };
        let tissue_scalars = tissue.map(Tissue::scalars).unwrap_or_default();
        Ok(Self { name: name.to_owned(), numbers, tissue_scalars, figures })
    }

    /// The numbers.
    pub fn numbers(&self) -> &Numbers {
        &self.numbers
    }

    /// The numbers as JSON text; what is not finite is `null`.
    pub fn json(&self) -> String {
        let mut text = serde_json::to_string_pretty(&self.numbers).expect("plain data turns into JSON");
        text.push('\n');
        text
    }

    /// What matters most, in a few sentences.
    pub fn summary(&self) -> String {
        let mut sentences = Vec::new();
        let first = self.numbers.accuracy.first();
        sentences.extend(first.map(verdict::on_accuracy));
        sentences.extend(self.numbers.long_rollout.as_ref().map(steady::sentence));
        sentences
            .extend(self.numbers.accuracy_missing.as_ref().map(|why| format!("Errors are missing: {why}.")));
        if let Some(euler) = &self.numbers.speed.euler {
            sentences.push(self.numbers.speed_verdict(euler).text);
        }
        sentences.join("\n")
    }

    /// The page, complete in itself.
    pub fn html(&self) -> String {
        page::html(self)
    }

    /// Writes `report.html`, `report.json` and the pictures, in `figures`, into `folder`, which is
    /// made if need be.
    ///
    /// # Errors
    /// The system's refusal to write there.
    pub fn write(&self, folder: &Path) -> Result<()> {
        let pictures = folder.join("figures");
        fs::create_dir_all(&pictures).map_err(|e| Error::io("make the folder", &pictures, e))?;
        for figure in self.figures.all() {
            atomic::write(&pictures.join(format!("{}.svg", figure.name)), figure.svg.as_bytes())?;
            atomic::write(&pictures.join(format!("{}.png", figure.name)), &figure.png)?;
        }
        atomic::write(&folder.join("report.json"), self.json().as_bytes())?;
        atomic::write(&folder.join("report.html"), self.html().as_bytes())
    }
}

fn pictures(
    surrogate: &Arc<Surrogate>,
    counterpart: &Counterpart,
    comparison: &Comparison,
    n_threads: usize,
) -> Result<Figures> {
    let planes = evaluate::planes(surrogate, counterpart, n_threads)?;
    Ok(Figures {
        traces: draw::traces(surrogate, &evaluate::traces(surrogate, counterpart, comparison)?)?,
        histograms: draw::histograms(surrogate, comparison)?,
        over_time: draw::over_time(surrogate, &comparison.accuracy)?,
        planes: draw::planes(&surrogate.states()[0].name, &planes)?,
        ..Figures::default()
    })
}
