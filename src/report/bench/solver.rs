//! Forward Euler of the cell model that a surrogate stands for: the time that an evaluation competes with.

use std::collections::HashMap;

use super::{Setting, gpu, inputs, median_seconds};
use crate::cell_model::euler::{Euler, PerCell};
use crate::error::{ErrorKind, Result};
use crate::report::Counterpart;
use crate::session::Device;
use crate::surrogate::Surrogate;
use crate::view::{Layout, View, ViewMut};

/// Step, ms, of the published comparisons; the time of a step does not depend on it.
const DT: f64 = 0.01;
/// Steps of a call: the states stay in registers.
const STEPS: u64 = 100;

/// The solver in single precision, each setting measured when it is first asked for.
pub struct Solver {
    counterpart: Counterpart,
    seconds: HashMap<(Setting, String), Option<f64>>,
}

impl Solver {
    /// None for a surrogate of a cell model that is not built in.
    pub fn of(surrogate: &Surrogate) -> Option<Self> {
        let counterpart = Counterpart::of(surrogate).ok()?;
        Some(Self { counterpart, seconds: HashMap::new() })
    }

    /// Seconds of one step of as many cells with as many threads as `setting` says, on the processor or on a GPU; none if this
    /// build has no solver there.
    ///
    /// # Errors
    /// A fault of the solver.
    pub fn seconds_per_step(
        &mut self,
        surrogate: &Surrogate,
        setting: Setting,
        device: Device,
    ) -> Result<Option<f64>> {
        let key = (setting, device.to_string());
        if let Some(&known) = self.seconds.get(&key) {
            return Ok(known);
        }
        let seconds = match device {
            Device::Cpu => Some(self.measure(surrogate, setting)?),
            Device::Cuda(number) => {
                match gpu::solver_seconds(self.counterpart.model(), number, setting.batch, STEPS as u32) {
                    Ok([own, _]) => Some(own),
                    Err(fault) if fault.kind() == ErrorKind::Unsupported => None,
                    Err(fault) => return Err(fault),
                }
            }
        };
        self.seconds.insert(key, seconds);
        Ok(seconds)
    }

    fn measure(&self, surrogate: &Surrogate, Setting { batch, threads }: Setting) -> Result<f64> {
        let model = self.counterpart.model();
        let n_states = model.states().len();
        let layout = Layout::structure_of_arrays(batch, n_states);
        let (mut state, mut stimulus) = (vec![0.0f32; batch * n_states], Vec::with_capacity(batch));
        for (i, cell) in inputs(surrogate, batch).chunks(surrogate.inputs().len()).enumerate() {
            let cell: Vec<f64> = cell.iter().map(|&x| f64::from(x)).collect();
            let start = self.counterpart.initial_state(&cell);
            start.into_iter().enumerate().for_each(|(j, x)| state[j * batch + i] = x as f32);
            stimulus.push(self.counterpart.stimulus(&cell) as f32);
        }
        let solver = Euler::new(model, DT)?.with_threads(threads);
        let seconds = median_seconds(&mut || {
            let stimulus = Some(View::array_of_structures(&stimulus, 1)?);
            let per_cell = PerCell { stimulus, parameters: None };
            solver.advance(&mut ViewMut::new(&mut state, layout)?, per_cell, STEPS)
        })?;
        Ok(seconds / STEPS as f64)
    }
}
