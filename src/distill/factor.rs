//! Factors that functions of several states have in common.
//!
//! f(a, b, c) = rest(a, c) · factor(b, c) if the quotient f(a, b, c) / f(a, b₀, c) is the same for all a. Both are sections of f: the rest is f at b₀, the
//! factor is that quotient at some a. Currents that a kinase scales are like this, all with the same factor: then two sums
//! of few products take the place of a product of sums for every one of them. Where a function takes many products and its reciprocal
//! few, as 1 / (g(a) + h(b)), it is divided by these.

use std::fmt::{self, Display, Formatter};
use std::sync::Arc;

use super::family::{Families, Relative, Shared};
use super::function::{Coordinate, Function};
use super::pieces::Piece;
use super::separate::{Product, Separator};
use super::terms::Sum;
use crate::error::Result;

/// A function that is to be written as a product of sums of products.
pub struct Wanted {
    pub piece: Piece,
    /// Largest error.
    pub tolerance: f64,
}

/// number · Π functions · Π sums^±1; nothing at all if the number is 0.
#[derive(Clone)]
pub struct Factors {
    pub number: f64,
    pub functions: Product,
    pub sums: Vec<Arc<Sum>>,
}

impl Default for Factors {
    /// The number 1.
    fn default() -> Self {
        Self { number: 1.0, functions: Vec::new(), sums: Vec::new() }
    }
}

impl Factors {
    fn times(&self, other: &Self) -> Self {
        Self {
            number: self.number * other.number,
            functions: [&self.functions[..], &other.functions].concat(),
            sums: [&self.sums[..], &other.sums].concat(),
        }
    }
}

impl Display for Factors {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        match &self.sums[..] {
            _ if self.number == 0.0 => return write!(f, "negligible"),
            [] => write!(f, "a product of {}", self.functions.len())?,
            _ => {}
        }
        for sum in &self.sums {
            let how = if sum.divides { "by" } else { "times" };
            write!(f, "{how} a sum of {} products ", sum.products.len())?;
        }
        Ok(())
    }
}

/// Values that differ by no more than this part from one number are that number.
const CONSTANT: f64 = 1e-10;
/// Factors are the same if no more than this part of their root mean square is left between them.
const SAME: f64 = 1e-6;
/// A divisor that becomes smaller than this part of its largest value is none.
const LEAST_DIVISOR: f64 = 1e-3;
/// A function that becomes smaller than this part of its largest value has no reciprocal.
const LEAST_VALUE: f64 = 1e-6;
/// A division takes the time of so many products.
const DIVISION: usize = 2;
/// Of the places in the order of the function's size, those at which the states that the factor does not see are held in turn: the
/// first, one eighth on and so on.
const ATTEMPTS: usize = 3;

/// `rest` · `factor`.
struct Split {
    rest: Function,
    of_rest: Vec<f64>,
    factor: Function,
    of_factor: Vec<f64>,
}

/// A factor of one or more functions.
struct Common {
    function: Function,
    values: Vec<f64>,
    tolerance: f64,
    /// Which functions have it.
    of: Vec<usize>,
}

