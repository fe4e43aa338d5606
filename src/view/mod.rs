//! Borrowed, strided views of the caller's numbers: where each variable of each cell lies.

mod columns;

use std::marker::PhantomData;

pub use columns::{Column, Columns, ColumnsMut};

use crate::error::{Error, Result};

/// Element type of a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ElementType {
    /// IEEE single precision.
    F32,
    /// IEEE double precision.
    F64,
}

impl ElementType {
    /// Bytes an element.
    pub fn size(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F64 => 8,
        }
    }
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for f32 {}
    impl Sealed for f64 {}
}

/// A number type that views can hold: `f32` or `f64`.
pub trait Element: sealed::Sealed + Copy + Send + Sync + 'static {
    /// Its [`ElementType`].
    const TYPE: ElementType;
}

impl Element for f32 {
    const TYPE: ElementType = ElementType::F32;
}

impl Element for f64 {
    const TYPE: ElementType = ElementType::F64;
}

/// Where the numbers of `n_cells` × `n_variables` lie in memory.
///
/// Element (cell `i`, variable `j`) lies `i·cell_stride + j·variable_stride` elements behind the
/// view's pointer. Array-of-structures, structure-of-arrays and pitched rows are all layouts.
/// A stride of zero makes one number serve all cells (or all variables); only for reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Number of cells.
    pub n_cells: usize,
    /// Number of variables of a cell.
    pub n_variables: usize,
    /// Elements between a variable of one cell and the same variable of the next.
    pub cell_stride: usize,
    /// Elements between a variable and the next one of the same cell.
    pub variable_stride: usize,
}

impl Layout {
    /// All variables of a cell side by side, cell after cell.
    pub fn array_of_structures(n_cells: usize, n_variables: usize) -> Self {
        Self { n_cells, n_variables, cell_stride: n_variables, variable_stride: 1 }
    }

    /// All cells of a variable side by side, variable after variable.
    pub fn structure_of_arrays(n_cells: usize, n_variables: usize) -> Self {
        Self { n_cells, n_variables, cell_stride: 1, variable_stride: n_cells }
    }

    /// Structure-of-arrays with rows padded to `pitch` elements.
    pub fn pitched(n_cells: usize, n_variables: usize, pitch: usize) -> Self {
        Self { n_cells, n_variables, cell_stride: 1, variable_stride: pitch }
    }

    /// Elements that a buffer needs, counted from the view's pointer.
    ///
    /// # Errors
    /// Sizes whose product does not fit in the address space.
    pub fn required_len(&self) -> Result<usize> {
        if self.n_cells == 0 || self.n_variables == 0 {
            return Ok(0);
        }
        let cells = (self.n_cells - 1).checked_mul(self.cell_stride);
        let variables = (self.n_variables - 1).checked_mul(self.variable_stride);
        cells
            .zip(variables)
            .and_then(|(c, v)| c.checked_add(v)?.checked_add(1))
            .filter(|&len| len <= isize::MAX as usize / size_of::<f64>())
            .ok_or_else(|| Error::invalid(format!("{self:?} is larger than the address space")))
    }

    /// True when no two elements share a place, so that the layout may be written through.
    fn is_injective(&self) -> bool {
        let (cells, variables) = (self.n_cells.max(1), self.n_variables.max(1));
        let nested = |inner_n: usize, inner: usize, outer_n: usize, outer: usize| {
            (inner_n == 1 || inner > 0) && (outer_n == 1 || outer > (inner_n - 1) * inner)
        };
        nested(cells, self.cell_stride, variables, self.variable_stride)
            || nested(variables, self.variable_stride, cells, self.cell_stride)
    }

    fn check_len(&self, len: usize) -> Result<()> {
        let required = self.required_len()?;
        if len < required {
            return Err(Error::invalid(format!(
                "buffer of {len} elements where {} cells × {} variables need {required}",
                self.n_cells, self.n_variables
            ))
            .remedy("pass a larger buffer or correct the strides"));
        }
        Ok(())
    }
}

