//! The study's results beside the published ones: Markdown, CSV, a page.

use std::fmt::Write as _;
use std::path::Path;

use serde::Serialize;

use super::published::Published;
use super::study::Study;
use crate::dataset::Problem;
use crate::error::{Error, Result};
use crate::format::atomic;
use crate::search;

/// What the study found.
#[derive(Clone, Debug, Serialize)]
pub struct Results {
    /// Minutes given.
    pub budget: f64,
    /// Seconds of each training.
    pub seconds: f64,
    /// Seed of all trainings.
    pub seed: u32,
    /// The processor on which speeds were measured.
    pub processor: String,
    /// False if speeds mean nothing, as the program was built without optimisation.
    pub optimized: bool,
    /// Version of the program.
    pub program_version: &'static str,
    /// A row a training.
    pub rows: Vec<Row>,
    /// Problem, method, and why it is left out.
    pub left_out: Vec<(String, String, String)>,
}

/// A training of the study.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// The problem, `A` to `D`.
    pub problem: String,
    /// The method.
    pub method: String,
    /// Samples trained on.
    pub samples: String,
    /// How it went, what it costs.
    pub trial: search::Row,
    /// The papers' figures for the problem.
    pub published: Published,
}

impl Results {
    /// The results of `study`, whose trainings make `table`.
    pub fn new(study: &Study, table: &search::Table) -> Self {
        let rows = study.cells.iter().zip(&table.rows).map(|((problem, method, samples), trial)| Row {
            problem: upper(*problem),
            method: (*method).to_owned(),
            samples: (*samples).to_owned(),
            trial: trial.clone(),
            published: Published::of(*problem),
        });
        let left_out = study
            .left_out
            .iter()
            .map(|(p, method, why)| (upper(*p), (*method).to_owned(), (*why).to_owned()));
        Self {
            budget: study.budget,
            seconds: study.seconds,
            seed: study.seed,
            processor: table.processor.clone(),
            optimized: table.optimized,
            program_version: env!("CARGO_PKG_VERSION"),
            rows: rows.collect(),
            left_out: left_out.collect(),
        }
    }

    /// How it was done, paragraph by paragraph.
    pub fn conditions(&self) -> Vec<String> {
        let mut text = vec![
            format!(
                "emucell {}, {} minutes for {} trainings: {:.0} seconds of training each, one thread, seed {}. \
                 Published figures are the best and the median of 800 networks a problem.",
                self.program_version,
                self.budget,
                self.rows.len(),
                self.seconds,
                self.seed
            ),
            "Errors are over cells (problem A: times) that were drawn with a seed of their own and were neither trained \
             on nor used to stop. \"Euler\" is forward Euler with steps of 0.01 ms, the reference of the published \
             figures, whose own error is about 2·10⁻⁴; \"exact\" is the cell model solved to 10⁻¹²."
                .to_owned(),
            "Samples: solution maps have 20 samples a trajectory, so that 100k are the papers' 5000 trajectories of \
             problem B; problem A has as many times of its one trajectory (997, 9973, 99991: a prime number of them \
             meets no time of the test); step maps have pairs of states. Step maps are rolled out."
                .to_owned(),
        ];
        if !self.processor.is_empty() {
            text.push(format!(
                "Speeds: native session, one thread, measured after all trainings, {}.{}",
                self.processor,
                if self.optimized { "" } else { " Built without optimisation: they mean nothing." }
            ));
        }
        text
    }

    /// The tables as Markdown.
    pub fn markdown(&self) -> String {
        let mut text = String::from("# The papers' study\n\n");
        for paragraph in self.conditions() {
            let _ = writeln!(text, "{paragraph}\n");
        }
        let _ = writeln!(text, "| {} |", HEADER.join(" | "));
        let _ = writeln!(text, "|{}", "---|".repeat(HEADER.len()));
        for row in &self.rows {
            let _ = writeln!(text, "| {} |", row.fields().join(" | "));
        }
        if !self.left_out.is_empty() {
            text.push_str("\nLeft out:\n\n");
            for (problem, method, why) in &self.left_out {
                let _ = writeln!(text, "- {method} of {problem}: {why}.");
            }
        }
        text
    }

