//! Cell models compiled into shared libraries by others.
//!
//! A library runs in a process of its own, so that whatever it does (crash, exit, hang, print) is an error message and not the end
//! of the program that asks.

mod allocation;
mod check;
mod conversation;
mod extra_data;
mod function;
mod instance;
mod monoalg3d;
mod number;
mod options;
mod printed;
mod process;
mod shared_memory;
mod shared_object;
mod stack;
mod stage;
pub mod worker;

use std::path::Path;

pub use self::check::Finding;
pub use self::extra_data::{ExtraData, Field};
use self::instance::{Instance, Opened, Source, Steps};
pub use self::options::{Function, Options, Real};
use self::process::Process;
use self::stage::Progress;
use crate::error::{Error, Result};
use crate::step_function::StepFunction;

/// A cell model in a shared library.
#[derive(Debug)]
pub struct ModelLibrary {
    engine: Engine,
    opened: Opened,
    source: Source,
    options: Options,
}

enum Engine {
    Isolated(Process),
    Here(Instance, Progress),
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Isolated(_) => "Isolated",
            Self::Here(..) => "Here",
        })
    }
}

impl ModelLibrary {
    /// Loads a model library of MonoAlg3D, isolated.
    ///
    /// # Errors
    /// A file that is not a library, or not one of a cell model; a library that crashes, exits or hangs.
    pub fn open(path: &Path) -> Result<Self> {
        Self::open_with(path, &Options::default())
    }

    /// Loads the library at `path` as `options` say.
    ///
    /// # Errors
    /// As for [`open`](Self::open).
    pub fn open_with(path: &Path, options: &Options) -> Result<Self> {
        let source = Source::new(path, options)?;
        let (engine, opened) = match options.isolated {
            true => {
                let (process, opened) = Process::open(&source, options)?;
                (Engine::Isolated(process), opened)
            }
            false => {
                let progress = Progress::default();
                let instance = Instance::open(&source, &progress)?;
                let opened = instance.opened().clone();
                (Engine::Here(instance, progress), opened)
            }
        };
        Ok(Self { engine, opened, source, options: options.clone() })
    }

    /// Loads the same library once more: another instance, which shares nothing with this one where libraries are isolated.
    ///
    /// # Errors
    /// As for [`open`](Self::open).
    pub fn open_again(&self) -> Result<Self> {
        Self::open_with(&self.source.path, &self.options)
    }

    /// Where the library is.
    pub fn path(&self) -> &Path {
        &self.source.path
    }

    /// Type of the library's numbers.
    pub fn real(&self) -> Real {
        self.opened.real
    }

    /// What the library printed while it was opened; nothing where it is not isolated.
    pub fn printed_at_opening(&self) -> &str {
        match &self.engine {
            Engine::Isolated(process) => process.printed().at_opening(),
            Engine::Here(..) => "",
        }
    }
}

impl StepFunction for ModelLibrary {
    fn n_states(&self) -> usize {
        self.opened.initial_state.len()
    }

    fn initial_state(&self) -> &[f64] {
        &self.opened.initial_state
    }

    fn step(&mut self, states: &mut [f64], stimulus: &[f64], dt: f64, n_steps: u32) -> Result<()> {
        let n_states = self.n_states();
        if states.len() != stimulus.len() * n_states {
            return Err(Error::invalid(format!(
                "{} numbers for {} cells of {n_states} states",
                states.len(),
                stimulus.len()
            )));
        }
        if !(dt.is_finite() && dt > 0.0) {
            return Err(Error::invalid(format!("a step of {dt} ms")).remedy("give a positive one"));
        }
        if stimulus.is_empty() || n_steps == 0 {
            return Ok(());
        }
        match &mut self.engine {
            Engine::Isolated(process) => process.step(states, stimulus, Steps::new(dt, n_steps)),
            Engine::Here(instance, progress) => {
                instance.step(states, stimulus, Steps::new(dt, n_steps), progress);
                Ok(())
            }
        }
    }
}
