//! Values as sums of few of many columns of numbers.

/// Columns by number, each with its weight.
pub type Weights = Vec<(usize, f64)>;

/// Of a column that is a sum of others anywhere no more than this part is left, and where a sum is to be constant no more than that; nor
/// does the sum spread more there, as a part of its spread anywhere.
const DEPENDENT: f64 = 1e-7;
const LEFT: f64 = 1e-6;
/// Sums whose spreads differ by less than this factor are equally good.
const ALIKE: f64 = 1e3;

pub fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// The two of the `candidates` among `columns` and the weights with which they add up to `values`, if no more than `tolerated` is left, as a sum of squares.
pub fn sum_of_two(
    columns: &[&[f64]],
    candidates: &[usize],
    values: &[f64],
    tolerated: f64,
) -> Option<Weights> {
    let of: Vec<&[f64]> = candidates.iter().map(|&k| columns[k]).collect();
    let squares: Vec<f64> = of.iter().map(|a| dot(a, a)).collect();
    let shares: Vec<f64> = of.iter().map(|a| dot(a, values)).collect();
    for i in 0..of.len() {
        for j in 0..i {
            let mixed = dot(of[i], of[j]);
            let determinant = squares[i] * squares[j] - mixed * mixed;
            let a = (shares[i] * squares[j] - shares[j] * mixed) / determinant;
            let b = (shares[j] * squares[i] - shares[i] * mixed) / determinant;
            let left = |k: usize| (values[k] - a * of[i][k] - b * of[j][k]).powi(2);
            // Most pairs are excluded by a few places.
            let few: f64 = (0..values.len()).step_by(16).map(left).sum();
            if few <= tolerated && (0..values.len()).map(left).sum::<f64>() <= tolerated {
                return Some(vec![(candidates[i], a), (candidates[j], b)]);
            }
        }
    }
    None
}

