//! Functions of several states as sums of products of functions of one state.
//!
//! A function of two states is approximated by crosses (adaptive cross approximation, Bebendorf 2000): sections of the function
//! itself, so that no basis has to be chosen. One of three and more states is split into parts of one state and of pairs first,
//! anchored at the reference state; where triples interact, it is not separable in this sense.

use super::ask::Asker;
use super::function::{Function, Section};
use super::quantity::{Quantities, Quantity};
use crate::error::Result;
use crate::structure::StateIndex;

/// Most products for one pair of states.
const MAX_RANK: usize = 8;
/// Places along each state of a pair at which pivots are sought.
const PLACES: usize = 65;

/// A product of functions of different states.
pub type Product = Vec<Function>;

/// Where a quantity is to be separated.
pub struct Box<'a> {
    /// Range of every state of a cell.
    pub ranges: &'a [[f64; 2]],
    /// Largest error that does not matter, in the quantity's unit.
    pub tolerance: f64,
}

/// `quantity`, which depends on `parents`, as a sum of products; none if it is not separable to the tolerance.
pub fn separate(
    quantities: &Quantities,
    asker: &mut Asker,
    quantity: Quantity,
    parents: &[StateIndex],
    space: &Box,
) -> Result<Option<Vec<Product>>> {
    match *parents {
        [] => Ok(Some(vec![vec![Function::of(quantity, 0)]])),
        [one] => Ok(Some(vec![vec![Function::of(quantity, one)]])),
        [one, other] => {
            let whole = Pair { quantity, states: [one, other], anchored: false };
            whole.crosses(quantities, asker, space)
        }
        _ => anchored(quantities, asker, quantity, parents, space),
    }
}

fn anchored(
    quantities: &Quantities,
    asker: &mut Asker,
    quantity: Quantity,
    parents: &[StateIndex],
    space: &Box,
) -> Result<Option<Vec<Product>>> {
    let at_anchor = quantities.at(asker, &[quantity], &[], &[0.0])?[0];
    if !at_anchor.is_finite() {
        return Ok(None);
    }
    let mut products = Vec::new();
    for (i, &parent) in parents.iter().enumerate() {
        let mut alone = Function::of(quantity, parent);
        // The value at the anchor is in each of them and counts once.
        alone.constant = if i == 0 { 0.0 } else { -at_anchor };
        products.push(vec![alone]);
    }
    for (i, &one) in parents.iter().enumerate() {
        for &other in &parents[i + 1..] {
            let pair = Pair { quantity, states: [one, other], anchored: true };
            match pair.crosses(quantities, asker, space)? {
                Some(crosses) => products.extend(crosses),
                None => return Ok(None),
            }
        }
    }
    Ok(Some(products))
}

/// A quantity as a function of two states, all others at the reference; anchored: without what each of the two does alone.
struct Pair {
    quantity: Quantity,
    states: [StateIndex; 2],
    anchored: bool,
}

impl Pair {
    /// Values on the product of two axes, row by row of the first.
    fn values(&self, quantities: &Quantities, asker: &mut Asker, axes: &[Vec<f64>; 2]) -> Result<Vec<f64>> {
        let points: Vec<f64> =
            axes[0].iter().flat_map(|&x| axes[1].iter().flat_map(move |&y| [x, y])).collect();
        let mut values = quantities.at(asker, &[self.quantity], &self.states, &points)?;
        if self.anchored {
            let anchor = self.states.map(|s| quantities.reference()[s]);
            let along = |asker: &mut Asker, points: Vec<f64>| {
                quantities.at(asker, &[self.quantity], &self.states, &points)
            };
            let first = along(asker, axes[0].iter().flat_map(|&x| [x, anchor[1]]).collect())?;
            let second = along(asker, axes[1].iter().flat_map(|&y| [anchor[0], y]).collect())?;
            let both = along(asker, anchor.to_vec())?[0];
            for (k, value) in values.iter_mut().enumerate() {
                *value += both - first[k / axes[1].len()] - second[k % axes[1].len()];
            }
        }
        Ok(values)
    }

    /// The section through the pair along state `k` with the other at `y`, as a function.
    fn section(&self, quantities: &Quantities, asker: &mut Asker, k: usize, y: f64) -> Result<Function> {
        let (own, other) = (self.states[k], self.states[1 - k]);
        let section = Section { quantity: self.quantity, fixed: vec![(other, y)], weight: 1.0 };
        let mut function = Function { variable: own, constant: 0.0, sections: vec![section] };
        if self.anchored {
            let reference = quantities.reference();
            let pair = [own, other];
            let points = [reference[own], reference[other], reference[own], y];
            let ends = quantities.at(asker, &[self.quantity], &pair, &points)?;
            function.constant = ends[0] - ends[1];
            function.add(&Function::of(self.quantity, own), -1.0);
        }
        Ok(function)
    }

    fn crosses(
        &self,
        quantities: &Quantities,
        asker: &mut Asker,
        space: &Box,
    ) -> Result<Option<Vec<Product>>> {
        let axes = self.states.map(|s| {
            let [low, high] = space.ranges[s];
            // Away from round numbers, at which formulas divide zero by zero.
            (0..PLACES).map(|i| low + (high - low) * (i as f64 + 0.0137) / (PLACES as f64 - 0.97)).collect()
        });
        let mut left = self.values(quantities, asker, &axes)?;
        if left.iter().any(|v| !v.is_finite()) {
            return Ok(None);
        }
        let mut products: Vec<[Function; 2]> = Vec::new();
        loop {
            let size = |k: &usize| left[*k].abs();
            let pivot = (0..left.len()).max_by(|a, b| size(a).total_cmp(&size(b))).expect("a grid");
            if left[pivot].abs() <= space.tolerance {
                return Ok(Some(products.into_iter().map(Vec::from).collect()));
            }
            if products.len() == MAX_RANK {
                return Ok(None);
            }
            let (i, j) = (pivot / PLACES, pivot % PLACES);
            let mut u = self.section(quantities, asker, 0, axes[1][j])?;
            let mut v = self.section(quantities, asker, 1, axes[0][i])?;
            for [earlier_u, earlier_v] in &products {
                let at = |asker: &mut Asker, f: &Function, x: f64| -> Result<f64> {
                    Ok(super::function::evaluate(quantities, asker, std::slice::from_ref(f), &[x])?[0])
                };
                let v_there = at(asker, earlier_v, axes[1][j])?;
                let u_there = at(asker, earlier_u, axes[0][i])?;
                u.add(earlier_u, -v_there);
                v.add(earlier_v, -u_there);
            }
            let value = left[pivot];
            let column: Vec<f64> = (0..PLACES).map(|a| left[a * PLACES + j]).collect();
            let row: Vec<f64> = (0..PLACES).map(|b| left[i * PLACES + b]).collect();
            for (k, rest) in left.iter_mut().enumerate() {
                *rest -= column[k / PLACES] * row[k % PLACES] / value;
            }
            products.push([u, v.scaled(1.0 / value)]);
        }
    }
}
