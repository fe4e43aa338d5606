//! A program from tables and terms.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::driven::Driven;
use super::function::{Coordinate, Function};
use super::grid::Tabulated;
use super::network::{Feature, Learned};
use super::products::{Place, gather, multiply};
use super::terms::{Formula, Polynomial, Sum, Term};
use crate::activation::Activation;
use crate::error::{Error, Result};
use crate::program::{BinaryOperator, BlockId, Operation, Program, ProgramBuilder};
use crate::structure::StateIndex;

/// Which functions every table holds, in the order of its columns.
#[derive(Debug)]
pub struct Layout {
    /// By variable.
    pub functions: BTreeMap<Coordinate, Vec<Function>>,
}

/// What most tables are of.
const V: Coordinate = Coordinate { state: 0, after: false };

impl Layout {
    /// The tables that `formula` needs: rates, drives and next values of what depends on V alone come first, then the functions
    /// of the terms in their order, so that what is multiplied lies side by side.
    pub fn new(formula: &Formula) -> Self {
        use super::quantity::Quantity::{Drive, Rate, Value};
        let mut functions: BTreeMap<Coordinate, Vec<Function>> = BTreeMap::new();
        let of_v = |quantity| Function::of(quantity, vec![V]);
        let relaxing = formula.gates.iter();
        let mut first: Vec<Function> = relaxing.clone().map(|&g| of_v(Rate(g))).collect();
        first.extend(relaxing.map(|&g| of_v(Drive(g))));
        first.extend(formula.memoryless.iter().map(|&s| of_v(Value(s))));
        if !first.is_empty() {
            functions.insert(V, first);
        }
        for function in formula.terms.iter().flat_map(Term::all_functions) {
            let columns = functions.entry(function.variable()).or_default();
            if !columns.contains(function) {
                columns.push(function.clone());
            }
        }
        Self { functions }
    }
}

/// Builds a program step by step. The inputs are the states and the stimulus.
pub struct Assembler<'a> {
    pub builder: ProgramBuilder,
    formula: &'a Formula,
    layout: &'a Layout,
    tabulated: &'a [Tabulated],
    /// Block of every table that was needed so far.
    tables: BTreeMap<Coordinate, BlockId>,
    /// Next value of every state, as far as it is known.
    next: Vec<Option<Place>>,
    /// Sums that are part of terms, as far as they were needed.
    sums: Vec<(Arc<Sum>, Place)>,
    /// Product of every term, as far as it was needed.
    pub products: Vec<Option<Place>>,
}

impl<'a> Assembler<'a> {
    /// Starts with the states that depend on V alone.
    pub fn new(
        n_states: usize,
        formula: &'a Formula,
        layout: &'a Layout,
        tabulated: &'a [Tabulated],
    ) -> Result<Self> {
        let mut assembler = Self {
            builder: ProgramBuilder::new(n_states + 1)?,
            formula,
            layout,
            tabulated,
            tables: BTreeMap::new(),
            next: vec![None; n_states],
            sums: Vec::new(),
            products: vec![None; formula.terms.len()],
        };
        let n_gates = formula.gates.len();
        if n_gates > 0 {
            let table = assembler.table(V)?;
            let inputs: Vec<Place> = formula.gates.iter().map(|&s| (BlockId::INPUT, s)).collect();
            let state = assembler.gather(&inputs)?;
            let rate = assembler.builder.slice(table, 0, n_gates)?;
            let drive = assembler.builder.slice(table, n_gates, n_gates)?;
            let relaxed = assembler.builder.push(Operation::Relax { state, rate, drive })?;
            formula.gates.iter().enumerate().for_each(|(i, &g)| assembler.next[g] = Some((relaxed, i)));
        }
        for (i, &state) in formula.memoryless.iter().enumerate() {
            assembler.next[state] = Some((assembler.table(V)?, 2 * n_gates + i));
        }
        for &state in &formula.constant {
            assembler.next[state] = Some((BlockId::INPUT, state));
        }
        Ok(assembler)
    }

    fn n_states(&self) -> usize {
        self.next.len()
    }

