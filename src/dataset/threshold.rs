//! Starts near a threshold: where cells that begin alike go on differently.

use ndarray::{Array2, ArrayView2, ArrayViewMut1, Zip};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

use crate::error::{Error, Result};

/// Cells among which neighbours are looked for, the latest ones: each is compared with each.
const MAX_COMPARED: usize = 4000;

/// `n` new starts between neighbours that part: for every one of `starts` (rows) the nearest other one is found, in units
/// of `ranges`; the pairs are drawn in proportion to how far their `outcomes` (rows of any width) are apart at most, and a
/// start anywhere between the two is taken. Where a threshold separates outcomes, the new starts crowd around it, the
/// closer the more often this is repeated with their outcomes added.
///
/// # Errors
/// Fewer than two starts, or tables that do not fit each other.
pub fn between_parting_neighbours(
    starts: ArrayView2<f64>,
    outcomes: ArrayView2<f64>,
    ranges: &[[f64; 2]],
    n: usize,
    seed: u64,
) -> Result<Array2<f64>> {
    let (n_starts, width) = starts.dim();
    if n_starts < 2 || outcomes.nrows() != n_starts || ranges.len() != width {
        return Err(Error::invalid(format!(
            "{n_starts} starts with {} outcomes and {} ranges for {width} columns",
            outcomes.nrows(),
            ranges.len()
        ))
        .remedy("give at least two starts with an outcome each, and a range a column"));
    }
    let first = n_starts.saturating_sub(MAX_COMPARED);
    let scale: Vec<f64> =
        ranges.iter().map(|[low, high]| if high > low { 1.0 / (high - low) } else { 0.0 }).collect();
    let distance = |i: usize, j: usize| -> f64 {
        (0..width).map(|c| ((starts[[i, c]] - starts[[j, c]]) * scale[c]).powi(2)).sum()
    };
    let apart = |i: usize, j: usize| -> f64 {
        let both = outcomes.row(i).into_iter().zip(outcomes.row(j));
        both.map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
    };
    let (mut pairs, mut cumulative, mut sum) = (Vec::new(), Vec::new(), 0.0);
    for i in first..n_starts {
        let others = (first..n_starts).filter(|&j| j != i);
        let Some(nearest) = others.min_by(|&a, &b| distance(i, a).total_cmp(&distance(i, b))) else {
            continue;
        };
        // The square leaves little to pairs that part only as far as they are from each other.
        sum += apart(i, nearest).powi(2);
        pairs.push([i, nearest]);
        cumulative.push(sum);
    }
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut fraction = || (random.next_u64() >> 11) as f64 / (1u64 << 53) as f64;
    let mut new = Array2::zeros((n, width));
    for mut row in new.rows_mut() {
        let at = fraction() * sum;
        let [i, j] = pairs[cumulative.partition_point(|&s| s <= at).min(pairs.len() - 1)];
        let part = fraction();
        let between = |mut to: ArrayViewMut1<f64>| {
            Zip::from(&mut to)
                .and(starts.row(i))
                .and(starts.row(j))
                .for_each(|to, &a, &b| *to = a + part * (b - a));
        };
        between(row.view_mut());
    }
    Ok(new)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::sampling::uniform;

    /// 1 above a curved threshold, 0 below, and a slight dependence on the start besides.
    fn outcome(row: &[f64]) -> f64 {
        f64::from(u8::from(row[0] > threshold(row[1]))) + 0.1 * row[0]
    }

    fn threshold(w: f64) -> f64 {
        0.4 + 0.5 * w
    }

    #[test]
    fn new_starts_crowd_around_the_threshold() {
        let ranges = [[-0.1, 0.9], [0.0, 0.2]];
        let mut starts = uniform(&ranges, 600, 1).unwrap();
        let outcomes = |starts: &Array2<f64>| {
            Array2::from_shape_fn((starts.nrows(), 1), |(i, _)| outcome(&starts.row(i).to_vec()))
        };
        let far = |rows: ArrayView2<f64>| {
            rows.rows().into_iter().map(|r| (r[0] - threshold(r[1])).abs()).sum::<f64>() / rows.nrows() as f64
        };
        let mut distances = vec![far(starts.view())];
        for round in 0..3 {
            let known = outcomes(&starts);
            let new = between_parting_neighbours(starts.view(), known.view(), &ranges, 200, round).unwrap();
            let again = between_parting_neighbours(starts.view(), known.view(), &ranges, 200, round).unwrap();
            assert_eq!(new, again);
            assert!(
                new.rows().into_iter().all(|r| r.iter().zip(ranges).all(|(x, [l, h])| (l..=h).contains(x)))
            );
            distances.push(far(new.view()));
            starts = ndarray::concatenate(ndarray::Axis(0), &[starts.view(), new.view()]).unwrap();
        }
        assert!(distances[1] < 0.15 * distances[0] && distances[3] < 0.5 * distances[1], "{distances:?}");
    }

    #[test]
    fn tables_that_do_not_fit_are_refused() {
        let one = Array2::zeros((1, 2));
        let two = Array2::zeros((2, 2));
        let ranges = [[0.0, 1.0]; 2];
        assert!(between_parting_neighbours(one.view(), one.view(), &ranges, 3, 0).is_err());
        assert!(between_parting_neighbours(two.view(), one.view(), &ranges, 3, 0).is_err());
        assert!(between_parting_neighbours(two.view(), two.view(), &ranges[..1], 3, 0).is_err());
        // Nobody parts: any pair will do.
        assert_eq!(between_parting_neighbours(two.view(), two.view(), &ranges, 3, 0).unwrap().nrows(), 3);
    }
}
