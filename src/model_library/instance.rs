//! A model library in this process.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::extra_data::ExtraData;
use super::function::CFunction;
use super::monoalg3d::{Functions, Monoalg3d};
use super::options::{Function, Options, Real};
use super::stage::Progress;
use crate::error::{Error, Result};

/// What is to be loaded and how.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Source {
    pub path: PathBuf,
    pub real: Real,
    pub function: Option<Function>,
    pub substeps: u32,
    pub mask: Option<u32>,
    pub extra_data: Option<ExtraData>,
    pub adaptive: bool,
}

impl Source {
    /// Checks what can be checked without loading anything.
    pub fn new(path: &Path, options: &Options) -> Result<Self> {
        // Absolute, or the loader would search its own folders for it.
        let path = std::fs::canonicalize(path).map_err(|e| Error::io("read", path, e))?;
        if let Some(function) = &options.function {
            if function.initial_state.is_empty() {
                return Err(Error::invalid("a cell model of 0 states")
                    .in_file(&path)
                    .remedy("give the initial state, one number for each state"));
            }
            if !function.initial_state.iter().all(|x| x.is_finite()) {
                return Err(Error::invalid("an initial state that is not finite").in_file(&path));
            }
        }
        if options.mask.is_some() && options.extra_data.is_some() {
            return Err(Error::invalid("both a mask and other extra data").remedy("give one of them"));
        }
        if options.adaptive && (options.substeps != 1 || options.function.is_some()) {
            return Err(Error::invalid(
                "steps that the library chooses, together with substeps or a function of one cell",
            )
            .remedy("only model libraries of MonoAlg3D choose their steps, and they do it alone"));
        }
        if options.substeps == 0 {
            return Err(Error::invalid("0 substeps").remedy("give at least 1"));
        }
        Ok(Self {
            path,
            real: options.real,
            function: options.function.clone(),
            substeps: options.substeps,
            mask: options.mask,
            extra_data: options.extra_data.clone(),
            adaptive: options.adaptive,
        })
    }
}

/// Steps to be made.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Steps {
    pub dt: f64,
    pub n: u32,
    /// What the library finds in variables that it never sets.
    pub unset: f64,
}

impl Steps {
    pub fn new(dt: f64, n: u32) -> Self {
        Self { dt, n, unset: 0.0 }
    }
}

/// What is known about a library once it is open.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Opened {
    pub real: Real,
    pub initial_state: Vec<f64>,
}

/// A loaded library.
pub struct Instance {
    library: Library,
    substeps: u32,
    opened: Opened,
}

enum Library {
    Double(Monoalg3d<f64>),
    Float(Monoalg3d<f32>),
    DoubleFunction(CFunction<f64>),
    FloatFunction(CFunction<f32>),
}

impl Instance {
    pub fn open(source: &Source, progress: &Progress) -> Result<Self> {
        let path = &source.path;
        let (library, opened) = match &source.function {
            None => {
                let functions = Functions::load(path, progress)?;
                let real = match (source.real, functions.real(progress)) {
                    (Real::Auto, Some(found)) => found,
                    (Real::Auto, None) => {
                        let what = "init_cell_model_data does not tell whether real is double or float";
                        return Err(Error::format(what).in_file(path).remedy("say which it is (--real)"));
                    }
                    (given, Some(found)) if given != found => {
                        return Err(Error::format(format!("the library's real is {found}, not {given}"))
                            .in_file(path)
                            .remedy("leave --real out, or compile the library anew"));
                    }
                    (given, _) => given,
                };
                match real {
                    Real::Float => {
                        let library = Monoalg3d::open(&functions, source, progress)?;
                        let initial_state = library.initial_state().to_vec();
                        (Library::Float(library), Opened { real, initial_state })
                    }
                    _ => {
                        let library = Monoalg3d::open(&functions, source, progress)?;
                        let initial_state = library.initial_state().to_vec();
                        (Library::Double(library), Opened { real, initial_state })
                    }
                }
            }
            Some(Function { name, initial_state }) => match source.real {
                Real::Float => {
                    let library = CFunction::open(path, name, initial_state.len(), progress)?;
                    let initial_state = initial_state.iter().map(|&x| f64::from(x as f32)).collect();
                    (Library::FloatFunction(library), Opened { real: Real::Float, initial_state })
                }
                _ => {
                    let library = CFunction::open(path, name, initial_state.len(), progress)?;
                    let initial_state = initial_state.clone();
                    (Library::DoubleFunction(library), Opened { real: Real::Double, initial_state })
                }
            },
        };
        match opened.initial_state.iter().position(|x| !x.is_finite()) {
            None => Ok(Self { library, substeps: source.substeps, opened }),
            Some(j) => Err(Error::numeric(format!("state {j} starts as {}", opened.initial_state[j]))
                .in_file(path)
                .remedy("check the library's precision (--real) and its initial conditions")),
        }
    }

    pub fn opened(&self) -> &Opened {
        &self.opened
    }

    /// Advances cells; lengths have been checked.
    pub fn step(&mut self, states: &mut [f64], stimulus: &[f64], steps: Steps, progress: &Progress) {
        let substeps = self.substeps;
        match &mut self.library {
            Library::Double(library) => library.step(states, stimulus, steps, substeps, progress),
            Library::Float(library) => library.step(states, stimulus, steps, substeps, progress),
            Library::DoubleFunction(library) => library.step(states, stimulus, steps, substeps, progress),
            Library::FloatFunction(library) => library.step(states, stimulus, steps, substeps, progress),
        }
    }
}
