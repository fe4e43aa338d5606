//! `emucell train`: a recipe to a surrogate, with a progress bar, interruptible and resumable.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::error::{Error, Result};
use crate::train::recipe::{self, Options, Recipe, Trained};
use crate::train::{Evaluation, Progress};

/// Seconds between lines of progress where there is no terminal to draw a bar on.
const SECONDS_BETWEEN_LINES: f64 = 10.0;

/// Train a surrogate from a recipe.
///
/// Run the same command again to go on with a training that was interrupted; one that is finished
/// is not repeated.
#[derive(Debug, clap::Args)]
pub struct Train {
    /// Recipe, a TOML file; experiments/ has examples
    recipe: PathBuf,
    /// Folder for surrogate.onnx, best_model.pth, losses.csv, model_stats.txt and checkpoint
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Where to compute: cpu, cuda or cuda:1
    #[arg(long, default_value = "cpu")]
    device: String,
    /// Threads; networks as small as these gain nothing from more than one
    #[arg(long, default_value_t = 1, value_name = "N")]
    threads: u16,
    /// Seed of weights, data and batches, instead of the recipe's
    #[arg(long)]
    seed: Option<u64>,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
    /// Start anew, whatever DIR holds
    #[arg(long)]
    force: bool,
}

impl Train {
    pub fn run(self) -> Result<()> {
        if self.threads == 0 {
            return Err(Error::invalid("0 threads").at("--threads").remedy("use at least 1"));
        }
        let mut recipe = Recipe::load(&self.recipe)?;
        recipe.seed = self.seed.unwrap_or(recipe.seed);
        let device = device(&self.device)?;
        tch::set_num_threads(i32::from(self.threads));
        let bar = bar();
        let shown = bar.clone();
        let mut next_line = 0.0;
        let trained = recipe::run(
            &recipe,
            Options {
                folder: self.out,
                device,
                n_threads: usize::from(self.threads),
                force: self.force,
                interrupt: Some(interrupt_flag()?),
                on_progress: Some(Box::new(move |progress| {
                    show(&shown, progress);
                    // Into a file or a pipe goes a line now and then instead of a bar.
                    if shown.is_hidden() && progress.seconds >= next_line {
                        eprintln!("{:3.0}%  {}", 100.0 * progress.fraction, describe(progress));
                        next_line = progress.seconds + SECONDS_BETWEEN_LINES;
                    }
                })),
            },
        );
        bar.finish_and_clear();
        let trained = trained?;
        if self.json {
            println!("{}", serde_json::to_string_pretty(&trained).expect("plain data"));
        } else {
            print(&trained);
        }
        Ok(())
    }
}

pub(super) fn device(name: &str) -> Result<tch::Device> {
    crate::train::device(name).map_err(|e| e.at("--device"))
}

/// Set by the first Ctrl-C; the second one ends the program at once.
pub(super) fn interrupt_flag() -> Result<Arc<AtomicBool>> {
    let flag = Arc::new(AtomicBool::new(false));
    let setter = Arc::clone(&flag);
    ctrlc::set_handler(move || {
        if setter.swap(true, Ordering::Relaxed) {
            std::process::exit(130);
        }
    })
    .map_err(|e| Error::unsupported(format!("cannot catch Ctrl-C: {e}")))?;
    Ok(flag)
}

fn bar() -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:24} {percent:>3}% {msg}").expect("a valid template");
    let bar = ProgressBar::with_draw_target(Some(1000), ProgressDrawTarget::stderr_with_hz(10));
    bar.set_style(style);
    bar
}

fn show(bar: &ProgressBar, p: &Progress) {
    bar.set_position((p.fraction * 1000.0) as u64);
    bar.set_message(describe(p));
}

fn describe(p: &Progress) -> String {
    let losses: Vec<String> = p.losses.iter().map(|(name, value)| format!("{name} {value:.2e}")).collect();
    let remaining = std::time::Duration::from_secs_f64(p.remaining.clamp(0.0, 1e8).max(0.0));
    let window = match p.window {
        [_, 1] => String::new(),
        [window, of] => format!("window {window}/{of}  "),
    };
    format!(
        "{window}{}/{}  {}  validation {:.2e} (best {:.2e})  rate {:.1e}  {:.0} it/s  {} left",
        p.iteration,
        p.iterations,
        losses.join("  "),
        p.validation,
        p.best_validation,
        p.rate,
        p.speed,
        indicatif::HumanDuration(remaining),
    )
}

fn print(trained: &Trained) {
    let verb = if trained.was_finished { "was trained already" } else { "trained" };
    println!(
        "{} {verb}: {} iterations in {:.0} s, {}, validation {:.3e}",
        trained.surrogate.display(),
        trained.iterations,
        trained.seconds,
        trained.reason,
        trained.best_validation
    );
    let Some(evaluation) = &trained.evaluation else { return };
    let Evaluation { cells, samples, horizon, excited, exact, euler, .. } = evaluation;
    println!("{cells} fresh cells, {samples} samples to {horizon} ms; {:.1} % fire early", excited * 100.0);
    println!(
        "against          MAE        max     rel. L2 mean   p99      excitation wrong  always within 0.05"
    );
    for (name, e) in [("exact solution", exact), ("Euler 0.01 ms", euler)] {
        println!(
            "{name:14} {:9.2e}  {:9.2e}  {:9.2e}   {:9.2e}   {:.2} %            {:.2} %",
            e.mean_absolute,
            e.maximum,
            e.relative_l2_mean,
            e.relative_l2_p99,
            e.excitation_wrong * 100.0,
            e.always_within * 100.0
        );
    }
}
