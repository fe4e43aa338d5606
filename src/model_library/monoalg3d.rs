//! MonoAlg3D's interface of cell models, version of December 2025, for both types that its `real` can be.

use std::ffi::{c_char, c_int, c_void};
use std::path::Path;

use super::extra_data::Memory;
use super::instance::{Source, Steps};
use super::number::Number;
use super::options::Real;
use super::shared_object::SharedObject;
use super::stack;
use super::stage::{Progress, Stage};
use crate::error::{Error, Result};

/// The simulator's `struct cell_model_data`.
#[derive(Clone, Copy)]
#[repr(C)]
struct CellModelData<R> {
    n_states: c_int,
    initial_v: R,
    library_path: *mut c_char,
}

/// The simulator's `struct ode_solver`.
#[repr(C)]
struct OdeSolver<R> {
    handle: *mut c_void,
    max_dt: R,
    min_dt: R,
    auto_dt: bool,
    adaptive: bool,
    relative_tolerance: R,
    absolute_tolerance: R,
    n_cells: usize,
    cells_to_solve: *mut u32,
    n_steps: u32,
    gpu: bool,
    gpu_id: c_int,
    original_n_cells: u32,
    states: *mut R,
    extra_data: *mut c_void,
    extra_data_size: usize,
    cell_model: CellModelData<R>,
    pitch: usize,
    ode_dt: *mut R,
    ode_previous_dt: *mut R,
    ode_time_new: *mut R,
    get_cell_model_data: *mut c_void,
    set_initial_conditions_cpu: *mut c_void,
    set_initial_conditions_gpu: *mut c_void,
    solve_cpu: *mut c_void,
    solve_gpu: *mut c_void,
    /// Room for what a later version may append.
    spare: [u64; 16],
}

type InitCellModelData = unsafe extern "C" fn(*mut c_void, bool, bool);
type SetInitialConditions<R> = unsafe extern "C" fn(*mut OdeSolver<R>, *mut c_void);
type SolveOdes<R> = unsafe extern "C" fn(*mut OdeSolver<R>, *mut c_void, R, *mut R);

/// Cells that one call of the library advances: their states stay in the cache over the steps.
const BATCH: usize = 1024;
/// Shortest step of a library that chooses its own, ms, as the simulator has it by default.
const SHORTEST: f64 = 1e-10;
/// The simulator's value of "to be given by the library".
const UNSET: c_int = -1;

/// The library's functions, before it is known which `real` it has.
pub struct Functions {
    init: InitCellModelData,
    set: *mut c_void,
    solve: *mut c_void,
}

/// Loads `liblogger.so` beside the library at `path`, if there is one: the simulator's model libraries call it.
pub fn load_logger(path: &Path, progress: &Progress) -> Result<()> {
    let logger = path.with_file_name("liblogger.so");
    if logger.is_file() {
        progress.enter(Stage::LoadingLogger);
        SharedObject::open(&logger, libc::RTLD_NOW | libc::RTLD_GLOBAL)?;
    }
    Ok(())
}

impl Functions {
    /// Loads the library at `path`.
    pub fn load(path: &Path, progress: &Progress) -> Result<Self> {
        load_logger(path, progress)?;
        progress.enter(Stage::Loading);
        let object = SharedObject::open(path, libc::RTLD_NOW | libc::RTLD_LOCAL)
            // As the simulator loads it: a function that is missing for something else than stepping does not matter.
            .or_else(|_| SharedObject::open(path, libc::RTLD_LAZY | libc::RTLD_LOCAL))?;
        let find = |name| {
            object.function(name).map_err(|e| {
                e.remedy(
                    "give a model library of MonoAlg3D, or the name of a function that advances one cell \
                     (--function)",
                )
            })
        };
        let init = find("init_cell_model_data")?;
        // SAFETY: the function of this name has this type in the simulator's interface.
        let init = unsafe { std::mem::transmute::<*mut c_void, InitCellModelData>(init) };
        Ok(Self {
            init,
            set: find("set_model_initial_conditions_cpu")?,
            solve: find("solve_model_odes_cpu")?,
        })
    }

