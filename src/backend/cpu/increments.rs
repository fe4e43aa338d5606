//! Steps of states in double precision: the program computes what is added to them.
//!
//! Single precision rounds away what slow states gain in a step, a millionth of a concentration for example. So where
//! the program adds something to a state, the sum is formed where the state lies, in its own type.

use super::layers::Layers;
use super::plan::Plan;
use crate::backend::tile::Border;
use crate::backend::{Advance, Guard, cell_status};
use crate::error::Result;
use crate::kernels::{
    AddLimits, Kept, Kernels, Rows, TILE, TileColumn, add_tile, add_wanted, store_tile, store_wanted,
};
use crate::program::{Program, Update};
use crate::view::{Column, ElementType};

/// A program whose outputs are increments of the states.
#[derive(Debug)]
pub struct Increments {
    pub plan: Plan,
    /// One an output.
    updates: Vec<Update>,
    /// Whether each update keeps the state and adds to it.
    kept: Vec<Kept>,
    /// The input column of each output's state.
    states: Vec<usize>,
}

impl Increments {
    /// None if the program adds nothing to any state.
    ///
    /// # Errors
    /// As [`Plan::new`].
    pub fn new(
        program: &Program,
        states: &[usize],
        kernels: &'static Kernels,
        layers: &mut Layers,
    ) -> Result<Option<Self>> {
        let (program, updates) = program.increments(states);
        if updates.iter().all(|update| *update == Update::Value) {
            return Ok(None);
        }
        let plan = Plan::new(&program.fused(), kernels, layers)?;
        let kept = |update: &Update| if *update == Update::Value { 0 } else { Kept::MAX };
        let kept = updates.iter().map(kept).collect();
        Ok(Some(Self { plan, updates, kept, states: states.to_vec() }))
    }

    /// Whether the job's states are more exact than the program.
    pub fn serve(&self, job: &Advance<'_>) -> bool {
        job.state.iter().any(|column| column.element == ElementType::F64)
    }

    /// Looks at the columns of `job` before its first tile: states without limits are updated in pairs.
    pub fn lay_out(&self, border: &mut Border, job: &Advance<'_>) {
        let clamps = border.check.guard == Guard::Clamp;
        border.lay_out_step(job, |j| {
            let is_free = match self.updates[j] {
                Update::Value => true,
                update => update == Update::UNLIMITED && !clamps,
            };
            is_free && job.state[j].element == ElementType::F64
        });
    }

    /// Updates the states of a tile's cells, but not of those that the fallback is to compute, and leaves the next states
    /// in `results` in the place of their increments.
    ///
    /// # Safety
    /// As [`Border::store`].
    pub unsafe fn store(
        &self,
        border: &Border,
        results: &mut [TileColumn],
        to: &[Column],
        rows: Rows<'_>,
        n_cells: usize,
        flags: &[u8; TILE],
    ) {
        let inside = |i: usize| flags[i] & cell_status::OUTSIDE_DOMAIN == 0;
        let (check, pairs) = (&border.check, &border.outputs);
        let all = check.guard != Guard::Fallback || (0..n_cells).all(inside);
        let mut next = 0;
        while next < to.len() {
            let (j, n) = (next, if all { pairs.at(next, n_cells) } else { 0 });
            next += n.max(1);
            let (column, tile) = (&to[j], &mut results[j]);
            // SAFETY: as this function's contract says.
            unsafe {
                match self.updates[j] {
                    _ if n > 0 => pairs.update(column, rows, &mut results[j..next], &self.kept[j..next]),
                    Update::Increment { low, high } => {
                        let mut limits = AddLimits { after: [low, high], ..AddLimits::NONE };
                        if check.guard == Guard::Clamp {
                            limits.before = check.domain[self.states[j]];
                        }
                        match all {
                            true => add_tile(column, rows, n_cells, &mut tile.0, limits),
                            false => add_wanted(column, rows, n_cells, &mut tile.0, limits, inside),
                        }
                    }
                    Update::Value if all => store_tile(column, rows, n_cells, &tile.0),
                    Update::Value => store_wanted(column, rows, n_cells, &tile.0, inside),
                }
            }
        }
    }
}
