//! The loss curves that a training left in its `losses.csv`.

use std::path::Path;

use csv::{ReaderBuilder, StringRecord};
use serde::Serialize;

use crate::error::{Error, Result};

/// A training's course.
#[derive(Clone, Debug, PartialEq)]
pub struct Losses {
    /// Iteration of each row.
    pub iterations: Vec<f64>,
    /// Each loss by its name, then `total` and `validation`; NaN where nothing was known.
    pub curves: Vec<(String, Vec<f64>)>,
    /// Learning rate of each row, if the file has it.
    pub rate: Option<Vec<f64>>,
    /// Seconds since the start of each row, if the file has it.
    pub seconds: Option<Vec<f64>>,
}

/// Where a training ended.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LossSummary {
    /// Last iteration.
    pub iterations: f64,
    /// Seconds that training took.
    pub seconds: Option<f64>,
    /// Smallest validation error.
    pub best_validation: Option<f64>,
    /// Iteration at which it was reached.
    pub best_iteration: Option<f64>,
}

impl Losses {
    /// Reads the file at `path`, whose columns are iteration, each loss, total, validation, rate
    /// and seconds.
    ///
    /// # Errors
    /// An unreadable or empty file, no column `iteration`, a line with another number of fields
    /// than the header or with something else than numbers.
    pub fn read(path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path).map_err(|e| Error::io("read", path, e))?;
        parse(&bytes).map_err(|e| e.in_file(path))
    }

    /// Where the training ended.
    pub fn summary(&self) -> LossSummary {
        let validation = self.curves.iter().find(|(name, _)| name == "validation");
        let rows = validation.into_iter().flat_map(|(_, values)| self.iterations.iter().zip(values));
        let best = rows.filter(|(_, v)| v.is_finite()).min_by(|a, b| a.1.total_cmp(b.1));
        LossSummary {
            iterations: self.iterations.last().copied().unwrap_or(0.0),
            seconds: self.seconds.as_ref().and_then(|s| s.last().copied()).filter(|s| s.is_finite()),
            best_validation: best.map(|(_, &v)| v),
            best_iteration: best.map(|(&i, _)| i),
        }
    }
}

fn parse(bytes: &[u8]) -> Result<Losses> {
    let mut reader = ReaderBuilder::new().trim(csv::Trim::All).from_reader(bytes);
    let fault = |e: csv::Error| {
        let line = e.position().map_or(1, csv::Position::line);
        Error::format(e.to_string()).at(format!("line {line}")).remedy("give the losses.csv of a training")
    };
    let names: Vec<String> = reader.headers().map_err(fault)?.iter().map(str::to_owned).collect();
    let mut columns = vec![Vec::new(); names.len()];
    let mut record = StringRecord::new();
    while reader.read_record(&mut record).map_err(fault)? {
        let line = record.position().map_or(0, csv::Position::line);
        for ((name, field), column) in names.iter().zip(&record).zip(&mut columns) {
            let value = if field.is_empty() { Ok(f64::NAN) } else { field.parse::<f64>() };
            column.push(value.map_err(|_| {
                Error::format(format!("\"{field}\" is not a number"))
                    .at(format!("column \"{name}\""))
                    .at(format!("line {line}"))
                    .remedy("give the losses.csv of a training")
            })?);
        }
    }
    let mut named: Vec<(String, Vec<f64>)> = names.into_iter().zip(columns).collect();
    let mut take = |name: &str| {
        let place = named.iter().position(|(n, _)| n == name)?;
        Some(named.remove(place).1)
    };
    let iterations = take("iteration").ok_or_else(|| {
        Error::format("no column \"iteration\"").at("line 1").remedy("give the losses.csv of a training")
    })?;
    if iterations.is_empty() {
        return Err(Error::format("no rows of losses").remedy("train for at least one validation"));
    }
    let (rate, seconds) = (take("rate"), take("seconds"));
    Ok(Losses { iterations, curves: named, rate, seconds })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_fields_are_unknown_and_other_text_is_refused() {
        let text = "iteration,\"a, b\",total,validation,rate,seconds\n0,,,2,1e-3,0\n10,1,3,0.5,1e-3,2.5\n";
        let losses = parse(text.as_bytes()).unwrap();
        assert_eq!(
            losses.curves.iter().map(|c| c.0.as_str()).collect::<Vec<_>>(),
            ["a, b", "total", "validation"]
        );
        assert!(losses.curves[0].1[0].is_nan());
        let summary = losses.summary();
        assert_eq!((summary.best_validation, summary.best_iteration), (Some(0.5), Some(10.0)));
        assert_eq!((summary.iterations, summary.seconds), (10.0, Some(2.5)));

        let fails = |text: &str| parse(text.as_bytes()).unwrap_err().to_string();
        assert!(fails("").contains("no column \"iteration\""));
        assert!(fails("iteration,total\n").contains("no rows of losses"));
        assert!(
            fails("iteration,total\n1,many\n")
                .contains("\"many\" is not a number, in column \"total\", in line 2")
        );
        assert!(fails("iteration,total\n1\n").contains("line 2"));
    }
}
