//! The table of a search: a row a trial.

use std::path::Path;

use serde::Serialize;

use super::measure::Speeds;
use super::trial::{Ending, Trial};
use crate::error::{Error, Result};
use crate::format::{atomic, onnx};
use crate::program::{Operation, Program};
use crate::surrogate::Kind;

/// What became of all trials.
#[derive(Clone, Debug, Serialize)]
pub struct Table {
    /// Keys that are varied.
    pub keys: Vec<String>,
    /// The processor on which speeds were measured.
    pub processor: String,
    /// False if speeds mean nothing, as the program was built without optimisation.
    pub optimized: bool,
    /// A row a trial, in the order of the search.
    pub rows: Vec<Row>,
}

/// A trial in the table.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// Its number, from 1.
    pub trial: usize,
    /// Its folder in that of the search.
    pub folder: String,
    /// The hidden layers.
    pub architecture: String,
    /// Seed of weights, data and batches.
    pub seed: u64,
    /// What is varied, by key.
    pub settings: Vec<(String, String)>,
    /// How it ended; none if it has not.
    pub ending: Option<Ending>,
    /// Numbers in the weights and biases of the surrogate's layers.
    pub parameters: Option<usize>,
    /// Multiplications with additions of one evaluation.
    pub multiply_adds: Option<usize>,
    /// Milliseconds of a step map's step.
    pub dt: Option<f64>,
    /// Nanoseconds of one evaluation of a cell.
    pub nanoseconds: Option<f64>,
    /// True if no other trial is both as accurate and as fast.
    pub on_front: bool,
}

impl Table {
    /// The table of `trials`, whose files lie in `folder`, with what is known by now.
    ///
    /// # Errors
    /// A surrogate that cannot be read.
    pub fn gather(keys: &[String], trials: &[Trial], folder: &Path) -> Result<Self> {
        let speeds = Speeds::read(folder);
        let row = |(i, trial): (usize, &Trial)| -> Result<Row> {
            let ending = trial.ending(folder);
            let mut row = Row {
                trial: i + 1,
                folder: format!("trials/{}", trial.name),
                architecture: trial.architecture.clone(),
                seed: trial.seed,
                settings: trial.settings.clone(),
                parameters: None,
                multiply_adds: None,
                dt: None,
                nanoseconds: None,
                on_front: false,
                ending,
            };
            if let Some(Ending::Trained(_)) = row.ending {
                let surrogate = onnx::load(&trial.surrogate(folder))?;
                let program = surrogate.program().ok();
                row.parameters = program.map(parameters);
                row.multiply_adds = program.map(Program::multiply_adds);
                row.nanoseconds = speeds.nanoseconds.get(&trial.name).copied();
                if let Kind::StepMap { dt } = surrogate.kind() {
                    row.dt = Some(dt);
                }
            }
            Ok(row)
        };
        let rows: Result<Vec<Row>> = trials.iter().enumerate().map(row).collect();
        let mut table = Self {
            keys: keys.to_vec(),
            processor: speeds.processor,
            optimized: speeds.optimized,
            rows: rows?,
        };
        table.mark_front();
        Ok(table)
    }

    /// Rows with the smallest error for their time.
    fn mark_front(&mut self) {
        let places: Vec<Option<(f64, f64)>> =
            self.rows.iter().map(|row| row.cost().zip(row.error())).collect();
        for (row, place) in self.rows.iter_mut().zip(&places) {
            let Some((cost, error)) = *place else { continue };
            let beaten = |(c, e): &(f64, f64)| *c <= cost && *e <= error && (*c < cost || *e < error);
            row.on_front = !places.iter().flatten().any(beaten);
        }
    }

    /// Rows from the most accurate on; those without a figure come last.
    pub fn ranked(&self) -> Vec<&Row> {
        let mut rows: Vec<&Row> = self.rows.iter().collect();
        let key = |row: &Row| row.error().unwrap_or(f64::INFINITY);
        rows.sort_by(|a, b| key(a).total_cmp(&key(b)));
        rows
    }