    /// Where a state is, which is known.
    fn place(&self, coordinate: Coordinate) -> Place {
        match coordinate.after {
            true => self.next[coordinate.state].expect("the order of states was checked"),
            false => (BlockId::INPUT, coordinate.state),
        }
    }

    fn is_known(&self, term: &Term) -> bool {
        term.coordinates().all(|c| !c.after || self.next[c.state].is_some())
    }

    /// The functions of one variable, looked up.
    fn table(&mut self, variable: Coordinate) -> Result<BlockId> {
        if let Some(&block) = self.tables.get(&variable) {
            return Ok(block);
        }
        let tabulated =
            self.tabulated.iter().find(|t| t.variable == variable).expect("every variable has a table");
        let x = self.place(variable);
        let x = self.gather(&[x])?;
        let block = self.look_up(tabulated, x)?;
        self.tables.insert(variable, block);
        Ok(block)
    }

    fn look_up(&mut self, tabulated: &Tabulated, x: BlockId) -> Result<BlockId> {
        let b = &mut self.builder;
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
        gather(&mut self.builder, places)
    }

    /// Where the values of functions are.
    fn columns_of(&mut self, functions: &[Function]) -> Result<Vec<Place>> {
        let mut places = Vec::new();
        for function in functions {
            let columns = &self.layout.functions[&function.variable()];
            let column = columns.iter().position(|f| f == function).expect("laid out");
            places.push((self.table(function.variable())?, column));
        }
        Ok(places)
    }

    fn place_of(&self, sum: &Arc<Sum>) -> Option<Place> {
        self.sums.iter().find(|(known, _)| Arc::ptr_eq(known, sum)).map(|(_, place)| *place)
    }

    /// Computes the sums that the terms numbered `wanted` need.
    fn sums(&mut self, wanted: &[usize]) -> Result<()> {
        let mut new: Vec<&Arc<Sum>> = Vec::new();
        for sum in wanted.iter().flat_map(|&i| &self.formula.terms[i].sums) {
            if self.place_of(sum).is_none() && !new.iter().any(|other| Arc::ptr_eq(other, sum)) {
                new.push(sum);
            }
        }
        if new.is_empty() {
            return Ok(());
        }
        let mut factors = Vec::new();
        for product in new.iter().flat_map(|sum| &sum.products) {
            factors.push(self.columns_of(product)?);
        }
        let products = multiply(&mut self.builder, &factors)?;
        let products = gather(&mut self.builder, &products)?;
        let of = new.iter().enumerate().flat_map(|(row, sum)| sum.products.iter().map(move |_| row));
        let of: Vec<usize> = of.collect();
        let weights =
            (0..new.len()).flat_map(|row| of.iter().map(move |&r| if r == row { 1.0 } else { 0.0 }));
        let zeros = vec![0.0; new.len()];
        let block = self.builder.dense(products, weights.collect(), zeros, Activation::Linear)?;
        let mut places: Vec<Place> = (0..new.len()).map(|row| (block, row)).collect();
        let dividing: Vec<usize> = (0..new.len()).filter(|&row| new[row].divides).collect();
        if !dividing.is_empty() {
            let below: Vec<Place> = dividing.iter().map(|&row| places[row]).collect();
            let below = self.gather(&below)?;
            let one = self.builder.constant([1.0])?;
            let quotients = self.builder.binary(BinaryOperator::Divide, one, below)?;
            dividing.iter().enumerate().for_each(|(i, &row)| places[row] = (quotients, i));
        }
        self.sums.extend(new.into_iter().cloned().zip(places));
        Ok(())
    }