/// A read-only view: pointer, element type and [`Layout`].
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    pointer: *const u8,
    element: ElementType,
    layout: Layout,
    buffer: PhantomData<&'a [u8]>,
}

/// A view that may be written through; no two of its elements share a place.
#[derive(Debug)]
pub struct ViewMut<'a> {
    pointer: *mut u8,
    element: ElementType,
    layout: Layout,
    buffer: PhantomData<&'a mut [u8]>,
}

// SAFETY: a `View` is a shared borrow of plain numbers, as `&[f64]` is.
unsafe impl Send for View<'_> {}
// SAFETY: as above.
unsafe impl Sync for View<'_> {}
// SAFETY: a `ViewMut` is a unique borrow of plain numbers, as `&mut [f64]` is.
unsafe impl Send for ViewMut<'_> {}

impl<'a> View<'a> {
    /// A view of `buffer` in `layout`.
    ///
    /// # Errors
    /// A buffer shorter than the layout needs.
    pub fn new<T: Element>(buffer: &'a [T], layout: Layout) -> Result<Self> {
        layout.check_len(buffer.len())?;
        Ok(Self { pointer: buffer.as_ptr().cast(), element: T::TYPE, layout, buffer: PhantomData })
    }

    /// A view of `buffer` as array-of-structures of `n_variables` a cell.
    ///
    /// # Errors
    /// A buffer whose length is not a multiple of `n_variables`.
    pub fn array_of_structures<T: Element>(buffer: &'a [T], n_variables: usize) -> Result<Self> {
        let n_cells = whole_cells(buffer.len(), n_variables)?;
        Self::new(buffer, Layout::array_of_structures(n_cells, n_variables))
    }

    /// A view of foreign memory.
    ///
    /// # Safety
    /// For the whole of `'a`, `pointer` must be aligned for `element` and valid for reads of
    /// [`Layout::required_len`] elements that nobody writes.
    pub unsafe fn from_raw(pointer: *const u8, element: ElementType, layout: Layout) -> Self {
        Self { pointer, element, layout, buffer: PhantomData }
    }

    /// Address of element (0, 0).
    pub fn pointer(&self) -> *const u8 {
        self.pointer
    }

    /// Element type.
    pub fn element(&self) -> ElementType {
        self.element
    }

    /// Cells, variables and strides.
    pub fn layout(&self) -> Layout {
        self.layout
    }

    /// The number of `cell`'s `variable`, widened to `f64`.
    ///
    /// # Panics
    /// If `cell` or `variable` is outside the layout.
    pub fn get(&self, cell: usize, variable: usize) -> f64 {
        assert!(cell < self.layout.n_cells && variable < self.layout.n_variables);
        let offset = cell * self.layout.cell_stride + variable * self.layout.variable_stride;
        // SAFETY: indices are inside the layout, for whose elements the constructor vouched.
        unsafe {
            match self.element {
                ElementType::F32 => f64::from(*self.pointer.cast::<f32>().add(offset)),
                ElementType::F64 => *self.pointer.cast::<f64>().add(offset),
            }
        }
    }
}

impl<'a> ViewMut<'a> {
    /// A view of `buffer` in `layout`.
    ///
    /// # Errors
    /// A buffer shorter than the layout needs, or strides that put two elements in one place.
    pub fn new<T: Element>(buffer: &'a mut [T], layout: Layout) -> Result<Self> {
        layout.check_len(buffer.len())?;
        // SAFETY: the length was checked; the borrow is unique for 'a.
        unsafe { Self::from_raw(buffer.as_mut_ptr().cast(), T::TYPE, layout) }
    }

