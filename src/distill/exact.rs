//! The part of a surrogate that is exact up to the spacing of tables, and how fine these have to be.

use std::collections::BTreeMap;

use super::ask::Asker;
use super::assemble::{Assembler, Layout};
use super::function::Coordinate;
use super::grid::{Samples, Tabulated};
use super::network::{Feature, Learned};
use super::quantity::Quantities;
use super::terms::Formula;
use crate::error::Result;
use crate::harvest::Visited;
use crate::program::Program;
use crate::structure::StateIndex;

/// Intervals of the finest table of V, and of those of other states.
const FINEST: [usize; 2] = [8192, 2048];
/// A table of V of no more than so many functions may be so many times as fine.
const FEW: (usize, usize) = (16, 4);
/// Intervals of the tables with which the choice begins: of V, and of other states.
const FIRST: [usize; 2] = [2048, 512];
/// Intervals of the coarsest table.
const COARSEST: usize = 64;
/// Visited cells at which one step is compared.
const SAMPLES: usize = 3_000;
/// A sum of terms whose steps depart more than this from the model's, as a part of all that happens to the state, does not
/// describe it: a network is hardly better than that.
const DESCRIBES: f64 = 3e-2;
/// A finer table that does not take this part of some state's error away is not worth its memory.
const GAIN: f64 = 0.1;
/// Relative errors that single precision has anyway.
const ROUNDING: f64 = 1e-6;

fn finest(variable: Coordinate, n_functions: usize) -> usize {
    match variable.state {
        0 if n_functions <= FEW.0 => FINEST[0] * FEW.1,
        0 => FINEST[0],
        _ => FINEST[1],
    }
}

/// Tables and terms with the spacing chosen.
pub struct Exact {
    pub formula: Formula,
    pub layout: Layout,
    samples: BTreeMap<Coordinate, Samples>,
    steps: Steps,
    /// Intervals of every table.
    pub intervals: BTreeMap<Coordinate, usize>,
}

/// One step of visited cells by the model.
#[derive(Default)]
struct Steps {
    cells: Vec<f64>,
    stimulus: Vec<f64>,
    next: Vec<f64>,
    n_states: usize,
}

impl Steps {
    fn new(asker: &mut Asker, visited: &Visited) -> Result<Self> {
        let stride = visited.len().div_ceil(SAMPLES).max(1);
        let chosen: Vec<usize> = (0..visited.len()).step_by(stride).collect();
        let cells: Vec<f64> = chosen.iter().flat_map(|&i| visited.cell(i).to_vec()).collect();
        let stimulus: Vec<f64> = chosen.iter().map(|&i| visited.stimulus[i]).collect();
        let next = asker.next(&cells, &stimulus)?;
        Ok(Self { cells, stimulus, next, n_states: visited.n_states })
    }

    /// Of each state: Σ |error of the increment| / Σ |increment|.
    fn errors(&self, program: &Program) -> Vec<f64> {
        let n = self.n_states;
        let mut error = vec![0.0; n];
        let mut change = vec![f64::MIN_POSITIVE; n];
        for (i, (cell, next)) in self.cells.chunks(n).zip(self.next.chunks(n)).enumerate() {
            let mut inputs = cell.to_vec();
            inputs.push(self.stimulus[i]);
            let found = program.evaluate_reference(&inputs);
            for j in (0..n).filter(|&j| next[j].is_finite()) {
                error[j] += (found[j] - next[j]).abs();
                change[j] += (next[j] - cell[j]).abs();
            }
        }
        error.iter().zip(&change).map(|(e, c)| e / c).collect()
    }
}

impl Exact {
    /// Takes the model apart into terms, leaves what they do not describe to be learned, and chooses the tables' spacing so that
    /// no state's steps depart more than `accuracy` (relative), or as little as the finest tables allow.
    pub fn new(
        quantities: &Quantities,
        asker: &mut Asker,
        visited: &Visited,
        ranges: &[[f64; 2]],
        accuracy: f64,
        separation: f64,
    ) -> Result<Self> {
        let formula = Formula::new(quantities, asker, visited, ranges, separation)?;
        let mut exact = Self {
            layout: Layout::new(&formula),
            formula,
            samples: BTreeMap::new(),
            steps: Steps::new(asker, visited)?,
            intervals: BTreeMap::new(),
        };
        for (&variable, functions) in &exact.layout.functions {
            let n = FIRST[usize::from(variable.state != 0)];
            let samples = Samples::new(quantities, asker, functions, ranges[variable.state], n)?;
            exact.samples.insert(variable, samples);
            exact.intervals.insert(variable, n);
        }
        exact.refine_beyond(DESCRIBES, quantities, asker)?;
        let errors = exact.errors()?;
        let described = |s: &StateIndex| errors[*s] <= DESCRIBES;
        let wrong: Vec<StateIndex> = exact.formula.summed.iter().copied().filter(|s| !described(s)).collect();
        if !wrong.is_empty() {
            log::info!("not described by terms: {wrong:?}, errors {errors:?}");
            exact.formula.give_up(&wrong);
            exact.layout = Layout::new(&exact.formula);
            exact.forget();
        }
        exact.refine_beyond(accuracy, quantities, asker)?;
        exact.coarsen(accuracy)?;
        Ok(exact)
    }

