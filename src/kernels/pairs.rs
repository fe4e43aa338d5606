//! Whole tiles moved two columns at a time, and looked at.
//!
//! In an array of structures the numbers of a column are far apart, and each is fetched by itself. Two that lie side by side
//! in a cell come in one access.

use super::{Rows, TILE, TileColumn};
use crate::view::{Column, Element, ElementType};

/// Two columns of a tile that lie side by side in memory.
pub type ColumnPair = [TileColumn; 2];

/// Elements from a column's row 0 to the row of each cell of a tile.
pub type Offsets = [usize; TILE];

/// All bits where a column's numbers are kept and something is added, none where they are replaced.
pub type Kept = u64;

/// What moves whole tiles, and looks at them, on one instruction set; the results are the same on all, to the last bit.
///
/// # Safety
/// All functions are unsafe because the instruction set must be available. Those that move numbers are given the first of
/// adjacent columns, of which each cell's row holds two for each pair of the tile: these may be read and, where the function
/// writes, nobody else accesses them meanwhile.
#[derive(Debug)]
pub struct Transfer {
    /// Reads pairs of columns.
    pub load_f32: unsafe fn(first: *const f32, offsets: &Offsets, tile: &mut [ColumnPair]),
    /// Reads pairs of columns and rounds them to single precision.
    pub load_f64: unsafe fn(first: *const f64, offsets: &Offsets, tile: &mut [ColumnPair]),
    /// Writes pairs of columns.
    pub store_f32: unsafe fn(first: *mut f32, offsets: &Offsets, tile: &[ColumnPair]),
    /// Writes pairs of columns.
    pub store_f64: unsafe fn(first: *mut f64, offsets: &Offsets, tile: &[ColumnPair]),
    /// Adds pairs of columns to the numbers in double precision where they are kept, and puts them in the numbers' place where
    /// not; the tile then holds the new numbers.
    pub update_f64:
        unsafe fn(first: *mut f64, offsets: &Offsets, tile: &mut [ColumnPair], kept: &[[Kept; 2]]),
    /// Whether all numbers of each column are in its range; NaN is in none.
    pub all_within: unsafe fn(columns: &[TileColumn], ranges: &[[f32; 2]]) -> bool,
    /// Whether all numbers are finite.
    pub all_finite: unsafe fn(columns: &[TileColumn]) -> bool,
}

/// The columns of a call that are moved in pairs, found once for all of its tiles.
#[derive(Debug)]
pub struct Pairs {
    /// What moves them; it belongs to an instruction set of this machine.
    pub transfer: &'static Transfer,
    /// How many columns, from each on, are moved together.
    lengths: Vec<usize>,
    /// Elements from a row to the next, and from the first to those of a tile's cells.
    stride: usize,
    regular: Offsets,
}

impl Pairs {
    /// None yet, for up to `capacity` columns.
    pub fn new(transfer: &'static Transfer, capacity: usize) -> Self {
        Self { transfer, lengths: Vec::with_capacity(capacity), stride: 0, regular: [0; TILE] }
    }

    /// Finds them among columns 0 .. `n` of calls of `n_cells` cells; `column` gives those that may be moved so.
    pub fn find(&mut self, n: usize, n_cells: usize, column: impl Fn(usize) -> Option<Column>) {
        self.find_in_groups(n, n, n_cells, column);
    }

    /// The same where columns are only moved together with others of their group, of `group` columns.
    pub fn find_in_groups(
        &mut self,
        n: usize,
        group: usize,
        n_cells: usize,
        column: impl Fn(usize) -> Option<Column>,
    ) {
        self.lengths.clear();
        // A contiguous column is moved by vectors as it is.
        let strided = |j: usize| column(j).filter(|column| column.stride != 1);
        if n_cells < TILE {
            return;
        }
        let Some(stride) = (0..n).find_map(strided).map(|column| column.stride) else { return };
        while self.lengths.len() < n {
            let start = self.lengths.len();
            let end = (start - start % group + group).min(n);
            let adjacent = |first: &Column, j: usize| {
                let pointer = first.pointer.wrapping_add((j - start) * first.element.size());
                strided(j).is_some_and(|column| column == Column { pointer, stride, ..*first })
            };
            let run =
                strided(start).map_or(0, |first| (start..end).take_while(|&j| adjacent(&first, j)).count());
            let paired = run - run % 2;
            self.lengths.extend((0..run.max(1)).map(|done| paired.saturating_sub(done)));
        }
        if self.stride != stride {
            (self.stride, self.regular) = (stride, std::array::from_fn(|i| i * stride));
        }
    }

