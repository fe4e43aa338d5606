//! Functions of one state on a uniform grid: where their jumps are, how fine it has to be.

use super::ask::Asker;
use super::function::{Coordinate, Function, evaluate};
use super::quantity::Quantities;
use crate::error::{Error, Result};
use crate::program::Table;

/// Intervals of the grid on which jumps are looked for.
const COARSE: usize = 512;

/// A place where functions jump, and bend where they do not jump.
#[derive(Clone, Debug)]
pub struct Jump {
    pub at: f64,
    /// Value beyond minus value before, one number a function.
    pub heights: Vec<f64>,
    /// Slope beyond minus slope before.
    pub bends: Vec<f64>,
}

impl Jump {
    /// What the jump and the bend make of function `j` at `x`.
    fn value(&self, j: usize, x: f64) -> f64 {
        match x > self.at {
            true => self.heights[j] + self.bends[j] * (x - self.at),
            false => 0.0,
        }
    }
}

/// Functions of one state, side by side on a grid, and their jumps apart: function = table + Σ heights of the jumps below x.
#[derive(Clone, Debug)]
pub struct Tabulated {
    pub variable: Coordinate,
    pub table: Table,
    pub jumps: Vec<Jump>,
}

/// Values of functions of one state on a fine grid, from which tables of any coarser spacing are made.
#[derive(Clone, Debug)]
pub struct Samples {
    functions: Vec<Function>,
    first: f32,
    /// Rows of the finest table in a unit of the state; values lie at half rows.
    rows_per_unit: f32,
    /// Without the jumps.
    values: Vec<f64>,
    jumps: Vec<Jump>,
}

impl Samples {
    /// Samples `functions` for tables of up to `n` intervals over `range`, a power of two.
    pub fn new(
        quantities: &Quantities,
        asker: &mut Asker,
        functions: &[Function],
        range: [f64; 2],
        n: usize,
    ) -> Result<Self> {
        let range = finite_range(quantities, asker, functions, range)?;
        let jumps = find_jumps(quantities, asker, functions, range)?;
        let first = range[0] as f32;
        let rows_per_unit = (n as f64 / (range[1] - range[0])) as f32;
        let mut samples =
            Self { functions: functions.to_vec(), first, rows_per_unit, values: Vec::new(), jumps };
        samples.values = samples.at(quantities, asker, 0..=2 * n)?;
        Ok(samples)
    }

    /// Samples between the samples, for tables of twice as many intervals.
    pub fn refine(&mut self, quantities: &Quantities, asker: &mut Asker) -> Result<()> {
        self.rows_per_unit *= 2.0;
        let between = self.at(quantities, asker, (1..4 * self.finest()).step_by(2))?;
        let width = self.functions.len();
        let mut between = between.chunks(width);
        let row_after = |row: &[f64]| [row, between.next().unwrap_or(&[])].concat();
        self.values = self.values.chunks(width).flat_map(row_after).collect();
        Ok(())
    }

    /// Forgets all functions but `kept`.
    pub fn keep(&mut self, kept: &[Function]) {
        let column = |f: &Function| self.functions.iter().position(|own| own == f).expect("sampled");
        let columns: Vec<usize> = kept.iter().map(column).collect();
        let pick = |row: &[f64]| columns.iter().map(|&c| row[c]).collect::<Vec<f64>>();
        self.values = self.values.chunks(self.functions.len()).flat_map(pick).collect();
        for jump in &mut self.jumps {
            (jump.heights, jump.bends) = (pick(&jump.heights), pick(&jump.bends));
        }
        self.jumps.retain(|jump| jump.heights.iter().chain(&jump.bends).any(|x| *x != 0.0));
        self.functions = kept.to_vec();
    }

    /// Values at half rows without the jumps, half row after half row.
    fn at(
        &self,
        quantities: &Quantities,
        asker: &mut Asker,
        half_rows: impl Iterator<Item = usize>,
    ) -> Result<Vec<f64>> {
        let (functions, width) = (&self.functions, self.functions.len());
        let x =
            |half_row: usize| f64::from(self.first) + half_row as f64 / (2.0 * f64::from(self.rows_per_unit));
        let xs: Vec<f64> = half_rows.map(x).collect();
        let mut values = finite_values(quantities, asker, functions, &xs)?;
        for (&x, row) in xs.iter().zip(values.chunks_mut(width)) {
            for (j, value) in row.iter_mut().enumerate() {
                *value -= self.jumps.iter().map(|jump| jump.value(j, x)).sum::<f64>();
            }
        }
        if let Some(i) = values.iter().position(|v| !(*v as f32).is_finite()) {
            return Err(Error::numeric(format!(
                "{:?} is {} where state {} is {}",
                functions[i % width].quantity(),
                values[i],
                functions[0].variable().state,
                xs[i / width]
            )));
        }
        Ok(values)
    }

