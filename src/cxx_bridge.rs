//! The Rust types in C++ by way of the `cxx` crate, for programs that link emucell statically.
//!
//! In C++ everything is in the namespace `emucell::bridge`: opaque `Surrogate` and `Session` behind
//! `rust::Box`, buffers as `rust::Slice`, failures as the exception `rust::Error`, whose `what()`
//! says what went wrong, where, and what to do about it. `make cxx` builds the static library and
//! lays the header beside it.
//!
//! This is no interface of the shared library: cxx exports symbols of its own and needs the C++
//! runtime, and what it generates must be compiled together with the library. Programs that link
//! dynamically use `emucell.hpp`, which is also the one to take for strided memory.

mod cells;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Arc, Mutex, TryLockError};

use crate::error::{Error, ErrorKind, Result};
use crate::format::onnx;
use crate::session;
use crate::surrogate;

/// What C++ sees. Buffers hold whole cells: `n_cells` × variables in the given [`Order`].
#[allow(missing_docs, reason = "the comments are the C++ header's")]
#[cxx::bridge(namespace = "emucell::bridge")]
pub mod ffi {
    /// What a surrogate computes.
    enum Kind {
        /// (t, x0, parameters) to x(t).
        SolutionMap,
        /// (x, stimulus, parameters) to x after one step.
        StepMap,
        /// Outputs with a derivative of them, to evaluate.
        Derivative,
    }

    /// A derivative of m outputs y with respect to n inputs x.
    enum DerivativeKind {
        /// Inputs x; outputs y, then dy_i/dx_j in column m + i n + j.
        Jacobian,
        /// Inputs x, then v; outputs y, then J v.
        JacobianVector,
        /// Inputs x, then w; outputs y, then w^T J.
        VectorJacobian,
    }

    /// What a variable is for.
    enum Role {
        Time,
        State,
        Stimulus,
        Parameter,
    }

    /// Which numbers lie side by side.
    enum Order {
        /// All variables of a cell, cell after cell.
        Structures,
        /// All cells of a variable, variable after variable.
        Arrays,
    }

    /// What happens to inputs outside the domain.
    enum Guard {
        /// They are used as they are, and nobody looks.
        Ignore,
        /// They are moved to its border before they are used; cells are counted.
        Clamp,
        /// They are used as they are; cells are counted.
        Count,
        /// As Count, and steps without status bytes fail.
        Flag,
        /// The surrogate's own cell model computes the cell instead of the surrogate.
        Fallback,
    }

    /// What a session did; cells are counted once for every application of the surrogate.
    struct Counters {
        /// Calls of evaluate and step that succeeded.
        calls: u64,
        /// Cells evaluated, and cells x steps.
        cell_steps: u64,
        /// Of these, with an input outside the domain.
        outside_domain: u64,
        /// Of these, with a result that is not finite.
        not_finite: u64,
        /// Of these, computed by the cell model.
        fallback: u64,
    }

    /// A column of a surrogate's inputs or outputs.
    struct Variable {
        name: String,
        /// "1" for dimensionless, empty if unknown.
        unit: String,
        role: Role,
        /// Whether low and high, the range of the training data, are known.
        has_range: bool,
        low: f64,
        high: f64,
    }

    /// How a session computes; take default_options() and change it.
    struct Options {
        /// Threads that share the cells of a call, the caller's included.
        n_threads: usize,
        guard: Guard,
        /// "scalar", "avx2"; empty for the machine's fastest.
        instruction_set: String,
        /// Most cells and rows of a call; larger calls allocate.
        capacity: usize,
        /// Longest step of the cell model's solver, ms.
        fallback_dt: f64,
    }