    /// Forgets the samples of functions that are not laid out any more.
    fn forget(&mut self) {
        let functions = &self.layout.functions;
        self.samples.retain(|variable, _| functions.contains_key(variable));
        self.intervals.retain(|variable, _| functions.contains_key(variable));
        self.samples.iter_mut().for_each(|(variable, samples)| samples.keep(&functions[variable]));
    }

    /// Halves spacings for the states whose single steps depart by more than `accuracy` (relative), as long as that helps.
    fn refine_beyond(&mut self, accuracy: f64, quantities: &Quantities, asker: &mut Asker) -> Result<()> {
        loop {
            let errors = self.errors()?;
            let summed = self.formula.summed.iter().chain(&self.formula.gates);
            let wanting: Vec<StateIndex> = summed.copied().filter(|s| errors[*s] > accuracy).collect();
            if wanting.is_empty() || !self.refine_for(&wanting, quantities, asker)? {
                return Ok(());
            }
        }
    }

    /// Makes one table after the other as coarse as `accuracy` allows.
    fn coarsen(&mut self, accuracy: f64) -> Result<()> {
        let learned = self.formula.unknown.clone();
        let finest = self.errors()?;
        let good = |errors: &[f64]| {
            let pairs = errors.iter().zip(&finest).enumerate();
            pairs.filter(|(j, _)| !learned.contains(j)).all(|(_, (e, f))| *e <= accuracy.max(1.05 * f))
        };
        let variables: Vec<Coordinate> = self.intervals.keys().copied().collect();
        for variable in variables {
            loop {
                let n = self.intervals[&variable];
                if n <= COARSEST {
                    break;
                }
                self.intervals.insert(variable, n / 2);
                if !good(&self.errors()?) {
                    self.intervals.insert(variable, n);
                    break;
                }
            }
        }
        Ok(())
    }

    /// Halves the spacing of the tables whose spacing shows in single steps; false if it does in none.
    pub fn refine(&mut self, quantities: &Quantities, asker: &mut Asker) -> Result<bool> {
        let all: Vec<StateIndex> = (0..self.n_states()).collect();
        self.refine_for(&all, quantities, asker)
    }

    /// Halves the spacing of the tables whose spacing shows in single steps of `states`; false if it does in none.
    fn refine_for(
        &mut self,
        states: &[StateIndex],
        quantities: &Quantities,
        asker: &mut Asker,
    ) -> Result<bool> {
        let mut errors = self.errors()?;
        let mut refined = false;
        let variables: Vec<Coordinate> = self.intervals.keys().copied().collect();
        for variable in variables {
            let n = self.intervals[&variable];
            let samples = self.samples.get_mut(&variable).expect("sampled");
            if n >= samples.finest() {
                if n >= finest(variable, self.layout.functions[&variable].len()) {
                    continue;
                }
                samples.refine(quantities, asker)?;
            }
            self.intervals.insert(variable, 2 * n);
            let finer = self.errors()?;
            let better = |&s: &StateIndex| errors[s] > ROUNDING && finer[s] < (1.0 - GAIN) * errors[s];
            if states.iter().any(better) {
                (errors, refined) = (finer, true);
            } else {
                self.intervals.insert(variable, n);
            }
        }
        Ok(refined)
    }

    /// Relative errors of single steps, state by state.
    fn errors(&self) -> Result<Vec<f64>> {
        Ok(self.steps.errors(&self.program(&[])?))
    }

    pub fn tables(&self) -> Vec<Tabulated> {
        self.samples.iter().map(|(variable, samples)| samples.table(self.intervals[variable])).collect()
    }

    /// Exact states as the terms say, others as the networks; states without either stay as they are.
    pub fn program(&self, learned: &[Learned]) -> Result<Program> {
        self.assemble(|assembler| assembler.finish(learned))
    }

    /// The features of a cell as a program.
    pub fn features(&self, features: &[Feature]) -> Result<Program> {
        self.assemble(|assembler| assembler.finish_features(features))
    }

    fn assemble(&self, finish: impl FnOnce(Assembler) -> Result<Program>) -> Result<Program> {
        finish(Assembler::new(self.n_states(), &self.formula, &self.layout, &self.tables())?)
    }

    fn n_states(&self) -> usize {
        let f = &self.formula;
        f.gates.len()
            + f.memoryless.len()
            + f.constant.len()
            + f.summed.len()
            + f.driven.len()
            + f.unknown.len()
    }
}
