//! The functions of which increments are made, each once however many increments and products it is part of.

use super::function::{Coordinate, Function};
use super::quantity::Quantity;
use super::separate::Separator;
use crate::error::Result;
use crate::structure::{Increment, StateIndex, Sum};

/// A product of states, repeated where a power is meant.
pub type Powers = Vec<Coordinate>;

/// Where a function enters: weight · function · powers is part of the increment of `target`.
#[derive(Clone, Debug)]
pub struct Use {
    pub weight: f64,
    pub powers: Powers,
    pub target: StateIndex,
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
/// Functions of which another may be the sum.
const ADDENDS: usize = 3;

/// What the increments are sums of; functions that are sums of others are not among them.
pub fn pieces(separator: &mut Separator) -> Result<Vec<Piece>> {
    let structure = separator.quantities.structure();
    let mut found: Vec<(Function, Powers, StateIndex)> = Vec::new();
    for (i, increment) in structure.increments.iter().enumerate() {
        let coordinate = |state: StateIndex| Coordinate { state, after: increment.after.contains(&state) };
        let mut add = |quantity, parents: &[StateIndex], sums: &[Sum], powers: Powers| {
            let whole = Function::of(quantity, coordinates(increment, parents));
            for function in summands(whole, sums, increment, separator.quantities.reference()) {
                found.push((function, powers.clone(), increment.state));
            }
        };
        for (group, of_group) in increment.groups.iter().enumerate() {
            for (monomial, product) in of_group.monomials.iter().enumerate() {
                let power =
                    |&(state, exponent): &(StateIndex, u32)| vec![coordinate(state); exponent as usize];
                let quantity = Quantity::Coefficient { increment: i, group, monomial };
                let powers = product.exponents.iter().flat_map(power).collect();
                add(quantity, &product.parents, &product.coefficient, powers);
            }
        }
        add(
            Quantity::Remainder { increment: i },
            &increment.remainder_parents,
            &increment.remainder,
            Vec::new(),
        );
    }
    // Sums come after what they may be sums of.
    found.sort_by_key(|(function, _, target)| (function.variables.len(), *target == 0));
    let mut pieces: Vec<Piece> = Vec::new();
    for (function, powers, target) in found {
        let values = separator.values(&function)?;
        let one = Use { weight: 1.0, powers, target };
        let noise = function.noise(separator.quantities);
        match sum_of(&pieces, &function, &values, noise) {
            Some(sum) => {
                for (k, weight) in sum {
                    pieces[k].uses.push(Use { weight, ..one.clone() });
                }
            }
            None => pieces.push(Piece { function, values, uses: vec![one] }),
        }
    }
    Ok(pieces)
}

fn coordinates(increment: &Increment, states: &[StateIndex]) -> Vec<Coordinate> {
    let coordinate = |&state| Coordinate { state, after: increment.after.contains(&state) };
    let mut all: Vec<Coordinate> = states.iter().map(coordinate).collect();
    all.sort_unstable();
    // What depends on nothing is a function that ignores V.
    if all.is_empty() { vec![Coordinate::before(0)] } else { all }
}

/// `whole` as a sum of functions of fewer states, one for each part of the sum that the structure found.
///
/// Parts may share states: what two of them have in common, the others being held at the reference, counts once, in the first.
fn summands(whole: Function, sums: &[Sum], increment: &Increment, reference: &[f64]) -> Vec<Function> {
    let parts = match sums {
        [sum] if sum.parts.len() > 1 => &sum.parts,
        _ => return vec![whole],
    };
    let place: Vec<f64> = whole.variables.iter().map(|v| reference[v.state]).collect();
    // Inclusion and exclusion: +1 for each part, then −1 for what it shares with what went before, and so on.
    let mut signed: Vec<(Vec<StateIndex>, f64)> = Vec::new();
    let mut functions = Vec::new();
    for part in parts {
        let mut own = vec![(part.parents.clone(), 1.0)];
        for (states, sign) in &signed {
            let common = states.iter().copied().filter(|s| part.parents.contains(s)).collect();
            own.push((common, -sign));
        }
        let variables = coordinates(increment, &part.parents);
        let mut function = Function { variables: variables.clone(), constant: 0.0, sections: Vec::new() };
        for (states, sign) in &own {
            let of: Vec<Coordinate> =
                variables.iter().copied().filter(|v| states.contains(&v.state)).collect();
            let section = whole.section(&of, &place);
            // A function of fewer states is one of more, of which it ignores some.
            function.add(&Function { variables: variables.clone(), ..section }, *sign);
        }
        function.sections.retain(|s| s.weight != 0.0);
        functions.push(function);
        signed.extend(own);
    }
    functions
}

/// Numbers of pieces and weights with which they add up to a function of these `values`, but for its `noise`, if they do.
fn sum_of(pieces: &[Piece], function: &Function, values: &[f64], noise: f64) -> Option<Vec<(usize, f64)>> {
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let tolerated = SAME * SAME * dot(values, values) + noise * noise * values.len() as f64;
    let within = |p: &Piece| p.function.variables.iter().all(|v| function.variables.contains(v));
    let mut left = values.to_vec();
    // Gram–Schmidt: each chosen piece without what the earlier ones have of it, and how it is made of them.
    let mut chosen: Vec<(usize, Vec<f64>, Vec<f64>)> = Vec::new();
    while chosen.len() < ADDENDS {
        let share = |k: &usize| {
            let piece = &pieces[*k].values;
            dot(&left, piece).powi(2) / dot(piece, piece)
        };
        let free = (0..pieces.len()).filter(|&k| within(&pieces[k]) && chosen.iter().all(|c| c.0 != k));
        let best = free.filter(|k| share(k).is_finite()).max_by(|a, b| share(a).total_cmp(&share(b)))?;
        let mut direction = pieces[best].values.clone();
        let mut combination = vec![0.0; chosen.len()];
        for (_, earlier, made) in &chosen {
            let part = dot(&direction, earlier) / dot(earlier, earlier);
            direction.iter_mut().zip(earlier).for_each(|(d, e)| *d -= part * e);
            combination.iter_mut().zip(made).for_each(|(c, m)| *c -= part * m);
        }
        combination.push(1.0);
        let part = dot(&left, &direction) / dot(&direction, &direction);
        left.iter_mut().zip(&direction).for_each(|(l, d)| *l -= part * d);
        chosen.push((best, direction, combination));
        if !part.is_finite() {
            return None;
        }
        if dot(&left, &left) <= tolerated {
            let mut weights = vec![0.0; chosen.len()];
            for (_, direction, made) in &chosen {
                let part = dot(values, direction) / dot(direction, direction);
                weights.iter_mut().zip(made).for_each(|(w, m)| *w += part * m);
            }
            return Some(chosen.iter().map(|c| c.0).zip(weights).collect());
        }
    }
    None
}