    /// Computes the products of the terms numbered `wanted`, which are known.
    pub fn compute(&mut self, wanted: &[usize]) -> Result<()> {
        let formula = self.formula;
        let wanted: Vec<usize> = wanted.iter().copied().filter(|&i| self.products[i].is_none()).collect();
        let mut polynomials: Vec<&Polynomial> = Vec::new();
        for &i in &wanted {
            let polynomial = &formula.terms[i].polynomial;
            if polynomial.len() > 1 && !polynomials.contains(&polynomial) {
                polynomials.push(polynomial);
            }
        }
        let of_polynomials = self.polynomials(&polynomials)?;
        self.sums(&wanted)?;
        let mut factors = Vec::new();
        for &i in &wanted {
            let term = &formula.terms[i];
            let mut of_term = self.columns_of(&term.functions)?;
            of_term.extend(term.sums.iter().map(|sum| self.place_of(sum).expect("computed")));
            match &term.polynomial[..] {
                [] => {}
                [(_, powers)] => of_term.extend(powers.iter().map(|&c| self.place(c))),
                _ => {
                    let known = polynomials.iter().position(|p| **p == term.polynomial);
                    of_term.extend(known.map(|k| of_polynomials[k]));
                }
            }
            factors.push(of_term);
        }
        for (&i, place) in wanted.iter().zip(multiply(&mut self.builder, &factors)?) {
            self.products[i] = Some(place);
        }
        Ok(())
    }

    /// Sums of weighted products of states.
    fn polynomials(&mut self, polynomials: &[&Polynomial]) -> Result<Vec<Place>> {
        let mut all: Vec<&Vec<Coordinate>> = Vec::new();
        for (_, powers) in polynomials.iter().flat_map(|p| p.iter()) {
            if !all.contains(&powers) {
                all.push(powers);
            }
        }
        if all.is_empty() {
            return Ok(Vec::new());
        }
        let factors: Vec<Vec<Place>> =
            all.iter().map(|powers| powers.iter().map(|&c| self.place(c)).collect()).collect();
        let products = multiply(&mut self.builder, &factors)?;
        let products = self.gather(&products)?;
        let weight = |polynomial: &Polynomial, powers: &Vec<Coordinate>| -> f32 {
            polynomial.iter().filter(|(_, p)| p == powers).map(|(w, _)| *w as f32).sum()
        };
        let weights = polynomials.iter().flat_map(|p| all.iter().map(|powers| weight(p, powers))).collect();
        let block =
            self.builder.dense(products, weights, vec![0.0; polynomials.len()], Activation::Linear)?;
        Ok((0..polynomials.len()).map(|i| (block, i)).collect())
    }

    /// The sums of the terms that bring something to `states`, which are known.
    fn sums_of_terms(&mut self, states: &[StateIndex]) -> Result<BlockId> {
        let formula = self.formula;
        let concerned = |term: &Term| term.targets.iter().any(|t| states.contains(&t.0));
        let wanted: Vec<usize> = (0..formula.terms.len()).filter(|&i| concerned(&formula.terms[i])).collect();
        self.compute(&wanted)?;
        let mut places: Vec<Place> = wanted.iter().map(|&i| self.products[i].expect("computed")).collect();
        let weight = |i: usize| match &formula.terms[i].polynomial[..] {
            [(weight, _)] => *weight,
            _ => 1.0,
        };
        let mut columns: Vec<Vec<f32>> =
            wanted.iter().map(|&i| target_column(&formula.terms[i].targets, states, weight(i))).collect();
        places.push((BlockId::INPUT, self.n_states()));
        columns.push(target_column(&formula.stimulus, states, 1.0));
        let all = self.gather(&places)?;
        let rows = (0..states.len()).flat_map(|row| columns.iter().map(move |c| c[row])).collect();
        self.builder.dense(all, rows, vec![0.0; states.len()], Activation::Linear)
    }

    /// The next value of the state that the sum numbered `k` drives, of which all terms are known.
    fn drive(&mut self, k: usize) -> Result<()> {
        let Driven { state, table } = &self.formula.driven[k];
        let sum = self.sums_of_terms(&[self.n_states() + k])?;
        let values = self.builder.push(Operation::Table { input: sum, table: table.clone() })?;
        let (rate, drive) = (self.builder.slice(values, 0, 1)?, self.builder.slice(values, 1, 1)?);
        let before = self.builder.slice(BlockId::INPUT, *state, 1)?;
        let relaxed = self.builder.push(Operation::Relax { state: before, rate, drive })?;
        self.next[*state] = Some((relaxed, 0));
        Ok(())
    }

