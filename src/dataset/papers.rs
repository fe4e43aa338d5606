//! The layout in which the Pinn-Torch publications keep their data: one array a file.

use std::fs;
use std::path::Path;

use super::Trajectories;
use crate::error::{Error, Result};
use crate::format::arrays::npy;

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
    let inputs = ["T", "U", "V", "K"].into_iter().zip(table.inputs.columns());
    let targets = ["SOLs", "SOLw"].into_iter().zip(table.targets.columns());
    for (name, column) in inputs.chain(targets) {
        let column = column.mapv(|x| x as f32);
        npy::write(&folder.join(format!("{name}.npy")), &column.view())?;
    }
    Ok(())
}
