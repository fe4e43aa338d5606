//! The `emucell` program: parse, call, print.

mod arrays;
mod bench;
mod build_engine;
mod convert;
mod distill;
mod eval;
mod generate;
mod harvest;
mod inspect;
pub mod model;
pub mod report;
#[cfg(feature = "train")]
mod reproduce;
#[cfg(not(feature = "train"))]
#[path = "reproduce_missing.rs"]
mod reproduce;
mod rollout;
#[cfg(feature = "train")]
mod search;
#[cfg(not(feature = "train"))]
#[path = "search_missing.rs"]
mod search;
mod session;
mod structure;
#[cfg(feature = "train")]
mod train;
#[cfg(not(feature = "train"))]
#[path = "train_missing.rs"]
mod train;
mod verify;

use std::path::Path;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use log::LevelFilter;

use crate::error::{ErrorKind, Result};
use crate::format::onnx;
use crate::surrogate::Surrogate;

/// Neural surrogates of cardiac cell models: train, inspect, evaluate and report them.
#[derive(Debug, Parser)]
#[command(name = "emucell", version, propagate_version = true)]
struct Cli {
    /// Say on standard error what goes on within.
    #[arg(short, long, global = true)]
    verbose: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Generate(generate::Generate),
    Train(train::Train),
    Search(search::Search),
    Reproduce(reproduce::Reproduce),
    Eval(eval::Eval),
    Rollout(rollout::Rollout),
    Inspect(inspect::Inspect),
    Report(report::Report),
    Bench(bench::Bench),
    BuildEngine(build_engine::BuildEngine),
    Convert(convert::Convert),
    Distill(distill::Distill),
    Structure(structure::StructureCommand),
    Verify(verify::Verify),
    Harvest(harvest::Harvest),
    /// The process of a search's trial; emucell starts it itself.
    #[command(hide = true)]
    SearchTrial(search::SearchTrial),
    /// The process in which a model library runs; emucell starts it itself.
    #[command(hide = true)]
    ModelWorker,
}

/// Runs the command line of this process: exit code 0 if it worked, 1 with one line on standard
/// error if not, 2 if the command line itself is wrong, 130 if Ctrl-C ended it.
pub fn main() -> ExitCode {
    let Cli { verbose, command } = Cli::parse();
    if verbose {
        env_logger::Builder::new().filter_module("emucell", LevelFilter::Info).format_timestamp(None).init();
    }
    match run(command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            match error.kind() {
                // As shells report a program that Ctrl-C ended.
                ErrorKind::Interrupted => ExitCode::from(130),
                _ => ExitCode::FAILURE,
            }
        }
    }
}

/// The surrogate in the file at `path`; says on standard error if nobody should rely on it.
fn load_surrogate(path: &Path) -> Result<Surrogate> {
    let surrogate = onnx::load(path)?;
    if let Some(warning) = surrogate.warning() {
        eprintln!("warning: {} is {warning}", path.display());
    }
    Ok(surrogate)
}

fn run(command: Command) -> Result<()> {
    match command {
        Command::Generate(generate) => generate.run(),
        Command::Train(train) => train.run(),
        Command::Search(search) => search.run(),
        Command::Reproduce(reproduce) => reproduce.run(),
        Command::SearchTrial(trial) => trial.run(),
        Command::Eval(eval) => eval.run(),
        Command::Rollout(rollout) => rollout.run(),
        Command::Inspect(inspect) => inspect.run(),
        Command::Report(report) => report.run(),
        Command::Bench(bench) => bench.run(),
        Command::BuildEngine(build) => build.run(),
        Command::Convert(convert) => convert.run(),
        Command::Distill(distill) => distill.run(),
        Command::Structure(structure) => structure.run(),
        Command::Verify(verify) => verify.run(),
        Command::Harvest(harvest) => harvest.run(),
        Command::ModelWorker => crate::model_library::worker::main(),
    }
}
