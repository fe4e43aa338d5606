//! Points in a box: uniform, Latin hypercube and grid.
//!
//! Only the raw bits of a ChaCha stream are used, whose values are fixed by its definition, so
//! that data sets do not change with the version of a random-number library.

use ndarray::Array2;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

use crate::error::{Error, Result};

/// How points are spread over a box.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sampling {
    /// Independent and uniform.
    Uniform,
    /// One point in each of `n` equal slices of every side.
    LatinHypercube,
    /// A regular grid with (nearly) equally many points along each side that has a length.
    Grid,
}

impl Sampling {
    /// Names of all ways, as [`from_name`](Self::from_name) knows them.
    pub const NAMES: [&'static str; 3] = ["uniform", "lhs", "grid"];

    /// The name used in recipes and files.
    pub fn name(self) -> &'static str {
        Self::NAMES[self as usize]
    }

    /// The way called `name`.
    ///
    /// # Errors
    /// An unknown name, with the list of known ones.
    pub fn from_name(name: &str) -> Result<Self> {
        let all = [Self::Uniform, Self::LatinHypercube, Self::Grid];
        all.into_iter().find(|s| s.name() == name).ok_or_else(|| {
            Error::invalid(format!("unknown sampling \"{name}\""))
                .remedy(format!("use one of {}", Self::NAMES.join(", ")))
        })
    }

    /// `n` points (rows) in the box with the sides `ranges` (columns, low and high). A grid has
    /// as many points as fit, at most `n`.
    ///
    /// # Errors
    /// Ranges that are not finite or not ascending; no points.
    pub fn sample(self, ranges: &[[f64; 2]], n: usize, seed: u64) -> Result<Array2<f64>> {
        match self {
            Self::Uniform => uniform(ranges, n, seed),
            Self::LatinHypercube => latin_hypercube(ranges, n, seed),
            Self::Grid => {
                let sides = ranges.iter().filter(|[low, high]| low < high).count().max(1) as u32;
                let fits = |p: usize| p.checked_pow(sides).is_some_and(|all| all <= n);
                let root = (n as f64).powf(1.0 / f64::from(sides)) as usize;
                // The root is rounded; the next integer may fit, or the root itself may not.
                let points = [root + 1, root, root.saturating_sub(1)].into_iter().find(|&p| fits(p));
                let points = points.unwrap_or(0);
                let points: Vec<_> =
                    ranges.iter().map(|[low, high]| if low < high { points } else { 1 }).collect();
                grid(ranges, &points)
            }
        }
    }
}

/// `n` independent points (rows), uniform in the box with the sides `ranges` (columns).
///
/// # Errors
/// Ranges that are not finite or not ascending; no points.
pub fn uniform(ranges: &[[f64; 2]], n: usize, seed: u64) -> Result<Array2<f64>> {
    check(ranges, n)?;
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    Ok(Array2::from_shape_fn((n, ranges.len()), |(_, j)| place(ranges[j], fraction(&mut random))))
}

/// `n` points (rows) in the box with the sides `ranges` (columns), one in each of `n` equal
/// slices of every side, the slices paired at random (McKay, Beckman and Conover 1979).
///
/// # Errors
/// Ranges that are not finite or not ascending; no points.
pub fn latin_hypercube(ranges: &[[f64; 2]], n: usize, seed: u64) -> Result<Array2<f64>> {
    check(ranges, n)?;
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut points = Array2::zeros((n, ranges.len()));
    for (j, &range) in ranges.iter().enumerate() {
        let mut slices: Vec<usize> = (0..n).collect();
        for i in (1..n).rev() {
            slices.swap(i, below(&mut random, i + 1));
        }
        for (i, slice) in slices.into_iter().enumerate() {
            points[[i, j]] = place(range, (slice as f64 + fraction(&mut random)) / n as f64);
        }
    }
    Ok(points)
}

/// The points (rows, the last side running fastest) of a grid with `points[j]` points along side
/// `j`, ends included; one point lies in the middle.
///
/// # Errors
/// Ranges that are not finite or not ascending; no points, or more than fit in memory.
pub fn grid(ranges: &[[f64; 2]], points: &[usize]) -> Result<Array2<f64>> {
    if points.len() != ranges.len() {
        return Err(Error::invalid(format!("{} grid sizes for {} ranges", points.len(), ranges.len())));
    }
    let n = points.iter().try_fold(1usize, |n, &p| n.checked_mul(p)).unwrap_or(usize::MAX);
    check(ranges, n)?;
    Ok(Array2::from_shape_fn((n, ranges.len()), |(row, j)| {
        let faster: usize = points[j + 1..].iter().product();
        let i = row / faster % points[j];
        place(ranges[j], if points[j] == 1 { 0.5 } else { i as f64 / (points[j] - 1) as f64 })
    }))
}

