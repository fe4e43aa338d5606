//! Runs of consecutive steps among the rows of step data.

use ndarray::{Array2, ArrayView2};

/// Part of a column's spread by which a state may differ from the one that it continues: files
/// hold single precision.
const SAME: f64 = 1e-6;

/// First rows of all runs of `length` rows in which every row's states (columns `states` of
/// `inputs`) are the targets of the row before.
pub(super) fn starts(
    inputs: ArrayView2<f64>,
    targets: ArrayView2<f64>,
    states: &[usize],
    length: usize,
) -> Vec<i64> {
    let tolerance: Vec<f64> = targets
        .columns()
        .into_iter()
        .map(|column| {
            let (low, high) = column.iter().fold((f64::MAX, f64::MIN), |(l, h), &x| (l.min(x), h.max(x)));
            SAME * (high - low)
        })
        .collect();
    let goes_on = |row: usize| {
        states
            .iter()
            .enumerate()
            .all(|(j, &column)| (inputs[[row + 1, column]] - targets[[row, j]]).abs() <= tolerance[j])
    };
    let n = inputs.nrows();
    // Rows from each row to the end of its run.
    let mut left = vec![1_usize; n];
    for row in (0..n.saturating_sub(1)).rev() {
        if goes_on(row) {
            left[row] = left[row + 1] + 1;
        }
    }
    (0..n).filter(|&row| left[row] >= length).map(|row| row as i64).collect()
}

/// Standard deviation of each of the columns `states`.
pub(super) fn spread(inputs: &Array2<f64>, states: &[usize]) -> Vec<f64> {
    inputs.select(ndarray::Axis(1), states).std_axis(ndarray::Axis(0), 0.0).to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn runs_are_found_and_ends_of_trajectories_are_not_crossed() {
        // The state is column 1: 0 → 1 → 2 → 3, then 7 → 8 → 9.
        let inputs = array![[5.0, 0.0], [5.0, 1.0], [5.0, 2.0], [5.0, 7.0], [5.0, 8.000_000_1]];
        let targets = array![[1.0], [2.0], [3.0], [8.0], [9.0]];
        let starts = |length| starts(inputs.view(), targets.view(), &[1], length);
        assert_eq!(starts(1), [0, 1, 2, 3, 4]);
        assert_eq!(starts(2), [0, 1, 3]);
        assert_eq!(starts(3), [0]);
        assert!(starts(4).is_empty());
    }
}