    /// The even number of columns, `column` being the first, that a tile of `n_cells` cells moves together; 0 where it moves
    /// by itself.
    pub fn at(&self, column: usize, n_cells: usize) -> usize {
        self.lengths.get(column).copied().filter(|_| n_cells == TILE).unwrap_or(0)
    }

    /// Reads columns of the cells in `rows`, as many as `to` has.
    ///
    /// # Safety
    /// `first` is the first of so many columns that [`at`](Self::at) gave; the rows, [`TILE`] of them, may be read.
    pub unsafe fn load(&self, first: &Column, rows: Rows<'_>, to: &mut [TileColumn]) {
        let tile = to.as_chunks_mut().0;
        // SAFETY: as this function's contract says.
        unsafe {
            self.with_offsets(rows, |start, offsets| match first.element {
                ElementType::F32 => {
                    (self.transfer.load_f32)(first.pointer.cast::<f32>().add(start), offsets, tile);
                }
                ElementType::F64 => {
                    (self.transfer.load_f64)(first.pointer.cast::<f64>().add(start), offsets, tile);
                }
            });
        }
    }

    /// Writes columns of the cells in `rows`, as many as `from` has.
    ///
    /// # Safety
    /// As [`load`](Self::load), and the rows may be written; nobody else accesses them meanwhile.
    pub unsafe fn store(&self, first: &Column, rows: Rows<'_>, from: &[TileColumn]) {
        let tile = from.as_chunks().0;
        // SAFETY: as this function's contract says.
        unsafe {
            self.with_offsets(rows, |start, offsets| match first.element {
                ElementType::F32 => {
                    (self.transfer.store_f32)(first.pointer.cast::<f32>().add(start), offsets, tile);
                }
                ElementType::F64 => {
                    (self.transfer.store_f64)(first.pointer.cast::<f64>().add(start), offsets, tile);
                }
            });
        }
    }

    /// Updates columns in double precision of the cells in `rows` by as many `changes`, as [`Transfer::update_f64`] says.
    ///
    /// # Safety
    /// As [`store`](Self::store), the columns being in double precision.
    pub unsafe fn update(&self, first: &Column, rows: Rows<'_>, changes: &mut [TileColumn], kept: &[Kept]) {
        let (tile, kept) = (changes.as_chunks_mut().0, kept.as_chunks().0);
        // SAFETY: as this function's contract says.
        unsafe {
            self.with_offsets(rows, |start, offsets| {
                (self.transfer.update_f64)(first.pointer.cast::<f64>().add(start), offsets, tile, kept);
            });
        }
    }

    /// Calls `f` with the elements from row 0 to some place, and from there to the row of each cell.
    #[inline(always)]
    fn with_offsets(&self, rows: Rows<'_>, f: impl FnOnce(usize, &Offsets)) {
        match rows {
            Rows::From(first) => f(first * self.stride, &self.regular),
            Rows::Listed(list) => f(0, &std::array::from_fn(|i| list[i] as usize * self.stride)),
        }
    }
}

/// The reference: one number after the other.
pub static SCALAR: Transfer =
    Transfer { load_f32, load_f64, store_f32, store_f64, update_f64, all_within, all_finite };

/// # Safety
/// See [`Transfer`].
unsafe fn load_f32(first: *const f32, offsets: &Offsets, tile: &mut [ColumnPair]) {
    // SAFETY: passed on.
    unsafe { load(first, offsets, tile, |x| x) }
}

/// # Safety
/// See [`Transfer`].
unsafe fn load_f64(first: *const f64, offsets: &Offsets, tile: &mut [ColumnPair]) {
    // SAFETY: passed on.
    unsafe { load(first, offsets, tile, |x| x as f32) }
}

/// # Safety
/// See [`Transfer`].
unsafe fn store_f32(first: *mut f32, offsets: &Offsets, tile: &[ColumnPair]) {
    // SAFETY: passed on.
    unsafe { store(first, offsets, tile, |x| x) }
}

/// # Safety
/// See [`Transfer`].
unsafe fn store_f64(first: *mut f64, offsets: &Offsets, tile: &[ColumnPair]) {
    // SAFETY: passed on.
    unsafe { store(first, offsets, tile, f64::from) }
}

