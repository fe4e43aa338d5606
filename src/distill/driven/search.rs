//! The search for the sum that drives a state.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

use super::{Candidate, Driven, Found};
use crate::distill::combination::constant_sum;
use crate::distill::factor::largest;
use crate::distill::function::{Function, evaluate};
use crate::distill::pieces::Piece;
use crate::distill::separate::{Places, Separator};
use crate::error::Result;
use crate::program::Table;
use crate::structure::StateIndex;

/// Lines between cells.
const LINES: usize = 1_000;
/// Cells that there have to be on either side.
const FEWEST: usize = 10;
/// Places on each line that show what the sum ranges over.
const ON_LINE: usize = 64;
/// Bisections, which leave no more than rounding.
const HALVINGS: usize = 54;
/// Increments that differ by no more than this part of their range are equal.
const EQUAL: f64 = 1e-7;
/// Intervals of the finest and the coarsest table, and errors of increments as a part of their range.
const INTERVALS: [usize; 2] = [4096, 64];
const INTERPOLATED: f64 = 1e-3;
/// What steps may depart from the model's, as a part of all that happens to the state.
const DESCRIBES: f64 = 1e-2;
/// An error of the sum hardly shows if it changes the increment by this part of its range, where it is steepest.
const HARDLY: f64 = 0.01;

/// Pairs of cells.
pub struct Lines {
    n_states: usize,
    from: Vec<f64>,
    to: Vec<f64>,
    /// Increment that lies between those of their ends.
    threshold: f64,
}

impl Lines {
    fn len(&self) -> usize {
        self.from.len() / self.n_states
    }

    /// The cell at `at`, 0 to 1, of each of `lines`.
    fn cells(&self, lines: &[usize], at: &[f64]) -> Vec<f64> {
        let n = self.n_states;
        let cell = |(&line, &t): (&usize, &f64)| {
            (line * n..(line + 1) * n).map(move |i| self.from[i] + t * (self.to[i] - self.from[i]))
        };
        lines.iter().zip(at).flat_map(cell).collect()
    }

    /// Where cells on `lines` pass from one side, that of the first `ends`, to the other.
    fn crossings(
        &self,
        lines: &[usize],
        [mut from, mut to]: [Vec<f64>; 2],
        mut is_beyond: impl FnMut(&[f64]) -> Result<Vec<bool>>,
    ) -> Result<Vec<f64>> {
        let middle = |from: &[f64], to: &[f64]| -> Vec<f64> {
            from.iter().zip(to).map(|(a, b)| 0.5 * (a + b)).collect()
        };
        for _ in 0..HALVINGS {
            let at = middle(&from, &to);
            for (i, beyond) in is_beyond(&self.cells(lines, &at))?.into_iter().enumerate() {
                if beyond {
                    to[i] = at[i];
                } else {
                    from[i] = at[i];
                }
            }
        }
        Ok(middle(&from, &to))
    }
}

/// The search for the sum that drives a state, which is held at one value for that and at another to see what it does there.
pub struct Search<'a, 'b, 'c, 'd, 's> {
    pub separator: &'a mut Separator<'b, 'c, 's>,
    pub state: StateIndex,
    pub pieces: &'d [&'d Piece],
    pub cells: &'d [f64],
    pub held: [f64; 2],
}

