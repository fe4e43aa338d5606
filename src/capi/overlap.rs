//! Views that must not share memory.

use std::ops::Range;

use crate::error::{Error, Result};
use crate::view::{Column, View, ViewMut};

/// Checks that nothing that is written is read elsewhere, or written twice.
///
/// Interleaved views (structures that hold inputs beside outputs) share no number and are fine.
///
/// # Errors
/// The first overlap, naming both sides.
pub(super) fn check_apart(written: (&str, &[ViewMut<'_>]), read: &[(&str, &[View<'_>])]) -> Result<()> {
    let (name, written) = written;
    for (i, output) in written.iter().enumerate() {
        let output = output.as_view();
        if written[..i].iter().any(|other| overlap(&output, &other.as_view())) {
            return Err(shared(name, name));
        }
        for (other_name, inputs) in read {
            if inputs.iter().any(|input| overlap(&output, input)) {
                return Err(shared(name, other_name));
            }
        }
    }
    Ok(())
}

/// Checks that plain bytes (status bytes, an index) are none of the written numbers.
pub(super) fn check_bytes_apart<T>(
    written: (&str, &[ViewMut<'_>]),
    (name, first, n): (&str, *const T, usize),
) -> Result<()> {
    let bytes = first.addr()..first.addr() + n * size_of::<T>();
    let touched = |view: &ViewMut<'_>| meet(&range_of(&view.as_view()), &bytes);
    match !first.is_null() && written.1.iter().any(touched) {
        true => Err(shared(written.0, name)),
        false => Ok(()),
    }
}

fn shared(written: &str, other: &str) -> Error {
    Error::invalid(format!("{written} and {other} share memory"))
        .remedy("give separate memory: what is written must not be read or written through another view")
}

fn overlap(a: &View<'_>, b: &View<'_>) -> bool {
    if !meet(&range_of(a), &range_of(b)) {
        return false;
    }
    let (n_a, n_b) = (a.layout().n_cells, b.layout().n_cells);
    let variables = |view: &View<'_>| 0..view.layout().n_variables;
    variables(a).any(|i| variables(b).any(|j| columns_overlap((a.column(i), n_a), (b.column(j), n_b))))
}

/// Whether two columns, given with their numbers of rows, share a byte. Columns of different
/// strides whose ranges meet count as overlapping: no simulator interleaves like that.
fn columns_overlap((a, n_a): (Column, usize), (b, n_b): (Column, usize)) -> bool {
    let range = |column: &Column, n: usize| {
        let (start, size) = (column.pointer.addr(), column.element.size());
        start..start + (n - 1) * column.stride * size + size
    };
    if !meet(&range(&a, n_a), &range(&b, n_b)) {
        return false;
    }
    let (stride_a, stride_b) = (a.stride * a.element.size(), b.stride * b.element.size());
    if stride_a != stride_b || stride_a == 0 {
        return true;
    }
    // Places within a structure: where b begins behind a, and a behind b.
    let behind = b.pointer.addr().wrapping_sub(a.pointer.addr()) as isize;
    let behind = behind.rem_euclid(stride_a as isize) as usize;
    behind < a.element.size() || stride_a - behind < b.element.size()
}

/// Addresses of a view's first byte and of the one behind its last.
fn range_of(view: &View<'_>) -> Range<usize> {
    let start = view.pointer().addr();
    // Views are made with layouts whose length was checked.
    start..start + view.layout().required_len().unwrap_or(0) * view.element().size()
}

fn meet(a: &Range<usize>, b: &Range<usize>) -> bool {
    a.start < b.end && b.start < a.end && !a.is_empty() && !b.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::{ElementType, Layout};

    /// A view of `variables` singles a cell, `first` numbers behind the start of `buffer`.
    fn view(buffer: &[f32], first: usize, n: usize, n_variables: usize, strides: (usize, usize)) -> View<'_> {
        let (cell_stride, variable_stride) = strides;
        let layout = Layout { n_cells: n, n_variables, cell_stride, variable_stride };
        View::new(&buffer[first..], layout).unwrap()
    }

    #[test]
    fn only_views_that_share_a_number_overlap() {
        let buffer = [0f32; 64];
        let structures = |first, n_variables| view(&buffer, first, 8, n_variables, (6, 1));
        // Inputs and outputs of a structure side by side.
        assert!(!overlap(&structures(0, 4), &structures(4, 2)));
        assert!(overlap(&structures(0, 4), &structures(3, 2)));
        // The last variable of a structure and the first of the next.
        assert!(!overlap(&structures(6, 4), &structures(4, 2)));
        // Rows of arrays.
        let rows = |first, n| view(&buffer, first, n, 3, (1, 16));
        assert!(!overlap(&rows(0, 8), &rows(8, 8)));
        assert!(overlap(&rows(0, 9), &rows(8, 8)));
        // Other strides whose ranges meet, and one number for all inside.
        assert!(overlap(&structures(0, 1), &view(&buffer, 1, 20, 1, (2, 1))));
        assert!(overlap(&structures(0, 1), &view(&buffer, 7, 8, 1, (0, 0))));
        assert!(!overlap(&structures(0, 1), &view(&buffer, 50, 8, 1, (0, 0))));
        // No cells touch nothing.
        assert!(!overlap(&structures(0, 4), &view(&buffer, 3, 0, 2, (6, 1))));
    }

    #[test]
    fn numbers_of_different_sizes_are_compared_by_their_bytes() {
        let buffer = [0f64; 8];
        let half = Layout { n_cells: 4, n_variables: 1, cell_stride: 4, variable_stride: 1 };
        let wide = Layout { n_cells: 4, n_variables: 1, cell_stride: 2, variable_stride: 1 };
        let start = buffer.as_ptr().cast::<u8>();
        // SAFETY: all inside the buffer.
        let view = |offset, element, layout| unsafe { View::from_raw(start.add(offset), element, layout) };
        let doubles = view(0, ElementType::F64, wide);
        assert!(overlap(&doubles, &view(4, ElementType::F32, half)));
        assert!(!overlap(&doubles, &view(8, ElementType::F32, half)));
        assert!(!overlap(&doubles, &view(12, ElementType::F32, half)));
    }
}
