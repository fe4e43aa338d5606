//! Who drives whom in a cell model: a row a driven state, a column a driver.

use super::Figure;
use super::scene::{Align, Pen, Scene};
use super::style::{Colour, EULER, GRID, INK, MUTED, NORMAL, PAPER, REFERENCE, SMALL, SURROGATE};
use crate::error::Result;

const CELL: f64 = 23.0;
const ROW: f64 = 27.0;
const LEFT: f64 = 66.0;
const RIGHT: f64 = 22.0;
const HEAD: f64 = 74.0;
const LEGEND_LINE: f64 = 21.0;
/// Width that the legend needs.
const NARROWEST: f64 = 720.0;
const NAME: f64 = 11.0;

/// The picture's content.
#[derive(Clone, Debug)]
pub struct Drivers {
    /// What the picture is of.
    pub title: String,
    /// The drivers, in the order in which they are drawn.
    pub columns: Vec<Column>,
    /// The driven states.
    pub rows: Vec<Row>,
}

/// A driver.
#[derive(Clone, Debug)]
pub struct Column {
    /// What it is called.
    pub name: String,
    /// What it is; gives the colour.
    pub kind: Kind,
}

/// What a state is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The transmembrane potential.
    Voltage,
    /// A gate that V alone drives.
    Gate,
    /// A function of V.
    Memoryless,
    /// Affine in itself, driven by more than V.
    Affine,
    /// None of these.
    Nonlinear,
}

/// A driven state.
#[derive(Clone, Debug)]
pub struct Row {
    /// What it is called.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// How each column acts on it.
    pub cells: Vec<Option<Action>>,
    /// Columns whose factors multiply each other, ascending.
    pub groups: Vec<Vec<usize>>,
}

/// How a driver acts on a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// As a factor, up to this power.
    Factor(u32),
    /// As an argument of a function that is no polynomial.
    Argument,
}

const KINDS: [(Kind, &str); 5] = [
    (Kind::Voltage, "V"),
    (Kind::Gate, "gate of V"),
    (Kind::Memoryless, "function of V"),
    (Kind::Affine, "affine in itself"),
    (Kind::Nonlinear, "nonlinear"),
];

impl Kind {
    fn colour(self) -> Colour {
        match self {
            Kind::Voltage => INK,
            Kind::Gate => REFERENCE,
            Kind::Memoryless => [0x56, 0xB4, 0xE9],
            Kind::Affine => EULER,
            Kind::Nonlinear => SURROGATE,
        }
    }
}

/// The picture of who drives whom.
///
/// # Errors
/// A fault of the drawing library.
pub fn drivers(drivers: &Drivers) -> Result<Figure> {
    let (n_columns, n_rows) = (drivers.columns.len(), drivers.rows.len());
    let width = (LEFT + CELL * n_columns as f64 + RIGHT).max(NARROWEST);
    let bottom = HEAD + ROW * n_rows as f64;
    let mut scene = Scene::new(width, bottom + 24.0 + 3.0 * LEGEND_LINE);
    let x = |column: usize| LEFT + CELL * (column as f64 + 0.5);
    let y = |row: usize| HEAD + ROW * (row as f64 + 0.5);
    scene.text((LEFT, 18.0), &*drivers.title, NORMAL, INK, Align::Left);
    for (k, column) in drivers.columns.iter().enumerate() {
        scene.line([(x(k), HEAD), (x(k), bottom)], Pen::solid(GRID, 1.0));
        badge(&mut scene, (x(k), HEAD - 16.0), &column.name, column.kind);
    }
    for (k, row) in drivers.rows.iter().enumerate() {
        scene.line([(LEFT, y(k)), (x(n_columns - 1) + 0.5 * CELL, y(k))], Pen::solid(GRID, 1.0));
        scene.text((LEFT - 36.0, y(k)), "Δ", SMALL, MUTED, Align::Right);
        badge(&mut scene, (LEFT - 20.0, y(k)), &row.name, row.kind);
        for (number, group) in row.groups.iter().filter(|group| group.len() > 1).enumerate() {
            let side = if number % 2 == 0 { 1.0 } else { -1.0 };
            let pen = Pen::solid(MUTED, 1.5);
            let level = y(k) + 10.0 * side;
            scene.line([(x(group[0]), level), (x(group[group.len() - 1]), level)], pen);
            group.iter().for_each(|&j| scene.line([(x(j), y(k)), (x(j), level)], pen));
        }
        for (column, action) in row.cells.iter().enumerate() {
            if let Some(action) = action {
                mark(&mut scene, (x(column), y(k)), *action, drivers.columns[column].kind);
            }
        }
    }
    legend(&mut scene, bottom + 26.0);
    let description = format!("{}: who drives whom", drivers.title);
    Figure::new("drivers", description, &scene)
}

/// A name on the colour of what it is.
fn badge(scene: &mut Scene, at: (f64, f64), name: &str, kind: Kind) {
    let (w, h) = (0.5 * CELL - 1.0, 9.0);
    let corners = [(-w, -h), (w, -h), (w, h), (-w, h)].map(|(dx, dy)| (at.0 + dx, at.1 + dy));
    scene.area(corners.to_vec(), kind.colour(), 1.0);
    scene.text(at, name, NAME, PAPER, Align::Centre);
}

fn mark(scene: &mut Scene, at: (f64, f64), action: Action, kind: Kind) {
    match action {
        Action::Factor(power) => {
            let h = 8.0;
            let corners = [(-h, -h), (h, -h), (h, h), (-h, h)].map(|(dx, dy)| (at.0 + dx, at.1 + dy));
            scene.area(corners.to_vec(), kind.colour(), 1.0);
            scene.text(at, power.to_string(), SMALL, PAPER, Align::Centre);
        }
        Action::Argument => scene.disc(at, 5.0, kind.colour()),
    }
}

fn legend(scene: &mut Scene, top: f64) {
    let mut left = LEFT;
    for (kind, text) in KINDS {
        badge(scene, (left + 10.0, top), if kind == Kind::Voltage { "V" } else { "x" }, kind);
        let text = if kind == Kind::Voltage { "potential" } else { text };
        scene.text((left + 27.0, top), text, SMALL, INK, Align::Left);
        left += 44.0 + 7.4 * text.chars().count() as f64;
    }
    let second = top + LEGEND_LINE + 3.0;
    mark(scene, (LEFT + 10.0, second), Action::Factor(3), Kind::Gate);
    let text = "enters as a factor, up to this power; factors under one bracket multiply each other";
    scene.text((LEFT + 27.0, second), text, SMALL, INK, Align::Left);
    let third = second + LEGEND_LINE;
    mark(scene, (LEFT + 10.0, third), Action::Argument, Kind::Nonlinear);
    let text = "enters as an argument of a function: of coefficients or of the rest of the increment";
    scene.text((LEFT + 27.0, third), text, SMALL, INK, Align::Left);
}
