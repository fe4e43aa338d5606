//! `emucell generate`: training data of the benchmark problems.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde_json::json;

use crate::dataset::{Pairs, Problem, Sampling, SolverChoice, Table, Trajectories, write_papers_layout};
use crate::error::{Error, Result};

/// Generate training data: trajectories of problems A, B and C, or state pairs one step apart.
#[derive(Args, Clone, Debug)]
pub struct Generate {
    /// What to generate: benchmark problem A, B, C or D, or pairs for the tissue step map.
    #[arg(long, value_enum, ignore_case = true)]
    problem: Data,

    /// Number of cells (trajectories), or of starts of pairs.
    #[arg(long, default_value_t = 1000)]
    cells: usize,

    /// How starts are spread over their box.
    #[arg(long, value_enum, default_value_t = SamplingName::Lhs)]
    sampling: SamplingName,

    /// Seed of the starts; the same seed gives the same file.
    #[arg(long, default_value_t = 1)]
    seed: u64,

    /// The integrator.
    #[arg(long, value_enum, default_value_t = SolverName::Euler)]
    solver: SolverName,

    /// Step of forward Euler, in ms.
    #[arg(long, default_value_t = 0.01, value_name = "MS")]
    dt: f64,

    /// Time between samples of a trajectory, in ms.
    #[arg(long, default_value_t = 1.0, value_name = "MS")]
    samples_every: f64,

    /// Length of a trajectory, in ms [default: the problem's].
    #[arg(long, value_name = "MS")]
    horizon: Option<f64>,

    /// Time between the two states of a pair, in ms [default: 1 for D, 0.1 for tissue].
    #[arg(long, value_name = "MS")]
    step: Option<f64>,

    /// Additional starts of pairs with u within 0.05 of the threshold 0.4.
    #[arg(long, default_value_t = 0, value_name = "N")]
    near_threshold: usize,

    /// Consecutive pairs taken along the trajectory of each start.
    #[arg(long, default_value_t = 1, value_name = "N")]
    along: usize,

    /// What the output holds [default: trajectories for .npz, pointwise for .csv].
    #[arg(long, value_enum)]
    layout: Option<Layout>,

    /// Threads of the integrator; they do not change the numbers [default: all].
    #[arg(long, value_name = "N")]
    threads: Option<usize>,

    /// Output: a .npz or .csv file, or the folder of the papers' layout.
    #[arg(long, short, value_name = "PATH")]
    output: PathBuf,