fn check(ranges: &[[f64; 2]], n: usize) -> Result<()> {
    if let Some([low, high]) = ranges.iter().find(|[l, h]| !(l.is_finite() && h.is_finite() && l <= h)) {
        return Err(Error::invalid(format!("range from {low} to {high}")).remedy("give ascending ranges"));
    }
    if n == 0 {
        return Err(Error::invalid("a sample of no points").remedy("ask for at least one"));
    }
    if n.checked_mul(8 * ranges.len()).is_none_or(|bytes| bytes > isize::MAX as usize) {
        return Err(Error::invalid(format!("{n} points do not fit in memory")).remedy("ask for fewer"));
    }
    Ok(())
}

/// Uniform in [0, 1), a multiple of 2⁻⁵³.
fn fraction(random: &mut ChaCha8Rng) -> f64 {
    (random.next_u64() >> 11) as f64 / (1u64 << 53) as f64
}

/// Uniform in 0 .. `n`, up to a bias of n/2⁶⁴.
fn below(random: &mut ChaCha8Rng, n: usize) -> usize {
    ((u128::from(random.next_u64()) * n as u128) >> 64) as usize
}

fn place([low, high]: [f64; 2], fraction: f64) -> f64 {
    (low + (high - low) * fraction).clamp(low, high)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOX: [[f64; 2]; 3] = [[-0.1, 0.81], [0.0, 0.12], [2.0, 2.0]];

    #[test]
    fn a_latin_hypercube_has_one_point_in_each_slice_of_each_side() {
        let n = 101;
        let points = latin_hypercube(&BOX, n, 5).unwrap();
        for (j, [low, high]) in BOX.into_iter().enumerate().take(2) {
            let mut slices: Vec<_> = points
                .column(j)
                .iter()
                .map(|x| ((x - low) / (high - low) * n as f64 + 1e-9).floor() as usize)
                .collect();
            slices.sort_unstable();
            slices.dedup();
            assert_eq!(slices.len(), n, "side {j}");
        }
        assert!(points.column(2).iter().all(|&x| x == 2.0));
    }

    #[test]
    fn seeds_decide_and_points_stay_in_the_box() {
        for sampling in [Sampling::Uniform, Sampling::LatinHypercube] {
            let one = sampling.sample(&BOX, 500, 1).unwrap();
            assert_eq!(one, sampling.sample(&BOX, 500, 1).unwrap());
            assert_ne!(one, sampling.sample(&BOX, 500, 2).unwrap());
            for row in one.rows() {
                assert!(row.iter().zip(BOX).all(|(x, [low, high])| (low..=high).contains(x)));
            }
            let mean = one.column(0).sum() / 500.0;
            assert!((mean - 0.355).abs() < 0.05, "{mean}");
        }
    }

    #[test]
    fn a_grid_has_its_ends_and_leaves_out_sides_without_length() {
        let points = Sampling::Grid.sample(&BOX, 11, 0).unwrap();
        assert_eq!(points.nrows(), 9);
        assert_eq!(points.row(0).to_vec(), [-0.1, 0.0, 2.0]);
        assert_eq!(points.row(1).to_vec(), [-0.1, 0.06, 2.0]);
        assert_eq!(points.row(8).to_vec(), [0.81, 0.12, 2.0]);
        assert_eq!(Sampling::Grid.sample(&BOX[2..], 5, 0).unwrap().nrows(), 1);
    }

    #[test]
    fn meaningless_boxes_are_refused() {
        assert!(uniform(&[[1.0, 0.0]], 3, 0).is_err());
        assert!(latin_hypercube(&[[0.0, f64::NAN]], 3, 0).is_err());
        assert!(uniform(&BOX, 0, 0).is_err());
        assert!(grid(&BOX, &[usize::MAX, 2, 2]).is_err());
        assert!(Sampling::from_name("sobol").unwrap_err().to_string().contains("lhs"));
    }
}
