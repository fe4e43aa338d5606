//! A program from tables and terms.

use std::collections::BTreeMap;

use super::function::Function;
use super::grid::Tabulated;
use super::network::{Feature, Learned};
use super::terms::Formula;
use crate::activation::Activation;
use crate::error::Result;
use crate::program::{BinaryOperator, BlockId, Operation, Program, ProgramBuilder};
use crate::structure::StateIndex;

/// Which functions every table holds, in the order of its columns.
#[derive(Debug)]
pub struct Layout {
    /// By variable.
    pub functions: BTreeMap<StateIndex, Vec<Function>>,
}

impl Layout {
    /// The tables that `formula` needs: rates, drives and next values of what depends on V alone come first, then the functions
    /// of the terms in their order, so that what is multiplied lies side by side.
    pub fn new(formula: &Formula) -> Self {
        use super::quantity::Quantity::{Drive, Rate, Value};
        let mut functions: BTreeMap<StateIndex, Vec<Function>> = BTreeMap::new();
        let of_v = |quantity| Function::of(quantity, 0);
        let relaxing = formula.gates.iter();
        let mut first: Vec<Function> = relaxing.clone().map(|&g| of_v(Rate(g))).collect();
        first.extend(relaxing.map(|&g| of_v(Drive(g))));
        first.extend(formula.memoryless.iter().map(|&s| of_v(Value(s))));
        if !first.is_empty() {
            functions.insert(0, first);
        }
        for function in formula.terms.iter().flat_map(|t| &t.functions) {
            let columns = functions.entry(function.variable).or_default();
            if !columns.contains(function) {
                columns.push(function.clone());
            }
        }
        Self { functions }
    }
}

/// A column of a block.
pub type Place = (BlockId, usize);

/// Builds a program step by step.
pub struct Assembler<'a> {
    pub builder: ProgramBuilder,
    layout: &'a Layout,
    /// Block of every table, by variable.
    tables: BTreeMap<StateIndex, BlockId>,
    n_states: usize,
}

impl<'a> Assembler<'a> {
    /// Starts with the tables. The inputs are the states and the stimulus.
    pub fn new(n_states: usize, layout: &'a Layout, tabulated: &[Tabulated]) -> Result<Self> {
        let mut assembler =
            Self { builder: ProgramBuilder::new(n_states + 1)?, layout, tables: BTreeMap::new(), n_states };
        for table in tabulated {
            let block = assembler.look_up(table)?;
            assembler.tables.insert(table.variable, block);
        }
        Ok(assembler)
    }

    fn look_up(&mut self, tabulated: &Tabulated) -> Result<BlockId> {
        let b = &mut self.builder;
        let x = b.slice(BlockId::INPUT, tabulated.variable, 1)?;
        let smooth = b.push(Operation::Table { input: x, table: tabulated.table.clone() })?;
        if tabulated.jumps.is_empty() {
            return Ok(smooth);
        }
        let jumps = &tabulated.jumps;
        // 0 before a jump and 1 beyond it, with a ramp of a few of the neighbouring numbers in single precision.
        let places: Vec<f32> = jumps.iter().map(|j| j.at as f32).collect();
        let steep = |at: &f32| 0.125 / (at.abs() * f32::EPSILON).max(1e-30);
        let steepness: Vec<f32> = places.iter().map(steep).collect();
        let places = b.constant(places)?;
        let beyond = b.binary(BinaryOperator::Subtract, x, places)?;
        let steepness = b.constant(steepness)?;
        let ramp = b.binary(BinaryOperator::Multiply, beyond, steepness)?;
        let (zero, one) = (b.constant([0.0])?, b.constant([1.0])?);
        let ramp = b.binary(BinaryOperator::Maximum, ramp, zero)?;
        let passed = b.binary(BinaryOperator::Minimum, ramp, one)?;
        let distance = b.binary(BinaryOperator::Maximum, beyond, zero)?;
        let both = b.concat(&[passed, distance])?;
        let width = tabulated.table.width;
        let row =
            |j: usize| jumps.iter().map(move |k| k.heights[j]).chain(jumps.iter().map(move |k| k.bends[j]));
        let weights = (0..width).flat_map(|j| row(j).map(|w| w as f32)).collect();
        let added = b.dense(both, weights, vec![0.0; width], Activation::Linear)?;
        b.binary(BinaryOperator::Add, smooth, added)
    }

    /// Columns of blocks side by side.
    pub fn gather(&mut self, places: &[Place]) -> Result<BlockId> {
        let mut runs: Vec<(BlockId, usize, usize)> = Vec::new();
        for &(block, column) in places {
            match runs.last_mut() {
                Some((b, start, width)) if *b == block && *start + *width == column => *width += 1,
                _ => runs.push((block, column, 1)),
            }
        }
        let mut pieces = Vec::new();
        for (block, start, width) in runs {
            pieces.push(match width == self.builder.width(block) {
                true => block,
                false => self.builder.slice(block, start, width)?,
            });
        }
        match pieces[..] {
            [one] => Ok(one),
            _ => self.builder.concat(&pieces),
        }
    }

    fn column_of(&self, function: &Function) -> Place {
        let columns = &self.layout.functions[&function.variable];
        let column = columns.iter().position(|f| f == function).expect("laid out");
        (self.tables[&function.variable], column)
    }

