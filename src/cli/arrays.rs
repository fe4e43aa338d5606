//! Cells in files: rows are cells, columns the surrogate's variables in order.

use std::path::Path;

use ndarray::{Array2, ArrayD};

use crate::error::{Error, Result};
use crate::format::arrays::{csv, npy, read_matrix};
use crate::surrogate::Variable;

/// Element type of an output file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum OutputType {
    /// Single precision.
    F32,
    /// Double precision.
    F64,
}

/// Reads cells × `variables` from the `.npy`, `.npz`, `.csv` or `.pt` file at `path`.
pub fn read_cells(path: &Path, variables: &[&Variable]) -> Result<Array2<f64>> {
    let cells = read_matrix(path)?.values;
    if cells.ncols() != variables.len() {
        let names: Vec<&str> = variables.iter().map(|v| v.name.as_str()).collect();
        return Err(Error::invalid(format!("{} columns where {} are needed", cells.ncols(), names.len()))
            .in_file(path)
            .remedy(format!("give a row a cell with the columns {}", names.join(", "))));
    }
    Ok(cells.as_standard_layout().into_owned())
}

/// Writes `array`, whose last axis are `variables`, to `path`: `.npy` in any shape, `.csv` with
/// one row a line.
pub fn write_cells(
    path: &Path,
    array: ArrayD<f64>,
    variables: &[Variable],
    element: OutputType,
) -> Result<()> {
    match path.extension().and_then(|e| e.to_str()) {
        Some("npy") if element == OutputType::F32 => npy::write(path, &array.mapv(|x| x as f32).view()),
        Some("npy") => npy::write(path, &array.view()),
        Some("csv") if array.ndim() == 2 => {
            let names: Vec<String> = variables.iter().map(|v| v.name.clone()).collect();
            let rows = array.into_dimensionality().expect("two dimensions");
            csv::write(path, &names, &rows.view())
        }
        _ => Err(Error::unsupported(format!("an output of {} dimensions", array.ndim()))
            .in_file(path)
            .remedy("write to a file that ends in .npy (or .csv for two dimensions)")),
    }
}