    /// Comma-separated values.
    pub fn csv(&self) -> Result<String> {
        let fault = |e: csv::Error| Error::format(format!("a table that cannot be written: {e}"));
        let mut writer = csv::Writer::from_writer(Vec::new());
        let mut header = vec!["trial", "architecture", "seed"];
        header.extend(self.keys.iter().map(String::as_str));
        header.extend([
            "status",
            "mean_absolute_error",
            "maximum_error",
            "relative_l2_error",
            "excitation_wrong",
            "validation",
            "parameters",
            "multiply_adds",
            "nanoseconds",
            "seconds",
            "iterations",
            "on_front",
            "folder",
            "reason",
        ]);
        writer.write_record(&header).map_err(fault)?;
        for row in &self.rows {
            let mut fields = vec![row.trial.to_string(), row.architecture.clone(), row.seed.to_string()];
            fields.extend(self.keys.iter().map(|key| row.setting(key).to_owned()));
            let reached = row.reached();
            let number = |x: Option<f64>| x.map_or(String::new(), |x| format!("{x:e}"));
            let count = |x: Option<usize>| x.map_or(String::new(), |x| x.to_string());
            fields.push(row.status().to_owned());
            fields.push(number(reached.and_then(|a| a.mean_absolute)));
            fields.push(number(reached.and_then(|a| a.maximum)));
            fields.push(number(reached.and_then(|a| a.relative_l2)));
            fields.push(number(reached.and_then(|a| a.excitation_wrong)));
            fields.push(number(reached.and_then(|a| a.validation)));
            fields.push(count(row.parameters));
            fields.push(count(row.multiply_adds));
            fields.push(number(row.nanoseconds));
            fields.push(reached.map_or(String::new(), |a| format!("{:.3}", a.seconds)));
            fields.push(reached.map_or(String::new(), |a| a.iterations.to_string()));
            fields.push(row.on_front.to_string());
            fields.push(row.folder.clone());
            fields.push(row.reason().to_owned());
            writer.write_record(&fields).map_err(fault)?;
        }
        let bytes = writer.into_inner().map_err(|e| Error::format(e.to_string()))?;
        Ok(String::from_utf8(bytes).expect("made of text"))
    }

    /// The table as JSON.
    pub fn json(&self) -> String {
        serde_json::to_string_pretty(self).expect("plain data")
    }

    /// Writes `table.csv` and `table.json`, and where something was trained the picture and the page.
    ///
    /// # Errors
    /// A fault of the drawing library, or the system's refusal to write there.
    pub fn write(&self, name: &str, folder: &Path) -> Result<()> {
        atomic::write(&folder.join("table.csv"), self.csv()?.as_bytes())?;
        atomic::write(&folder.join("table.json"), self.json().as_bytes())?;
        let figure = super::picture::of(self)?;
        if let Some(figure) = &figure {
            atomic::write(&folder.join("speed_accuracy.svg"), figure.svg.as_bytes())?;
            atomic::write(&folder.join("speed_accuracy.png"), &figure.png)?;
        }
        let page = super::page::html(name, self, figure.as_ref());
        atomic::write(&folder.join("search.html"), page.as_bytes())
    }
}

impl Row {
    /// What training reached, if it did.
    pub fn reached(&self) -> Option<&super::Accuracy> {
        match &self.ending {
            Some(Ending::Trained(accuracy)) => Some(accuracy),
            _ => None,
        }
    }

    /// What trials are ranked by: the mean absolute error on held-out cells; the validation error where there is no cell
    /// model to hold cells out of.
    pub fn error(&self) -> Option<f64> {
        let reached = self.reached()?;
        match reached.cells {
            Some(_) => reached.mean_absolute,
            None => reached.validation,
        }
    }

    /// What an answer costs: nanoseconds of an evaluation; of a step map, whose steps may differ, for each millisecond.
    pub fn cost(&self) -> Option<f64> {
        Some(self.nanoseconds? / self.dt.unwrap_or(1.0))
    }