impl Search<'_, '_, '_, '_, '_> {
    /// Lines from cells in which the state, held at `own`, changes by less than the `level`, a part of the way from its smallest to its
    /// largest increment, to cells in which it changes by more; none if all are on one side.
    pub fn lines(&mut self, own: f64, level: f64) -> Result<Option<Lines>> {
        let n_states = self.separator.asker.n_states();
        let mut cells = self.cells.to_vec();
        cells.iter_mut().skip(self.state).step_by(n_states).for_each(|x| *x = own);
        let increments = self.increments(&cells)?;
        let finite = increments.iter().copied().filter(|x| x.is_finite());
        let [low, high] = finite.fold([f64::MAX, f64::MIN], |[low, high], x| [low.min(x), high.max(x)]);
        let threshold = low + level * (high - low);
        let side = |beyond: bool| -> Vec<usize> {
            let finite = (0..increments.len()).filter(|&i| increments[i].is_finite());
            finite.filter(|&i| (increments[i] > threshold) == beyond).collect()
        };
        let (below, beyond) = (side(false), side(true));
        if below.len().min(beyond.len()) < FEWEST {
            return Ok(None);
        }
        let mut random = ChaCha8Rng::seed_from_u64(self.state as u64);
        let mut lines = Lines { n_states, from: Vec::new(), to: Vec::new(), threshold };
        for _ in 0..LINES {
            for (side, ends) in [(&below, &mut lines.from), (&beyond, &mut lines.to)] {
                let cell = side[random.next_u32() as usize % side.len()];
                ends.extend_from_slice(&cells[cell * n_states..][..n_states]);
            }
        }
        Ok(Some(lines))
    }

    /// The sum that has one value wherever lines with the state at one value pass their threshold, and others elsewhere.
    pub fn sum(
        &mut self,
        lines: &[Lines; 2],
        candidates: &[Candidate],
    ) -> Result<Option<Vec<(Candidate, f64)>>> {
        let (mut there, mut anywhere) =
            (vec![Vec::new(); candidates.len()], vec![Vec::new(); candidates.len()]);
        for lines in lines {
            let all: Vec<usize> = (0..lines.len()).collect();
            let ends = [0.0, 1.0].map(|t| vec![t; all.len()]);
            let passed = lines.crossings(&all, ends, |cells| {
                Ok(self.increments(cells)?.into_iter().map(|x| x > lines.threshold).collect())
            })?;
            let spread: Vec<f64> = all.iter().map(|&line| line as f64 / all.len() as f64).collect();
            for (columns, at) in [(&mut there, passed), (&mut anywhere, spread)] {
                let products = self.products(candidates, &lines.cells(&all, &at))?;
                columns.iter_mut().zip(products).for_each(|(column, own)| column.extend(centred(own)));
            }
        }
        let there: Vec<&[f64]> = there.iter().map(|c| &c[..]).collect();
        let anywhere: Vec<&[f64]> = anywhere.iter().map(|c| &c[..]).collect();
        let Some((spread, sum)) = constant_sum(&there, &anywhere) else { return Ok(None) };
        log::info!(
            "state {}: a sum of {} products at a threshold, within {spread:.1e}",
            self.state,
            sum.len()
        );
        Ok(Some(sum.into_iter().map(|(k, weight)| (candidates[k].clone(), weight)).collect()))
    }

    /// What the sum does to the state, if it describes all of it.
    pub fn found(&mut self, lines: [Lines; 2], sum: Vec<(Candidate, f64)>) -> Result<Option<Found>> {
        let [first, second] = lines;
        let along = [self.along(first, &sum)?, self.along(second, &sum)?];
        let ends = along.each_ref().map(Along::ends);
        let range = [ends[0][0].min(ends[1][0]), ends[0][1].max(ends[1][1])];
        if range[0].partial_cmp(&range[1]) != Some(std::cmp::Ordering::Less) {
            return Ok(None);
        }
        let n = INTERVALS[0];
        let grid: Vec<f64> =
            (0..=n).map(|i| range[0] + (range[1] - range[0]) * i as f64 / n as f64).collect();
        let mut increments = Vec::new();
        for along in &along {
            let Some(found) = self.at(along, &grid, &sum)? else { return Ok(None) };
            increments.push(found);
        }
        let all = || increments.iter().flatten().copied();
        let span = all().fold(f64::MIN, f64::max) - all().fold(f64::MAX, f64::min);
        let steps =
            increments.iter().flat_map(|of_one| of_one.windows(2).map(|pair| (pair[1] - pair[0]).abs()));
        let steepest = steps.fold(f64::MIN_POSITIVE, f64::max) * n as f64 / (range[1] - range[0]);
        let stride = stride(&increments, INTERPOLATED * span);
        let rows_per_unit = ((n / stride) as f64 / (range[1] - range[0])) as f32;
        let row = |i: usize| {
            let rate = (increments[1][i] - increments[0][i]) / (self.held[0] - self.held[1]);
            [rate as f32, (increments[0][i] + rate * self.held[0]) as f32]
        };
        let values = (0..=n).step_by(stride).flat_map(row).collect();
        let table = Table { first: range[0] as f32, rows_per_unit, width: 2, values };
        let error = self.error(&table, &sum)?;
        log::info!("state {}: from {range:?} in {} rows, error {error:.2e}", self.state, table.n_rows());
        let driven = Driven { state: self.state, table };
        Ok((error <= DESCRIBES).then_some(Found { driven, sum, tolerance: HARDLY * span / steepest }))
    }

    /// Σ |error of the increment| / Σ |increment| of cells as they are.
    fn error(&mut self, table: &Table, sum: &[(Candidate, f64)]) -> Result<f64> {
        let sums = self.sums(sum, self.cells)?;
        let increments = self.increments(self.cells)?;
        let n_states = self.separator.asker.n_states();
        let own = self.cells.iter().skip(self.state).step_by(n_states);
        let (mut error, mut change) = (0.0, f64::MIN_POSITIVE);
        for ((&own, s), increment) in own.zip(sums).zip(increments).filter(|(_, i)| i.is_finite()) {
            let found = table.look_up(s);
            error += (found[1] - found[0] * own - increment).abs();
            change += increment.abs();
        }
        Ok(error / change)
    }

    /// Sums and increments at places on the lines.
    fn along(&mut self, lines: Lines, sum: &[(Candidate, f64)]) -> Result<Along> {
        let all: Vec<usize> = (0..lines.len()).flat_map(|line| [line; ON_LINE]).collect();
        let at: Vec<f64> = (0..all.len()).map(|i| (i % ON_LINE) as f64 / (ON_LINE - 1) as f64).collect();
        let cells = lines.cells(&all, &at);
        let (sums, increments) = (self.sums(sum, &cells)?, self.increments(&cells)?);
        Ok(Along { lines, at, sums, increments })
    }

    /// Increments where the sum has the values of `grid`; none if it has not everywhere.
    fn at(&mut self, along: &Along, grid: &[f64], sum: &[(Candidate, f64)]) -> Result<Option<Vec<f64>>> {
        let mut places: Vec<Option<usize>> = vec![None; grid.len()];
        for i in (0..along.sums.len() - 1).filter(|i| (i + 1) % ON_LINE != 0) {
            let (low, high) = (along.sums[i].min(along.sums[i + 1]), along.sums[i].max(along.sums[i + 1]));
            let first = grid.partition_point(|&s| s < low);
            let within = grid[first..].iter().take_while(|&&s| s <= high).count();
            places[first..first + within].iter_mut().for_each(|place| *place = Some(i));
        }
        let Some(places) = places.into_iter().collect::<Option<Vec<usize>>>() else { return Ok(None) };
        let lines: Vec<usize> = places.iter().map(|i| i / ON_LINE).collect();
        let is_falling = |i: usize| along.sums[i] > along.sums[i + 1];
        let end = |other: bool| -> Vec<f64> {
            places.iter().map(|&i| along.at[i + usize::from(is_falling(i) != other)]).collect()
        };
        let passed = along.lines.crossings(&lines, [end(false), end(true)], |cells| {
            Ok(self.sums(sum, cells)?.iter().zip(grid).map(|(s, wanted)| s > wanted).collect())
        })?;
        self.increments(&along.lines.cells(&lines, &passed)).map(Some)
    }

    fn increments(&mut self, cells: &[f64]) -> Result<Vec<f64>> {
        let asker = &mut self.separator.asker;
        let next = asker.next_unstimulated(cells)?;
        let pairs = next.iter().zip(cells).skip(self.state).step_by(asker.n_states());
        Ok(pairs.map(|(next, x)| next - x).collect())
    }

    fn sums(&mut self, sum: &[(Candidate, f64)], cells: &[f64]) -> Result<Vec<f64>> {
        let (candidates, weights): (Vec<Candidate>, Vec<f64>) = sum.iter().cloned().unzip();
        let products = self.products(&candidates, cells)?;
        let n_cells = cells.len() / self.separator.asker.n_states();
        let at = |i: usize| products.iter().zip(&weights).map(|(p, w)| w * p[i]).sum();
        Ok((0..n_cells).map(at).collect())
    }

    /// Values of `candidates` in `cells`.
    fn products(&mut self, candidates: &[Candidate], cells: &[f64]) -> Result<Vec<Vec<f64>>> {
        let Separator { quantities, asker, .. } = &mut *self.separator;
        let places = Places::at(asker, cells)?;
        let mut known: Vec<(&Function, Vec<f64>)> = Vec::new();
        let mut products = Vec::new();
        for candidate in candidates {
            let mut product = vec![1.0; places.len()];
            let of_piece = candidate.piece.map(|k| &self.pieces[k].function);
            for function in candidate.functions.iter().chain(of_piece) {
                if !known.iter().any(|(f, _)| *f == function) {
                    let points = places.of(&function.variables);
                    let values = evaluate(quantities, asker, std::slice::from_ref(function), &points)?;
                    known.push((function, values));
                }
                let values = known.iter().find(|(f, _)| *f == function).map(|(_, values)| values);
                product.iter_mut().zip(values.expect("asked for")).for_each(|(p, x)| *p *= x);
            }
            for &power in &candidate.powers {
                product.iter_mut().zip(places.of(&[power])).for_each(|(p, x)| *p *= x);
            }
            products.push(product);
        }
        Ok(products)
    }
}

