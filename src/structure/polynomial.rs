//! Coefficients of a polynomial in several states, from its values on a grid.

use super::StateIndex;
use super::noise::Noise;
use super::questions::Answers;

/// Points at which a group of factors is asked: for a factor of degree d, d + 1 equidistant values from zero to the outer end of
/// its range. Coefficients belong to factors in units of that end.
pub struct Grid {
    axes: Vec<Axis>,
}

struct Axis {
    state: StateIndex,
    values: Vec<f64>,
    /// Values at the nodes to coefficients, row by row.
    inverse: Vec<Vec<f64>>,
}

impl Grid {
    pub fn new(members: &[(StateIndex, u32)], outer: impl Fn(StateIndex) -> f64) -> Self {
        let axis = |&(state, degree): &(StateIndex, u32)| {
            let nodes: Vec<f64> = (0..=degree).map(|k| f64::from(k) / f64::from(degree)).collect();
            let values = nodes.iter().map(|u| u * outer(state)).collect();
            Axis { state, values, inverse: interpolation(&nodes) }
        };
        Self { axes: members.iter().map(axis).collect() }
    }

    /// Number of points, which is the number of coefficients.
    pub fn len(&self) -> usize {
        self.axes.iter().map(|axis| axis.values.len()).product()
    }

    /// Place of point or coefficient `m` along each axis.
    fn places(&self, m: usize) -> impl Iterator<Item = usize> {
        let mut left = m;
        self.axes.iter().map(move |axis| {
            let n = axis.values.len();
            let place = left % n;
            left /= n;
            place
        })
    }

    /// The exponents of coefficient `m`, zeros left out.
    pub fn exponents(&self, m: usize) -> Vec<(StateIndex, u32)> {
        let exponents = self.axes.iter().zip(self.places(m));
        exponents.filter(|(_, e)| *e > 0).map(|(axis, e)| (axis.state, e as u32)).collect()
    }

    /// Appends `cell` with its factors at every point.
    pub fn fill(&self, cell: &[f64], states: &mut Vec<f64>) {
        for m in 0..self.len() {
            let start = states.len();
            states.extend_from_slice(cell);
            for (axis, place) in self.axes.iter().zip(self.places(m)) {
                states[start + axis.state] = axis.values[place];
            }
        }
    }

    /// Coefficients of the increment of state `i`, from the answers to the points that begin at cell `first`, and how much of each
    /// may be rounding.
    pub fn coefficients(
        &self,
        answers: &Answers,
        first: usize,
        i: StateIndex,
        noise: &Noise,
    ) -> (Vec<f64>, Vec<f64>) {
        let n = self.len();
        let mut values: Vec<f64> = (first..first + n).map(|c| answers.increment(c, i)).collect();
        let tolerance = (first..first + n).map(|c| noise.tolerance(answers, c, i)).fold(0.0, f64::max);
        let mut amplified = vec![tolerance; n];
        let mut stride = 1;
        for axis in &self.axes {
            let length = axis.values.len();
            for start in (0..n).filter(|m| m / stride % length == 0) {
                let along: Vec<f64> = (0..length).map(|k| values[start + k * stride]).collect();
                for (k, row) in axis.inverse.iter().enumerate() {
                    values[start + k * stride] = row.iter().zip(&along).map(|(a, b)| a * b).sum();
                    amplified[start + k * stride] *= row.iter().map(|a| a.abs()).sum::<f64>();
                }
            }
            stride *= length;
        }
        (values, amplified)
    }
}

/// The matrix that makes coefficients of a polynomial out of its values at `nodes`.
fn interpolation(nodes: &[f64]) -> Vec<Vec<f64>> {
    let n = nodes.len();
    let mut inverse = vec![vec![0.0; n]; n];
    for a in 0..n {
        // The polynomial that is one at this node and zero at the others.
        let mut polynomial = vec![1.0];
        for b in (0..n).filter(|&b| b != a) {
            let mut product = vec![0.0; polynomial.len() + 1];
            for (e, c) in polynomial.iter().enumerate() {
                product[e + 1] += c / (nodes[a] - nodes[b]);
                product[e] -= c * nodes[b] / (nodes[a] - nodes[b]);
            }
            polynomial = product;
        }
        polynomial.iter().enumerate().for_each(|(e, &c)| inverse[e][a] = c);
    }
    inverse
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coefficients_come_back_from_values() {
        let nodes = [0.0, 0.25, 0.5, 0.75, 1.0];
        let polynomial = [3.0, -1.0, 0.5, 0.0, 7.0];
        let values = nodes.map(|x: f64| (0..5).map(|e| polynomial[e] * x.powi(e as i32)).sum::<f64>());
        for (row, expected) in interpolation(&nodes).iter().zip(polynomial) {
            let coefficient: f64 = row.iter().zip(values).map(|(a, b)| a * b).sum();
            assert!((coefficient - expected).abs() < 1e-12, "{coefficient} {expected}");
        }
    }
}