    /// What `real` is, from where `init_cell_model_data` writes the initial V: a double lies at byte 8, a float at 4. None if it
    /// writes neither or both.
    pub fn real(&self, progress: &Progress) -> Option<Real> {
        const UNTOUCHED: u8 = 0xff;
        let mut data = [u64::from_ne_bytes([UNTOUCHED; 8]); 16];
        progress.enter(Stage::CellModelData);
        // SAFETY: the memory is larger than the struct of either type, and aligned for both.
        unsafe { (self.init)(data.as_mut_ptr().cast(), true, true) };
        progress.enter(Stage::Outside);
        let written = |word: u64, bytes: std::ops::Range<usize>| {
            word.to_ne_bytes()[bytes].iter().any(|&byte| byte != UNTOUCHED)
        };
        match (written(data[1], 0..8), written(data[0], 4..8)) {
            (true, false) => Some(Real::Double),
            (false, true) => Some(Real::Float),
            _ => None,
        }
    }
}

/// A model library with memory for its cells.
pub struct Monoalg3d<R> {
    solver: Box<OdeSolver<R>>,
    solve: SolveOdes<R>,
    stimulus: Vec<R>,
    initial_state: Vec<f64>,
    adaptive: bool,
    /// What the solver's `extra_data` points to.
    _mask: Vec<u32>,
    _extra_data: Option<Memory<R>>,
}

impl<R: Number> Monoalg3d<R> {
    pub fn open(functions: &Functions, source: &Source, progress: &Progress) -> Result<Self> {
        let path = &source.path;
        // SAFETY: null pointers, zeros and false are values of every field.
        let mut solver: Box<OdeSolver<R>> = Box::new(unsafe { std::mem::zeroed() });
        (solver.max_dt, solver.min_dt) = (R::from_f64(0.02), R::from_f64(0.02));
        (solver.relative_tolerance, solver.absolute_tolerance) = (R::from_f64(1e-5), R::from_f64(1e-5));
        (solver.n_cells, solver.original_n_cells, solver.n_steps) = (BATCH, BATCH as u32, 1);
        (solver.cell_model.n_states, solver.cell_model.initial_v) = (UNSET, R::from_f64(f64::INFINITY));
        solver.adaptive = source.adaptive;
        let mut mask = source.mask.map_or(Vec::new(), |kind| vec![kind; BATCH]);
        if !mask.is_empty() {
            solver.extra_data = mask.as_mut_ptr().cast();
            solver.extra_data_size = size_of_val(&mask[..]);
        }
        let mut extra_data = source.extra_data.as_ref().map(|data| Memory::new(data, BATCH));
        if let Some(memory) = &mut extra_data {
            (solver.extra_data, solver.extra_data_size) = (memory.pointer(), memory.size());
        }
        progress.enter(Stage::CellModelData);
        // SAFETY: the struct is that of the library's `real`.
        unsafe { (functions.init)((&raw mut solver.cell_model).cast(), true, true) };
        progress.enter(Stage::InitialConditions);
        // SAFETY: the functions of these names have these types in the simulator's interface.
        let (set, solve) = unsafe {
            (
                std::mem::transmute::<*mut c_void, SetInitialConditions<R>>(functions.set),
                std::mem::transmute::<*mut c_void, SolveOdes<R>>(functions.solve),
            )
        };
        // SAFETY: the struct is complete but for the configuration, which is none.
        unsafe { set(&mut *solver, std::ptr::null_mut()) };
        progress.enter(Stage::Outside);
        // Read after both functions: a library may decide the number of states only when it makes them.
        let n_states = usize::try_from(solver.cell_model.n_states).unwrap_or(0);
        if n_states == 0 {
            return Err(Error::format(format!("a cell model of {} states", solver.cell_model.n_states))
                .in_file(path)
                .remedy("init_cell_model_data must set number_of_ode_equations"));
        }
        if solver.states.is_null() {
            return Err(Error::format("set_model_initial_conditions_cpu leaves sv NULL")
                .in_file(path)
                .remedy("it must allocate the states of all cells"));
        }
        let of_steps = [solver.ode_dt, solver.ode_previous_dt, solver.ode_time_new];
        if source.adaptive && of_steps.iter().any(|pointer| pointer.is_null()) {
            return Err(Error::format("the library does not choose its own steps: it leaves ode_dt NULL")
                .in_file(path)
                .remedy("leave --adaptive out"));
        }
        // SAFETY: the library made room for BATCH cells of n states.
        let first = unsafe { std::slice::from_raw_parts(solver.states, n_states) };
        let initial_state = first.iter().map(|x| x.to_f64()).collect();
        let (adaptive, stimulus) = (source.adaptive, Vec::with_capacity(BATCH));
        Ok(Self { solver, solve, stimulus, initial_state, adaptive, _mask: mask, _extra_data: extra_data })
    }

