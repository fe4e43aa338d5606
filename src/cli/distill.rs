//! `emucell distill`: a compiled cell model to a surrogate.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clap::ValueEnum;
use indicatif::ProgressBar;
use serde_json::json;

use super::model::Model;
use crate::distill::{self, Checkpoint, Distilled, Form, LongPacing, Options};
use crate::error::{Error, Result};
use crate::format::onnx;
use crate::harvest;
use crate::protocol::Pulse;
use crate::structure;
use crate::verify::{self, Quantity, Reference, Targets, TrainingCycles, Unit, VerificationReport};

/// Make a surrogate of a compiled cell model: tables where they are exact, networks for the remainder.
///
/// It is verified at cycle lengths that were not used to make it. A surrogate that misses its targets is written all the same,
/// marked as not verified; the exit code is 1 then. An interrupted training goes on when the same command is given again: it is kept in
/// FILE.onnx.checkpoint, which is removed at the end.
#[derive(Debug, clap::Args)]
pub struct Distill {
    #[command(flatten)]
    model: Model,

    /// The surrogate to write.
    #[arg(long, short, value_name = "FILE.onnx")]
    output: PathBuf,

    /// Errors that must not be exceeded, for example "apd90 1%, cv 1%, beats 500".
    #[arg(long, value_name = "TARGETS", default_value = "apd90 1%, cv 1%")]
    target: Targets,

    /// What the surrogate looks like.
    #[arg(long, value_enum, default_value = "structured")]
    form: FormName,

    /// Number of latent gates beside the potential, for --form latent [default: 4].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=64))]
    latent: Option<u32>,

    /// Iterations of the training of networks, all rounds together [default: what the form needs, and more as long as targets are missed
    /// and time is left]. Where the budget suffices for them, the same command gives the same surrogate.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    iterations: Option<u64>,

    /// Time for the training of networks, where tables are not enough: 90s, 30m, 2h.
    #[arg(long, value_name = "TIME", default_value = "10m", value_parser = time)]
    budget: Duration,

    /// Length of the pacing that visits states, ms.
    #[arg(long, value_name = "MS", default_value_t = 1500.0)]
    time: f64,

    /// Seed of everything random.
    #[arg(long, default_value_t = 0)]
    seed: u64,

    /// Print the verification as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum FormName {
    /// Tables and products where they are exact, networks for the remainder.
    Structured,
    /// One network for all states, fed all of them and the stimulus: for comparison.
    BlackBox,
    /// The potential and --latent gates that nobody named, learned from the potential and the stimulus alone.
    Latent,
}

/// Latent gates where no number is given.
const LATENT: u32 = 4;
/// Cells that are paced side by side to visit states.
const CELLS: usize = 32;
/// Cycle lengths at which the surrogate is tried while it is made, ms.
const CYCLE_LENGTHS: [f64; 4] = [340.0, 460.0, 620.0, 870.0];
/// Cycle lengths of long pacing, which reaches other concentrations at each, ms.
const LONG_CYCLE_LENGTHS: [f64; 6] = [310.0, 370.0, 440.0, 560.0, 740.0, 1010.0];
/// Beats of long pacing where no target names a number: concentrations have gone part of their way.
const BEATS: u32 = 40;

impl Distill {
    pub fn run(self) -> Result<()> {
        if let (Some(n), FormName::Structured | FormName::BlackBox) = (self.latent, self.form) {
            return Err(Error::invalid(format!("--latent {n} for a form that has no latent gates"))
                .remedy("add --form latent, or leave --latent out"));
        }
        let bar = ProgressBar::new_spinner();
        bar.enable_steady_tick(std::time::Duration::from_millis(120));
        let shown = bar.clone();
        let mut progress = move |text: &str| match shown.is_hidden() {
            true => eprintln!("{text}"),
            false => shown.set_message(text.to_owned()),
        };
        let checkpoint = self.checkpoint()?;
        // Before anything else takes time.
        checkpoint.load()?;
        let mut model = self.model.open()?;
        let stimulus = self.model.stimulus(&mut model)?;
        let pulse = Pulse { strength: stimulus.strength, duration: stimulus.duration };
        progress("visiting states");
        let mut visited = harvest::harvest(
            &mut model,
            &harvest::Options {
                dt: self.model.dt,
                strength: stimulus.strength,
                duration: stimulus.duration,
                time: self.time,
                n_cells: CELLS,
                seed: self.seed,
                ..harvest::Options::default()
            },
        )?;
        progress(&format!("pacing for {} beats", self.beats()));
        let long = LongPacing::of(&mut model, self.model.dt, pulse, &LONG_CYCLE_LENGTHS, self.beats())?;
        visited.append(long.visited());
        progress("taking the step apart");
        let name = self.model.library.file_name();
        let name = name.ok_or_else(|| Error::invalid("a path without a file name"))?;
        let library = name.to_string_lossy().into_owned();
        let options = structure::Options {
            library: library.clone(),
            dt: self.model.dt,
            seed: self.seed,
            ..structure::Options::default()
        };
        let structure = structure::detect(&mut model, &visited, &options)?;
        let options = Options {
            form: match self.form {
                FormName::Structured => Form::Structured,
                FormName::BlackBox => Form::BlackBox,
                FormName::Latent => Form::Latent(self.latent.unwrap_or(LATENT) as usize),
            },
            pulse,
            apd90: self.apd90(),
            cycle_lengths: CYCLE_LENGTHS.to_vec(),
            beats: 4,
            iterations: self.iterations,
            budget: self.budget,
            seed: self.seed,
            checkpoint: Some(checkpoint.clone()),
        };
        // The first Ctrl-C ends the training, with the best so far; the second one the program.
        let stopped = Arc::new(AtomicBool::new(false));
        let setter = Arc::clone(&stopped);
        ctrlc::set_handler(move || {
            if setter.swap(true, Ordering::Relaxed) {
                std::process::exit(130);
            }
        })
        .map_err(|e| Error::unsupported(format!("cannot catch Ctrl-C: {e}")))?;
        let go_on = || !stopped.load(Ordering::Relaxed);
        let Distilled { surrogate, .. } =
            distill::distill(&mut model, &visited, &structure, Some(&long), &options, &mut progress, &go_on)?;
        onnx::save(&self.output, &surrogate)?;
        match go_on() {
            true => checkpoint.remove()?,
            false if checkpoint.path.exists() => eprintln!(
                "interrupted: the same command goes on with {}; what follows is of the best surrogate so far",
                checkpoint.path.display()
            ),
            false => {}
        }
        progress("verifying");
        let options = self.verification(pulse).avoiding(&TrainingCycles::of(&surrogate));
        let reference = Reference::measure(&mut model, self.model.dt, &options)?;
        let verification = reference.verify(&Arc::new(surrogate.clone()))?;
        let entry = verification.entry(&self.target, &library);
        onnx::save(&self.output, &surrogate.with_verification(&entry))?;
        bar.finish_and_clear();
        let name = self.output.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let report = VerificationReport::new(name, library, &verification);
        match self.json {
            true => print!("{}", report.json()),
            false => print!("{}", report.text()),
        }
        match verification.missed() {
            missed if missed.is_empty() => Ok(()),
            missed => Err(Error::numeric(format!("targets are missed: {}", missed.join("; ")))
                .in_file(&self.output)
                .remedy("raise the budget or the targets; the file says that it is not verified")),
        }
    }

