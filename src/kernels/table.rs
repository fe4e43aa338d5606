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
            binary(
                operator: crate::kernels::Operator,
                left: crate::kernels::Operand,
                right: crate::kernels::Operand,
                y: *mut f32,
                width: usize,
                lanes: usize,
            );
            binary_of_pairs(
                operator: crate::kernels::Operator,
                base: *const f32,
                pairs: &[crate::kernels::OperandPair],
                y: *mut f32,
                lanes: usize,
            );
            sums(sums: &crate::kernels::ColumnSums, base: *const f32, y: *mut f32, lanes: usize);
            table(table: &crate::kernels::UniformTable, x: *const f32, y: *mut f32, lanes: usize);
            relax(
                state: *const f32,
                rate: *const f32,
                drive: *const f32,
                y: *mut f32,
                width: usize,
                lanes: usize,
            );
            slope(
                activation: crate::activation::Activation,
                x: *const f32,
                y: *mut f32,
                width: usize,
                lanes: usize,
            );
            table_slope(table: &crate::kernels::UniformTable, x: *const f32, y: *mut f32, lanes: usize);
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
}
pub(super) use kernel_table;
