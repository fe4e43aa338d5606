//! A C function that advances one cell.

use std::path::Path;

use super::instance::Steps;
use super::monoalg3d::load_logger;
use super::number::Number;
use super::shared_object::SharedObject;
use super::stack;
use super::stage::{Progress, Stage};
use crate::error::{Error, Result};

/// Small numbers are passed alike as `int`, `unsigned` and `size_t` in the calling conventions of 64-bit machines.
type Step<R> = unsafe extern "C" fn(*mut R, R, R, usize);

pub struct CFunction<R> {
    step: Step<R>,
    cell: Vec<R>,
}

impl<R: Number> CFunction<R> {
    pub fn open(path: &Path, name: &str, n_states: usize, progress: &Progress) -> Result<Self> {
        load_logger(path, progress)?;
        progress.enter(Stage::Loading);
        let object = SharedObject::open(path, libc::RTLD_NOW | libc::RTLD_LOCAL)?;
        let step = object.function(name).map_err(|e| e.remedy("give the name that the library exports"))?;
        if n_states == 0 {
            return Err(Error::invalid("a cell model of 0 states").in_file(path));
        }
        // SAFETY: that the function has this type is what the caller says of it.
        let step = unsafe { std::mem::transmute::<*mut std::ffi::c_void, Step<R>>(step) };
        Ok(Self { step, cell: vec![R::default(); n_states] })
    }

    pub fn step(
        &mut self,
        states: &mut [f64],
        stimulus: &[f64],
        steps: Steps,
        substeps: u32,
        progress: &Progress,
    ) {
        progress.enter(Stage::Stepping);
        for (cell, &stimulus) in states.chunks_mut(self.cell.len()).zip(stimulus) {
            for (own, &state) in self.cell.iter_mut().zip(cell.iter()) {
                *own = R::from_f64(state);
            }
            let n = steps.n as usize * substeps as usize;
            stack::fill(steps.unset);
            // SAFETY: the function gets one cell of the number of states that its user gave.
            unsafe {
                (self.step)(
                    self.cell.as_mut_ptr(),
                    R::from_f64(stimulus),
                    R::from_f64(steps.dt / f64::from(substeps)),
                    n,
                );
            }
            for (state, own) in cell.iter_mut().zip(&self.cell) {
                *state = own.to_f64();
            }
            progress.beat();
        }
    }
}
