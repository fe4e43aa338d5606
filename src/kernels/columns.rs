//! Lists of columns for the kernels that read them wherever they lie.

use super::TILE;

/// Two columns to be combined, as offsets of their first numbers from the beginning of the tile's memory.
#[derive(Clone, Copy, Debug)]
pub struct OperandPair {
    pub(super) left: u32,
    pub(super) right: u32,
}

impl OperandPair {
    /// Of the numbers of two columns.
    pub fn new(left: usize, right: usize) -> Self {
        Self { left: offset(left), right: offset(right) }
    }
}

/// weights · x + bias with few weights that are not zero.
#[derive(Clone, Debug)]
pub struct ColumnSums {
    pub(super) sums: Vec<ColumnSum>,
    /// Of all sums, one after the other.
    pub(super) terms: Vec<ColumnTerm>,
}

/// One sum.
#[derive(Clone, Copy, Debug)]
pub(super) struct ColumnSum {
    pub bias: f32,
    pub n_terms: usize,
}

/// Weight · column.
#[derive(Clone, Copy, Debug)]
pub(super) struct ColumnTerm {
    pub offset: u32,
    pub weight: f32,
}

impl ColumnSums {
    /// Of row-major `weights` (one row a sum) and the columns that they weigh.
    ///
    /// # Panics
    /// If `weights` are not rows of one weight a column, one row for each bias.
    pub fn new(weights: &[f32], bias: &[f32], columns: &[usize]) -> Self {
        assert_eq!(weights.len(), bias.len() * columns.len());
        let (mut sums, mut terms) = (Vec::new(), Vec::new());
        for (row, &bias) in weights.chunks_exact(columns.len()).zip(bias) {
            let weighed = row.iter().zip(columns).filter(|(weight, _)| **weight != 0.0);
            let before = terms.len();
            terms.extend(weighed.map(|(&weight, &column)| ColumnTerm { offset: offset(column), weight }));
            sums.push(ColumnSum { bias, n_terms: terms.len() - before });
        }
        Self { sums, terms }
    }
}

fn offset(column: usize) -> u32 {
    u32::try_from(column * TILE).expect("a tile's memory has fewer numbers")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::{Kernels, LANE_GROUP, Operator};

    const N_COLUMNS: usize = 6;

    /// Columns of a tile; the one numbered 4 is not a number.
    fn memory() -> Vec<f32> {
        let number = |i: usize| if i / TILE == 4 { f32::NAN } else { (i as f32 * 0.731).sin() };
        (0..N_COLUMNS * TILE).map(number).collect()
    }

    #[test]
    fn pairs_of_columns_are_combined_wherever_they_lie() {
        let memory = memory();
        let operators = [
            (Operator::Add, (|l, r| l + r) as fn(f32, f32) -> f32),
            (Operator::Subtract, |l, r| l - r),
            (Operator::Multiply, |l, r| l * r),
            (Operator::Divide, |l, r| l / r),
            (Operator::Minimum, |l, r| if l.is_nan() || r.is_nan() { f32::NAN } else { l.min(r) }),
            (Operator::Maximum, |l, r| if l.is_nan() || r.is_nan() { f32::NAN } else { l.max(r) }),
        ];
        let places = [(5, 0), (1, 1), (0, 3), (4, 2), (2, 4)];
        let pairs: Vec<OperandPair> = places.iter().map(|&(l, r)| OperandPair::new(l, r)).collect();
        for (kernels, (operator, expected)) in
            Kernels::available().into_iter().flat_map(|k| operators.map(|o| (k, o)))
        {
            for lanes in [LANE_GROUP, TILE] {
                let mut y = vec![7.0; (places.len() + 1) * TILE];
                // SAFETY: all pairs are columns of the memory, one column of the result for each; available instructions.
                unsafe {
                    (kernels.binary_of_pairs)(operator, memory.as_ptr(), &pairs, y.as_mut_ptr(), lanes)
                };
                for (i, &(left, right)) in places.iter().enumerate() {
                    for lane in 0..lanes {
                        let want = expected(memory[left * TILE + lane], memory[right * TILE + lane]);
                        let found = y[i * TILE + lane];
                        assert!(found == want || (found.is_nan() && want.is_nan()), "{operator:?}");
                    }
                    assert!(y[i * TILE + lanes..(i + 1) * TILE].iter().all(|&y| y == 7.0));
                }
                assert!(y[places.len() * TILE..].iter().all(|&y| y == 7.0), "{} goes on", kernels.name);
            }
        }
    }

    #[test]
    fn sums_of_few_columns_leave_out_what_has_no_weight() {
        const LONGEST: usize = 41;
        let memory = memory();
        // The fourth column is not a number: it never has a weight.
        let column = |k: usize| [5, 0, 2, 4, 1][k % 5];
        let weight = |row: usize, k: usize| match k % 5 == 3 || k >= row {
            true => 0.0,
            false => 0.5 - (k as f32 * 0.37 + row as f32).cos(),
        };
        let columns: Vec<usize> = (0..LONGEST).map(column).collect();
        let weights: Vec<f32> =
            (0..=LONGEST).flat_map(|row| (0..LONGEST).map(move |k| weight(row, k))).collect();
        let biases: Vec<f32> = (0..=LONGEST).map(|row| row as f32 * 0.25 - 3.0).collect();
        let sums = ColumnSums::new(&weights, &biases, &columns);
        for (kernels, lanes) in Kernels::available().into_iter().flat_map(|k| [(k, LANE_GROUP), (k, TILE)]) {
            let mut y = vec![7.0; (biases.len() + 1) * TILE];
            // SAFETY: all columns are of the memory, one column of the result for each sum; available instructions.
            unsafe { (kernels.sums)(&sums, memory.as_ptr(), y.as_mut_ptr(), lanes) };
            for (row, lane) in (0..biases.len()).flat_map(|i| (0..lanes).map(move |lane| (i, lane))) {
                let weighed = (0..LONGEST).filter(|&k| weight(row, k) != 0.0);
                let term = |k| f64::from(weight(row, k)) * f64::from(memory[column(k) * TILE + lane]);
                let exact: f64 = f64::from(biases[row]) + weighed.map(term).sum::<f64>();
                assert!((f64::from(y[row * TILE + lane]) - exact).abs() < 2e-5, "{} sum {row}", kernels.name);
            }
            assert!(y[biases.len() * TILE..].iter().all(|&y| y == 7.0), "{} goes on", kernels.name);
        }
    }
}