    /// The rows as comma-separated values.
    fn csv(&self) -> Result<String> {
        let fault = |e: csv::Error| Error::format(format!("a table that cannot be written: {e}"));
        let mut writer = csv::Writer::from_writer(Vec::new());
        let header = "problem,method,samples,seed,status,mean_absolute_error,maximum_error,mean_absolute_error_euler,\
                      maximum_error_euler,relative_l2_error,excitation_wrong,parameters,nanoseconds,seconds,iterations,\
                      published_best,published_median,published_maximum,folder";
        writer.write_record(header.split(',')).map_err(fault)?;
        let number = |x: Option<f64>| x.map_or(String::new(), |x| format!("{x:e}"));
        for Row { problem, method, samples, trial, published } in &self.rows {
            let reached = trial.reached();
            let fields = [
                problem.clone(),
                method.clone(),
                samples.clone(),
                self.seed.to_string(),
                trial.status().to_owned(),
                number(reached.and_then(|a| a.mean_absolute)),
                number(reached.and_then(|a| a.maximum)),
                number(reached.and_then(|a| a.mean_absolute_euler)),
                number(reached.and_then(|a| a.maximum_euler)),
                number(reached.and_then(|a| a.relative_l2)),
                number(reached.and_then(|a| a.excitation_wrong)),
                trial.parameters.map_or(String::new(), |n| n.to_string()),
                number(trial.nanoseconds),
                number(reached.map(|a| a.seconds)),
                reached.map_or(String::new(), |a| a.iterations.to_string()),
                number(published.best),
                number(published.median),
                published.maximum.to_owned(),
                trial.folder.clone(),
            ];
            writer.write_record(&fields).map_err(fault)?;
        }
        let bytes = writer.into_inner().map_err(|e| Error::format(e.to_string()))?;
        Ok(String::from_utf8(bytes).expect("made of text"))
    }

    /// The results as JSON.
    pub fn json(&self) -> String {
        serde_json::to_string_pretty(self).expect("plain data")
    }

    /// Writes `study.md`, `study.csv`, `study.json` and `study.html`.
    ///
    /// # Errors
    /// The system's refusal to write there.
    pub fn write(&self, folder: &Path) -> Result<()> {
        atomic::write(&folder.join("study.md"), self.markdown().as_bytes())?;
        atomic::write(&folder.join("study.csv"), self.csv()?.as_bytes())?;
        atomic::write(&folder.join("study.json"), self.json().as_bytes())?;
        atomic::write(&folder.join("study.html"), super::page::html(self).as_bytes())
    }
}

/// Columns of the tables for people.
pub(super) const HEADER: [&str; 12] = [
    "problem",
    "method",
    "samples",
    "MAE, exact",
    "MAE, Euler",
    "published best / median",
    "max, exact",
    "published max",
    "excitation wrong",
    "relative L2",
    "ns a cell",
    "iterations",
];

impl Row {
    /// The fields of [`HEADER`].
    pub(super) fn fields(&self) -> Vec<String> {
        let small = |x: Option<f64>| x.map_or("–".to_owned(), |x| format!("{x:.1e}"));
        let reached = self.trial.reached();
        let published = match (self.published.best, self.published.median) {
            (Some(best), Some(median)) => format!("{best:.1e} / {median:.1e}"),
            _ => "–".to_owned(),
        };
        let outcome = match reached {
            Some(a) => small(a.mean_absolute),
            None => format!("{} {}", self.trial.status(), self.trial.reason()).trim_end().to_owned(),
        };
        let wrong = reached.and_then(|a| a.excitation_wrong);
        vec![
            self.problem.clone(),
            self.method.clone(),
            self.samples.clone(),
            outcome,
            small(reached.and_then(|a| a.mean_absolute_euler)),
            published,
            small(reached.and_then(|a| a.maximum)),
            self.published.maximum.to_owned(),
            wrong.map_or("–".to_owned(), |x| format!("{:.2} %", 100.0 * x)),
            small(reached.and_then(|a| a.relative_l2)),
            self.trial.nanoseconds.map_or("–".to_owned(), |ns| format!("{ns:.1}")),
            reached.map_or("–".to_owned(), |a| a.iterations.to_string()),
        ]
    }
}

fn upper(problem: Problem) -> String {
    problem.name().to_uppercase()
}