/// # Safety
/// See [`Transfer`].
unsafe fn update_f64(first: *mut f64, offsets: &Offsets, tile: &mut [ColumnPair], kept: &[[Kept; 2]]) {
    let columns = tile.as_flattened_mut().iter_mut().zip(kept.as_flattened());
    for (j, (TileColumn(changes), &kept)) in columns.enumerate() {
        for (change, offset) in changes.iter_mut().zip(offsets) {
            // SAFETY: column j of a cell's row.
            unsafe {
                let x = first.add(offset + j);
                // −0 + change is change, also where that is −0.
                *x = if kept == 0 { -0.0 } else { *x } + f64::from(*change);
                *change = *x as f32;
            }
        }
    }
}

/// # Safety
/// See [`Transfer`].
unsafe fn all_within(columns: &[TileColumn], ranges: &[[f32; 2]]) -> bool {
    let mut within = columns.iter().zip(ranges);
    within.all(|(TileColumn(values), &[low, high])| values.iter().all(|&x| x >= low && x <= high))
}

/// # Safety
/// See [`Transfer`].
unsafe fn all_finite(columns: &[TileColumn]) -> bool {
    columns.iter().all(|TileColumn(values)| values.iter().all(|x| x.is_finite()))
}

/// # Safety
/// See [`Transfer`].
#[inline(always)]
unsafe fn load<T: Element>(
    first: *const T,
    offsets: &Offsets,
    tile: &mut [ColumnPair],
    convert: impl Fn(T) -> f32,
) {
    for (j, column) in tile.as_flattened_mut().iter_mut().enumerate() {
        for (x, offset) in column.0.iter_mut().zip(offsets) {
            // SAFETY: column j of a cell's row.
            *x = convert(unsafe { *first.add(offset + j) });
        }
    }
}