    /// The product of every term.
    pub fn products(&mut self, formula: &Formula) -> Result<Vec<Place>> {
        let factors: Vec<Vec<Place>> = formula
            .terms
            .iter()
            .map(|t| {
                let functions = t.functions.iter().map(|f| self.column_of(f));
                functions.chain(t.states.iter().map(|&s| (BlockId::INPUT, s))).collect()
            })
            .collect();
        // Terms come with most factors first: each multiplication takes the first so many.
        let mut finished: Vec<Place> = vec![(BlockId::INPUT, 0); factors.len()];
        let mut product: Option<BlockId> = None;
        let most = factors.first().map_or(0, Vec::len);
        for k in 0..most {
            let n = factors.iter().take_while(|f| f.len() > k).count();
            let next: Vec<Place> = factors[..n].iter().map(|f| f[k]).collect();
            let next = self.gather(&next)?;
            let block = match product {
                None => next,
                Some(before) => {
                    let before = match self.builder.width(before) == n {
                        true => before,
                        false => self.builder.slice(before, 0, n)?,
                    };
                    self.builder.binary(BinaryOperator::Multiply, before, next)?
                }
            };
            (0..n).for_each(|i| finished[i] = (block, i));
            product = Some(block);
        }
        Ok(finished)
    }

    /// What the terms and the stimulus add to the summed states, in their order.
    fn sums(&mut self, formula: &Formula, products: &[Place]) -> Result<BlockId> {
        let mut finished = products.to_vec();
        let mut weights: Vec<Vec<f32>> =
            formula.terms.iter().map(|t| target_column(&t.targets, &formula.summed)).collect();
        let stimulated = target_column(&formula.stimulus, &formula.summed);
        finished.push((BlockId::INPUT, self.n_states));
        weights.push(stimulated);
        let all = self.gather(&finished)?;
        let rows = (0..formula.summed.len()).flat_map(|row| weights.iter().map(move |w| w[row])).collect();
        self.builder.dense(all, rows, vec![0.0; formula.summed.len()], Activation::Linear)
    }

    /// Ends with features of the cell alone.
    pub fn finish_features(mut self, formula: &Formula, features: &[Feature]) -> Result<Program> {
        let products = self.products(formula)?;
        let output = self.features(features, &products)?;
        Ok(self.builder.finish(output))
    }

    /// Ends with the next value of every state; states that nothing describes stay as they are.
    pub fn finish(mut self, formula: &Formula, learned: &[Learned]) -> Result<Program> {
        let products = self.products(formula)?;
        let mut next: Vec<Option<Place>> = vec![None; self.n_states];
        let inputs =
            |states: &[StateIndex]| -> Vec<Place> { states.iter().map(|&s| (BlockId::INPUT, s)).collect() };
        let n_gates = formula.gates.len();
        if n_gates > 0 {
            let table = self.tables[&0];
            let state = self.gather(&inputs(&formula.gates))?;
            let rate = self.builder.slice(table, 0, n_gates)?;
            let drive = self.builder.slice(table, n_gates, n_gates)?;
            let relaxed = self.builder.push(Operation::Relax { state, rate, drive })?;
            formula.gates.iter().enumerate().for_each(|(i, &g)| next[g] = Some((relaxed, i)));
        }
        for (i, &state) in formula.memoryless.iter().enumerate() {
            next[state] = Some((self.tables[&0], 2 * n_gates + i));
        }
        for &state in &formula.constant {
            next[state] = Some((BlockId::INPUT, state));
        }
        if !formula.summed.is_empty() {
            let change = self.sums(formula, &products)?;
            let state = self.gather(&inputs(&formula.summed))?;
            let sum = self.builder.binary(BinaryOperator::Add, state, change)?;
            formula.summed.iter().enumerate().for_each(|(i, &s)| next[s] = Some((sum, i)));
        }
        if !learned.is_empty() {
            let states: Vec<StateIndex> = learned.iter().map(|l| l.state).collect();
            let mut changes = Vec::new();
            for network in learned {
                changes.push((self.increment(network, &products)?, 0));
            }
            let mut change = self.gather(&changes)?;
            let stimulated = target_column(&formula.stimulus, &states);
            if stimulated.iter().any(|&w| w != 0.0) {
                let stimulus = self.builder.slice(BlockId::INPUT, self.n_states, 1)?;
                let zeros = vec![0.0; states.len()];
                let added = self.builder.dense(stimulus, stimulated, zeros, Activation::Linear)?;
                change = self.builder.binary(BinaryOperator::Add, change, added)?;
            }
            let state = self.gather(&inputs(&states))?;
            let sum = self.builder.binary(BinaryOperator::Add, state, change)?;
            let bound = |i: usize| learned.iter().map(|l| l.bounds[i] as f32).collect::<Vec<_>>();
            let (low, high) = (self.builder.constant(bound(0))?, self.builder.constant(bound(1))?);
            let above = self.builder.binary(BinaryOperator::Maximum, sum, low)?;
            let inside = self.builder.binary(BinaryOperator::Minimum, above, high)?;
            states.iter().enumerate().for_each(|(i, &s)| next[s] = Some((inside, i)));
        }
        let next: Vec<Place> =
            next.into_iter().enumerate().map(|(s, place)| place.unwrap_or((BlockId::INPUT, s))).collect();
        let output = self.gather(&next)?;
        Ok(self.builder.finish(output))
    }
}

fn target_column(targets: &[(StateIndex, f64)], states: &[StateIndex]) -> Vec<f32> {
    let of = |state| targets.iter().filter(|t| t.0 == state).map(|t| t.1 as f32).sum();
    states.iter().map(|&s| of(s)).collect()
}