    /// Adds what terms and the stimulus bring to `states`, of which all terms are known.
    fn sum(&mut self, states: &[StateIndex]) -> Result<()> {
        let change = self.sums_of_terms(states)?;
        let before: Vec<Place> = states.iter().map(|&s| (BlockId::INPUT, s)).collect();
        let before = self.gather(&before)?;
        let sum = self.builder.binary(BinaryOperator::Add, before, change)?;
        states.iter().enumerate().for_each(|(i, &s)| self.next[s] = Some((sum, i)));
        Ok(())
    }

    /// Ends with features of the cell alone.
    pub fn finish_features(mut self, features: &[Feature]) -> Result<Program> {
        let output = self.features(features)?;
        Ok(self.builder.finish(output))
    }

    /// Ends with the next value of every state; states that nothing describes stay as they are.
    pub fn finish(mut self, learned: &[Learned]) -> Result<Program> {
        let formula = self.formula;
        if !learned.is_empty() {
            self.learned(learned)?;
        }
        for &state in &formula.unknown {
            self.next[state].get_or_insert((BlockId::INPUT, state));
        }
        let is_ready =
            |assembler: &Self, sum: StateIndex| formula.terms_of(sum).all(|term| assembler.is_known(term));
        let mut left = formula.summed.clone();
        let mut driven: Vec<usize> = (0..formula.driven.len()).collect();
        while !left.is_empty() || !driven.is_empty() {
            let (ready, rest): (Vec<_>, Vec<_>) = left.iter().copied().partition(|&s| is_ready(&self, s));
            let (ready_driven, rest_driven): (Vec<_>, Vec<_>) =
                driven.iter().copied().partition(|&k| is_ready(&self, self.n_states() + k));
            if ready.is_empty() && ready_driven.is_empty() {
                let rest_driven = rest_driven.iter().map(|&k| formula.driven[k].state);
                let rest: Vec<StateIndex> = rest.into_iter().chain(rest_driven).collect();
                return Err(Error::numeric(format!(
                    "states {rest:?} need each other's values after the step"
                )));
            }
            if !ready.is_empty() {
                self.sum(&ready)?;
            }
            for &k in &ready_driven {
                self.drive(k)?;
            }
            (left, driven) = (rest, rest_driven);
        }
        let next: Vec<Place> = self.next.iter().map(|place| place.expect("every state has a role")).collect();
        let output = self.gather(&next)?;
        Ok(self.builder.finish(output))
    }

    /// Adds what networks and the stimulus bring to their states.
    fn learned(&mut self, learned: &[Learned]) -> Result<()> {
        let states: Vec<StateIndex> = learned.iter().map(|l| l.state).collect();
        let mut changes = Vec::new();
        for network in learned {
            changes.push((self.increment(network)?, 0));
        }
        let mut change = self.gather(&changes)?;
        let stimulated = target_column(&self.formula.stimulus, &states, 1.0);
        if stimulated.iter().any(|&w| w != 0.0) {
            let stimulus = self.builder.slice(BlockId::INPUT, self.n_states(), 1)?;
            let zeros = vec![0.0; states.len()];
            let added = self.builder.dense(stimulus, stimulated, zeros, Activation::Linear)?;
            change = self.builder.binary(BinaryOperator::Add, change, added)?;
        }
        let inputs: Vec<Place> = states.iter().map(|&s| (BlockId::INPUT, s)).collect();
        let state = self.gather(&inputs)?;
        let sum = self.builder.binary(BinaryOperator::Add, state, change)?;
        let bound = |i: usize| learned.iter().map(|l| l.bounds[i] as f32).collect::<Vec<_>>();
        let (low, high) = (self.builder.constant(bound(0))?, self.builder.constant(bound(1))?);
        let above = self.builder.binary(BinaryOperator::Maximum, sum, low)?;
        let inside = self.builder.binary(BinaryOperator::Minimum, above, high)?;
        states.iter().enumerate().for_each(|(i, &s)| self.next[s] = Some((inside, i)));
        Ok(())
    }
}

fn target_column(targets: &[(StateIndex, f64)], states: &[StateIndex], factor: f64) -> Vec<f32> {
    let of = |state| targets.iter().filter(|t| t.0 == state).map(|t| (factor * t.1) as f32).sum();
    states.iter().map(|&s| of(s)).collect()
}
