//! Gates as functions of the potential, on a grid.

/// Steady states and time constants of `n` gates at evenly spaced potentials, linear between them.
#[derive(Clone, Debug, PartialEq)]
pub struct Gates {
    pub n: usize,
    /// Lowest and highest potential of the grid.
    pub range: [f64; 2],
    /// Row by row of the potentials: the steady states, in 0 … 1, and the logarithms of the time constants in ms.
    pub rows: Vec<f64>,
}

impl Gates {
    fn n_rows(&self) -> usize {
        self.rows.len() / (2 * self.n)
    }

    /// Steady states and logarithms of time constants; constant beyond the grid.
    pub fn at(&self, v: f64) -> Vec<f64> {
        let last = self.n_rows() - 1;
        let [low, high] = self.range;
        let place = ((v - low) / (high - low)).clamp(0.0, 1.0) * last as f64;
        let row = (place as usize).min(last - 1);
        let (part, width) = (place - row as f64, 2 * self.n);
        let (below, above) = self.rows[row * width..(row + 2) * width].split_at(width);
        below.iter().zip(above).map(|(a, b)| a + part * (b - a)).collect()
    }

    /// Where the gates come to rest at potential `v`.
    pub fn steady(&self, v: f64) -> Vec<f64> {
        let mut all = self.at(v);
        all.truncate(self.n);
        all
    }
}
