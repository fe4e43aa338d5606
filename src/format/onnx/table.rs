//! Tables as ONNX nodes: position on the grid, row and fraction, two gathered rows, blended.
//!
//! The reader follows the same chain with [`Lookup`] values, which stand for what is no block of
//! a program by itself, until the last addition turns it into one table operation.

use std::rc::Rc;

use super::proto::data_type;
use super::tensor::Constant;
use super::write::{GraphWriter, integer};
use crate::error::{Error, Result};
use crate::program::{BinaryOperator, BlockId, Operation, ProgramBuilder, Table};

/// A stage of a table's chain of nodes; `position` is the block that holds (argument − first) ·
/// rows_per_unit, limited to the grid.
#[derive(Clone, Debug)]
pub enum Lookup {
    /// Largest whole number up to the position, as a float or cast to an integer.
    Row { position: BlockId },
    /// Position − row.
    Fraction { position: BlockId },
    /// A row of a constant matrix for each cell.
    Gathered { position: BlockId, width: usize, values: Rc<[f32]> },
    /// Gathered differences · fraction.
    Increment { position: BlockId, differences: Rc<[f32]> },
}

pub fn write(graph: &mut GraphWriter<'_>, name: &str, argument: &str, table: &Table) {
    let rows = table.n_rows();
    let part = |what: &str| format!("{name}.{what}");
    let scalars = [
        ("first", table.first),
        ("rows_per_unit", table.rows_per_unit),
        ("zero", 0.0),
        ("last", (rows - 1) as f32),
    ];
    for (what, value) in scalars {
        graph.floats(&part(what), &[], &[value]);
    }
    graph.floats(&part("values"), &[rows, table.width], &table.values);
    graph.floats(&part("differences"), &[rows - 1, table.width], &differences(table.width, &table.values));
    let row_bounds = ["row_zero", "row_last"].map(part);
    graph.integer_scalar(&row_bounds[0], 0);
    graph.integer_scalar(&row_bounds[1], rows as i64 - 2);
    let axes = graph.integers(&part("column"), &[1]);

    let mut node = |op_type: &str, inputs: &[&str], output: &str, attributes| {
        let inputs: Vec<String> = inputs.iter().map(|i| i.to_string()).collect();
        graph.node(op_type, &format!("{output}.{op_type}"), &inputs, output, attributes);
    };
    let [distance, on_grid, position] = ["distance", "on_grid", "position"].map(part);
    node("Sub", &[argument, &part("first")], &distance, vec![]);
    node("Mul", &[&distance, &part("rows_per_unit")], &on_grid, vec![]);
    node("Clip", &[&on_grid, &part("zero"), &part("last")], &position, vec![]);
    let [floor, unbounded, row, row_float] = ["floor", "row_unbounded", "row", "row_float"].map(part);
    node("Floor", &[&position], &floor, vec![]);
    node("Cast", &[&floor], &unbounded, vec![integer("to", data_type::INT64.into())]);
    // As integers, so that a NaN cannot name a row outside the table.
    node("Clip", &[&unbounded, &row_bounds[0], &row_bounds[1]], &row, vec![]);
    node("Cast", &[&row], &row_float, vec![integer("to", data_type::FLOAT.into())]);
    let [fraction, rows, low, rise, increment] = ["fraction", "rows", "low", "rise", "increment"].map(part);
    node("Sub", &[&position, &row_float], &fraction, vec![]);
    node("Squeeze", &[&row, &axes], &rows, vec![]);
    node("Gather", &[&part("values"), &rows], &low, vec![integer("axis", 0)]);
    node("Gather", &[&part("differences"), &rows], &rise, vec![integer("axis", 0)]);
    node("Mul", &[&rise, &fraction], &increment, vec![]);
    node("Add", &[&low, &increment], name, vec![]);
}

/// Each row subtracted from the next.
fn differences(width: usize, values: &[f32]) -> Vec<f32> {
    values[width..].iter().zip(values).map(|(next, value)| next - value).collect()
}

/// A row of the constant matrix `values` for each cell.
pub fn gather(matrix: &Constant, position: BlockId) -> Result<Lookup> {
    match matrix {
        Constant::Floats { dims, values } if dims.len() == 2 && dims[1] > 0 => {
            Ok(Lookup::Gathered { position, width: dims[1], values: values.clone() })
        }
        _ => Err(Error::unsupported("rows gathered from anything but a constant matrix")),
    }
}

/// The last addition of the chain: one table operation.
pub fn blend(builder: &mut ProgramBuilder, low: &Lookup, increment: &Lookup) -> Result<BlockId> {
    let (
        Lookup::Gathered { position, width, values },
        Lookup::Increment { position: other, differences: given },
    ) = (low, increment)
    else {
        return Err(foreign());
    };
    if position != other || values.len() < 2 * width || **given != *differences(*width, values) {
        return Err(foreign());
    }
    let (input, first, rows_per_unit, last) = grid(builder, *position).ok_or_else(foreign)?;
    let table = Table { first, rows_per_unit, width: *width, values: values.to_vec() };
    if last != (table.n_rows() - 1) as f32 {
        return Err(foreign());
    }
    builder.push(Operation::Table { input, table })
}

pub fn foreign() -> Error {
    Error::unsupported("rows gathered otherwise than by a table on a uniform grid with linear interpolation")
}

/// Argument, first grid point, rows per unit and last row of a position
/// min(max((argument − first) · rows_per_unit, 0), last).
fn grid(builder: &ProgramBuilder, position: BlockId) -> Option<(BlockId, f32, f32, f32)> {
    let step = |block, wanted| match builder.producer(block)? {
        Operation::Binary { operator, left, right } if *operator == wanted => {
            match builder.producer(*right)? {
                Operation::Constant { values } if values.len() == 1 => Some((*left, values[0])),
                _ => None,
            }
        }
        _ => None,
    };
    let (limited_below, last) = step(position, BinaryOperator::Minimum)?;
    let (on_grid, zero) = step(limited_below, BinaryOperator::Maximum)?;
    let (distance, rows_per_unit) = step(on_grid, BinaryOperator::Multiply)?;
    let (argument, first) = step(distance, BinaryOperator::Subtract)?;
    (zero == 0.0).then_some((argument, first, rows_per_unit, last))
}
