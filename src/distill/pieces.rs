//! The functions of which increments are made, each once however many increments and products it is part of.

use super::combination::{dot, sum_of, sum_of_two};
use super::factor::largest;
use super::family::multiple;
use super::function::{Coordinate, Function, Sections};
use super::quantity::Quantity;
use super::separate::{Product, Separator};
use crate::error::Result;
use crate::structure::{Increment, StateIndex, Sum};

/// A product of states, repeated where a power is meant.
pub type Powers = Vec<Coordinate>;

/// Where a function enters: weight · function · Π functions · powers is part of the increment of `target`.
#[derive(Clone, Debug)]
pub struct Use {
    pub weight: f64,
    /// Functions of one state, and their largest product.
    pub functions: Product,
    pub largest: f64,
    pub powers: Powers,
    pub target: StateIndex,
}

impl Use {
    /// The largest value of all that the function is multiplied with, where states are in `ranges`.
    pub fn most(&self, ranges: &[[f64; 2]]) -> f64 {
        let power = |c: &Coordinate| ranges[c.state][0].abs().max(ranges[c.state][1].abs());
        let powers: f64 = self.powers.iter().map(power).product();
        (self.weight.abs() * self.largest * powers).max(f64::MIN_POSITIVE)
    }
}

/// A function and where it enters.
pub struct Piece {
    pub function: Function,
    /// At the places of the separator.
    pub values: Vec<f64>,
    pub uses: Vec<Use>,
}

/// Two functions are multiples of each other if no more than this part of their root mean square is left.
const SAME: f64 = 1e-6;
/// Functions of which another may be the sum: any that are found, and those that are multiplied with the same powers.
const ADDENDS: usize = 3;
const ALIKE: usize = 8;

/// A coefficient or a remainder of an increment, without its factors of one state.
struct Whole<'s> {
    function: Function,
    values: Vec<f64>,
    increment: &'s Increment,
    /// What it is a product of, by the structure.
    sums: Vec<&'s Sum>,
    one_use: Use,
}

/// What the increments are sums of; functions that are sums of others are not among them.
pub fn pieces(separator: &mut Separator) -> Result<Vec<Piece>> {
    let structure = separator.quantities.structure();
    let mut wholes: Vec<Whole> = Vec::new();
    let mut singles: Vec<(Function, Vec<f64>)> = Vec::new();
    for (i, increment) in structure.increments.iter().enumerate() {
        let coordinate = |state: StateIndex| Coordinate { state, after: increment.after.contains(&state) };
        let mut parts: Vec<(Quantity, &[StateIndex], &[Sum], Powers)> = Vec::new();
        for (group, of_group) in increment.groups.iter().enumerate() {
            for (monomial, product) in of_group.monomials.iter().enumerate() {
                let power =
                    |&(state, exponent): &(StateIndex, u32)| vec![coordinate(state); exponent as usize];
                let quantity = Quantity::Coefficient { increment: i, group, monomial };
                let powers = product.exponents.iter().flat_map(power).collect();
                parts.push((quantity, &product.parents, &product.coefficient, powers));
            }
        }
        let remainder = Quantity::Remainder { increment: i };
        parts.push((remainder, &increment.remainder_parents, &increment.remainder, Vec::new()));
        for (quantity, parents, sums, powers) in parts {
            let function = Function::of(quantity, coordinates(increment, parents));
            let values = separator.values(&function)?;
            let target = increment.state;
            let one_use = Use { weight: 1.0, functions: Vec::new(), largest: 1.0, powers, target };
            let mut whole = Whole { function, values, increment, sums: sums.iter().collect(), one_use };
            whole.split(separator, &mut singles)?;
            wholes.push(whole);
        }
    }
    // Sums come after what they may be sums of.
    wholes.sort_by_key(|w| (w.function.variables.len(), w.one_use.target == 0));
    let mut pieces: Vec<Piece> = Vec::new();
    for whole in wholes {
        if whole.use_pieces(&mut pieces, &whole.function, &whole.values, separator) {
            continue;
        }
        for function in whole.summands(separator.quantities.reference()) {
            let values = separator.values(&function)?;
            if !whole.use_pieces(&mut pieces, &function, &values, separator) {
                pieces.push(Piece { function, values, uses: vec![whole.one_use.clone()] });
            }
        }
    }
    Ok(pieces)
}

