//! A step map's outputs as increments of its states, for states that are more exact than the program.

use super::{BinaryOperator, BlockId, Operation, Program, ProgramBuilder};

/// How a state follows from an output of the program of [`Program::increments`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Update {
    /// The output is the state's next value.
    Value,
    /// The next value is state + output, limited to the range `low ..= high`; NaN stays NaN.
    Increment {
        /// Lower limit.
        low: f32,
        /// Upper limit.
        high: f32,
    },
}

impl Update {
    /// An increment without limits.
    pub const UNLIMITED: Self = Self::Increment { low: f32::NEG_INFINITY, high: f32::INFINITY };
}

impl Program {
    /// A program that gives what is added to the states wherever this one adds something to a state:
    /// output `j` belongs to the state in input column `states[j]`.
    ///
    /// Recognised are state + x and relaxations of a state, also inside minima and maxima with constants. A state
    /// held in double precision then keeps the digits of increments that single precision would round away: a
    /// concentration gains a millionth of itself in a step.
    ///
    /// # Panics
    /// When there are fewer `states` than outputs.
    #[must_use]
    pub fn increments(&self, states: &[usize]) -> (Self, Vec<Update>) {
        assert!(states.len() >= self.n_outputs(), "a state for each output");
        let columns: Vec<Source> = (0..self.n_outputs())
            .map(|j| self.increment_of(Place { block: self.output, column: j }, states[j]))
            .collect();
        let updates = columns.iter().map(|source| source.update).collect();
        let mut builder = ProgramBuilder { operations: self.operations.clone(), widths: self.widths.clone() };
        let program = match gather(&mut builder, &columns) {
            Some(output) => builder.finish(output).without_unread(),
            // More operations than a program may have: the states are replaced as before.
            None => return (self.clone(), vec![Update::Value; self.n_outputs()]),
        };
        (program, updates)
    }

    /// Where the increment of the state in input column `state` is, if `place` is its next value.
    fn increment_of(&self, place: Place, state: usize) -> Source {
        let (mut low, mut high) = (f32::NEG_INFINITY, f32::INFINITY);
        let mut place = self.resolve(place);
        // Where it comes from, so that the next state need not be put together.
        let unknown = Source { place, relaxes: false, update: Update::Value };
        loop {
            let update = Update::Increment { low, high };
            let is_state = |p: Place| p.block == BlockId::INPUT && p.column == state;
            match self.producer(place.block) {
                Some(Operation::Relax { state: relaxed, .. }) => {
                    let relaxed = self.resolve(Place { block: *relaxed, ..place });
                    return if is_state(relaxed) { Source { place, relaxes: true, update } } else { unknown };
                }
                Some(&Operation::Binary { operator, left, right }) => {
                    let [left, right] = [left, right].map(|block| self.operand(block, place.column));
                    let limits = |p: Place| self.constant_at(p);
                    match operator {
                        BinaryOperator::Add if is_state(left) => {
                            return Source { place: right, relaxes: false, update };
                        }
                        BinaryOperator::Add if is_state(right) => {
                            return Source { place: left, relaxes: false, update };
                        }
                        BinaryOperator::Minimum | BinaryOperator::Maximum => {
                            let (inner, limit) = match (limits(left), limits(right)) {
                                (None, Some(limit)) => (left, limit),
                                (Some(limit), None) => (right, limit),
                                _ => return unknown,
                            };
                            // The outer limit has the last word.
                            match operator {
                                BinaryOperator::Minimum => high = high.min(limit).max(low),
                                _ => low = low.max(limit).min(high),
                            }
                            place = inner;
                        }
                        _ => return unknown,
                    }
                }
                _ => return unknown,
            }
        }
    }

    /// The operand of an element-by-element operation that belongs to `column` of its result.
    fn operand(&self, block: BlockId, column: usize) -> Place {
        self.resolve(Place { block, column: if self.width(block) == 1 { 0 } else { column } })
    }

    /// The column that `place` is a copy of.
    fn resolve(&self, mut place: Place) -> Place {
        loop {
            match self.producer(place.block) {
                Some(Operation::Slice { input, start, .. }) => {
                    place = Place { block: *input, column: start + place.column };
                }
                Some(Operation::Concat { inputs }) => {
                    let mut parts = inputs.iter();
                    let mut part = parts.next().expect("a part");
                    while place.column >= self.width(*part) {
                        place.column -= self.width(*part);
                        part = parts.next().expect("a column inside the parts");
                    }
                    place.block = *part;
                }
                _ => return place,
            }
        }
    }

    fn constant_at(&self, place: Place) -> Option<f32> {
        match self.producer(place.block)? {
            Operation::Constant { values } => Some(values[place.column]),
            _ => None,
        }
    }

    fn producer(&self, block: BlockId) -> Option<&Operation> {
        self.operations.get(block.index().checked_sub(1)?)
    }
}

/// One column of a block.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Place {
    block: BlockId,
    column: usize,
}

/// What an output of the new program is.
#[derive(Clone, Copy, Debug)]
struct Source {
    place: Place,
    /// `place` is a relaxation, and the output drive − rate·state of it.
    relaxes: bool,
    update: Update,
}