/// # Safety
/// See [`Transfer`].
#[inline(always)]
unsafe fn store<T: Element>(
    first: *mut T,
    offsets: &Offsets,
    tile: &[ColumnPair],
    convert: impl Fn(f32) -> T,
) {
    for (j, column) in tile.as_flattened().iter().enumerate() {
        for (x, offset) in column.0.iter().zip(offsets) {
            // SAFETY: column j of a cell's row.
            unsafe { *first.add(offset + j) = convert(*x) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{AddLimits, Kernels, add_tile, load_tile, store_tile};
    use super::*;
    use crate::view::{Layout, ViewMut};

    const ROWS: usize = 3 * TILE;
    const WIDTH: usize = 7;
    const STRIDE: usize = WIDTH + 2;

    /// Numbers that rounding changes, with some that are hard to keep.
    fn number(i: usize) -> f64 {
        match i % 41 {
            3 => f64::NAN,
            5 => -0.0,
            7 => f64::NEG_INFINITY,
            11 => 1e300,
            13 => 1e-42,
            _ => ((i * 7919) % 1009) as f64 / 7.0 - 70.0,
        }
    }

    fn tile(seed: usize) -> Vec<TileColumn> {
        let column = |j: usize| std::array::from_fn(|lane| number(seed + j * 61 + lane * 3) as f32);
        (0..WIDTH).map(|j| TileColumn(column(j))).collect()
    }

    /// Moves the columns of one tile, those that are found in pairs where `in_pairs` says so; gives all numbers of memory and
    /// tile as bits.
    fn moved<T: Element>(
        convert: fn(f64) -> T,
        kernels: &Kernels,
        rows: Rows<'_>,
        what: usize,
        in_pairs: bool,
    ) -> (Vec<u64>, Vec<u32>) {
        let mut memory: Vec<T> = (0..ROWS * STRIDE).map(|i| convert(number(i))).collect();
        let (mut tile, kept) = (tile(17), [0, 1, 1, 0, 0, 1, 1].map(|k| k * Kept::MAX));
        let layout = Layout { n_cells: ROWS, n_variables: WIDTH, cell_stride: STRIDE, variable_stride: 1 };
        let mut view = ViewMut::new(&mut memory, layout).unwrap();
        let columns: Vec<Column> = (0..WIDTH).map(|j| view.column(j)).collect();
        let mut pairs = Pairs::new(kernels.transfer, WIDTH);
        pairs.find(WIDTH, if in_pairs { TILE } else { 0 }, |j| Some(columns[j]));
        let mut j = 0;
        while j < WIDTH {
            let n = pairs.at(j, TILE);
            let (column, tile) = (&columns[j], &mut tile[j..j + n.max(1)]);
            // SAFETY: the rows exist; the columns were found.
            unsafe {
                match (what, n) {
                    (0, 0) => load_tile(column, rows, TILE, &mut tile[0].0),
                    (0, _) => pairs.load(column, rows, tile),
                    (1, 0) => store_tile(column, rows, TILE, &tile[0].0),
                    (1, _) => pairs.store(column, rows, tile),
                    (_, 0) if kept[j] == 0 => store_tile(column, rows, TILE, &tile[0].0),
                    (_, 0) => add_tile(column, rows, TILE, &mut tile[0].0, AddLimits::NONE),
                    (_, _) => pairs.update(column, rows, tile, &kept[j..j + n]),
                }
            }
            j += n.max(1);
        }
        // SAFETY: inside the columns.
        let bits = |i: usize| unsafe { columns[i % WIDTH].get(i / WIDTH) }.to_bits();
        let memory = (0..ROWS * WIDTH).map(bits).collect();
        (memory, tile.iter().flat_map(|column| column.0.map(f32::to_bits)).collect())
    }

    #[test]
    fn pairs_move_the_bits_that_single_columns_move() {
        let list: Vec<u32> = (0..TILE as u32).map(|i| (i * 37 + 5) % ROWS as u32).collect();
        for kernels in Kernels::available() {
            for rows in [Rows::From(0), Rows::From(TILE + 3), Rows::Listed(&list)] {
                for what in 0..3 {
                    let both = [true, false].map(|in_pairs| moved(|x| x, kernels, rows, what, in_pairs));
                    assert!(both[0] == both[1], "{}, {rows:?}: {what}", kernels.name);
                }
                for what in 0..2 {
                    let both =
                        [true, false].map(|in_pairs| moved(|x| x as f32, kernels, rows, what, in_pairs));
                    assert!(both[0] == both[1], "{}, {rows:?}, f32: {what}", kernels.name);
                }
            }
        }
    }

    #[test]
    fn a_tile_is_looked_at_number_by_number() {
        let ranges = [[-1.0, 1.0], [f32::NEG_INFINITY, f32::INFINITY], [0.0, 5.0]];
        let inside = [TileColumn([-1.0; TILE]), TileColumn([1e30; TILE]), TileColumn([5.0; TILE])];
        for Transfer { all_within, all_finite, .. } in Kernels::available().iter().map(|k| k.transfer) {
            // SAFETY: the table belongs to an instruction set of this machine.
            let looks = |tile: &[TileColumn]| unsafe { (all_within(tile, &ranges), all_finite(tile)) };
            assert_eq!(looks(&inside), (true, true));
            for (column, lane) in (0..3).flat_map(|c| (0..TILE).map(move |l| (c, l))) {
                for (x, expected) in [
                    (f32::NAN, (false, false)),
                    (f32::INFINITY, (column == 1, false)),
                    (f32::NEG_INFINITY, (column == 1, false)),
                    (f32::MAX, (column == 1, true)),
                    (-1.0f32.next_up(), (column == 1, true)),
                ] {
                    let mut tile = inside;
                    tile[column].0[lane] = x;
                    assert_eq!(looks(&tile), expected, "{x} in column {column}, lane {lane}");
                }
            }
        }
    }

    #[test]
    fn pairs_are_of_adjacent_columns_only() {
        let mut numbers = [0.0f64; 8 * TILE];
        let mut view = ViewMut::new(&mut numbers, Layout::array_of_structures(TILE, 8)).unwrap();
        let columns: Vec<Column> = (0..8).map(|j| view.column(j)).collect();
        let found = |order: &[usize], n_cells: usize, change: fn(usize, Column) -> Option<Column>| {
            let mut pairs = Pairs::new(Kernels::available()[0].transfer, 8);
            pairs.find(order.len(), n_cells, |i| change(i, columns[order[i]]));
            (0..order.len()).map(|i| pairs.at(i, n_cells)).collect::<Vec<usize>>()
        };
        let as_is = |_: usize, column: Column| Some(column);
        assert_eq!(found(&[0, 1, 2, 3, 4], TILE, as_is), [4, 3, 2, 1, 0]);
        assert_eq!(found(&[0, 1, 2, 3], TILE - 1, as_is), [0; 4]);
        assert_eq!(found(&[1, 0, 3, 4, 6, 5], TILE, as_is), [0, 0, 2, 1, 0, 0]);
        assert_eq!(found(&[0, 1, 2, 3], TILE, |i, c| (i != 1).then_some(c)), [0, 0, 2, 1]);
        let single = |i, c| Some(if i > 1 { Column { element: ElementType::F32, ..c } } else { c });
        assert_eq!(found(&[0, 1, 2, 3], TILE, single), [2, 1, 0, 0]);
        assert_eq!(found(&[0, 1], TILE, |_, c| Some(Column { stride: 1, ..c })), [0, 0]);
        assert_eq!(found(&[0, 1, 2], TILE, |i, c| Some(Column { stride: 8 + i % 2, ..c })), [0; 3]);
    }
}
