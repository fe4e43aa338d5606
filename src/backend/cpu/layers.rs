//! Weights and tables as the kernels read them.

use std::sync::Arc;

use crate::activation::Activation;
use crate::kernels::{Kernels, PackedDense, UniformTable};
use crate::program::Table;

/// Weights and tables in memory, each once: a derivative reads the same weights for each direction, and a step map has
/// a plan for its values and one for its increments.
#[derive(Debug)]
pub struct Layers {
    dense_rows: usize,
    dense: Vec<(DenseKey, Arc<PackedDense>)>,
    tables: Vec<(Table, Arc<UniformTable>)>,
}

/// Weights, bias and activation.
type DenseKey = (Vec<f32>, Vec<f32>, Activation);

impl Layers {
    /// Nothing yet, for the kernels that will read it.
    pub fn new(kernels: &Kernels) -> Self {
        Self { dense_rows: kernels.dense_rows, dense: Vec::new(), tables: Vec::new() }
    }

    pub fn dense(&mut self, weights: &[f32], bias: &[f32], activation: Activation) -> Arc<PackedDense> {
        let same = |(w, b, a): &DenseKey| w == weights && b == bias && *a == activation;
        if let Some((_, shared)) = self.dense.iter().find(|(key, _)| same(key)) {
            return shared.clone();
        }
        let packed = Arc::new(PackedDense::new(weights, bias, activation, self.dense_rows));
        self.dense.push(((weights.to_vec(), bias.to_vec(), activation), packed.clone()));
        packed
    }

    pub fn table(&mut self, table: &Table) -> Arc<UniformTable> {
        if let Some((_, shared)) = self.tables.iter().find(|(key, _)| key == table) {
            return shared.clone();
        }
        let Table { first, rows_per_unit, width, values } = table;
        let made = Arc::new(UniformTable::new(*first, *rows_per_unit, *width, values.clone()));
        self.tables.push((table.clone(), made.clone()));
        made
    }
}
