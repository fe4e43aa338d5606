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
    from_bytes(&bytes).map_err(|e| e.in_file(path))
}

/// The table in a `.csv` file's bytes; see [`read`].
///
/// # Errors
/// As [`read`], without the file's name.
pub fn from_bytes(bytes: &[u8]) -> Result<Matrix> {
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
        let line = || line_of(bytes, record.position());
        if record.len() != names.len() {
            let (found, wanted) = (record.len(), names.len());
            return Err(Error::format(format!("{found} fields where the header has {wanted}"))
                .at(format!("line {}", line()))
                .remedy("give every row one number for each column"));
        }
        for (name, field) in names.iter().zip(&record) {
            match field.parse::<f64>() {
                Ok(value) if value.is_finite() => values.push(value),
                _ => {
                    return Err(Error::format(format!("\"{field}\" is not a finite number"))
                        .at(format!("column \"{name}\""))
                        .at(format!("line {}", line()))
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

/// Line of a record. The reader's own number is that of the first blank line before it.
fn line_of(bytes: &[u8], position: Option<&csv::Position>) -> usize {
    let start = position.map_or(0, |p| p.byte() as usize).min(bytes.len());
    let blank = bytes[start..].iter().take_while(|byte| b"\r\n".contains(byte)).count();
    1 + bytes[..start + blank].iter().filter(|&&byte| byte == b'\n').count()
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

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    #[test]
    fn tables_come_back_exactly() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.csv");
        let names = ["t".to_owned(), "a, \"b\"".to_owned()];
        let values = array![[0.1 + 0.2, -1e-300], [f64::MAX, 5e-324], [0.0, 1.0 / 3.0]];
        write(&path, &names, &values.view()).unwrap();
        let back = read(&path).unwrap();
        assert_eq!((back.names, back.values), (names.to_vec(), values));
        assert!(write(&path, &names[..1], &array![[1.0, 2.0]].view()).is_err());
    }

    #[test]
    fn each_kind_of_damage_names_its_line() {
        for (text, expected) in [
            ("", ["no column names", "line 1"]),
            ("t,u\n", ["no rows", "line 2"]),
            ("1,2\n3,4\n", ["column names were expected", "line 1"]),
            ("t,u\n1,2\n3\n", ["1 fields where the header has 2", "line 3"]),
            ("t,u\n1,2\n3,4,5\n", ["3 fields", "line 3"]),
            ("t,u\n1,NaN\n", ["\"NaN\" is not a finite", "column \"u\", in line 2"]),
            ("t,u\n1,2\n\n1,inf\n", ["\"inf\"", "line 4"]),
            ("t,u\n1,two\n", ["\"two\"", "line 2"]),
            ("t,u\n1,\n", ["\"\" is not", "line 2"]),
        ] {
            let message = from_bytes(text.as_bytes()).unwrap_err().to_string();
            assert!(expected.iter().all(|e| message.contains(e)), "{text:?}: {message}");
        }
        assert!(from_bytes(b"t,u\n1,\xff\n").is_err());
        assert_eq!(from_bytes(b"t , u\r\n 1, 2 \r\n").unwrap().values, array![[1.0, 2.0]]);
    }
}