impl Separator<'_, '_, '_> {
    /// The factors of each of `wanted`; none where a function is not separable.
    pub fn factors(&mut self, wanted: &mut [Wanted]) -> Result<Vec<Option<Factors>>> {
        let Families { relatives, shared, .. } = self.families(wanted)?;
        let mut of_shared = Vec::new();
        for Shared { function, values, tolerance } in shared {
            let tolerance = tolerance.max(function.noise(self.quantities));
            of_shared.push(self.product(function, &values, tolerance)?);
        }
        let heads: Vec<&Wanted> = wanted
            .iter()
            .zip(&relatives)
            .filter(|(_, relative)| relative.is_none())
            .map(|(w, _)| w)
            .collect();
        let mut of_heads = self.factors_in_common(&heads)?.into_iter();
        let mut all: Vec<Option<Factors>> = Vec::new();
        for (w, relative) in wanted.iter().zip(relatives) {
            let Some(Relative { head, number, singles, shared }) = relative else {
                all.push(of_heads.next().expect("one for each head"));
                continue;
            };
            let shared = shared.map_or_else(|| Some(Factors::default()), |k| of_shared[k].clone());
            all.push(match (&all[head], shared) {
                (Some(head), Some(shared)) => {
                    Some(head.times(&shared).times(&Factors { number, functions: singles, sums: Vec::new() }))
                }
                _ => self.product(w.piece.function.clone(), &w.piece.values, w.tolerance)?,
            });
        }
        Ok(all)
    }

    /// As [`Self::factors`], of functions that are not related.
    fn factors_in_common(&mut self, wanted: &[&Wanted]) -> Result<Vec<Option<Factors>>> {
        let mut splits = Vec::new();
        for w in wanted {
            splits.push(self.splits(w)?);
        }
        let mut commons: Vec<Common> = Vec::new();
        for (i, split) in splits.iter().enumerate().flat_map(|(i, all)| all.iter().map(move |s| (i, s))) {
            let noise = split.factor.noise(self.quantities);
            match commons.iter_mut().find(|c| c.is(&split.factor, &split.of_factor, noise)) {
                Some(common) => common.of.push(i),
                None => commons.push(Common {
                    function: split.factor.clone(),
                    values: split.of_factor.clone(),
                    tolerance: f64::INFINITY,
                    of: vec![i],
                }),
            }
        }
        // Each takes the factor that it shares with most others.
        let chosen = |i: usize| {
            (0..commons.len()).filter(|&c| commons[c].of.contains(&i)).max_by_key(|&c| commons[c].of.len())
        };
        let chosen: Vec<Option<usize>> = (0..wanted.len()).map(chosen).collect();
        let mut rests: Vec<Option<Split>> = Vec::new();
        for ((w, splits), common) in wanted.iter().zip(splits).zip(&chosen) {
            let Some(c) = *common else {
                rests.push(None);
                continue;
            };
            let common = &mut commons[c];
            let own = |s: &Split| common.is(&s.factor, &s.of_factor, s.factor.noise(self.quantities));
            let split = splits.into_iter().find(own).expect("chosen among its own");
            common.tolerance = common.tolerance.min(0.5 * w.tolerance / largest(&split.of_rest));
            rests.push(Some(split));
        }
        let mut sums: Vec<Option<Arc<Sum>>> = Vec::new();
        for (c, Common { function, values, tolerance, .. }) in commons.into_iter().enumerate() {
            let sum = match chosen.contains(&Some(c)) {
                true => {
                    let tolerance = tolerance.max(function.noise(self.quantities));
                    self.separate(function, &values, tolerance)?
                }
                false => None,
            };
            sums.push(sum.map(|products| Arc::new(Sum { products, divides: false })));
        }
        let mut all = Vec::new();
        for ((w, split), common) in wanted.iter().zip(rests).zip(chosen) {
            let shared = common.and_then(|c| sums[c].clone());
            all.push(match (shared, split) {
                (Some(shared), Some(split)) => {
                    let tolerance = (0.5 * w.tolerance / largest(&split.of_factor))
                        .max(split.rest.noise(self.quantities));
                    self.product(split.rest, &split.of_rest, tolerance)?.map(|mut factors| {
                        factors.number *= if shared.products.is_empty() { 0.0 } else { 1.0 };
                        factors.sums.push(shared);
                        factors
                    })
                }
                _ => self.product(w.piece.function.clone(), &w.piece.values, w.tolerance)?,
            });
        }
        Ok(all)
    }

    /// A function as a sum of products, divided by one or, if one product is enough, as this.
    fn product(&mut self, function: Function, values: &[f64], tolerance: f64) -> Result<Option<Factors>> {
        let first = values.first().copied().unwrap_or(0.0);
        if values.iter().all(|v| (v - first).abs() <= CONSTANT * first.abs()) {
            return Ok(Some(Factors { number: first, functions: Vec::new(), sums: Vec::new() }));
        }
        let of_sum = |products, divides| {
            let sum = Sum { products, divides };
            Factors { number: 1.0, functions: Vec::new(), sums: vec![Arc::new(sum)] }
        };
        let products = self.separate(function.clone(), values, tolerance)?;
        let n_products = products.as_ref().map_or(usize::MAX, Vec::len);
        if n_products > DIVISION
            && let Some(below) = self.reciprocal(&function, values, tolerance)?
            && below.len() < n_products - DIVISION
        {
            return Ok(Some(of_sum(below, true)));
        }
        Ok(products.map(|mut products| match products.len() {
            0 => Factors { number: 0.0, functions: Vec::new(), sums: Vec::new() },
            1 => Factors { number: 1.0, functions: products.remove(0), sums: Vec::new() },
            _ => of_sum(products, false),
        }))
    }

    /// The reciprocal of a function that does not vanish, as a sum of products that lead to the function with errors of no more than
    /// `tolerance`.
    fn reciprocal(
        &mut self,
        function: &Function,
        values: &[f64],
        tolerance: f64,
    ) -> Result<Option<Vec<Product>>> {
        let most = largest(values);
        if values.iter().any(|v| v.signum() != values[0].signum()) {
            return Ok(None);
        }
        let Some(mut below) = function.reciprocal() else { return Ok(None) };
        let Some(of_below) = self.fractions(&mut below, LEAST_VALUE)? else { return Ok(None) };
        let fine = (tolerance / (most * most)).max(below.noise(self.quantities));
        let Some(products) = self.separate(below, &of_below, fine)? else { return Ok(None) };
        let mut sum = vec![0.0; values.len()];
        for product in &products {
            let mut of_product = vec![1.0; values.len()];
            for factor in product {
                of_product.iter_mut().zip(self.values(factor)?).for_each(|(p, x)| *p *= x);
            }
            sum.iter_mut().zip(of_product).for_each(|(sum, p)| *sum += p);
        }
        let agrees = sum.iter().zip(values).all(|(sum, value)| (1.0 / sum - value).abs() <= tolerance);
        Ok(agrees.then_some(products))
    }

    /// The ways in which a function of three states or more is a product of two functions that share one.
    fn splits(&mut self, Wanted { piece, tolerance }: &Wanted) -> Result<Vec<Split>> {
        let Piece { function, values, .. } = piece;
        let variables = &function.variables;
        let mut splits = Vec::new();
        if variables.len() < 3 || values.iter().any(|v| !v.is_finite()) {
            return Ok(splits);
        }
        let points = self.places.of(variables);
        let point = |i: usize| &points[i * variables.len()..][..variables.len()];
        let mut order: Vec<usize> = (0..values.len()).collect();
        order.sort_by(|&a, &b| values[b].abs().total_cmp(&values[a].abs()));
        for (k, &one) in variables.iter().enumerate() {
            let at = self.quantities.reference()[one.state];
            let others: Vec<Coordinate> = variables.iter().copied().filter(|v| *v != one).collect();
            let mut place = point(order[0]).to_vec();
            place[k] = at;
            let rest = function.section(&others, &place);
            let of_rest = self.values(&rest)?;
            let mut found = Vec::new();
            for &shared in &others {
                let pivots = (0..ATTEMPTS).map(|attempt| order[attempt * order.len() / 8]);
                for pivot in pivots {
                    let mut variables = [one, shared];
                    variables.sort_unstable();
                    let below = function.ignoring(one, at);
                    let Some(mut factor) = Function::fraction(function, &below, &variables, point(pivot))
                    else {
                        return Ok(Vec::new());
                    };
                    let Some(of_factor) = self.fractions(&mut factor, LEAST_DIVISOR)? else { continue };
                    let product = of_rest.iter().zip(&of_factor).map(|(rest, factor)| rest * factor);
                    if product.zip(values).all(|(product, f)| (product - f).abs() <= *tolerance) {
                        found.push(Split { rest: rest.clone(), of_rest: of_rest.clone(), factor, of_factor });
                    }
                    break;
                }
            }
            // What depends on one state alone is a factor whatever it is said to share: crosses find it with less.
            if found.len() < others.len() {
                splits.append(&mut found);
            }
        }
        Ok(splits)
    }

    /// Values of a fraction, of which the bounds are noted; none if what is below becomes smaller than this part of its largest value, or
    /// a value is not finite.
    pub fn fractions(&mut self, function: &mut Function, least_part: f64) -> Result<Option<Vec<f64>>> {
        let Some(below) = function.below() else { return Ok(None) };
        let sizes: Vec<f64> = self.values(&below)?.iter().map(|x| x.abs()).collect();
        let least = sizes.iter().copied().fold(f64::INFINITY, f64::min);
        if sizes.iter().any(|x| x.is_nan()) || least <= least_part * largest(&sizes) {
            return Ok(None);
        }
        let values = self.values(function)?;
        if values.iter().any(|v| !v.is_finite()) {
            return Ok(None);
        }
        for fraction in &mut function.fractions {
            (fraction.least_below, fraction.largest) = (least, largest(&values) / fraction.weight.abs());
        }
        Ok(Some(values))
    }
}

impl Common {
    /// Whether it is the same as another function, but for noise.
    fn is(&self, other: &Function, values: &[f64], noise: f64) -> bool {
        let square = |of: &mut dyn Iterator<Item = f64>| of.map(|x| x * x).sum::<f64>();
        let left = square(&mut self.values.iter().zip(values).map(|(a, b)| a - b));
        let tolerated =
            SAME * SAME * square(&mut values.iter().copied()) + noise * noise * values.len() as f64;
        self.function.variables == other.variables && left <= tolerated
    }
}

pub fn largest(values: &[f64]) -> f64 {
    values.iter().fold(f64::MIN_POSITIVE, |a, v| a.max(v.abs()))
}
