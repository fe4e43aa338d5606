//! The cell model that a command asks: a compiled library and how to speak to it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::error::{Error, Result};
use crate::format::arrays;
use crate::harvest::stimulus::{self, Stimulus};
use crate::model_library::{ExtraData, Function, ModelLibrary, Options, Real};
use crate::step_function::StepFunction;

/// A cell model in a shared library.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Cell model")]
pub struct Model {
    /// Shared library of the cell model: a model library of MonoAlg3D, or any with `--function`.
    #[arg(long, value_name = "LIB.so")]
    pub library: PathBuf,
    /// C function that advances one cell: void NAME(double *state, double stimulus, double dt, int n_steps).
    #[arg(long, value_name = "NAME", requires = "initial")]
    pub function: Option<String>,
    /// Number of states of the function; checked against --initial.
    #[arg(long, value_name = "N", requires = "function")]
    pub states: Option<usize>,
    /// Initial state of the function: numbers separated by commas, or a .npy or .csv file of one row.
    #[arg(long, value_name = "LIST|FILE", requires = "function", allow_hyphen_values = true)]
    pub initial: Option<String>,
    /// Type of the library's numbers.
    #[arg(long, value_enum, default_value = "auto")]
    pub real: RealName,
    /// Length of a step, ms.
    #[arg(long, value_name = "MS", default_value_t = 0.02, value_parser = positive)]
    pub dt: f64,
    /// Steps of the library that make one step of --dt.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub substeps: u32,
    /// Kind of cell, for libraries that mix several and want a mask.
    #[arg(long, value_name = "N", conflicts_with = "function")]
    pub mask: Option<u32>,
    /// What MonoAlg3D's extra-data library would give to the library: the structure's fields in their order, numbers and arrays, of which
    /// those of one number have it for every cell: `[1, 0.5, [2, 3, 4], [0]]`, or a file of that.
    #[arg(long, value_name = "LIST|FILE.json", conflicts_with_all = ["function", "mask"])]
    pub extra_data: Option<String>,
    /// Let the library choose its own steps within --dt, as with adaptive=true in MonoAlg3D. Give --strength too: with a stimulus that is far
    /// too strong, as the search for the threshold tries, such steps may never end.
    #[arg(long, conflicts_with_all = ["function", "substeps"])]
    pub adaptive: bool,
    /// Amplitude of the stimulus in the model's unit and sign [default: twice the threshold, found by search].
    #[arg(long, value_name = "X", allow_hyphen_values = true)]
    pub strength: Option<f64>,
    /// Length of the stimulus, ms.
    #[arg(long, value_name = "MS", default_value_t = 2.0, value_parser = positive)]
    pub duration: f64,
    /// Longest time that the library may take for one question, s.
    #[arg(long, value_name = "S", default_value_t = 60.0, value_parser = positive)]
    pub time_limit: f64,
}

/// `double`, `float` or whichever it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum RealName {
    /// Found out by asking the library.
    Auto,
    /// Double precision.
    Double,
    /// Single precision.
    Float,
}

fn positive(text: &str) -> std::result::Result<f64, String> {
    let value: f64 = text.parse().map_err(|e| format!("{e}"))?;
    match value.is_finite() && value > 0.0 {
        true => Ok(value),
        false => Err("give a positive number".into()),
    }
}

impl Model {
    /// Loads the library and checks it; what is found that does not keep it from being used goes to standard error.
    ///
    /// # Errors
    /// A library that cannot be used, or arguments that do not fit together.
    pub fn open(&self) -> Result<ModelLibrary> {
        let function = match (&self.function, &self.initial) {
            (Some(name), Some(initial)) => {
                Some(Function { name: name.clone(), initial_state: self.initial_state(initial)? })
            }
            _ => None,
        };
        let options = Options {
            real: match self.real {
                RealName::Auto => Real::Auto,
                RealName::Double => Real::Double,
                RealName::Float => Real::Float,
            },
            function,
            substeps: self.substeps,
            mask: self.mask,
            extra_data: self.extra_data.as_deref().map(ExtraData::read).transpose()?,
            adaptive: self.adaptive,
            time_limit: Duration::from_secs_f64(self.time_limit),
            ..Options::default()
        };
        let mut library = ModelLibrary::open_with(&self.library, &options)?;
        for finding in library.check(self.dt)? {
            eprintln!("warning: {finding}");
        }
        Ok(library)
    }

    /// The stimulus that was asked for, or twice the weakest that excites `model`.
    ///
    /// # Errors
    /// A model that no stimulus excites, and whatever it answers.
    pub fn stimulus(&self, model: &mut dyn StepFunction) -> Result<Stimulus> {
        match self.strength {
            Some(strength) => Ok(Stimulus { strength, duration: self.duration, threshold: None }),
            None => stimulus::find(model, self.dt, self.duration),
        }
    }

    fn initial_state(&self, text: &str) -> Result<Vec<f64>> {
        let numbers: std::result::Result<Vec<f64>, _> = text.split(',').map(|x| x.trim().parse()).collect();
        let state = match numbers {
            Ok(numbers) => numbers,
            Err(_) => arrays::read_matrix(Path::new(text))?.values.iter().copied().collect(),
        };
        match self.states {
            Some(n) if n != state.len() => {
                Err(Error::invalid(format!("{} initial states where --states says {n}", state.len()))
                    .remedy("give one number a state"))
            }
            _ => Ok(state),
        }
    }
}
