//! Comma-separated values: a row of column names, then rows of finite numbers.

use std::path::Path;

use csv::{ReaderBuilder, StringRecord, WriterBuilder};
use ndarray::{Array2, ArrayView2};

use super::Matrix;
use crate::error::{Error, Result};
use crate::format::atomic;

/// The table in the file at `path`.
///
/// # Errors
/// An unreadable or empty file, a missing header, or a line with another number of fields than
/// the header or with something else than finite numbers.
pub fn read(path: &Path) -> Result<Matrix> {
    let bytes = std::fs::read(path).map_err(|e| Error::io("read", path, e))?;
    parse(&bytes).map_err(|e| e.in_file(path))
}

fn parse(bytes: &[u8]) -> Result<Matrix> {
    let mut reader = ReaderBuilder::new().flexible(true).trim(csv::Trim::All).from_reader(bytes);
    let names = reader.headers().map_err(fault)?.clone();
    if names.iter().all(str::is_empty) {
        return Err(Error::format("no column names")
            .at("line 1")
            .remedy("give a header row and at least one row of numbers"));
    }
    if names.iter().all(|name| name.parse::<f64>().is_ok()) {
        return Err(Error::format("numbers where column names were expected")
            .at("line 1")
            .remedy("add a header row"));
    }
    let mut values = Vec::new();
    let mut record = StringRecord::new();
    while reader.read_record(&mut record).map_err(fault)? {
        let line = record.position().map_or(0, csv::Position::line);
        if record.len() != names.len() {
            let (found, wanted) = (record.len(), names.len());
            return Err(Error::format(format!("{found} fields where the header has {wanted}"))
                .at(format!("line {line}"))
                .remedy("give every row one number for each column"));
        }
        for (name, field) in names.iter().zip(&record) {
            match field.parse::<f64>() {
                Ok(value) if value.is_finite() => values.push(value),
                _ => {
                    return Err(Error::format(format!("\"{field}\" is not a finite number"))
                        .at(format!("column \"{name}\""))
                        .at(format!("line {line}"))
                        .remedy("correct or remove the row"));
                }
            }
        }
    }
    if values.is_empty() {
        return Err(Error::format("no rows of numbers").at("line 2").remedy("add rows below the header"));
    }
    let shape = (values.len() / names.len(), names.len());
    let values = Array2::from_shape_vec(shape, values).expect("every row was counted");
    Ok(Matrix { names: names.iter().map(str::to_owned).collect(), values })
}

fn fault(error: csv::Error) -> Error {
    let line = error.position().map_or(1, csv::Position::line);
    Error::format(error.to_string()).at(format!("line {line}")).remedy("save the file as UTF-8 text")
}

/// Writes the table of `values` (rows × columns) under the column `names` to the file at `path`,
/// with as many digits as bring every number back exactly.
///
/// # Errors
/// Another number of names than columns, or the system's refusal to write there.
pub fn write(path: &Path, names: &[String], values: &ArrayView2<'_, f64>) -> Result<()> {
    if names.len() != values.ncols() {
        return Err(Error::invalid(format!("{} names for {} columns", names.len(), values.ncols())));
    }
    atomic::write_with(path, |file| {
        let refused = |e: csv::Error| Error::io("write", path, e.into());
        let mut writer = WriterBuilder::new().from_writer(file);
        writer.write_record(names).map_err(refused)?;
        for row in values.rows() {
            writer.write_record(row.iter().map(f64::to_string)).map_err(refused)?;
        }
        writer.flush().map_err(|e| Error::io("write", path, e))
    })
}