    /// Cells to advance in place, in single precision.
    struct CellsF32<'a> {
        /// Rows x states, read and written.
        state: &'a mut [f32],
        /// Order of state, stimulus and parameters.
        order: Order,
        /// Cells of the call x stimulus variables, or one number for each stimulus variable that
        /// serves all cells; empty if the surrogate has none.
        stimulus: &'a [f32],
        /// Rows x parameters, or one number for each that serves all; empty if there are none.
        parameters: &'a [f32],
        /// Empty, or a byte for each cell of the call, of bits: 1 outside the domain, 2 not
        /// finite, 4 computed by the cell model.
        status: &'a mut [u8],
    }

    /// Cells to advance in place, in double precision; as CellsF32.
    struct CellsF64<'a> {
        state: &'a mut [f64],
        order: Order,
        stimulus: &'a [f64],
        parameters: &'a [f64],
        status: &'a mut [u8],
    }

    extern "Rust" {
        /// A trained network with everything needed to use it; any number of threads may share one.
        type Surrogate;

        /// Loads an ONNX file.
        fn load(path: &str) -> Result<Box<Surrogate>>;
        /// Loads the bytes of an ONNX file.
        fn load_memory(bytes: &[u8]) -> Result<Box<Surrogate>>;
        fn kind(self: &Surrogate) -> Kind;
        /// Step of a step map; 0 for other kinds.
        fn dt(self: &Surrogate) -> f64;
        fn inputs(self: &Surrogate) -> Vec<Variable>;
        fn outputs(self: &Surrogate) -> Vec<Variable>;
        /// Times of the outputs: all states at the first, then all at the second, …; empty where each output is
        /// one state at one time.
        fn times(self: &Surrogate) -> Vec<f64>;
        /// The state in which a cell starts; throws if the file tells none.
        fn initial_state(self: &Surrogate) -> Result<Vec<f64>>;
        /// How the surrogate came to be, a JSON object.
        fn provenance(self: &Surrogate) -> String;
        /// Name of the cell model that it stands for; empty if the file tells none.
        fn cell_model(self: &Surrogate) -> String;

        /// The surrogate that computes this one's outputs and a derivative of them.
        fn derivative(self: &Surrogate, kind: DerivativeKind) -> Result<Box<Surrogate>>;

        /// A surrogate prepared for one thread at a time.
        type Session;

        fn default_options() -> Options;
        fn new_session(surrogate: &Surrogate, options: &Options) -> Result<Box<Session>>;
        /// Computes outputs (cells x outputs) from inputs (cells x inputs).
        #[cxx_name = "evaluate"]
        fn evaluate_f32(self: &Session, inputs: &[f32], outputs: &mut [f32], order: Order) -> Result<()>;
        #[cxx_name = "evaluate"]
        fn evaluate_f64(self: &Session, inputs: &[f64], outputs: &mut [f64], order: Order) -> Result<()>;
        /// Evaluates a solution map at all of times: inputs (cells x inputs) without the time, empty if it is the only
        /// one, and outputs (cells x times outputs), those of the first time, then of the next.
        #[cxx_name = "evaluate_times"]
        fn evaluate_times_f32(
            self: &Session,
            inputs: &[f32],
            times: &[f64],
            outputs: &mut [f32],
            order: Order,
        ) -> Result<()>;
        #[cxx_name = "evaluate_times"]
        fn evaluate_times_f64(
            self: &Session,
            inputs: &[f64],
            times: &[f64],
            outputs: &mut [f64],
            order: Order,
        ) -> Result<()>;
        /// Advances all cells by n_steps steps of dt.
        #[cxx_name = "step"]
        fn step_f32(self: &Session, cells: CellsF32, dt: f64, n_steps: u32) -> Result<()>;
        #[cxx_name = "step"]
        fn step_f64(self: &Session, cells: CellsF64, dt: f64, n_steps: u32) -> Result<()>;
        /// Advances the rows in `rows` only, no row twice: cell i of the call is row rows[i].
        #[cxx_name = "step_rows"]
        fn step_rows_f32(self: &Session, cells: CellsF32, rows: &[u32], dt: f64, n_steps: u32) -> Result<()>;
        #[cxx_name = "step_rows"]
        fn step_rows_f64(self: &Session, cells: CellsF64, rows: &[u32], dt: f64, n_steps: u32) -> Result<()>;
        fn counters(self: &Session) -> Result<Counters>;
        fn reset_counters(self: &Session) -> Result<()>;
        /// Device and instruction set, for example "cpu avx512, threads: 1".
        fn name(self: &Session) -> Result<String>;
    }
}

/// A trained network, shared with the sessions made from it.
pub struct Surrogate(Arc<surrogate::Surrogate>);

/// A surrogate prepared for use; a second thread that enters it is refused, as in the C ABI.
pub struct Session(Mutex<session::Session>);

/// Runs `body` and turns a panic into an error: one that reached C++ would end the program.
fn caught<T>(body: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("without a message");
        Err(Error::new(ErrorKind::Poisoned, format!("internal fault \"{text}\": please report it")))
    })
}

fn load(path: &str) -> Result<Box<Surrogate>> {
    caught(|| Ok(Box::new(Surrogate(Arc::new(onnx::load(Path::new(path))?)))))
}

fn load_memory(bytes: &[u8]) -> Result<Box<Surrogate>> {
    caught(|| Ok(Box::new(Surrogate(Arc::new(onnx::from_bytes(bytes)?)))))
}

impl Surrogate {
    fn kind(&self) -> ffi::Kind {
        match self.0.kind() {
            surrogate::Kind::SolutionMap => ffi::Kind::SolutionMap,
            surrogate::Kind::StepMap { .. } => ffi::Kind::StepMap,
            surrogate::Kind::Derivative => ffi::Kind::Derivative,
        }
    }

    fn dt(&self) -> f64 {
        match self.0.kind() {
            surrogate::Kind::StepMap { dt } => dt,
            surrogate::Kind::SolutionMap | surrogate::Kind::Derivative => 0.0,
        }
    }

    fn derivative(&self, kind: ffi::DerivativeKind) -> Result<Box<Self>> {
        caught(|| {
            let kind = match kind {
                ffi::DerivativeKind::Jacobian => surrogate::Derivative::Jacobian,
                ffi::DerivativeKind::JacobianVector => surrogate::Derivative::JacobianVector,
                ffi::DerivativeKind::VectorJacobian => surrogate::Derivative::VectorJacobian,
                other => return Err(Error::invalid(format!("derivative {}", other.repr))),
            };
            Ok(Box::new(Self(Arc::new(self.0.derivative(kind)?))))
        })
    }

