//! Functions of several states as sums of products of functions of one state.
//!
//! A function is approximated by crosses (adaptive cross approximation, Bebendorf 2000) between one of its variables and the others
//! together, then each function of the others in the same way. Crosses are sections of the function itself, so that no basis has to
//! be chosen; they go through those places where most is left to be described, among places that cells visit.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

use super::ask::Asker;
use super::function::{Coordinate, Function, evaluate};
use super::quantity::Quantities;
use crate::error::Result;
use crate::harvest::Visited;

/// Most products between one variable and the others.
const MAX_RANK: usize = 10;
/// Places at which functions are compared.
const PLACES: usize = 900;
/// Every other place is moved by up to this part of each state's range: combinations that were not visited.
const ASIDE: f64 = 0.1;

/// A product of functions of different variables.
pub type Product = Vec<Function>;

/// Cells at which functions are compared, before and after a step.
pub struct Places {
    n_states: usize,
    before: Vec<f64>,
    after: Vec<f64>,
}

impl Places {
    pub fn new(asker: &mut Asker, visited: &Visited, ranges: &[[f64; 2]]) -> Result<Self> {
        let n = visited.n_states;
        let mut random = ChaCha8Rng::seed_from_u64(0);
        let mut uniform = move || 2.0 * (f64::from(random.next_u32()) / f64::from(u32::MAX)) - 1.0;
        let mut before = Vec::new();
        for k in 0..PLACES {
            let cell = visited.cell(k * visited.len() / PLACES);
            let moved = |(&x, &[low, high]): (&f64, &[f64; 2])| match low > 0.0 {
                true => (x * (ASIDE * uniform() * (high / low).ln()).exp()).clamp(low, high),
                false => (x + ASIDE * uniform() * (high - low)).clamp(low, high),
            };
            match k % 2 {
                0 => before.extend_from_slice(cell),
                _ => before.extend(cell.iter().zip(ranges).map(moved)),
            }
        }
        let after = asker.next_unstimulated(&before)?;
        let finite = |i: &usize| after[i * n..(i + 1) * n].iter().all(|x| x.is_finite());
        let kept: Vec<usize> = (0..PLACES).filter(finite).collect();
        let pick =
            |all: &[f64]| kept.iter().flat_map(|i| &all[i * n..(i + 1) * n]).copied().collect::<Vec<_>>();
        Ok(Self { n_states: n, before: pick(&before), after: pick(&after) })
    }

    /// These cells.
    pub fn at(asker: &mut Asker, cells: &[f64]) -> Result<Self> {
        let after = asker.next_unstimulated(cells)?;
        Ok(Self { n_states: asker.n_states(), before: cells.to_vec(), after })
    }

    pub fn len(&self) -> usize {
        self.before.len() / self.n_states
    }

    /// Values of `variables`, place after place.
    pub fn of(&self, variables: &[Coordinate]) -> Vec<f64> {
        let cells = self.before.chunks(self.n_states).zip(self.after.chunks(self.n_states));
        let row = |(before, after): (&[f64], &[f64])| {
            variables
                .iter()
                .map(|v| if v.after { after[v.state] } else { before[v.state] })
                .collect::<Vec<_>>()
        };
        cells.flat_map(row).collect()
    }
}

/// What separating needs to know.
pub struct Separator<'a, 'b, 's> {
    pub quantities: &'a Quantities<'s>,
    pub asker: &'a mut Asker<'b>,
    pub places: &'a Places,
}

/// Σ over crosses of a function of one variable and a function of the others, which have these values at the places.
struct Crosses {
    pairs: Vec<(Function, Function)>,
    /// By cross and place.
    ones: Vec<Vec<f64>>,
    others: Vec<Vec<f64>>,
}

impl Separator<'_, '_, '_> {
    pub fn values(&mut self, function: &Function) -> Result<Vec<f64>> {
        let points = self.places.of(&function.variables);
        evaluate(self.quantities, self.asker, std::slice::from_ref(function), &points)
    }

    /// `function`, which has `values` at the places, as a sum of products that errs by no more than `tolerance` there; none if it is not
    /// separable.
    pub fn separate(
        &mut self,
        function: Function,
        values: &[f64],
        tolerance: f64,
    ) -> Result<Option<Vec<Product>>> {
        let variables = function.variables.clone();
        if variables.len() == 1 {
            return Ok(Some(vec![vec![function]]));
        }
        if values.iter().any(|v| !v.is_finite()) {
            return Ok(None);
        }
        let mut best: Option<Crosses> = None;
        // Both variables of a pair lead to the same crosses.
        let candidates = if variables.len() == 2 { 1 } else { variables.len() };
        for &one in &variables[..candidates] {
            let most = best.as_ref().map_or(MAX_RANK, |b| b.pairs.len().saturating_sub(1));
            if let Some(found) = self.crosses(&function, one, values, tolerance, most)? {
                best = Some(found);
            }
        }
        let Some(best) = best else { return Ok(None) };
        let mut products = Vec::new();
        let rank = best.pairs.len() as f64;
        for ((one, other), (values, others)) in best.pairs.into_iter().zip(best.ones.iter().zip(&best.others))
        {
            let largest = values.iter().fold(0.0f64, |a, v| a.max(v.abs()));
            let Some(rest) =
                self.separate(other, others, tolerance / (rank * largest).max(f64::MIN_POSITIVE))?
            else {
                return Ok(None);
            };
            products.extend(rest.into_iter().map(|mut product| {
                product.push(one.clone());
                product
            }));
        }
        Ok(Some(products))
    }

    /// Crosses between `one` variable and the others, `most` of them at most.
    fn crosses(
        &mut self,
        function: &Function,
        one: Coordinate,
        values: &[f64],
        tolerance: f64,
        most: usize,
    ) -> Result<Option<Crosses>> {
        let others: Vec<Coordinate> = function.variables.iter().copied().filter(|v| *v != one).collect();
        let points = self.places.of(&function.variables);
        let n = function.variables.len();
        let mut left = values.to_vec();
        let mut found = Crosses { pairs: Vec::new(), ones: Vec::new(), others: Vec::new() };
        loop {
            let pivot = (0..left.len()).max_by(|&a, &b| left[a].abs().total_cmp(&left[b].abs())).unwrap_or(0);
            if left[pivot].abs() <= tolerance {
                return Ok(Some(found));
            }
            if found.pairs.len() >= most {
                return Ok(None);
            }
            let place = &points[pivot * n..(pivot + 1) * n];
            let mut u = function.section(&[one], place);
            let mut w = function.section(&others, place);
            let (mut of_u, mut of_w) = (self.values(&u)?, self.values(&w)?);
            for (k, (earlier_u, earlier_w)) in found.pairs.iter().enumerate() {
                let (u_there, w_there) = (found.ones[k][pivot], found.others[k][pivot]);
                u.add(earlier_u, -w_there);
                w.add(earlier_w, -u_there);
                of_u.iter_mut().zip(&found.ones[k]).for_each(|(x, e)| *x -= w_there * e);
                of_w.iter_mut().zip(&found.others[k]).for_each(|(x, e)| *x -= u_there * e);
            }
            let scale = 1.0 / left[pivot];
            of_w.iter_mut().for_each(|x| *x *= scale);
            left.iter_mut().zip(of_u.iter().zip(&of_w)).for_each(|(rest, (u, w))| *rest -= u * w);
            if left.iter().any(|x| !x.is_finite()) {
                return Ok(None);
            }
            found.pairs.push((u, w.scaled(scale)));
            found.ones.push(of_u);
            found.others.push(of_w);
        }
    }
}