/// Lines with the sums and increments at equally spaced places, line after line.
struct Along {
    lines: Lines,
    at: Vec<f64>,
    sums: Vec<f64>,
    increments: Vec<f64>,
}

impl Along {
    /// The sums beyond which the increment does not change.
    fn ends(&self) -> [f64; 2] {
        let finite =
            (0..self.sums.len()).filter(|&i| self.sums[i].is_finite() && self.increments[i].is_finite());
        let mut order: Vec<usize> = finite.collect();
        order.sort_by(|&a, &b| self.sums[a].total_cmp(&self.sums[b]));
        let same = EQUAL * largest(&self.increments);
        let (Some(&first), Some(&last)) = (order.first(), order.last()) else { return [f64::NAN; 2] };
        let differs =
            |end: usize| move |&&i: &&usize| (self.increments[i] - self.increments[end]).abs() > same;
        let begin = order.iter().take_while(|i| !differs(first)(i)).last();
        let end = order.iter().rev().take_while(|i| !differs(last)(i)).last();
        [begin, end].map(|i| i.map_or(f64::NAN, |&i| self.sums[i]))
    }
}

/// Numbers without their mean.
fn centred(mut column: Vec<f64>) -> Vec<f64> {
    let mean = column.iter().sum::<f64>() / column.len() as f64;
    column.iter_mut().for_each(|x| *x -= mean);
    column
}

/// The longest stride, a power of two, over which increments on a grid may be interpolated with errors of no more than `tolerance`.
fn stride(increments: &[Vec<f64>], tolerance: f64) -> usize {
    let n = INTERVALS[0];
    let is_good = |stride: &usize| {
        let interpolates = |values: &Vec<f64>| {
            (0..n).all(|i| {
                let (row, part) = (i / stride * stride, (i % stride) as f64 / *stride as f64);
                let interpolated = values[row] + part * (values[row + stride] - values[row]);
                (interpolated - values[i]).abs() <= tolerance
            })
        };
        increments.iter().all(interpolates)
    };
    let strides = std::iter::successors(Some(1), |stride| Some(2 * stride));
    strides.take_while(|stride| n / stride >= INTERVALS[1]).filter(is_good).last().unwrap_or(1)
}
