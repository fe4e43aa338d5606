//! Columns: single variables of many cells, out of one view or of several side by side.

use super::{ElementType, View, ViewMut};
use crate::error::{Error, Result};

/// One variable of all cells: address of the first cell's number, element type, and elements from
/// a cell to the next.
///
/// A column borrows nothing: whoever accesses its numbers vouches for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    /// Address of row 0, aligned to the element type.
    pub pointer: *mut u8,
    /// Type of the numbers.
    pub element: ElementType,
    /// Elements from a row to the next.
    pub stride: usize,
}

// SAFETY: a column is an address; every access through it is unsafe.
unsafe impl Send for Column {}
// SAFETY: as above.
unsafe impl Sync for Column {}

impl Column {
    /// The number in `row`, widened to `f64`.
    ///
    /// # Safety
    /// The row may be read.
    pub unsafe fn get(&self, row: usize) -> f64 {
        // SAFETY: as this function's contract says.
        unsafe {
            match self.element {
                ElementType::F32 => f64::from(*self.pointer.cast::<f32>().add(row * self.stride)),
                ElementType::F64 => *self.pointer.cast::<f64>().add(row * self.stride),
            }
        }
    }

    /// Puts `number`, rounded to the element type, into `row`.
    ///
    /// # Safety
    /// The row may be written, and nobody else accesses it meanwhile.
    pub unsafe fn set(&self, row: usize, number: f64) {
        // SAFETY: as this function's contract says.
        unsafe {
            match self.element {
                ElementType::F32 => *self.pointer.cast::<f32>().add(row * self.stride) = number as f32,
                ElementType::F64 => *self.pointer.cast::<f64>().add(row * self.stride) = number,
            }
        }
    }
}

impl View<'_> {
    /// The column of `variable`.
    pub fn column(&self, variable: usize) -> Column {
        let offset = variable * self.layout.variable_stride * self.element.size();
        // A view of no cells may lead nowhere.
        let pointer = self.pointer.wrapping_add(offset).cast_mut();
        Column { pointer, element: self.element, stride: self.layout.cell_stride }
    }
}

impl ViewMut<'_> {
    /// The column of `variable`.
    pub fn column(&mut self, variable: usize) -> Column {
        let offset = variable * self.layout.variable_stride * self.element.size();
        let pointer = self.pointer.wrapping_add(offset);
        Column { pointer, element: self.element, stride: self.layout.cell_stride }
    }
}

/// Numbers to read: one view, or several whose variables stand side by side.
///
/// With several, a time that is the same for all cells, a state here and parameters there need no
/// copying together.
#[derive(Clone, Copy, Debug)]
pub enum Columns<'a> {
    /// All variables in one view.
    View(View<'a>),
    /// The variables of the first view, then those of the second, …; all of as many cells.
    SideBySide(&'a [View<'a>]),
}

impl<'a> From<View<'a>> for Columns<'a> {
    fn from(view: View<'a>) -> Self {
        Self::View(view)
    }
}

impl<'a> From<&'a [View<'a>]> for Columns<'a> {
    fn from(views: &'a [View<'a>]) -> Self {
        Self::SideBySide(views)
    }
}

impl Columns<'_> {
    /// The views.
    pub fn views(&self) -> &[View<'_>] {
        match self {
            Self::View(view) => std::slice::from_ref(view),
            Self::SideBySide(views) => views,
        }
    }

    /// Cells of every view.
    ///
    /// # Errors
    /// No view, or views of different numbers of cells.
    pub fn n_cells(&self) -> Result<usize> {
        equal_cells(self.views().iter().map(|view| view.layout.n_cells))
    }

    /// Variables of all views.
    pub fn n_variables(&self) -> usize {
        self.views().iter().map(|view| view.layout.n_variables).sum()
    }

    /// The column of `variable`, counted through all views.
    pub fn column(&self, mut variable: usize) -> Option<Column> {
        for view in self.views() {
            match variable.checked_sub(view.layout.n_variables) {
                None => return Some(view.column(variable)),
                Some(behind) => variable = behind,
            }
        }
        None
    }

    /// Every variable's column, in order.
    pub fn columns(&self) -> impl Iterator<Item = Column> {
        self.views().iter().flat_map(|view| (0..view.layout.n_variables).map(|j| view.column(j)))
    }
}