impl Whole<'_> {
    /// Takes factors of one state apart, which are among the `known` ones if they can be.
    fn split(&mut self, separator: &mut Separator, known: &mut Vec<(Function, Vec<f64>)>) -> Result<()> {
        if self.sums.len() < 2 || self.values.iter().any(|v| !v.is_finite()) {
            return Ok(());
        }
        let pivot =
            |values: &[f64]| (0..values.len()).max_by(|&a, &b| values[a].abs().total_cmp(&values[b].abs()));
        let mut kept = Vec::new();
        for sum in std::mem::take(&mut self.sums) {
            let own = |v: &&Coordinate| sum.parts.iter().any(|part| part.parents.contains(&v.state));
            let of_sum: Vec<Coordinate> = self.function.variables.iter().filter(own).copied().collect();
            let others: Vec<Coordinate> =
                self.function.variables.iter().filter(|v| !of_sum.contains(v)).copied().collect();
            kept.push(sum);
            let (&[_], false, Some(pivot)) = (&of_sum[..], others.is_empty(), pivot(&self.values)) else {
                continue;
            };
            let points = separator.places.of(&self.function.variables);
            let n = self.function.variables.len();
            let place = &points[pivot * n..][..n];
            let single = self.function.section(&of_sum, place).scaled(1.0 / self.values[pivot]);
            let rest = self.function.section(&others, place);
            let (of_single, of_rest) = (separator.values(&single)?, separator.values(&rest)?);
            let left: f64 =
                (0..of_rest.len()).map(|k| (of_single[k] * of_rest[k] - self.values[k]).powi(2)).sum();
            let tolerated = self.tolerated(&self.values, self.function.noise(separator.quantities));
            if left > tolerated || left.is_nan() {
                continue;
            }
            kept.pop();
            let same = |(function, values): &(Function, Vec<f64>)| {
                multiple(&of_single, values).filter(|_| function.variables == single.variables)
            };
            let found = known.iter().find_map(|k| same(k).map(|factor| (k.0.clone(), factor, largest(&k.1))));
            let (function, factor, most) = found.unwrap_or_else(|| {
                known.push((single.clone(), of_single.clone()));
                (single, 1.0, largest(&of_single))
            });
            (self.function, self.values) = (rest, of_rest);
            self.one_use.functions.push(function);
            self.one_use.weight *= factor;
            self.one_use.largest *= most;
        }
        self.sums = kept;
        Ok(())
    }

    /// Square of what may be left of a function.
    fn tolerated(&self, values: &[f64], noise: f64) -> f64 {
        SAME * SAME * dot(values, values) + noise * noise * values.len() as f64
    }

    /// Has pieces that add up to a function used, if there are any.
    fn use_pieces(
        &self,
        pieces: &mut [Piece],
        function: &Function,
        values: &[f64],
        separator: &Separator,
    ) -> bool {
        let within = |p: &Piece| p.function.variables.iter().all(|v| function.variables.contains(v));
        let inside: Vec<usize> = (0..pieces.len()).filter(|&k| within(&pieces[k])).collect();
        let is_alike = |k: &usize| pieces[*k].uses.iter().any(|u| u.powers == self.one_use.powers);
        let alike: Vec<usize> = inside.iter().copied().filter(is_alike).collect();
        let tolerated = self.tolerated(values, function.noise(separator.quantities));
        let known: Vec<&[f64]> = pieces.iter().map(|p| &p.values[..]).collect();
        let sum = sum_of(&known, &inside, 1, values, tolerated)
            .or_else(|| sum_of(&known, &alike, ALIKE, values, tolerated))
            .or_else(|| sum_of_two(&known, &inside, values, tolerated))
            .or_else(|| sum_of(&known, &inside, ADDENDS, values, tolerated));
        let Some(sum) = sum else { return false };
        for (k, weight) in sum {
            pieces[k].uses.push(Use { weight: weight * self.one_use.weight, ..self.one_use.clone() });
        }
        true
    }

    /// The whole as a sum of functions of fewer states, one for each part of the sum that the structure found.
    ///
    /// Parts may share states: what two of them have in common, the others being held at the reference, counts once, in the first.
    fn summands(&self, reference: &[f64]) -> Vec<Function> {
        let parts = match self.sums[..] {
            [sum] if sum.parts.len() > 1 => &sum.parts,
            _ => return vec![self.function.clone()],
        };
        let place: Vec<f64> = self.function.variables.iter().map(|v| reference[v.state]).collect();
        // Inclusion and exclusion: +1 for each part, then −1 for what it shares with what went before, and so on.
        let mut signed: Vec<(Vec<StateIndex>, f64)> = Vec::new();
        let mut functions = Vec::new();
        for part in parts {
            let mut own = vec![(part.parents.clone(), 1.0)];
            for (states, sign) in &signed {
                let common = states.iter().copied().filter(|s| part.parents.contains(s)).collect();
                own.push((common, -sign));
            }
            let variables = coordinates(self.increment, &part.parents);
            let mut function = Function::of_sections(Sections::default(), variables.clone());
            for (states, sign) in &own {
                let of: Vec<Coordinate> =
                    variables.iter().copied().filter(|v| states.contains(&v.state)).collect();
                let section = self.function.section(&of, &place);
                // A function of fewer states is one of more, of which it ignores some.
                function.add(&Function { variables: variables.clone(), ..section }, *sign);
            }
            function.sections.all.retain(|s| s.weight != 0.0);
            functions.push(function);
            signed.extend(own);
        }
        functions
    }
}

fn coordinates(increment: &Increment, states: &[StateIndex]) -> Vec<Coordinate> {
    let coordinate = |&state| Coordinate { state, after: increment.after.contains(&state) };
    let mut all: Vec<Coordinate> = states.iter().map(coordinate).collect();
    all.sort_unstable();
    // What depends on nothing is a function that ignores V.
    if all.is_empty() { vec![Coordinate::before(0)] } else { all }
}