/// Up to `most` of the `candidates` among `columns` and the weights with which they add up to `values`, if no more than `tolerated` is left, as a sum of squares.
pub fn sum_of(
    columns: &[&[f64]],
    candidates: &[usize],
    most: usize,
    values: &[f64],
    tolerated: f64,
) -> Option<Weights> {
    let mut left = values.to_vec();
    // Gram–Schmidt: each chosen column without what the earlier ones have of it, and how it is made of them.
    let mut chosen: Vec<(usize, Vec<f64>, Vec<f64>)> = Vec::new();
    while chosen.len() < most {
        let share = |k: &usize| dot(&left, columns[*k]).powi(2) / dot(columns[*k], columns[*k]);
        let free = candidates.iter().copied().filter(|k| chosen.iter().all(|c| c.0 != *k));
        let best = free.filter(|k| share(k).is_finite()).max_by(|a, b| share(a).total_cmp(&share(b)))?;
        let mut direction = columns[best].to_vec();
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

/// Those of the `candidates` among `columns` of which none is a sum of the others but for this part of it, and of which all candidates
/// are sums: Gram–Schmidt, with the column first of which most is left.
fn independent(columns: &[&[f64]], candidates: &[usize], part: f64) -> Vec<usize> {
    let mut left: Vec<(usize, Vec<f64>, f64)> =
        candidates.iter().map(|&k| (k, columns[k].to_vec(), dot(columns[k], columns[k]))).collect();
    let mut chosen = Vec::new();
    let most = |left: &[(usize, Vec<f64>, f64)]| {
        let parts = left.iter().enumerate().map(|(i, (_, column, size))| (i, dot(column, column) / size));
        parts.filter(|(_, of_column)| *of_column > part * part).max_by(|a, b| a.1.total_cmp(&b.1))
    };
    while let Some((i, _)) = most(&left) {
        let (k, direction, _) = left.swap_remove(i);
        let size = dot(&direction, &direction);
        for (_, column, _) in &mut left {
            let share = dot(column, &direction) / size;
            column.iter_mut().zip(&direction).for_each(|(x, d)| *x -= share * d);
        }
        chosen.push(k);
    }
    chosen
}

/// The weighted sum of few columns that is zero `there`, but not `anywhere`, where its root mean square is 1; with its root mean square
/// there. None if there is no such sum.
pub fn constant_sum(there: &[&[f64]], anywhere: &[&[f64]]) -> Option<(f64, Weights)> {
    let is_finite = |&k: &usize| [there[k], anywhere[k]].iter().all(|c| dot(c, c).is_finite());
    let finite: Vec<usize> = (0..anywhere.len()).filter(is_finite).collect();
    // Sums that hold anywhere say nothing.
    let candidates = independent(anywhere, &finite, DEPENDENT);
    let basis = independent(there, &candidates, LEFT);
    let equal = |one: usize, among: &[usize]| {
        sum_of(there, among, among.len(), there[one], LEFT * LEFT * dot(there[one], there[one]))
    };
    let size = |columns: &[&[f64]], one: usize, others: &[(usize, f64)]| {
        let n = columns[one].len();
        let at = |i: usize| columns[one][i] - others.iter().map(|&(k, w)| w * columns[k][i]).sum::<f64>();
        ((0..n).map(|i| at(i).powi(2)).sum::<f64>() / n as f64).sqrt()
    };
    let mut found: Vec<(f64, usize, Weights)> = Vec::new();
    // Each of the others is a sum of these: with the sign changed, they add up to zero.
    for &one in candidates.iter().filter(|&k| !basis.contains(k)) {
        if let Some(sum) = equal(one, &basis) {
            found.push((size(there, one, &sum) / size(anywhere, one, &sum), one, sum));
        }
    }
    let least = found.iter().map(|(spread, ..)| *spread).fold(f64::INFINITY, f64::min);
    found.retain(|(spread, ..)| *spread <= LEFT.min(ALIKE * least));
    for (_, one, sum) in &mut found {
        // Some may have been chosen before the right ones.
        let mut k = 0;
        while k < sum.len() {
            let fewer: Vec<usize> = sum.iter().map(|s| s.0).filter(|&c| c != sum[k].0).collect();
            match equal(*one, &fewer) {
                Some(fewer) => (*sum, k) = (fewer, 0),
                None => k += 1,
            }
        }
    }
    let (spread, one, others) = found.into_iter().min_by_key(|(.., sum)| sum.len())?;
    let unit = 1.0 / size(anywhere, one, &others);
    Some((spread, others.into_iter().map(|(k, w)| (k, -unit * w)).chain([(one, unit)]).collect()))
}

#[cfg(test)]
mod tests {
    use rand_chacha::ChaCha8Rng;
    use rand_chacha::rand_core::{RngCore, SeedableRng};

    use super::*;

    fn random(n: usize, seed: u64) -> Vec<f64> {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        (0..n).map(|_| f64::from(random.next_u32()) / f64::from(u32::MAX) - 0.5).collect()
    }

    #[test]
    fn a_sum_that_is_constant_at_one_place_only_is_found() {
        // Columns 0, 1 and 2 anywhere; there 2·x₀ − x₁ + 0.5·x₂ = 0. Column 3 is x₁ − x₂ everywhere, column 4 has no part in it.
        let make = |x: [Vec<f64>; 3], other: Vec<f64>| {
            let difference = x[1].iter().zip(&x[2]).map(|(a, b)| a - b).collect();
            let [x0, x1, x2] = x;
            [x0, x1, x2, difference, other]
        };
        let anywhere = make([random(50, 1), random(50, 2), random(50, 3)], random(50, 4));
        let (x0, x2) = (random(40, 5), random(40, 6));
        let x1 = x0.iter().zip(&x2).map(|(a, b)| 2.0 * a + 0.5 * b).collect();
        let there = make([x0, x1, x2], random(40, 7));
        let [there, anywhere] = [&there, &anywhere].map(|all| all.each_ref().map(|c| &c[..]));
        let (spread, mut sum) = constant_sum(&there, &anywhere).unwrap();
        sum.sort_by_key(|s| s.0);
        let [(0, a), (1, b), (2, c)] = sum[..] else { panic!("{sum:?}") };
        assert!(spread < 1e-12 && (a / b + 2.0).abs() < 1e-9 && (c / b + 0.5).abs() < 1e-9, "{sum:?}");
        assert_eq!(constant_sum(&anywhere, &anywhere), None);
    }
}