    /// Where training is kept, and everything that it depends on.
    fn checkpoint(&self) -> Result<Checkpoint> {
        let Model {
            library,
            function,
            initial,
            real,
            dt,
            substeps,
            mask,
            extra_data,
            adaptive,
            strength,
            duration,
            states: _,
            time_limit: _,
        } = &self.model;
        let bytes = std::fs::read(library).map_err(|e| Error::io("read", library, e))?;
        let mut sum = flate2::Crc::new();
        sum.update(&bytes);
        let subject = json!({
            "the program's version": env!("CARGO_PKG_VERSION"),
            "--library": library.file_name().unwrap_or_default().to_string_lossy(),
            "the library's checksum": format!("{:08x} of {} bytes", sum.sum(), bytes.len()),
            "--function": function,
            "--initial": initial,
            "--real": format!("{real:?}").to_lowercase(),
            "--dt": dt,
            "--substeps": substeps,
            "--mask": mask,
            "--extra-data": extra_data,
            "--adaptive": adaptive,
            "--strength": strength,
            "--duration": duration,
            "--target": self.target.to_string(),
            "--form": self.form.to_possible_value().map(|name| name.get_name().to_owned()),
            "--latent": self.latent,
            "--iterations": self.iterations,
            "--budget": format!("{} s", self.budget.as_secs_f64()),
            "--time": self.time,
            "--seed": self.seed,
        });
        let serde_json::Value::Object(subject) = subject else { unreachable!("an object") };
        Ok(Checkpoint { path: Checkpoint::beside(&self.output), subject })
    }

    /// The relative error of APD90 that is aimed at.
    fn apd90(&self) -> f64 {
        let of = |t: &verify::Target| match (t.quantity, t.unit) {
            (Quantity::Apd90 | Quantity::Apd50 | Quantity::Cv, Unit::Percent) => Some(t.limit / 100.0),
            // A millisecond of a few hundred.
            (Quantity::Apd90 | Quantity::Apd50, Unit::Milliseconds) => Some(t.limit / 300.0),
            _ => None,
        };
        self.target.0.iter().filter_map(of).fold(0.01, f64::min)
    }

    /// Beats of long pacing.
    fn beats(&self) -> u32 {
        let of = |t: &verify::Target| (t.quantity == Quantity::Beats).then_some(t.limit as u32);
        self.target.0.iter().find_map(of).unwrap_or(BEATS).max(BEATS)
    }

    /// What the targets need, and no more.
    fn verification(&self, pulse: Pulse) -> verify::Options {
        let names = |quantity| self.target.0.iter().any(|t| t.quantity == quantity);
        let (quick, full) = (verify::Options::quick(pulse), verify::Options::new(pulse));
        verify::Options {
            cycle_lengths: full.cycle_lengths,
            cable_time: if names(Quantity::Apd90) { full.cable_time } else { quick.cable_time },
            restitution_beats: if names(Quantity::Restitution) { full.restitution_beats } else { 0 },
            alternans_lengths: if names(Quantity::Alternans) { full.alternans_lengths } else { Vec::new() },
            long_beats: if names(Quantity::Beats) { self.beats() } else { 0 },
            cost: true,
            targets: self.target.clone(),
            ..quick
        }
    }
}

/// Reads a time with its unit.
fn time(text: &str) -> std::result::Result<Duration, String> {
    let number = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let seconds = match &text[number.len()..] {
        "s" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        _ => return Err("write it with its unit: 90s, 30m, 2h".into()),
    };
    match number.trim().parse::<f64>() {
        Ok(n) if n > 0.0 && n * seconds < 1e7 => Ok(Duration::from_secs_f64(n * seconds)),
        _ => Err("give a positive number with its unit: 90s, 30m, 2h".into()),
    }
}