    /// `trained`, `failed`, `crashed` or `waiting`.
    pub fn status(&self) -> &'static str {
        match self.ending {
            Some(Ending::Trained(_)) => "trained",
            Some(Ending::Failed { .. }) => "failed",
            Some(Ending::Crashed { .. }) => "crashed",
            None => "waiting",
        }
    }

    /// Why there is no surrogate.
    pub fn reason(&self) -> &str {
        match &self.ending {
            Some(Ending::Failed { reason } | Ending::Crashed { reason }) => reason,
            _ => "",
        }
    }

    /// What the trial has at `key`; empty where it has what the recipe says.
    pub fn setting(&self, key: &str) -> &str {
        self.settings.iter().find(|(k, _)| k == key).map_or("", |(_, value)| value)
    }
}

/// Numbers in the weights and biases of all layers.
fn parameters(program: &Program) -> usize {
    let of = |operation: &Operation| match operation {
        Operation::Dense { weights, bias, .. } => weights.len() + bias.len(),
        _ => 0,
    };
    program.operations().iter().map(of).sum()
}

/// A table for people: one line a trial, from the most accurate on.
impl std::fmt::Display for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let keys: Vec<&String> = self.keys.iter().filter(|key| *key != "network.hidden").collect();
        let mut lines = Vec::with_capacity(self.rows.len() + 1);
        let words = |words: &[&str]| words.iter().map(|w| (*w).to_owned()).collect::<Vec<_>>();
        let mut header = words(&["trial", "network"]);
        header.extend(keys.iter().map(|key| (*key).clone()));
        header.extend(words(&["seed", "MAE", "max", "exc. wrong", "parameters", "mult-adds", "ns", "s", ""]));
        lines.push(header);
        for row in self.ranked() {
            let mut line = words(&[&row.trial.to_string(), &row.architecture]);
            line.extend(keys.iter().map(|key| row.setting(key).to_owned()));
            line.push(row.seed.to_string());
            let reached = row.reached();
            let small = |x: Option<f64>| x.map_or("–".to_owned(), |x| format!("{x:.2e}"));
            let count = |x: Option<usize>| x.map_or("–".to_owned(), |x| x.to_string());
            line.push(small(reached.and_then(|a| a.mean_absolute)));
            line.push(small(reached.and_then(|a| a.maximum)));
            let wrong = reached.and_then(|a| a.excitation_wrong);
            line.push(wrong.map_or("–".to_owned(), |x| format!("{:.2} %", 100.0 * x)));
            line.push(count(row.parameters));
            line.push(count(row.multiply_adds));
            line.push(row.nanoseconds.map_or("–".to_owned(), |ns| format!("{ns:.1}")));
            line.push(reached.map_or("–".to_owned(), |a| format!("{:.0}", a.seconds)));
            line.push(match row.reached() {
                Some(_) if row.on_front => "*".to_owned(),
                Some(_) => String::new(),
                None => format!("{}: {}", row.status(), row.reason()),
            });
            lines.push(line);
        }
        let n = lines[0].len();
        let width = |j: usize| lines.iter().map(|line| line[j].chars().count()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..n).map(width).collect();
        for line in &lines {
            let (last, columns) = line.split_last().expect("columns");
            for ((j, field), width) in columns.iter().enumerate().zip(&widths) {
                // Words to the left, numbers to the right.
                match (1..=1 + keys.len()).contains(&j) {
                    true => write!(f, "{field:<width$}  ")?,
                    false => write!(f, "{field:>width$}  ")?,
                }
            }
            writeln!(f, "{last}")?;
        }
        write!(
            f,
            "* no other trial is both more accurate and faster; ns: an evaluation of a cell, one thread"
        )?;
        match self.optimized {
            true => Ok(()),
            false => write!(f, "\nThis program was built without optimisation: its speeds mean nothing."),
        }
    }
}