/// The columns side by side; none if the program would become too long.
fn gather(builder: &mut ProgramBuilder, columns: &[Source]) -> Option<BlockId> {
    let mut changes: Vec<(BlockId, BlockId)> = Vec::new();
    let mut parts = Vec::new();
    let mut first = 0;
    while first < columns.len() {
        let Source { place, relaxes, .. } = columns[first];
        let follows = |(i, source): &(usize, &Source)| {
            source.place == Place { column: place.column + i, ..place } && source.relaxes == relaxes
        };
        let width = columns[first..].iter().enumerate().take_while(follows).count();
        let block = match relaxes {
            false => place.block,
            true => match changes.iter().find(|(relaxed, _)| *relaxed == place.block) {
                Some((_, change)) => *change,
                None => {
                    let change = change_of(builder, place.block)?;
                    changes.push((place.block, change));
                    change
                }
            },
        };
        parts.push(builder.slice(block, place.column, width).ok()?);
        first += width;
    }
    builder.concat(&parts).ok()
}

/// drive − rate·state of the relaxation that makes `block`.
fn change_of(builder: &mut ProgramBuilder, block: BlockId) -> Option<BlockId> {
    let Some(&Operation::Relax { state, rate, drive }) = builder.producer(block) else { return None };
    let decay = builder.binary(BinaryOperator::Multiply, rate, state).ok()?;
    builder.binary(BinaryOperator::Subtract, drive, decay).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::activation::Activation;
    use crate::program::Table;

    /// States v, a, b, c, d and a stimulus: v gains the stimulus, a and b relax, c gains c·v limited to 0 … 2, and d is
    /// replaced.
    fn step_map() -> Program {
        let mut b = ProgramBuilder::new(6).unwrap();
        let input = BlockId::INPUT;
        let [v, gates, c, stimulus] =
            [(0, 1), (1, 2), (3, 1), (5, 1)].map(|(start, width)| b.slice(input, start, width).unwrap());
        let next_v = b.binary(BinaryOperator::Add, stimulus, v).unwrap();
        let table = |scale: f32| Table {
            first: -1.0,
            rows_per_unit: 2.0,
            width: 2,
            values: (0..10).map(|i| scale * i as f32 * 0.1).collect(),
        };
        let rate = b.push(Operation::Table { input: v, table: table(0.3) }).unwrap();
        let drive = b.push(Operation::Table { input: v, table: table(0.2) }).unwrap();
        let gates = b.push(Operation::Relax { state: gates, rate, drive }).unwrap();
        let product = b.binary(BinaryOperator::Multiply, c, v).unwrap();
        let next_c = b.binary(BinaryOperator::Add, c, product).unwrap();
        let [low, high] = [0.0, 2.0].map(|limit| b.constant([limit]).unwrap());
        let next_c = b.binary(BinaryOperator::Maximum, next_c, low).unwrap();
        let next_c = b.binary(BinaryOperator::Minimum, high, next_c).unwrap();
        let next_d = b.activation(v, Activation::Tanh).unwrap();
        let output = b.concat(&[next_v, gates, next_c, next_d]).unwrap();
        b.finish(output)
    }

    #[test]
    fn increments_added_to_the_states_are_the_next_states() {
        let program = step_map();
        let (increments, updates) = program.increments(&[0, 1, 2, 3, 4]);
        let free = Update::UNLIMITED;
        let limited = Update::Increment { low: 0.0, high: 2.0 };
        assert_eq!(updates, [free, free, free, limited, Update::Value]);
        let sums = |(_, operation): &(BlockId, &Operation)| {
            use BinaryOperator::{Add, Maximum, Minimum};
            matches!(operation, Operation::Binary { operator: Add | Maximum | Minimum, .. })
        };
        assert_eq!(increments.steps().filter(sums).count(), 0, "next states that nobody reads are computed");
        for i in 0..200 {
            let x: Vec<f64> = (0..6).map(|j| f64::from((i * 7 + j * 13) % 23) * 0.2 - 2.0).collect();
            let (next, changes) = (program.evaluate_reference(&x), increments.evaluate_reference(&x));
            for (j, update) in updates.iter().enumerate() {
                let got = match *update {
                    Update::Value => changes[j],
                    Update::Increment { low, high } => (x[j] + changes[j]).clamp(low.into(), high.into()),
                };
                assert!((got - next[j]).abs() < 1e-14, "state {j} of {x:?}: {got} {}", next[j]);
            }
        }
    }

    #[test]
    fn what_is_added_to_another_state_is_a_value() {
        let mut b = ProgramBuilder::new(2).unwrap();
        let [u, w] = [0, 1].map(|start| b.slice(BlockId::INPUT, start, 1).unwrap());
        let sum = b.binary(BinaryOperator::Add, u, w).unwrap();
        let output = b.concat(&[sum, u]).unwrap();
        let program = b.finish(output);
        let (same, updates) = program.increments(&[0, 1]);
        assert_eq!(updates[1], Update::Value);
        assert_eq!(same.evaluate_reference(&[1.5, 2.5]), [2.5, 1.5]);
    }
}
