//! Weights in the order in which a warp's threads want them.

use super::chain::Tensor;

/// One dense layer: row-major weights, one row an output, and biases.
#[derive(Clone, Copy, Debug)]
pub struct Layer<'a> {
    pub weights: &'a [f32],
    pub bias: &'a [f32],
}

impl Layer<'_> {
    pub fn n_inputs(&self) -> usize {
        self.weights.len() / self.bias.len()
    }

    pub fn n_outputs(&self) -> usize {
        self.bias.len()
    }

    /// 0 beyond the layer's rows and columns.
    fn weight(&self, output: usize, input: usize) -> f32 {
        match output < self.n_outputs() && input < self.n_inputs() {
            true => self.weights[output * self.n_inputs() + input],
            false => 0.0,
        }
    }

    fn bias(&self, output: usize) -> f32 {
        self.bias.get(output).copied().unwrap_or(0.0)
    }

    /// For `dense` of operations.cuh: for each output its bias and weights.
    pub fn unrolled(&self) -> Vec<f32> {
        let rows = self.weights.chunks_exact(self.n_inputs()).zip(self.bias);
        rows.flat_map(|(row, &bias)| std::iter::once(bias).chain(row.iter().copied())).collect()
    }

    /// For `tile_layer` of tile.cuh.
    pub fn tile(&self) -> Vec<u32> {
        let mut words = Vec::new();
        let (mut first, mut eights) = (0, self.n_outputs().div_ceil(8));
        while eights > 0 {
            let rows = [8, 4, 2, 1].into_iter().find(|&r| r <= eights).expect("at least 1");
            let output = |group: usize, r: usize| first + r * 8 + group;
            let groups = || (0..8).flat_map(move |group| (0..rows).map(move |r| (group, r)));
            words.extend(groups().map(|(group, r)| self.bias(output(group, r)).to_bits()));
            for input in 0..self.n_inputs() {
                words.extend(groups().map(|(group, r)| self.weight(output(group, r), input).to_bits()));
            }
            first += 8 * rows;
            eights -= rows;
        }
        words
    }

    /// Biases of whole pairs of 8 outputs.
    fn biases(&self) -> Vec<u32> {
        (0..self.n_outputs().next_multiple_of(16)).map(|n| self.bias(n).to_bits()).collect()
    }

    /// For `half_layer` and `half_last` of tensor.cuh; `parts` 3 for inputs that `half_put` splits.
    pub fn half(&self, kind: Tensor, parts: usize) -> Vec<u32> {
        let n_inputs = self.n_inputs();
        let half = |x: f32| kind.half_bits(x);
        let value = |output: usize, column: usize| -> u16 {
            let weight = |input: usize| self.weight(output, input);
            match (parts, column / n_inputs) {
                (_, 0) | (3, 1) => half(weight(column % n_inputs)),
                (3, 2) => {
                    let w = weight(column % n_inputs);
                    half(w - kind.half_value(half(w)))
                }
                _ => half(0.0),
            }
        };
        let pair = |output: usize, column: usize| {
            u32::from(value(output, column)) | u32::from(value(output, column + 1)) << 16
        };
        let mut words = self.biases();
        for pair_of_eights in 0..self.n_outputs().div_ceil(16) {
            for k in 0..(parts * n_inputs).div_ceil(16) {
                for lane in 0..32 {
                    let (g, q) = (lane / 4, lane % 4);
                    for eight in 0..2 {
                        let output = pair_of_eights * 16 + eight * 8 + g;
                        words.push(pair(output, k * 16 + 2 * q));
                        words.push(pair(output, k * 16 + 2 * q + 8));
                    }
                }
            }
        }
        words
    }

    /// For `tf32_layer` of tensor.cuh.
    pub fn tf32(&self, split: bool) -> Vec<u32> {
        let mut words = self.biases();
        let eights = self.n_outputs().div_ceil(8);
        for k in 0..self.n_inputs().div_ceil(8) {
            let columns = |lane: usize| [k * 8 + 2 * (lane % 4), k * 8 + 2 * (lane % 4) + 1];
            if split {
                for eight in 0..eights {
                    for lane in 0..32 {
                        let weights = columns(lane).map(|column| self.weight(eight * 8 + lane / 4, column));
                        words.extend(weights.map(tf32_bits));
                        words.extend(weights.map(|w| tf32_bits(w - f32::from_bits(tf32_bits(w)))));
                    }
                }
            } else {
                for pair in 0..eights.div_ceil(2) {
                    for lane in 0..32 {
                        for eight in [2 * pair, 2 * pair + 1] {
                            words.extend(
                                columns(lane).map(|c| tf32_bits(self.weight(eight * 8 + lane / 4, c))),
                            );
                        }
                    }
                }
            }
        }
        words
    }
}

/// Rounded to 11 bits, halves away from 0, as the GPU's `cvt.rna.tf32` does; weights are finite.
fn tf32_bits(x: f32) -> u32 {
    (x.to_bits().wrapping_add(0x1000)) & !0x1fff
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tf32_rounds_halves_away_from_zero() {
        let tf32 = |x: f32| f32::from_bits(tf32_bits(x));
        assert_eq!(tf32(1.0 + 1.0 / 2048.0), 1.0 + 1.0 / 1024.0);
        assert_eq!(tf32(-1.0 - 1.0 / 2048.0), -1.0 - 1.0 / 1024.0);
        assert_eq!(tf32(-1.0 - 1.0 / 4096.0), -1.0);
    }
}
