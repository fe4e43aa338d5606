//! MonoAlg3D's interface of cell models, version of December 2025, in double precision.

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::path::Path;

use crate::error::{Error, Result};

/// The fields of the simulator's `struct ode_solver` that a cell model reads, at their places.
#[repr(C)]
struct OdeSolver {
    handle: *mut c_void,
    max_dt: f64,
    min_dt: f64,
    auto_dt: bool,
    adaptive: bool,
    relative_tolerance: f64,
    absolute_tolerance: f64,
    n_cells: usize,
    cells_to_solve: *mut u32,
    n_steps: u32,
    gpu: bool,
    gpu_id: c_int,
    original_n_cells: u32,
    states: *mut f64,
    rest: [u64; 14],
}

#[repr(C)]
struct CellModelData {
    n_states: c_int,
    initial_v: f64,
    library_path: *mut c_char,
    spare: [u64; 8],
}

type InitCellModelData = unsafe extern "C" fn(*mut CellModelData, bool, bool);
type SetInitialConditions = unsafe extern "C" fn(*mut OdeSolver, *mut c_void);
type SolveOdes = unsafe extern "C" fn(*mut OdeSolver, *mut c_void, f64, *mut f64);

/// Cells that one call of the library advances.
const BATCH: usize = 1024;

pub struct Monoalg3d {
    solver: Box<OdeSolver>,
    solve: SolveOdes,
    initial_state: Vec<f64>,
}

impl std::fmt::Debug for Monoalg3d {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Monoalg3d({} states)", self.initial_state.len())
    }
}

fn load(path: &Path, flags: c_int) -> Result<*mut c_void> {
    let name = CString::new(path.as_os_str().as_encoded_bytes())
        .map_err(|_| Error::invalid("a path with a zero byte"))?;
    // SAFETY: loading a library runs its constructors; that is what the caller asks for.
    let handle = unsafe { libc::dlopen(name.as_ptr(), flags) };
    if handle.is_null() {
        // SAFETY: dlerror gives a text after a failure.
        let text = unsafe { CStr::from_ptr(libc::dlerror()) };
        return Err(Error::invalid(text.to_string_lossy().into_owned()).in_file(path));
    }
    Ok(handle)
}

fn symbol(handle: *mut c_void, path: &Path, name: &CStr) -> Result<*mut c_void> {
    // SAFETY: a loaded library and a name.
    let address = unsafe { libc::dlsym(handle, name.as_ptr()) };
    match address.is_null() {
        true => Err(Error::invalid(format!("no function {}", name.to_string_lossy())).in_file(path)),
        false => Ok(address),
    }
}

impl Monoalg3d {
    pub fn open(path: &Path) -> Result<Self> {
        // The simulator's model libraries call its logger.
        let _ = load(&path.with_file_name("liblogger.so"), libc::RTLD_NOW | libc::RTLD_GLOBAL);
        let handle = load(path, libc::RTLD_NOW | libc::RTLD_LOCAL)?;
        let init = symbol(handle, path, c"init_cell_model_data")?;
        let set = symbol(handle, path, c"set_model_initial_conditions_cpu")?;
        let solve = symbol(handle, path, c"solve_model_odes_cpu")?;
        // SAFETY: the functions of this name have these types.
        unsafe {
            let init: InitCellModelData = std::mem::transmute(init);
            let set: SetInitialConditions = std::mem::transmute(set);
            let solve: SolveOdes = std::mem::transmute(solve);
            let mut data: CellModelData = std::mem::zeroed();
            init(&mut data, true, true);
            let n_states = usize::try_from(data.n_states).unwrap_or(0);
            if n_states == 0 {
                return Err(Error::invalid(format!("{} states", data.n_states)).in_file(path));
            }
            let mut solver: Box<OdeSolver> = Box::new(std::mem::zeroed());
            (solver.max_dt, solver.min_dt) = (0.02, 0.02);
            (solver.relative_tolerance, solver.absolute_tolerance) = (1e-5, 1e-5);
            (solver.n_cells, solver.original_n_cells, solver.n_steps) = (BATCH, BATCH as u32, 1);
            set(&mut *solver, std::ptr::null_mut());
            if solver.states.is_null() {
                return Err(Error::invalid("the library allocates no states").in_file(path));
            }
            let initial_state = std::slice::from_raw_parts(solver.states, n_states).to_vec();
            Ok(Self { solver, solve, initial_state })
        }
    }

    pub fn initial_state(&self) -> &[f64] {
        &self.initial_state
    }

    pub fn step(&mut self, states: &mut [f64], stimulus: &[f64], dt: f64, n_steps: u32) -> Result<()> {
        let n = self.initial_state.len();
        if states.len() != stimulus.len() * n {
            return Err(Error::invalid(format!(
                "{} numbers for {} cells of {n} states",
                states.len(),
                stimulus.len()
            )));
        }
        (self.solver.max_dt, self.solver.min_dt) = (dt, dt);
        for (cells, stimulus) in states.chunks_mut(BATCH * n).zip(stimulus.chunks(BATCH)) {
            let mut stimulus = stimulus.to_vec();
            self.solver.n_cells = stimulus.len();
            // SAFETY: the library made room for BATCH cells of n states.
            unsafe {
                let own = std::slice::from_raw_parts_mut(self.solver.states, cells.len());
                own.copy_from_slice(cells);
                for _ in 0..n_steps {
                    (self.solve)(&mut *self.solver, std::ptr::null_mut(), 0.0, stimulus.as_mut_ptr());
                }
                cells.copy_from_slice(own);
            }
        }
        Ok(())
    }
}