/// Numbers to write: one view, or several whose variables stand side by side, all of as many
/// cells.
#[derive(Debug)]
pub struct ColumnsMut<'a>(ViewsMut<'a>);

#[derive(Debug)]
enum ViewsMut<'a> {
    One(ViewMut<'a>),
    /// No view is ever replaced through this reference.
    SideBySide(&'a mut [ViewMut<'a>]),
}

impl<'a> From<ViewMut<'a>> for ColumnsMut<'a> {
    fn from(view: ViewMut<'a>) -> Self {
        Self(ViewsMut::One(view))
    }
}

impl<'a, 'v: 'a> From<&'a mut [ViewMut<'v>]> for ColumnsMut<'a> {
    fn from(views: &'a mut [ViewMut<'v>]) -> Self {
        // SAFETY: a view may be used for a shorter time than it lives; the slice's type forbids it
        // because a short-lived view could be put into it, which this module does not do.
        let views = unsafe { std::mem::transmute::<&'a mut [ViewMut<'v>], &'a mut [ViewMut<'a>]>(views) };
        Self(ViewsMut::SideBySide(views))
    }
}

impl<'a> ColumnsMut<'a> {
    /// The views.
    pub fn views(&self) -> &[ViewMut<'a>] {
        match &self.0 {
            ViewsMut::One(view) => std::slice::from_ref(view),
            ViewsMut::SideBySide(views) => views,
        }
    }

    /// Cells of every view.
    ///
    /// # Errors
    /// No view, or views of different numbers of cells.
    pub fn n_cells(&self) -> Result<usize> {
        equal_cells(self.views().iter().map(|view| view.layout.n_cells))
    }

    /// Variables of all views.
    pub fn n_variables(&self) -> usize {
        self.views().iter().map(|view| view.layout.n_variables).sum()
    }

    /// Every variable's column, in order.
    pub fn columns(&mut self) -> impl Iterator<Item = Column> {
        let views = match &mut self.0 {
            ViewsMut::One(view) => std::slice::from_mut(view),
            ViewsMut::SideBySide(views) => &mut **views,
        };
        views.iter_mut().flat_map(|view| (0..view.layout.n_variables).map(|j| view.column(j)))
    }
}

fn equal_cells(mut cells: impl Iterator<Item = usize>) -> Result<usize> {
    let first = cells.next().ok_or_else(|| Error::invalid("no view"))?;
    match cells.find(|&n| n != first) {
        Some(other) => Err(Error::invalid(format!("views of {first} and {other} cells side by side"))),
        None => Ok(first),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Layout;
    use super::*;

    #[test]
    fn views_stand_side_by_side() {
        let (time, mut state) = ([5.0f32], [1.0f64, 2.0, 3.0, 4.0, 5.0, 6.0]);
        let one_for_all = Layout { n_cells: 3, n_variables: 1, cell_stride: 0, variable_stride: 0 };
        let views = [
            View::new(&time, one_for_all).unwrap(),
            View::new(&state, Layout::structure_of_arrays(3, 2)).unwrap(),
        ];
        let columns = Columns::from(&views[..]);
        assert_eq!((columns.n_cells().unwrap(), columns.n_variables()), (3, 3));
        // SAFETY: row 1 is inside every view.
        let row: Vec<f64> = columns.columns().map(|c| unsafe { c.get(1) }).collect();
        assert_eq!(row, [5.0, 2.0, 5.0]);

        let (left, right) = state.split_at_mut(3);
        let mut views =
            [ViewMut::array_of_structures(left, 1).unwrap(), ViewMut::array_of_structures(right, 1).unwrap()];
        // SAFETY: row 2 is inside every view.
        ColumnsMut::from(&mut views[..]).columns().for_each(|c| unsafe { c.set(2, 9.0) });
        assert_eq!(state, [1.0, 2.0, 9.0, 4.0, 5.0, 9.0]);

        let (one, two) = (View::array_of_structures(&time, 1).unwrap(), [0f32; 2]);
        let uneven = [one, View::array_of_structures(&two, 1).unwrap()];
        assert!(Columns::from(&uneven[..]).n_cells().unwrap_err().to_string().contains("1 and 2 cells"));
        assert!(Columns::from(&uneven[..0]).n_cells().is_err());
    }
}
