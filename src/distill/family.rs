//! Functions of the same states that differ only by a factor of fewer of them.
//!
//! A current through several channels, each scaled by a kinase in its own way, is such a family: what the ions' concentrations do is
//! the same in all of them. One of the family, its head, is separated; the others are the head times functions of one state
//! and at most one of two, which families share.

use super::factor::{Wanted, largest};
use super::function::{Coordinate, Function, evaluate};
use super::pieces::Piece;
use super::separate::{Product, Separator};
use crate::error::Result;

/// A function as number · its head · Π functions of one state · a shared function of two.
pub struct Relative {
    pub head: usize,
    pub number: f64,
    pub singles: Product,
    pub shared: Option<usize>,
}

/// A function that relatives share, and the largest error that suits all of them.
pub struct Shared {
    pub function: Function,
    pub values: Vec<f64>,
    pub tolerance: f64,
}

/// Who is related to whom.
#[derive(Default)]
pub struct Families {
    /// None for heads.
    pub relatives: Vec<Option<Relative>>,
    pub shared: Vec<Shared>,
    singles: Vec<(Function, Vec<f64>)>,
}

/// number · Π functions of one state · a function of two, at most, with their values.
struct Quotient {
    number: f64,
    singles: Vec<(Function, Vec<f64>)>,
    pair: Option<(Function, Vec<f64>)>,
    /// Its largest absolute value, where what it is divided by is not small.
    largest: f64,
}

/// Fewest states of functions that are worth relating, and most in which relatives differ.
const WORTH: usize = 2;
const MOST_DIFFERENT: usize = 3;
/// Places of which one state at a time is taken, to see whether a quotient depends on it.
const DONORS: usize = 8;
/// What changes a quotient by no more than this part does not change it.
const SAME: f64 = 1e-7;
/// Where the head is smaller than this part of its largest value, quotients by it say little.
const SMALL: f64 = 1e-3;

