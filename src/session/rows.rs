//! Rows of an index: which exist, and none twice.

use crate::error::{Error, Result};

/// Memory for finding rows that come twice: a bit for each row, all clear between calls.
#[derive(Debug, Default)]
pub struct RowMarks {
    words: Vec<u64>,
}

impl RowMarks {
    /// Marks for up to `n_rows` rows without allocating.
    pub fn with_capacity(n_rows: usize) -> Self {
        Self { words: vec![0; n_rows.div_ceil(64)] }
    }

    /// Checks that `list` names different rows below `n_rows`.
    ///
    /// # Errors
    /// A row that does not exist or comes twice.
    pub fn check(&mut self, list: &[u32], n_rows: usize) -> Result<()> {
        if let Some(i) = list.iter().position(|&row| row as usize >= n_rows) {
            return Err(Error::invalid(format!(
                "index[{i}] is row {} of a state with {n_rows} rows",
                list[i]
            )));
        }
        // What ascends names no row twice, and adaptive meshes mostly list their cells so.
        if list.is_sorted_by(|a, b| a < b) {
            return Ok(());
        }
        if self.words.len() < n_rows.div_ceil(64) {
            self.words.resize(n_rows.div_ceil(64), 0);
        }
        let repeated = list.iter().position(|&row| self.mark(row));
        list.iter().for_each(|&row| self.words[row as usize / 64] = 0);
        match repeated {
            None => Ok(()),
            Some(i) => Err(Error::invalid(format!("index[{i}]: row {} comes twice", list[i]))
                .remedy("name every row once: each cell is advanced once a call")),
        }
    }

    /// Marks `row`; true if it was marked already.
    fn mark(&mut self, row: u32) -> bool {
        let (word, bit) = (&mut self.words[row as usize / 64], 1 << (row % 64));
        let was_marked = *word & bit != 0;
        *word |= bit;
        was_marked
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_different_and_exist() {
        for mut marks in [RowMarks::default(), RowMarks::with_capacity(1000)] {
            let message =
                |marks: &mut RowMarks, list: &[u32], n| marks.check(list, n).unwrap_err().to_string();
            assert!(marks.check(&[], 0).is_ok());
            assert!(marks.check(&[0, 63, 64, 999], 1000).is_ok());
            assert!(marks.check(&[999, 0, 64, 63], 1000).is_ok());
            assert!(message(&mut marks, &[5, 64, 64], 1000).contains("index[2]: row 64 comes twice"));
            assert!(message(&mut marks, &[0, 5, 0], 6).contains("index[2]: row 0 comes twice"));
            assert!(message(&mut marks, &[0, 6], 6).contains("index[1] is row 6 of a state with 6 rows"));
            // Nothing is left over from the calls that failed.
            assert!(marks.check(&[64, 5, 0], 1000).is_ok());
        }
    }
}