    fn inputs(&self) -> Vec<ffi::Variable> {
        self.0.inputs().iter().map(ffi::Variable::from).collect()
    }

    fn outputs(&self) -> Vec<ffi::Variable> {
        self.0.outputs().iter().map(ffi::Variable::from).collect()
    }

    fn times(&self) -> Vec<f64> {
        self.0.times().to_vec()
    }

    fn initial_state(&self) -> Result<Vec<f64>> {
        let state = self.0.initial_state().map(<[f64]>::to_vec);
        state.ok_or_else(|| Error::unsupported("this surrogate's file tells no initial state"))
    }

    fn provenance(&self) -> String {
        serde_json::Value::from(self.0.provenance().clone()).to_string()
    }

    fn cell_model(&self) -> String {
        self.0.cell_model().map(|model| model.name.clone()).unwrap_or_default()
    }
}

impl From<&surrogate::Variable> for ffi::Variable {
    fn from(variable: &surrogate::Variable) -> Self {
        let [low, high] = variable.range.unwrap_or_default();
        let role = match variable.role {
            surrogate::Role::Time => ffi::Role::Time,
            surrogate::Role::State => ffi::Role::State,
            surrogate::Role::Stimulus => ffi::Role::Stimulus,
            surrogate::Role::Parameter => ffi::Role::Parameter,
        };
        Self {
            name: variable.name.clone(),
            unit: variable.unit.clone(),
            role,
            has_range: variable.range.is_some(),
            low,
            high,
        }
    }
}

fn default_options() -> ffi::Options {
    let defaults = session::SessionOptions::default();
    ffi::Options {
        n_threads: defaults.n_threads,
        guard: ffi::Guard::Ignore,
        instruction_set: String::new(),
        capacity: defaults.capacity,
        fallback_dt: defaults.fallback_dt,
    }
}

fn new_session(surrogate: &Surrogate, options: &ffi::Options) -> Result<Box<Session>> {
    caught(|| {
        let guard = match options.guard {
            ffi::Guard::Ignore => session::Guard::Ignore,
            ffi::Guard::Clamp => session::Guard::Clamp,
            ffi::Guard::Count => session::Guard::Count,
            ffi::Guard::Flag => session::Guard::Flag,
            ffi::Guard::Fallback => session::Guard::Fallback,
            other => return Err(Error::invalid(format!("guard {}", other.repr))),
        };
        let instruction_set = Some(options.instruction_set.clone()).filter(|name| !name.is_empty());
        let options = session::SessionOptions {
            n_threads: options.n_threads,
            instruction_set,
            guard,
            capacity: options.capacity,
            fallback_dt: options.fallback_dt,
            ..session::SessionOptions::default()
        };
        Ok(Box::new(Session(Mutex::new(session::Session::new(surrogate.0.clone(), &options)?))))
    })
}

impl Session {
    /// Runs `body` with the session, unless another thread has it; a panic poisons it.
    fn enter<T>(&self, body: impl FnOnce(&mut session::Session) -> Result<T>) -> Result<T> {
        caught(|| match self.0.try_lock() {
            Ok(mut session) => body(&mut session),
            Err(TryLockError::WouldBlock) => {
                Err(Error::new(ErrorKind::Busy, "another thread is using this session")
                    .remedy("create a session for each thread; they can share one surrogate"))
            }
            Err(TryLockError::Poisoned(_)) => {
                Err(Error::new(ErrorKind::Poisoned, "this session stopped at an internal fault")
                    .remedy("destroy it and create another"))
            }
        })
    }

    fn counters(&self) -> Result<ffi::Counters> {
        let counted = self.enter(|session| Ok(session.counters()))?;
        let session::Counters { calls, cell_steps, outside_domain, not_finite, fallback } = counted;
        Ok(ffi::Counters { calls, cell_steps, outside_domain, not_finite, fallback })
    }

    fn reset_counters(&self) -> Result<()> {
        self.enter(|session| {
            session.reset_counters();
            Ok(())
        })
    }

    fn name(&self) -> Result<String> {
        self.enter(|session| Ok(session.backend_name().to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session() -> Box<Session> {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/models/fhn_cubic_step.onnx");
        new_session(&load(path).unwrap(), &default_options()).unwrap()
    }

    #[test]
    fn a_panic_is_an_error_and_poisons_the_session() {
        let session = session();
        let fault = session.enter::<()>(|_| panic!("planted")).unwrap_err();
        assert!(fault.to_string().contains("planted"), "{fault}");
        let after = session.evaluate_f32(&[0.0; 3], &mut [0.0; 2], ffi::Order::Arrays).unwrap_err();
        assert_eq!(after.kind(), ErrorKind::Poisoned);
    }

    #[test]
    fn a_second_thread_is_refused() {
        let session = session();
        let inside = session.enter(|_| session.evaluate_f32(&[0.0; 3], &mut [0.0; 2], ffi::Order::Arrays));
        assert_eq!(inside.unwrap_err().kind(), ErrorKind::Busy);
    }
}
