//! The layout in which the Pinn-Torch publications keep their data: one array a file.

use std::fs;
use std::path::Path;

use ndarray::{Array1, Array2, ArrayD, Axis};

use super::Trajectories;
use crate::error::{Error, Result};
use crate::format::arrays::{Conversion, Matrix, npy};

/// Files of inputs (time, initial states, parameter) and of states.
const INPUTS: [&str; 4] = ["T", "U", "V", "K"];
const STATES: [&str; 2] = ["SOLs", "SOLw"];

/// Writes into `folder`, which is made if need be, the files `T`, `U`, `V`, `K` (time, initial
/// states, parameter) and `SOLs`, `SOLw` (the states), each a `.npy` file of one dimension with
/// one single-precision number for each cell and time, time running fastest.
///
/// # Errors
/// Trajectories with other states or parameters than two and one, or the system's refusal to
/// write there.
pub fn write_papers_layout(folder: &Path, trajectories: &Trajectories) -> Result<()> {
    let states = trajectories.model.states();
    let ([first, second], [parameter]) = (states, &trajectories.parameter_names[..]) else {
        return Err(Error::unsupported(format!(
            "{} states and {} parameters in a layout for 2 and 1",
            states.len(),
            trajectories.parameter_names.len()
        ))
        .remedy("write a .npz file instead"));
    };
    let (first, second) = (format!("{}0", first.name), format!("{}0", second.name));
    let table = trajectories.pointwise(&["t", &first, &second, parameter])?;
    fs::create_dir_all(folder).map_err(|e| Error::io("make the folder", folder, e))?;
    let inputs = INPUTS.into_iter().zip(table.inputs.columns());
    let targets = STATES.into_iter().zip(table.targets.columns());
    for (name, column) in inputs.chain(targets) {
        let column = column.mapv(|x| x as f32);
        npy::write(&folder.join(format!("{name}.npy")), &column.view())?;
    }
    Ok(())
}

/// Reads from `folder` what is there of `T`, `U`, `V`, `K`, `SOLs` and `SOLw` (`.npy`), as columns `t`, `u0`, `w0`, `k`,
/// `u` and `w` where `states` are called u and w. An array may have any shape; all have as many numbers, in one order.
///
/// # Errors
/// None of the files, malformed ones, or different numbers of numbers.
pub fn read_papers_layout(folder: &Path, states: &[&str]) -> Result<Matrix> {
    let initial = |i: usize| states.get(i).map(|state| format!("{state}0"));
    let names = [Some("t".to_owned()), initial(0), initial(1), Some("k".to_owned())];
    let names = names.into_iter().chain((0..2).map(|i| states.get(i).map(|&state| state.to_owned())));
    let mut matrix = Matrix { names: Vec::new(), values: Array2::zeros((0, 0)) };
    let mut columns: Vec<Array1<f64>> = Vec::new();
    for (file, name) in INPUTS.into_iter().chain(STATES).zip(names) {
        let path = folder.join(format!("{file}.npy"));
        let Some(name) = name.filter(|_| path.exists()) else { continue };
        let array: ArrayD<f64> = npy::read(&path, Conversion::Harmless)?;
        let column = array.flatten().into_owned();
        if let Some(first) = columns.first()
            && first.len() != column.len()
        {
            let what = format!("{} numbers where {} has {}", column.len(), matrix.names[0], first.len());
            return Err(Error::format(what)
                .in_file(&path)
                .remedy("give one number a file for each cell and time"));
        }
        matrix.names.push(name);
        columns.push(column);
    }
    let views: Vec<_> = columns.iter().map(Array1::view).collect();
    matrix.values = ndarray::stack(Axis(1), &views).map_err(|_| {
        let names = INPUTS.into_iter().chain(STATES).collect::<Vec<_>>().join(", ");
        Error::format(format!("none of the files {names} (.npy)")).in_file(folder)
    })?;
    Ok(matrix)
}