impl Separator<'_, '_, '_> {
    /// Relates each of `wanted` to an earlier one if it can be. Heads get the tolerances that their relatives need.
    pub fn families(&mut self, wanted: &mut [Wanted]) -> Result<Families> {
        let mut families = Families::default();
        for i in 0..wanted.len() {
            let variables = &wanted[i].piece.function.variables;
            let is_head = |h: &usize| {
                variables.len() >= WORTH
                    && families.relatives[*h].is_none()
                    && wanted[*h].piece.function.variables == *variables
            };
            let heads: Vec<usize> = (0..i).filter(is_head).collect();
            let mut related = None;
            for head in heads {
                related = self.related(wanted, i, head, &mut families)?;
                if related.is_some() {
                    break;
                }
            }
            families.relatives.push(related);
        }
        Ok(families)
    }

    fn related(
        &mut self,
        wanted: &mut [Wanted],
        i: usize,
        head: usize,
        families: &mut Families,
    ) -> Result<Option<Relative>> {
        let Some(quotient) = self.quotient(&wanted[i], &wanted[head].piece)? else { return Ok(None) };
        let tolerance = wanted[i].tolerance;
        wanted[head].tolerance = wanted[head].tolerance.min(0.5 * tolerance / quotient.largest);
        let mut relative = Relative { head, number: quotient.number, singles: Vec::new(), shared: None };
        let mut without_shared: Vec<f64> =
            wanted[head].piece.values.iter().map(|v| v * quotient.number).collect();
        for (function, values) in quotient.singles {
            without_shared.iter_mut().zip(&values).for_each(|(product, v)| *product *= v);
            let (function, scale) = families.single(function, values);
            relative.number *= scale;
            relative.singles.push(function);
        }
        if let Some((function, values)) = quotient.pair {
            let tolerance = 0.25 * tolerance / largest(&without_shared);
            let (index, scale) = families.share(function, values, tolerance);
            relative.number *= scale;
            relative.shared = Some(index);
        }
        Ok(Some(relative))
    }

    /// `own` divided by `base`, if that is a product of functions of one state and at most one of two.
    fn quotient(&mut self, own: &Wanted, base: &Piece) -> Result<Option<Quotient>> {
        let Wanted { piece: own, tolerance } = own;
        let variables = &own.function.variables;
        let n = variables.len();
        let sizes = [largest(&own.values), largest(&base.values)];
        let size = |k: usize| (own.values[k] / sizes[0]).abs().min((base.values[k] / sizes[1]).abs());
        let Some(pivot) = (0..own.values.len()).max_by(|&a, &b| size(a).total_cmp(&size(b))) else {
            return Ok(None);
        };
        let place = self.places.of(variables)[pivot * n..][..n].to_vec();
        let differing = self.differing([&own.function, &base.function], sizes[1], &place)?;
        let Some(differing) = differing.filter(|d| d.len() < n && d.len() <= MOST_DIFFERENT) else {
            return Ok(None);
        };
        let number = own.values[pivot] / base.values[pivot];
        // As a function of some of its variables, 1 at the pivot.
        let of = |variables: &[Coordinate]| {
            Function::fraction(&own.function, &base.function, variables, &place)
                .map(|f| f.scaled(1.0 / number))
        };
        let Some(whole) = of(&differing) else { return Ok(None) };
        let of_whole = self.filled(&whole)?;
        let (mut singles, mut rest) = (Vec::new(), Vec::new());
        for &variable in &differing {
            let others: Vec<Coordinate> = differing.iter().copied().filter(|v| *v != variable).collect();
            let (Some(single), Some(without)) = (of(&[variable]), of(&others)) else { return Ok(None) };
            let (of_single, of_others) = (self.filled(&single)?, self.filled(&without)?);
            let separates = (0..of_whole.len()).all(|k| {
                let error = (of_single[k] * of_others[k] - of_whole[k]) * number * base.values[k];
                error.abs() <= 0.2 * tolerance
            });
            match separates {
                true => singles.push((single, of_single)),
                false => rest.push(variable),
            }
        }
        let pair = match rest[..] {
            [] => None,
            [_, _] => {
                let Some(mut pair) = of(&rest) else { return Ok(None) };
                let Some(values) = self.fractions(&mut pair, SMALL)? else { return Ok(None) };
                Some((pair, values))
            }
            _ => return Ok(None),
        };
        let factors = singles.iter().chain(&pair);
        let agrees = |k: usize| {
            let product: f64 = factors.clone().map(|(_, values)| values[k]).product();
            (number * product * base.values[k] - own.values[k]).abs() <= 0.5 * tolerance
        };
        if !(0..own.values.len()).all(agrees) {
            return Ok(None);
        }
        // How wrong the head may be, where it is not small itself.
        let strict = (0..own.values.len()).filter(|&k| base.values[k].abs() > SMALL * sizes[1]);
        let largest =
            strict.map(|k| (own.values[k] / base.values[k]).abs()).fold(f64::MIN_POSITIVE, f64::max);
        Ok(Some(Quotient { number, singles, pair, largest }))
    }

    /// Values of a quotient, 1 where what it is divided by vanishes: there it may be anything.
    fn filled(&mut self, quotient: &Function) -> Result<Vec<f64>> {
        if quotient.variables.is_empty() {
            return Ok(vec![1.0; self.places.len()]);
        }
        let values = self.values(quotient)?;
        Ok(values.into_iter().map(|v| if v.is_finite() { v } else { 1.0 }).collect())
    }

    /// The variables on which the quotient of two functions depends, around a place; none if it cannot be said.
    fn differing(
        &mut self,
        functions: [&Function; 2],
        largest_below: f64,
        place: &[f64],
    ) -> Result<Option<Vec<Coordinate>>> {
        let variables = &functions[0].variables;
        let n = variables.len();
        let donors = self.places.of(variables);
        let n_places = donors.len() / n;
        let mut points = place.to_vec();
        for (v, k) in (0..n).flat_map(|v| (0..DONORS).map(move |k| (v, k))) {
            let mut point = place.to_vec();
            point[v] = donors[k * n_places / DONORS * n + v];
            points.extend(point);
        }
        let both = functions.map(Function::clone);
        let noise = both.each_ref().map(|f| f.noise(self.quantities));
        let values = evaluate(self.quantities, self.asker, &both, &points)?;
        if values.iter().any(|v| !v.is_finite()) {
            return Ok(None);
        }
        let quotient = |k: usize| values[2 * k] / values[2 * k + 1];
        let expected = quotient(0);
        let is_other = |k: usize| {
            let below = values[2 * k + 1].abs();
            let rounding = (noise[0] + expected.abs() * noise[1]) / below;
            below > SMALL * largest_below && (quotient(k) - expected).abs() > SAME * expected.abs() + rounding
        };
        let depends = |v: &usize| (0..DONORS).any(|k| is_other(1 + v * DONORS + k));
        Ok(Some((0..n).filter(depends).map(|v| variables[v]).collect()))
    }
}

impl Families {
    /// A known multiple of a function of one state, or itself, and how many times it.
    fn single(&mut self, function: Function, values: Vec<f64>) -> (Function, f64) {
        let known = self.singles.iter().find_map(|(known, of_known)| {
            let same = known.variables == function.variables;
            multiple(&values, of_known).filter(|_| same).map(|factor| (known.clone(), factor))
        });
        known.unwrap_or_else(|| {
            self.singles.push((function.clone(), values));
            (function, 1.0)
        })
    }

    /// As [`Self::single`], by its number.
    fn share(&mut self, function: Function, values: Vec<f64>, tolerance: f64) -> (usize, f64) {
        for (index, known) in self.shared.iter_mut().enumerate() {
            if known.function.variables == function.variables
                && let Some(factor) = multiple(&values, &known.values)
            {
                known.tolerance = known.tolerance.min(tolerance / factor.abs());
                return (index, factor);
            }
        }
        self.shared.push(Shared { function, values, tolerance });
        (self.shared.len() - 1, 1.0)
    }
}

/// The number that makes `values` of `known` values, if there is one.
pub fn multiple(values: &[f64], known: &[f64]) -> Option<f64> {
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let factor = dot(values, known) / dot(known, known);
    let left: f64 = values.iter().zip(known).map(|(a, b)| (a - factor * b).powi(2)).sum();
    (left <= 1e-12 * dot(values, values)).then_some(factor)
}
