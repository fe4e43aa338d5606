//! CPU kernels: each operation on a tile of cells, for every instruction set in one table.
//!
//! A tile holds up to [`TILE`] cells column by column: lane `i` of column `c` lies at
//! `c·TILE + i`. Kernels compute whole groups of [`LANE_GROUP`] lanes; what the lanes beyond the
//! tile's cells hold does not matter, and no lane ever influences another.

#[cfg(target_arch = "aarch64")]
mod aarch64;
mod columns;
mod packed;
mod pairs;
mod scalar;
#[cfg(any(target_arch = "aarch64", target_arch = "x86_64"))]
mod table;
mod transfer;
mod vector;
#[cfg(target_arch = "x86_64")]
mod x86_64;

use crate::activation::Activation;
use crate::error::{Error, Result};

pub use columns::{ColumnSums, OperandPair};
pub use packed::PackedDense;
pub use pairs::{ColumnPair, Kept, Offsets, Pairs, Transfer};
pub use transfer::{AddLimits, Rows, add_tile, add_wanted, load_tile, store_tile, store_wanted};

/// Cells of a tile: two AVX-512 or four AVX vectors, so that the blocks of a wide network still
/// fit in the first-level cache.
pub const TILE: usize = 32;
/// Kernels compute multiples of this many lanes: the widest vector that all instruction sets
/// divide into whole vectors.
pub const LANE_GROUP: usize = 16;

/// A column of a tile, on a cache line of its own: vectors never straddle two.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
pub struct TileColumn(pub [f32; TILE]);

/// Operators of [`Kernels::binary`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    /// left + right
    Add,
    /// left − right
    Subtract,
    /// left · right
    Multiply,
    /// left / right
    Divide,
    /// min(left, right), NaN if either is
    Minimum,
    /// max(left, right), NaN if either is
    Maximum,
}

/// A block of a tile for reading: where its first column is, and whether that column stands for
/// all (a single column combined with a wider block).
#[derive(Clone, Copy, Debug)]
pub struct Operand {
    /// First column.
    pub columns: *const f32,
    /// One column serves all columns of the result.
    pub repeated: bool,
}

/// A table on a uniform grid; see the program's operation of the same name.
#[derive(Clone, Debug)]
pub struct UniformTable {
    /// Argument at the first row.
    pub first: f32,
    /// Rows per unit of the argument.
    pub rows_per_unit: f32,
    /// Functions tabulated side by side.
    pub width: usize,
    /// Grid points, at least two.
    pub n_rows: usize,
    /// Row-major values; [`LANE_GROUP`] more, so that a whole vector may be loaded from any place of
    /// the last row.
    pub values: Vec<f32>,
}

impl UniformTable {
    /// A table of row-major `values`, at least two rows of `width`.
    pub fn new(first: f32, rows_per_unit: f32, width: usize, mut values: Vec<f32>) -> Self {
        let n_rows = values.len() / width;
        values.resize(values.len() + LANE_GROUP, 0.0);
        Self { first, rows_per_unit, width, n_rows, values }
    }
}

/// Names the instruction set of sessions that name none.
const FORCE: &str = "EMUCELL_FORCE_ISA";

/// The operations of one instruction set.
///
/// # Safety
/// All functions are unsafe for the same reasons: the instruction set must be available (which
/// [`Kernels::select`] ensures); `lanes` is a multiple of [`LANE_GROUP`], at most [`TILE`]; and
/// every block pointer is aligned for `f32` and leads to as many columns of [`TILE`] numbers as
/// the operation's width says, results being disjoint from operands.
#[derive(Debug)]
pub struct Kernels {
    /// Name of the instruction set.
    pub name: &'static str,
    /// What moves whole tiles.
    pub transfer: &'static Transfer,
    /// Rows of a block of [`PackedDense`].
    pub dense_rows: usize,
    /// activation(weights · x + bias) on `lanes` lanes; the layer was packed for this instruction set,
    /// in blocks of `dense_rows`.
    pub dense: unsafe fn(layer: &PackedDense, x: *const f32, y: *mut f32, lanes: usize),
    /// The same on the one lane at which `x` and `y` begin, to the last bit.
    pub dense_one: unsafe fn(layer: &PackedDense, x: *const f32, y: *mut f32),
    /// activation(x) on `width` columns.
    pub activation: unsafe fn(activation: Activation, x: *const f32, y: *mut f32, width: usize, lanes: usize),
    /// eˣ on `width` columns.
    pub exp: unsafe fn(x: *const f32, y: *mut f32, width: usize, lanes: usize),
    /// left ∘ right on `width` columns.
    pub binary:
        unsafe fn(operator: Operator, left: Operand, right: Operand, y: *mut f32, width: usize, lanes: usize),
    /// left ∘ right of each pair of columns of the memory that begins at `base`.
    pub binary_of_pairs:
        unsafe fn(operator: Operator, base: *const f32, pairs: &[OperandPair], y: *mut f32, lanes: usize),
    /// weights · x + bias of columns of the memory that begins at `base`.
    pub sums: unsafe fn(sums: &ColumnSums, base: *const f32, y: *mut f32, lanes: usize),
    /// All functions of a table at one column's arguments.
    pub table: unsafe fn(table: &UniformTable, x: *const f32, y: *mut f32, lanes: usize),
    /// state + (drive − rate·state) on `width` columns.
    pub relax: unsafe fn(
        state: *const f32,
        rate: *const f32,
        drive: *const f32,
        y: *mut f32,
        width: usize,
        lanes: usize,
    ),
    /// The derivative of an activation on `width` columns that hold its values or arguments; see
    /// [`Activation::slope_follows_from_value`].
    pub slope: unsafe fn(activation: Activation, x: *const f32, y: *mut f32, width: usize, lanes: usize),
    /// Slopes of all functions of a table at one column's arguments, 0 beyond its ends.
    pub table_slope: unsafe fn(table: &UniformTable, x: *const f32, y: *mut f32, lanes: usize),
}

impl Kernels {
    /// Every instruction set that this machine has, the reference first, the fastest last.
    pub fn available() -> Vec<&'static Self> {
        let mut all = vec![&scalar::KERNELS];
        #[cfg(target_arch = "x86_64")]
        if x86_64::avx2::is_available() {
            all.push(&x86_64::avx2::KERNELS);
        }
        #[cfg(target_arch = "x86_64")]
        if x86_64::avx512::is_available() {
            all.push(&x86_64::avx512::KERNELS);
        }
        #[cfg(target_arch = "aarch64")]
        all.push(&aarch64::neon::KERNELS);
        all
    }

    /// The instruction set called `name`; without a name that which the environment variable
    /// `EMUCELL_FORCE_ISA` names, for tests of programs that cannot choose; else the fastest.
    ///
    /// # Errors
    /// A name that is unknown or not available on this machine.
    pub fn select(name: Option<&str>) -> Result<&'static Self> {
        let available = Self::available();
        let forced = std::env::var(FORCE).ok();
        let Some(name) = name.or(forced.as_deref()) else {
            return Ok(available[available.len() - 1]);
        };
        available.iter().copied().find(|k| k.name == name).ok_or_else(|| {
            let names: Vec<&str> = available.iter().map(|k| k.name).collect();
            Error::unsupported(format!("instruction set \"{name}\" on this machine"))
                .remedy(format!("use one of {}, by the session's option or {FORCE}", names.join(", ")))
        })
    }
}

/// Lanes that kernels compute for `n_cells` cells of a tile.
pub fn lanes_for(n_cells: usize) -> usize {
    n_cells.next_multiple_of(LANE_GROUP)
}

#[cfg(test)]
mod tests;