    /// Intervals of the finest table.
    pub fn finest(&self) -> usize {
        (self.values.len() / self.functions.len() - 1) / 2
    }

    /// The table of `n` intervals, a power of two.
    ///
    /// Row values are those of the best approximation in the mean, not of the interpolant: its error has no bias within an
    /// interval, so that it cancels as a cell passes through.
    pub fn table(&self, n: usize) -> Tabulated {
        let (stride, width) = (self.finest() / n, self.functions.len());
        let at = |half_row: usize, j: usize| self.values[half_row * stride * width + j];
        let mut rows = Vec::with_capacity((n + 1) * width);
        for i in 0..=n {
            for j in 0..width {
                let bend = match i == 0 || i == n {
                    true => 0.0,
                    false => at(2 * i - 1, j) - 2.0 * at(2 * i, j) + at(2 * i + 1, j),
                };
                rows.push((at(2 * i, j) - bend / 3.0) as f32);
            }
        }
        let rows_per_unit = self.rows_per_unit / stride as f32;
        let table = Table { first: self.first, rows_per_unit, width, values: rows };
        Tabulated { variable: self.functions[0].variable(), table, jumps: self.jumps.clone() }
    }
}

/// Values of functions, with isolated places at which a formula divides zero by zero filled in from their neighbourhood, and fractions
/// continued by constants to where what they are divided by vanishes: there they do not matter.
fn finite_values(
    quantities: &Quantities,
    asker: &mut Asker,
    functions: &[Function],
    xs: &[f64],
) -> Result<Vec<f64>> {
    let width = functions.len();
    let mut values = evaluate(quantities, asker, functions, xs)?;
    let holes: Vec<usize> =
        (0..xs.len()).filter(|&i| values[i * width..][..width].iter().any(|v| !v.is_finite())).collect();
    if holes.is_empty() {
        return Ok(values);
    }
    let nudge = 1e-4 * (xs[xs.len() - 1] - xs[0]) / xs.len() as f64;
    let beside: Vec<f64> = holes.iter().flat_map(|&i| [xs[i] - nudge, xs[i] + nudge]).collect();
    let found = evaluate(quantities, asker, functions, &beside)?;
    for (k, &i) in holes.iter().enumerate() {
        for j in 0..width {
            values[i * width + j] = 0.5 * (found[2 * k * width + j] + found[(2 * k + 1) * width + j]);
        }
    }
    for j in (0..width).filter(|&j| !functions[j].fractions.is_empty()) {
        let column = |i: usize| i * width + j;
        for i in 1..xs.len() {
            if !values[column(i)].is_finite() {
                values[column(i)] = values[column(i - 1)];
            }
        }
        for i in (0..xs.len() - 1).rev() {
            if !values[column(i)].is_finite() {
                values[column(i)] = values[column(i + 1)];
            }
        }
    }
    Ok(values)
}

/// The part of `range` in which all functions are finite, around its middle.
fn finite_range(
    quantities: &Quantities,
    asker: &mut Asker,
    functions: &[Function],
    range: [f64; 2],
) -> Result<[f64; 2]> {
    let n = COARSE;
    let xs: Vec<f64> = (0..=n).map(|i| range[0] + (range[1] - range[0]) * i as f64 / n as f64).collect();
    let values = finite_values(quantities, asker, functions, &xs)?;
    let width = functions.len();
    let good = |i: usize| values[i * width..][..width].iter().all(|v| v.is_finite());
    let low = (0..=n / 2).rev().take_while(|&i| good(i)).last();
    let high = (n / 2..=n).take_while(|&i| good(i)).last();
    match (low, high) {
        (Some(low), Some(high)) if high > low => {
            if high - low < n {
                let of = functions[0].variable().state;
                log::info!("functions of state {of} are not finite beyond {} and {}", xs[low], xs[high]);
            }
            Ok([xs[low], xs[high]])
        }
        _ => Err(Error::numeric(format!(
            "a function of state {} is not finite",
            functions[0].variable().state
        ))),
    }
}

