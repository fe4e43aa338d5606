//! `emucell reproduce`: the papers' study in the time that there is.

use std::path::PathBuf;

use super::search::{AtOnce, run_all};
use crate::error::Result;
use crate::reproduce::{Results, Study};
use crate::search::Share;

/// Run the papers' study: problems A to D, their methods, 1k to 100k samples; tables beside the published figures.
///
/// The budget is divided evenly between the trainings. Run the same command again to go on with a study that was
/// interrupted; another budget is another study.
#[derive(Debug, clap::Args)]
pub struct Reproduce {
    /// Minutes for all of it
    #[arg(long, value_name = "MINUTES")]
    budget: f64,
    /// Folder for study.md, study.csv, study.json, study.html and the trainings
    #[arg(short, long, value_name = "DIR")]
    out: PathBuf,
    /// Problems, separated by commas
    #[arg(long, value_name = "P,…", value_delimiter = ',', default_values = ["a", "b", "c", "d"])]
    problems: Vec<String>,
    /// Methods, separated by commas
    #[arg(long, value_name = "M,…", value_delimiter = ',', default_values = ["ddnn", "pinn", "itnn"])]
    methods: Vec<String>,
    /// Sizes of training sets, separated by commas
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_values = ["1k", "10k", "100k"])]
    samples: Vec<String>,
    /// Seed of weights, data and batches
    #[arg(long, default_value_t = 1)]
    seed: u32,
    #[command(flatten)]
    at_once: AtOnce,
    /// Print the results as JSON
    #[arg(long)]
    json: bool,
}

impl Reproduce {
    pub fn run(self) -> Result<()> {
        let Self { budget, out, problems, methods, samples, seed, at_once, json } = self;
        let mut share = Share::start()?;
        let side_by_side = at_once.jobs(&share)? * share.n_ranks();
        let study = Study::new(&problems, &methods, &samples, budget, side_by_side, seed)?;
        if share.rank() == 0 {
            for (problem, method, why) in &study.left_out {
                eprintln!("left out: {method} of {}: {why}", problem.name().to_uppercase());
            }
            eprintln!("{:.1} s of training each", study.seconds);
        }
        let Some(table) = run_all("The papers' study", &study.search, &out, &at_once, &mut share)? else {
            return Ok(());
        };
        let results = Results::new(&study, &table);
        results.write(&out)?;
        match json {
            true => println!("{}", results.json()),
            false => println!("{}\nwritten to {}", results.markdown(), out.join("study.html").display()),
        }
        Ok(())
    }
}
