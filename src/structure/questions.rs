//! Questions put to a cell model: states in, next states out, and how finely an answer can be read.

use crate::error::Result;
use crate::step_function::StepFunction;

/// Asks a cell model, many cells at a time.
pub struct Questions<'a> {
    model: &'a mut dyn StepFunction,
    /// Length of the step that is taken apart, ms.
    pub dt: f64,
    /// Half the distance between neighbouring numbers of the model's arithmetic, relative.
    pub unit: f64,
    /// Cells asked so far.
    pub asked: u64,
}

/// Half the distance between neighbouring numbers of the model's arithmetic, relative. A model answers in single precision if all
/// of its answers are numbers of that precision.
pub fn unit(model: &mut dyn StepFunction, dt: f64, some_states: &[f64]) -> Result<f64> {
    let answers = Questions::new(model, dt, f64::EPSILON / 2.0).ask(some_states.to_vec())?.next;
    let single = answers.iter().filter(|x| x.is_finite()).all(|&x| x == f64::from(x as f32));
    Ok(if single { f64::from(f32::EPSILON) / 2.0 } else { f64::EPSILON / 2.0 })
}

impl<'a> Questions<'a> {
    pub fn new(model: &'a mut dyn StepFunction, dt: f64, unit: f64) -> Self {
        Self { model, dt, unit, asked: 0 }
    }

    /// Number of states of a cell.
    pub fn n_states(&self) -> usize {
        self.model.n_states()
    }

    /// The next states of cells without a stimulus.
    pub fn ask(&mut self, states: Vec<f64>) -> Result<Answers> {
        let stimulus = vec![0.0; states.len() / self.n_states()];
        self.ask_with(states, &stimulus, self.dt)
    }

    /// The next states of cells, each under its own stimulus, after a step of length `dt`.
    pub fn ask_with(&mut self, mut states: Vec<f64>, stimulus: &[f64], dt: f64) -> Result<Answers> {
        if self.unit > f64::EPSILON {
            // Otherwise an increment would contain the rounding of the question.
            states.iter_mut().for_each(|x| *x = f64::from(*x as f32));
        }
        let mut next = states.clone();
        self.model.step(&mut next, stimulus, dt, 1)?;
        self.asked += stimulus.len() as u64;
        Ok(Answers { n_states: self.n_states(), states, next })
    }
}

/// Cells before and after a step.
pub struct Answers {
    n_states: usize,
    /// Before, cell after cell.
    pub states: Vec<f64>,
    /// After, cell after cell.
    pub next: Vec<f64>,
}

impl Answers {
    /// Number of states of a cell.
    pub fn n_states(&self) -> usize {
        self.n_states
    }

    /// Number of cells.
    pub fn len(&self) -> usize {
        self.next.len() / self.n_states
    }

    /// Cell `cell` before the step.
    pub fn state(&self, cell: usize) -> &[f64] {
        &self.states[cell * self.n_states..(cell + 1) * self.n_states]
    }

    /// State `i` of cell `cell` after the step.
    pub fn next(&self, cell: usize, i: usize) -> f64 {
        self.next[cell * self.n_states + i]
    }

    /// What state `i` of cell `cell` gains in the step.
    pub fn increment(&self, cell: usize, i: usize) -> f64 {
        self.next(cell, i) - self.states[cell * self.n_states + i]
    }

    /// Size of the numbers whose rounding the increment of state `i` contains.
    pub fn magnitude(&self, cell: usize, i: usize) -> f64 {
        self.next(cell, i).abs() + self.states[cell * self.n_states + i].abs()
    }

    /// Whether all states of cell `cell` are finite after the step.
    pub fn is_finite(&self, cell: usize) -> bool {
        self.next[cell * self.n_states..(cell + 1) * self.n_states].iter().all(|x| x.is_finite())
    }
}
