//! A batch of cells on its way through ONNX Runtime: memory of our own where the caller's has
//! another layout.

use super::network::{Network, Tensor};
use crate::error::Result;
use crate::kernels::{Rows, TILE, TileColumn, load_tile, store_tile};
use crate::surrogate::Port;
use crate::view::{Column, ElementType};

/// One side of the network, inputs or outputs: its ports, and rows for a batch of cells in each.
pub struct Side {
    ports: Vec<Port>,
    rows: Vec<Vec<f32>>,
    /// Every column of all rows, in order.
    columns: Vec<Column>,
    /// For whole batches in the rows.
    whole: Vec<Tensor>,
    /// For the batch at hand.
    bound: Vec<Tensor>,
}

impl Side {
    pub fn new(network: &Network, ports: &[Port], batch: usize) -> Result<Self> {
        let mut rows: Vec<Vec<f32>> = ports.iter().map(|port| vec![0.0; batch * port.width]).collect();
        let columns = rows.iter_mut().zip(ports).flat_map(|(rows, port)| {
            let (pointer, stride) = (rows.as_mut_ptr(), port.width);
            (0..port.width).map(move |j| Column {
                pointer: pointer.wrapping_add(j).cast(),
                element: ElementType::F32,
                stride,
            })
        });
        let columns = columns.collect();
        let whole = rows.iter_mut().zip(ports);
        // SAFETY: the rows are as many, and stay where they are as long as this side lives.
        let whole = whole.map(|(rows, port)| unsafe { network.tensor(port, rows.as_mut_ptr(), batch) });
        Ok(Self {
            whole: whole.collect::<Result<_>>()?,
            bound: Vec::with_capacity(ports.len()),
            ports: ports.to_vec(),
            rows,
            columns,
        })
    }

    pub fn n_columns(&self) -> usize {
        self.columns.len()
    }

    /// Whether all of the caller's `columns` lie as the ports want them.
    pub fn takes(&self, columns: &[Column]) -> bool {
        let mut first = 0;
        self.ports.iter().all(|port| {
            let own = &columns[first..first + port.width];
            first += port.width;
            let start = own[0].pointer;
            own.iter().enumerate().all(|(j, column)| {
                column.element == ElementType::F32
                    && column.stride == port.width
                    && column.pointer == start.wrapping_add(j * size_of::<f32>())
            })
        })
    }

    /// Tensors of the caller's `columns`, which this side [`takes`](Self::takes), for `n_cells`
    /// cells from row `first` on.
    ///
    /// # Safety
    /// The rows are there as long as the tensors are in use, and may be written for outputs.
    pub unsafe fn bind(
        &mut self,
        network: &Network,
        columns: &[Column],
        first: usize,
        n_cells: usize,
    ) -> Result<&mut [Tensor]> {
        self.bound.clear();
        let mut column = 0;
        for port in &self.ports {
            let pointer = columns[column].pointer.cast::<f32>().wrapping_add(first * port.width);
            column += port.width;
            // SAFETY: passed on.
            self.bound.push(unsafe { network.tensor(port, pointer, n_cells)? });
        }
        Ok(&mut self.bound)
    }

    /// Tensors of the first `n_cells` of this side's own rows.
    pub fn own(&mut self, network: &Network, n_cells: usize) -> Result<&mut [Tensor]> {
        if self.rows[0].len() == n_cells * self.ports[0].width {
            return Ok(&mut self.whole);
        }
        self.bound.clear();
        for (rows, port) in self.rows.iter_mut().zip(&self.ports) {
            // SAFETY: a batch has no more cells than the rows.
            self.bound.push(unsafe { network.tensor(port, rows.as_mut_ptr(), n_cells)? });
        }
        Ok(&mut self.bound)
    }

    /// Reads the tile of `n_cells` cells from `first` on out of the own rows.
    pub fn load(&self, first: usize, n_cells: usize, tile: &mut [TileColumn]) {
        self.check(first, n_cells);
        for (column, tile) in self.columns.iter().zip(tile) {
            // SAFETY: the rows are there.
            unsafe { load_tile(column, Rows::From(first), n_cells, &mut tile.0) }
        }
    }

    /// Writes the tile of `n_cells` cells from `first` on into the own rows.
    pub fn store(&mut self, first: usize, n_cells: usize, tile: &[TileColumn]) {
        self.check(first, n_cells);
        for (column, tile) in self.columns.iter().zip(tile) {
            // SAFETY: the rows are there and borrowed uniquely.
            unsafe { store_tile(column, Rows::From(first), n_cells, &tile.0) }
        }
    }

    fn check(&self, first: usize, n_cells: usize) {
        assert!(n_cells <= TILE && (first + n_cells) * self.ports[0].width <= self.rows[0].len());
    }
}
