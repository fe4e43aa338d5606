//! States that relax as one sum of products says: x' = a(s) + (1 − k(s))·x.
//!
//! Release of calcium, for one, opens where a sum of fluxes passes a threshold, within a hundredth of what the fluxes range over:
//! its target is constant on either side, and no sum of products of functions of one state describes such a step. But half-way between
//! both sides the sum has always the same value. Cells there are found by bisection on lines between cells of either side; among the
//! products that the other increments are made of, the weighted sum that is constant in these cells, and nowhere else, is that sum.

mod search;
#[cfg(test)]
mod tests;

use self::search::Search;
use super::pieces::{Piece, Powers, Use};
use super::separate::{Product, Separator};
use crate::error::Result;
use crate::harvest::Visited;
use crate::program::Table;
use crate::structure::StateIndex;

/// A state that a sum drives.
#[derive(Clone, Debug)]
pub struct Driven {
    pub state: StateIndex,
    /// k and a as functions of the sum, constant beyond the ends.
    pub table: Table,
}

/// A product that may be part of the sum.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    /// None for products of states alone.
    pub piece: Option<usize>,
    pub functions: Product,
    pub powers: Powers,
}

/// A driven state with the sum that drives it.
pub struct Found {
    pub driven: Driven,
    pub sum: Vec<(Candidate, f64)>,
    /// Error of the sum that hardly shows.
    pub tolerance: f64,
}

/// Cells between which the search takes place.
const CELLS: usize = 3_000;
/// Where the state itself is held, as parts of its range, and which part of the way from the smallest to the largest increment counts as
/// half-way. With both sides of two thresholds, not every choice tells them apart.
const HELD: [[f64; 2]; 2] = [[1.0, 0.5], [0.6, 0.3]];
const LEVELS: [f64; 3] = [0.5, 0.3, 0.7];

/// The products that pieces are used in, also without the functions or the powers that they are used with; those of which all states are
/// among `parents`. Beside them the powers alone: fluxes into buffered compartments are known divided by functions only.
pub fn candidates(pieces: &[&Piece], usable: &[bool], parents: &[StateIndex]) -> Vec<Candidate> {
    let mut all: Vec<Candidate> = Vec::new();
    let mut add = |piece: Option<usize>, functions: &Product, powers: Powers| {
        let of_piece = piece.iter().flat_map(|&k| &pieces[k].function.variables);
        let variables = of_piece.chain(functions.iter().flat_map(|f| &f.variables)).chain(&powers);
        let candidate = Candidate { piece, functions: functions.clone(), powers: powers.clone() };
        if variables.into_iter().all(|v| parents.contains(&v.state)) && !all.contains(&candidate) {
            all.push(candidate);
        }
    };
    let alone = Product::new();
    for (k, piece) in pieces.iter().enumerate().filter(|(k, _)| usable[*k]) {
        for Use { functions, powers, .. } in &piece.uses {
            for functions in [functions, &alone] {
                add(Some(k), functions, powers.clone());
                add(Some(k), functions, Powers::new());
            }
            if !powers.is_empty() {
                add(None, &alone, powers.clone());
            }
        }
    }
    all
}

impl Separator<'_, '_, '_> {
    /// The sum of some of `candidates` that drives `state`; none if there is none.
    pub fn driven(
        &mut self,
        state: StateIndex,
        candidates: &[Candidate],
        pieces: &[&Piece],
        visited: &Visited,
    ) -> Result<Option<Found>> {
        let stride = visited.len().div_ceil(CELLS).max(1);
        let cells: Vec<f64> =
            (0..visited.len()).step_by(stride).flat_map(|i| visited.cell(i).to_vec()).collect();
        let own = cells.iter().skip(state).step_by(visited.n_states);
        let [low, high] = own.fold([f64::MAX, f64::MIN], |[low, high], &x| [low.min(x), high.max(x)]);
        for (held, level) in HELD.iter().flat_map(|held| LEVELS.map(|level| (held, level))) {
            let held = held.map(|part| low + part * (high - low));
            let mut search = Search { separator: self, state, pieces, cells: &cells, held };
            let Some(first) = search.lines(held[0], level)? else { continue };
            let Some(second) = search.lines(held[1], level)? else { continue };
            let lines = [first, second];
            let Some(sum) = search.sum(&lines, candidates)? else { continue };
            if let Some(found) = search.found(lines, sum)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }
}