    pub fn initial_state(&self) -> &[f64] {
        &self.initial_state
    }

    pub fn step(
        &mut self,
        states: &mut [f64],
        stimulus: &[f64],
        steps: Steps,
        substeps: u32,
        progress: &Progress,
    ) {
        let n_states = self.initial_state.len();
        let dt = R::from_f64(steps.dt / f64::from(substeps));
        let shortest = R::from_f64(if self.adaptive { SHORTEST } else { steps.dt / f64::from(substeps) });
        (self.solver.max_dt, self.solver.min_dt) = (dt, shortest);
        self.solver.n_steps = substeps;
        // Cells are advanced to `time` + min_dt.
        let time = R::from_f64(if self.adaptive { steps.dt - SHORTEST } else { 0.0 });
        progress.enter(Stage::Stepping);
        for (cells, stimulus) in states.chunks_mut(BATCH * n_states).zip(stimulus.chunks(BATCH)) {
            self.stimulus.clear();
            self.stimulus.extend(stimulus.iter().map(|&x| R::from_f64(x)));
            self.solver.n_cells = stimulus.len();
            // SAFETY: the library made room for BATCH cells of n states, of which it may use those of this call.
            let own = unsafe { std::slice::from_raw_parts_mut(self.solver.states, cells.len()) };
            for (own, &state) in own.iter_mut().zip(cells.iter()) {
                *own = R::from_f64(state);
            }
            for _ in 0..steps.n {
                self.begin_anew(stimulus.len());
                stack::fill(steps.unset);
                // SAFETY: the struct is the one that the library filled; the stimulus has a number for each cell.
                unsafe {
                    (self.solve)(&mut *self.solver, std::ptr::null_mut(), time, self.stimulus.as_mut_ptr());
                }
                progress.beat();
            }
            // SAFETY: as above; the library has come back.
            let own = unsafe { std::slice::from_raw_parts(self.solver.states, cells.len()) };
            for (state, own) in cells.iter_mut().zip(own) {
                *state = own.to_f64();
            }
        }
        progress.enter(Stage::Outside);
    }

    /// Forgets how far the first cells came and how they chose their steps.
    fn begin_anew(&mut self, n_cells: usize) {
        if !self.adaptive {
            return;
        }
        let of = |pointer: *mut R, value: f64| {
            // SAFETY: the library made room for BATCH cells, of which these are some, in each of the three.
            unsafe { std::slice::from_raw_parts_mut(pointer, n_cells) }.fill(R::from_f64(value));
        };
        of(self.solver.ode_dt, SHORTEST);
        of(self.solver.ode_previous_dt, 0.0);
        of(self.solver.ode_time_new, 0.0);
    }
}

#[cfg(test)]
mod tests {
    use std::mem::{offset_of, size_of};

    use super::*;

    #[test]
    fn the_struct_lies_as_the_simulator_lays_it_out() {
        macro_rules! offsets {
            ($real:ty) => {
                [
                    offset_of!(OdeSolver<$real>, min_dt),
                    offset_of!(OdeSolver<$real>, adaptive),
                    offset_of!(OdeSolver<$real>, absolute_tolerance),
                    offset_of!(OdeSolver<$real>, n_cells),
                    offset_of!(OdeSolver<$real>, n_steps),
                    offset_of!(OdeSolver<$real>, original_n_cells),
                    offset_of!(OdeSolver<$real>, states),
                    offset_of!(OdeSolver<$real>, extra_data),
                    offset_of!(OdeSolver<$real>, cell_model),
                    offset_of!(OdeSolver<$real>, pitch),
                    offset_of!(OdeSolver<$real>, ode_dt),
                    offset_of!(OdeSolver<$real>, get_cell_model_data),
                    offset_of!(OdeSolver<$real>, spare),
                ]
            };
        }
        assert_eq!(offsets!(f64), [16, 25, 40, 48, 64, 76, 80, 88, 104, 128, 136, 160, 200]);
        assert_eq!(offsets!(f32), [12, 17, 24, 32, 48, 60, 64, 72, 88, 104, 112, 136, 176]);
        assert_eq!((size_of::<CellModelData<f64>>(), size_of::<CellModelData<f32>>()), (24, 16));
    }
}