/// The jumps of `functions` in `range` with the bends at the same places: where a difference stays as it was however close its two places come.
fn find_jumps(
    quantities: &Quantities,
    asker: &mut Asker,
    functions: &[Function],
    range: [f64; 2],
) -> Result<Vec<Jump>> {
    let (n, width) = (2 * COARSE, functions.len());
    let xs: Vec<f64> = (0..=n).map(|i| range[0] + (range[1] - range[0]) * i as f64 / n as f64).collect();
    let values = finite_values(quantities, asker, functions, &xs)?;
    let value = |i: usize, j: usize| values[i * width + j];
    let size: Vec<f64> =
        (0..width).map(|j| (0..=n).map(|i| value(i, j).abs()).fold(f64::MIN_POSITIVE, f64::max)).collect();
    let noise: Vec<f64> = functions.iter().map(|f| 10.0 * f.noise(quantities)).collect();
    // An interval, the function that seems to jump there, and the difference that it started with.
    let mut open: Vec<([f64; 2], usize, f64)> = Vec::new();
    for i in 0..n {
        for j in 0..width {
            let step = value(i + 1, j) - value(i, j);
            let before = if i > 0 { value(i, j) - value(i - 1, j) } else { step };
            let after = if i + 1 < n { value(i + 2, j) - value(i + 1, j) } else { step };
            // Beside a jump functions are smooth: its step differs from both neighbours'.
            let odd = (step - before).abs().min((step - after).abs());
            if odd > noise[j].max(1e-6 * size[j]) && odd > 0.2 * step.abs() {
                open.push(([xs[i], xs[i + 1]], j, step));
            }
        }
    }
    let mut found: Vec<(f64, f64)> = Vec::new();
    let finest = 1e-13 * (range[1] - range[0]);
    while !open.is_empty() {
        let mut still = Vec::new();
        // Only what seems to jump is asked for.
        open.sort_by_key(|(_, j, _)| *j);
        for of_one in open.chunk_by(|a, b| a.1 == b.1) {
            let function = std::slice::from_ref(&functions[of_one[0].1]);
            let places: Vec<f64> =
                of_one.iter().flat_map(|(x, ..)| [x[0], 0.5 * (x[0] + x[1]), x[1]]).collect();
            let values = evaluate(quantities, asker, function, &places)?;
            for (&(_, j, step), (x, y)) in of_one.iter().zip(places.chunks(3).zip(values.chunks(3))) {
                let (lower, upper) = (y[1] - y[0], y[2] - y[1]);
                let (half, rest) =
                    if lower.abs() > upper.abs() { ([x[0], x[1]], lower) } else { ([x[1], x[2]], upper) };
                // A continuous function's difference halves with the interval.
                if rest.abs() <= 0.6 * step.abs() || rest.is_nan() || step.is_nan() {
                    continue;
                }
                match half[1] - half[0] < finest.max(1e-15 * x[1].abs()) {
                    true => found.push((0.5 * (half[0] + half[1]), half[1] - half[0])),
                    false => still.push((half, j, rest)),
                }
            }
        }
        open = still;
    }
    found.sort_by(|a, b| a.0.total_cmp(&b.0));
    found.dedup_by(|a, b| (a.0 - b.0).abs() < 100.0 * finest);
    // Two places on either side give value and slope there.
    let (near, far) = (20.0 * finest, 1e-5 * (range[1] - range[0]));
    let places = [-2.0 * far, -far, -near, near, far, 2.0 * far];
    let around: Vec<f64> = found.iter().flat_map(|(at, _)| places.map(|p| at + p)).collect();
    let values = evaluate(quantities, asker, functions, &around)?;
    let jumps = found.iter().enumerate().map(|(k, &(at, _))| {
        let v = |i: usize, j: usize| values[(places.len() * k + i) * width + j];
        let height = |j: usize| v(3, j) - v(2, j);
        let bend = |j: usize| {
            let before = (3.0 * v(2, j) - 4.0 * v(1, j) + v(0, j)) / (2.0 * far);
            let after = (-3.0 * v(3, j) + 4.0 * v(4, j) - v(5, j)) / (2.0 * far);
            after - before
        };
        let heights =
            (0..width).map(|j| if height(j).abs() > noise[j].max(1e-9 * size[j]) { height(j) } else { 0.0 });
        // A bend matters by what it does to the function within an interval.
        let coarse = (range[1] - range[0]) / COARSE as f64;
        let bends = (0..width)
            .map(|j| if bend(j).abs() * coarse > noise[j].max(1e-5 * size[j]) { bend(j) } else { 0.0 });
        Jump { at, heights: heights.collect(), bends: bends.collect() }
    });
    Ok(jumps.collect())
}
