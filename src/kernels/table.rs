//! The dispatch table of an instruction set.

/// Makes the dispatch table `KERNELS`: the vector kernels compiled for `$vector` with
/// `$features` enabled, and `$transfer`, which moves whole tiles.
macro_rules! kernel_table {
    ($name:literal, $features:literal, $vector:ty, $transfer:expr) => {
        pub static KERNELS: crate::kernels::Kernels = crate::kernels::Kernels {
            name: $name,
            transfer: &$transfer,
            dense_rows: <$vector as crate::kernels::vector::Vector>::DENSE_ROWS,
            dense,
            dense_one,
            activation,
            exp,
            binary,
            binary_of_pairs,
            sums,
            table,
            relax,
            slope,
            table_slope,
        };

        kernel_table!(@kernels $features, $vector,
            dense(layer: &crate::kernels::PackedDense, x: *const f32, y: *mut f32, lanes: usize);
            dense_one(layer: &crate::kernels::PackedDense, x: *const f32, y: *mut f32);
            activation(
                activation: crate::activation::Activation,
                x: *const f32,
                y: *mut f32,
                width: usize,
                lanes: usize,
            );
            exp(x: *const f32, y: *mut f32, width: usize, lanes: usize);
            slope(
                activation: crate::activation::Activation,
                x: *const f32,
                y: *mut f32,
                width: usize,
                lanes: usize,
            );
            table_slope(table: &crate::kernels::UniformTable, x: *const f32, y: *mut f32, lanes: usize);
        );
        kernel_table!(@of_full_tiles $features, $vector,
            binary(
                operator: crate::kernels::Operator,
                left: crate::kernels::Operand,
                right: crate::kernels::Operand,
                y: *mut f32,
                width: usize,
            );
            binary_of_pairs(
                operator: crate::kernels::Operator,
                base: *const f32,
                pairs: &[crate::kernels::OperandPair],
                y: *mut f32,
            );
            sums(sums: &crate::kernels::ColumnSums, base: *const f32, y: *mut f32);
            table(table: &crate::kernels::UniformTable, x: *const f32, y: *mut f32);
            relax(
                state: *const f32,
                rate: *const f32,
                drive: *const f32,
                y: *mut f32,
                width: usize,
            );
        );
    };
    (@kernels $features:literal, $vector:ty, $($kernel:ident($($argument:ident: $type:ty),* $(,)?);)*) => {
        $(
            /// # Safety
            /// See [`crate::kernels::Kernels`].
            #[target_feature(enable = $features)]
            unsafe fn $kernel($($argument: $type),*) {
                // SAFETY: passed on.
                unsafe { crate::kernels::vector::$kernel::<$vector>($($argument),*) }
            }
        )*
    };
    // Kernels that also take the number of lanes. Most tiles are full: their loops over lanes are unrolled.
    (@of_full_tiles $features:literal, $vector:ty, $($kernel:ident($($argument:ident: $type:ty),* $(,)?);)*) => {
        $(
            /// # Safety
            /// See [`crate::kernels::Kernels`].
            #[target_feature(enable = $features)]
            unsafe fn $kernel($($argument: $type,)* lanes: usize) {
                use crate::kernels::{TILE, vector};
                // SAFETY: passed on.
                unsafe {
                    if lanes == TILE {
                        vector::$kernel::<$vector>($($argument,)* TILE);
                    } else {
                        vector::$kernel::<$vector>($($argument,)* lanes);
                    }
                }
            }
        )*
    };
}
pub(super) use kernel_table;
