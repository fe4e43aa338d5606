//! `emucell verify`: a surrogate against the cell model that it was made from.

use std::path::PathBuf;
use std::sync::Arc;

use indicatif::ProgressBar;

use super::model::Model;
use crate::error::{Error, Result};
use crate::format::onnx;
use crate::protocol::Pulse;
use crate::surrogate::Kind;
use crate::verify::{Options, Reference, Targets, TrainingCycles, VerificationReport};

/// Prove a surrogate against the cell model that it was made from; exit code 1 if it misses a target.
///
/// Both are paced over cycle lengths that training did not use, with premature beats and alternans, in a cable, for hundreds of beats and
/// from states out of the domain. The result is kept in the surrogate's file.
#[derive(Debug, clap::Args)]
pub struct Verify {
    /// Surrogate (.onnx), a step map.
    file: PathBuf,
    /// Errors that must not be exceeded, for example "apd90 1%, cv 1%, activation 1 ms, restitution 2%, alternans 20 ms, beats 500"
    /// [default: those that the file names, or "apd90 1%, cv 1%"].
    #[arg(long, value_name = "TARGETS")]
    target: Option<Targets>,
    /// Cycle lengths of single cells, ms [default: 300,350,400,500,650,800,1000, moved where training used them].
    #[arg(long, value_name = "MS,…", value_delimiter = ',')]
    cycle_lengths: Option<Vec<f64>>,
    /// Beats at each of them.
    #[arg(long, value_name = "N", default_value_t = 12, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    beats: u32,
    /// Beats of long pacing; 0 leaves it out.
    #[arg(long, value_name = "N", default_value_t = 500)]
    long_beats: u32,
    /// Only three cycle lengths of five beats and a short cable.
    #[arg(long, conflicts_with_all = ["cycle_lengths", "beats", "long_beats"])]
    quick: bool,
    /// Print everything as JSON.
    #[arg(long)]
    json: bool,
    /// Folder for the report: verification.html, verification.json and pictures; made if need be.
    #[arg(long, value_name = "DIR")]
    output: Option<PathBuf>,
    /// Leave the surrogate's file alone.
    #[arg(long)]
    no_store: bool,
    #[command(flatten)]
    model: Model,
}

impl Verify {
    /// Verifies, prints and stores what was found.
    ///
    /// # Errors
    /// Targets that are missed; unreadable files, a library that cannot be used, a model that the stimulus does not excite.
    pub fn run(&self) -> Result<()> {
        let surrogate = Arc::new(onnx::load(&self.file)?);
        let Kind::StepMap { dt } = surrogate.kind() else {
            return Err(Error::unsupported(format!("a {} instead of a step map", surrogate.kind().name()))
                .in_file(&self.file)
                .remedy("`emucell report` compares solution maps"));
        };
        let targets = match (&self.target, surrogate.verification()) {
            (Some(targets), _) => targets.clone(),
            (None, Some(stored)) if !stored.targets.is_empty() => {
                stored.targets.parse().map_err(|e: Error| e.in_file(&self.file))?
            }
            (None, _) => "apd90 1%, cv 1%".parse()?,
        };
        let model = Model { dt, ..self.model.clone() };
        let mut library = model.open()?;
        let stimulus = model.stimulus(&mut library)?;
        let pulse = Pulse { strength: stimulus.strength, duration: stimulus.duration };
        let training = TrainingCycles::of(&surrogate);
        let options = match &self.cycle_lengths {
            _ if self.quick => Options::quick(pulse).avoiding(&training),
            Some(lengths) => Options { cycle_lengths: lengths.clone(), ..self.full(pulse) },
            None => self.full(pulse).avoiding(&training),
        };
        let options = Options { targets: targets.clone(), ..options };
        let progress = if self.json { ProgressBar::hidden() } else { ProgressBar::new_spinner() };
        progress.enable_steady_tick(std::time::Duration::from_millis(120));
        progress.set_message("the cell model: pacing, premature beats, alternans, cable");
        let reference = Reference::measure(&mut library, dt, &options)?;
        progress.set_message("the surrogate: the same, and long pacing");
        let verification = reference.verify(&surrogate)?;
        progress.finish_and_clear();

        let name = self.file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let library = self.model.library.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let report = VerificationReport::new(name, library, &verification);
        if let Some(folder) = &self.output {
            report.write(folder)?;
        }
        if !self.no_store {
            let entry = verification.entry(&targets, report.library());
            onnx::save(&self.file, &surrogate.as_ref().clone().with_verification(&entry))
                .map_err(|e| e.remedy("give --no-store to leave the file alone"))?;
        }
        match self.json {
            true => print!("{}", report.json()),
            false => {
                print!("{}", report.text());
                if let Some(folder) = &self.output {
                    println!("written to {}", folder.join("verification.html").display());
                }
            }
        }
        match verification.missed() {
            missed if missed.is_empty() => Ok(()),
            missed => {
                Err(Error::numeric(format!("targets are missed: {}", missed.join("; "))).in_file(&self.file))
            }
        }
    }

    fn full(&self, pulse: Pulse) -> Options {
        Options { beats: self.beats, long_beats: self.long_beats, ..Options::new(pulse) }
    }
}