    /// Print the summary as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Data {
    A,
    B,
    C,
    D,
    Tissue,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum SamplingName {
    Uniform,
    Lhs,
    Grid,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum SolverName {
    Euler,
    Reference,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Layout {
    /// Arrays over cells, times and states, in one .npz file.
    Trajectories,
    /// One row for each cell and time, in one .npz or .csv file.
    Pointwise,
    /// T, U, V, K, SOLs and SOLw, one .npy file each in a folder.
    Papers,
}

impl Generate {
    /// Computes the data, writes the output and prints a summary.
    ///
    /// # Errors
    /// Options that contradict each other, a failing integration, or the system's refusal to
    /// write.
    pub fn run(&self) -> Result<()> {
        let (rows, columns) = match self.problem {
            Data::A => self.trajectories(Problem::A)?,
            Data::B => self.trajectories(Problem::B)?,
            Data::C => self.trajectories(Problem::C)?,
            Data::D => self.pairs(Pairs::problem_d(self.cells, self.seed))?,
            Data::Tissue => self.pairs(Pairs::tissue(self.cells, self.seed))?,
        };
        let path = self.output.display().to_string();
        if self.json {
            println!("{}", json!({"output": path, "rows": rows, "columns": columns}));
        } else {
            println!("{path}: {rows} rows of {}", columns.join(", "));
        }
        Ok(())
    }

    fn trajectories(&self, problem: Problem) -> Result<(usize, Vec<String>)> {
        if self.step.is_some() || self.near_threshold > 0 || self.along != 1 {
            return Err(Error::invalid(
                "--step, --near-threshold and --along belong to pairs, not to trajectories",
            )
            .remedy("use --problem d or tissue, or leave them out"));
        }
        let n = if problem == Problem::A { 1 } else { self.cells };
        let starts = self.sampling().sample(&problem.ranges(), n, self.seed)?;
        let times = self.times(problem)?;
        let mut trajectories =
            Trajectories::of_problem(problem, &starts, &times, self.solver(), self.threads())?;
        trajectories.provenance.insert("seed".into(), self.seed.into());
        trajectories.provenance.insert("sampling".into(), self.sampling().name().into());

        let extension = self.output.extension().and_then(|e| e.to_str());
        let usual = if extension == Some("csv") { Layout::Pointwise } else { Layout::Trajectories };
        let rows = starts.nrows() * times.len();
        let columns = |table: &Table| [&table.input_names[..], &table.target_names[..]].concat();
        match self.layout.unwrap_or(usual) {
            Layout::Trajectories if extension == Some("npz") => {
                trajectories.write(&self.output)?;
                Ok((rows, columns(&trajectories.pointwise(problem.inputs())?)))
            }
            Layout::Trajectories => {
                Err(Error::unsupported(format!("cannot write trajectories to {}", self.output.display()))
                    .remedy("give a file that ends in .npz, or --layout pointwise or papers"))
            }
            Layout::Pointwise => {
                let table = trajectories.pointwise(problem.inputs())?;
                table.write(&self.output)?;
                Ok((rows, columns(&table)))
            }
            Layout::Papers => {
                write_papers_layout(&self.output, &trajectories)?;
                Ok((rows, ["T", "U", "V", "K", "SOLs", "SOLw"].map(str::to_owned).to_vec()))
            }
        }
    }

    fn pairs(&self, mut pairs: Pairs) -> Result<(usize, Vec<String>)> {
        if self.layout.is_some_and(|layout| layout != Layout::Pointwise) || self.horizon.is_some() {
            return Err(Error::invalid("--layout and --horizon belong to trajectories, not to pairs")
                .remedy("leave them out"));
        }
        pairs.step = self.step.unwrap_or(pairs.step);
        pairs.sampling = self.sampling();
        pairs.n_along = self.along;
        pairs.solver = self.solver();
        pairs.n_threads = self.threads();
        if self.near_threshold > 0 {
            pairs = pairs.with_starts_near(0.4, 0.05, self.near_threshold);
        }
        let table = pairs.generate()?;
        table.write(&self.output)?;
        Ok((table.n_rows(), [&table.input_names[..], &table.target_names[..]].concat()))
    }

    fn times(&self, problem: Problem) -> Result<Vec<f64>> {
        let horizon = self.horizon.unwrap_or(problem.horizon());
        let last = (horizon / self.samples_every + 1e-9).floor();
        if !(self.samples_every > 0.0 && (0.0..1e9).contains(&last)) {
            return Err(Error::invalid(format!(
                "samples every {} ms up to {horizon} ms",
                self.samples_every
            ))
            .remedy("give a positive interval and horizon"));
        }
        Ok((0..=last as u64).map(|i| i as f64 * self.samples_every).collect())
    }

    fn sampling(&self) -> Sampling {
        match self.sampling {
            SamplingName::Uniform => Sampling::Uniform,
            SamplingName::Lhs => Sampling::LatinHypercube,
            SamplingName::Grid => Sampling::Grid,
        }
    }

    fn solver(&self) -> SolverChoice {
        match self.solver {
            SolverName::Euler => SolverChoice::Euler { dt: self.dt },
            SolverName::Reference => SolverChoice::Reference,
        }
    }

    fn threads(&self) -> usize {
        let all = || std::thread::available_parallelism().map_or(1, usize::from);
        self.threads.unwrap_or_else(all)
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Program {
        #[command(flatten)]
        generate: Generate,
    }

    fn run(arguments: &[&str]) -> Result<()> {
        let program = Program::try_parse_from([&["generate"], arguments].concat());
        program.map_err(|e| Error::invalid(e.to_string()))?.generate.run()
    }

    #[test]
    fn each_output_is_written_and_contradictions_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        run(&["--problem", "C", "--cells", "7", "-o", &path("c.npz"), "--json"]).unwrap();
        let c = Trajectories::read(folder.path().join("c.npz").as_ref()).unwrap();
        assert_eq!(c.states.dim(), (7, 21, 2));
        assert_eq!(c.provenance["seed"], 1);

        run(&["--problem", "b", "--cells", "3", "--samples-every", "0.1", "-o", &path("b.csv")]).unwrap();
        let b = crate::format::arrays::read_matrix(folder.path().join("b.csv").as_ref()).unwrap();
        assert_eq!(b.names, ["t", "u0", "w0", "u", "w"]);
        assert_eq!(b.values.nrows(), 3 * 251);

        run(&["--problem", "a", "--layout", "papers", "-o", &path("a")]).unwrap();
        assert!(folder.path().join("a/SOLw.npy").exists());

        let pairs = ["--problem", "tissue", "--cells", "5", "--near-threshold", "2", "--along", "3"];
        run(&[&pairs[..], &["--solver", "reference", "-o", &path("pairs.npz")]].concat()).unwrap();
        assert_eq!(Table::read(folder.path().join("pairs.npz").as_ref()).unwrap().n_rows(), 21);

        for refused in [
            &["--problem", "c", "--step", "0.1", "-o", &path("x.npz")][..],
            &["--problem", "d", "--layout", "papers", "-o", &path("x")],
            &["--problem", "c", "-o", &path("x.txt")],
            &["--problem", "c", "--layout", "trajectories", "-o", &path("x.csv")],
            &["--problem", "c", "--samples-every", "0", "-o", &path("x.npz")],
            &["--problem", "c", "--samples-every", "0.015", "-o", &path("x.npz")],
            &["--problem", "c", "--cells", "0", "-o", &path("x.npz")],
            &["--problem", "e", "-o", &path("x.npz")],
        ] {
            assert!(run(refused).is_err(), "{refused:?}");
        }
        assert!(!folder.path().join("x.npz").exists());
    }
}