    /// A view of `buffer` as array-of-structures of `n_variables` a cell.
    ///
    /// # Errors
    /// A buffer whose length is not a multiple of `n_variables`.
    pub fn array_of_structures<T: Element>(buffer: &'a mut [T], n_variables: usize) -> Result<Self> {
        let n_cells = whole_cells(buffer.len(), n_variables)?;
        Self::new(buffer, Layout::array_of_structures(n_cells, n_variables))
    }

    /// A view of foreign memory.
    ///
    /// # Safety
    /// For the whole of `'a`, `pointer` must be aligned for `element` and valid for reads and
    /// writes of [`Layout::required_len`] elements that nobody else touches.
    ///
    /// # Errors
    /// Strides that put two elements in one place.
    pub unsafe fn from_raw(pointer: *mut u8, element: ElementType, layout: Layout) -> Result<Self> {
        if !layout.is_injective() {
            return Err(Error::invalid(format!("{layout:?} puts two elements in one place"))
                .remedy("give strides that keep the elements of an output apart"));
        }
        Ok(Self { pointer, element, layout, buffer: PhantomData })
    }

    /// Address of element (0, 0).
    pub fn pointer(&mut self) -> *mut u8 {
        self.pointer
    }

    /// Element type.
    pub fn element(&self) -> ElementType {
        self.element
    }

    /// Cells, variables and strides.
    pub fn layout(&self) -> Layout {
        self.layout
    }

    /// The same view for a shorter time.
    pub fn reborrow(&mut self) -> ViewMut<'_> {
        self.alias()
    }

    /// A second view of the same elements: whoever holds both must see to it that no element is
    /// accessed through both at once.
    pub(crate) fn alias(&self) -> ViewMut<'_> {
        ViewMut { pointer: self.pointer, element: self.element, layout: self.layout, buffer: PhantomData }
    }

    /// The same elements, for reading.
    pub fn as_view(&self) -> View<'_> {
        View { pointer: self.pointer, element: self.element, layout: self.layout, buffer: PhantomData }
    }
}

fn whole_cells(len: usize, n_variables: usize) -> Result<usize> {
    if n_variables == 0 || !len.is_multiple_of(n_variables) {
        return Err(Error::invalid(format!("{len} elements are not whole cells of {n_variables} variables")));
    }
    Ok(len / n_variables)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layouts_find_their_elements() {
        let buffer: Vec<f64> = (0..12).map(f64::from).collect();
        let aos = View::array_of_structures(&buffer, 3).unwrap();
        assert_eq!(aos.get(2, 1), 7.0);
        let soa = View::new(&buffer, Layout::structure_of_arrays(4, 3)).unwrap();
        assert_eq!(soa.get(2, 1), 6.0);
        let pitched = View::new(&buffer, Layout::pitched(3, 3, 4)).unwrap();
        assert_eq!(pitched.get(2, 2), 10.0);
        let one_for_all = View::new(
            &buffer[..1],
            Layout { n_cells: 9, n_variables: 1, cell_stride: 0, variable_stride: 0 },
        )
        .unwrap();
        assert_eq!(one_for_all.get(8, 0), 0.0);
    }

    #[test]
    fn short_buffers_and_shared_outputs_are_refused() {
        let mut buffer = [0f32; 11];
        assert!(View::new(&buffer, Layout::array_of_structures(4, 3)).is_err());
        assert!(View::array_of_structures(&buffer, 3).is_err());
        assert!(View::new(&buffer, Layout::pitched(usize::MAX, 2, usize::MAX)).is_err());
        let shared = Layout { n_cells: 3, n_variables: 2, cell_stride: 1, variable_stride: 1 };
        assert!(ViewMut::new(&mut buffer, shared).is_err());
        let constant = Layout { n_cells: 3, n_variables: 1, cell_stride: 0, variable_stride: 1 };
        assert!(ViewMut::new(&mut buffer, constant).is_err());
        assert!(ViewMut::new(&mut buffer, Layout::pitched(3, 3, 4)).is_ok());
    }
}
