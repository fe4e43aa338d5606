//! Accuracy against speed, with the trials that no other beats in both.

use super::table::Table;
use crate::error::Result;
use crate::report::Figure;
use crate::report::draw::axis::Axis;
use crate::report::draw::panel::{Entry, Panel, legend};
use crate::report::draw::scene::{Align, Pen, Scene};
use crate::report::draw::style::{INK, MUTED, SMALL, SURROGATE};

const WIDTH: f64 = 640.0;
const PANEL_HEIGHT: f64 = 380.0;
const DECADES: f64 = 12.0;
/// Units between the texts of neighbouring points.
const LINE: f64 = 15.0;

/// A surrogate in the picture.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// What an answer costs.
    pub cost: f64,
    /// Its error.
    pub error: f64,
    /// True if no other point is better in both.
    pub on_front: bool,
    /// What is written beside a point on the front.
    pub name: String,
}

/// The picture of a table; none if nothing in it was measured.
pub(super) fn of(table: &Table) -> Result<Option<Figure>> {
    let point = |row: &super::Row| {
        Some(Point {
            cost: row.cost()?,
            error: row.error()?,
            on_front: row.on_front,
            name: format!("{} · {}", row.trial, row.architecture),
        })
    };
    let points: Vec<Point> = table.rows.iter().filter_map(point).collect();
    if points.is_empty() {
        return Ok(None);
    }
    let steps = table.rows.iter().any(|row| row.dt.is_some());
    let held_out = table.rows.iter().filter_map(super::Row::reached).any(|a| a.cells.is_some());
    let cost = if steps { "ns a cell and millisecond, one thread" } else { "ns a cell, one thread" };
    let error = if held_out { "mean absolute error" } else { "validation error" };
    accuracy_against_speed(&points, cost, error).map(Some)
}

/// `points` on logarithmic axes with these labels, the front as a line of steps.
///
/// # Errors
/// A fault of the drawing library.
pub fn accuracy_against_speed(points: &[Point], cost: &str, error: &str) -> Result<Figure> {
    let entries = [
        Entry::line("no other trial is both more accurate and faster", Pen::solid(SURROGATE, 2.0)),
        Entry::dots("others", MUTED),
    ];
    let top = 30.0;
    let mut scene = Scene::new(WIDTH, top + PANEL_HEIGHT + 52.0);
    legend(&mut scene, (72.0, 14.0), WIDTH, &entries);
    let panel = Panel {
        left: 72.0,
        top,
        width: WIDTH - 92.0,
        height: PANEL_HEIGHT,
        x: Axis::logarithmic(cost, points.iter().map(|p| p.cost), DECADES),
        y: Axis::logarithmic(error, points.iter().map(|p| p.error), DECADES),
    };
    panel.draw(&mut scene, true, true);
    for point in points.iter().filter(|p| !p.on_front) {
        scene.disc(panel.point(point.cost, point.error), 3.0, MUTED);
    }
    let mut front: Vec<&Point> = points.iter().filter(|p| p.on_front).collect();
    front.sort_by(|a, b| a.cost.total_cmp(&b.cost).then(b.error.total_cmp(&a.error)));
    let mut steps = Vec::with_capacity(2 * front.len());
    for (i, point) in front.iter().enumerate() {
        if i > 0 {
            steps.push(panel.point(point.cost, front[i - 1].error));
        }
        steps.push(panel.point(point.cost, point.error));
    }
    scene.line(steps, Pen::solid(SURROGATE, 2.0));
    let mut above = f64::NEG_INFINITY;
    for point in front {
        let (x, y) = panel.point(point.cost, point.error);
        scene.disc((x, y), 4.5, SURROGATE);
        // The front falls to the right: names above their points, each below the one before.
        let beside = (y - 11.0).max(above + LINE);
        above = beside;
        let align = if x > panel.left + 0.6 * panel.width { Align::Right } else { Align::Left };
        let dx = if align == Align::Right { -8.0 } else { 8.0 };
        scene.text((x + dx, beside), &*point.name, SMALL, INK, align);
    }
    Figure::new("speed_accuracy", format!("{error} against {cost}, a point a trial"), &scene)
}
