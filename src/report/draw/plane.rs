//! Where in the plane of initial states the errors lie.

use super::Figure;
use super::axis::{Axis, chosen};
use super::colour_map::ColourMap;
use super::panel::Panel;
use super::scene::{Align, Scene};
use super::style::{INK, NORMAL};
use crate::error::Result;
use crate::report::evaluate::Plane;

const WIDTH: f64 = 460.0;
const HEIGHT: f64 = 330.0;
/// Decades below the largest error that have colours of their own.
const DECADES: f64 = 4.0;

/// A picture for each plane, all with the same colours. `output` is the state whose error it is.
///
/// # Errors
/// A fault of the drawing library.
pub fn planes(output: &str, planes: &[Plane]) -> Result<Vec<Figure>> {
    let all = planes.iter().flat_map(|p| p.mean.iter().copied());
    let scale = Axis::logarithmic_tight(format!("mean |error of {output}|"), all, DECADES);
    planes.iter().enumerate().map(|(i, plane)| one(i + 1, plane, &scale)).collect()
}

fn one(number_of: usize, plane: &Plane, scale: &Axis) -> Result<Figure> {
    let [x, y] = &plane.axes;
    let [x_range, y_range] = plane.ranges;
    let panel = Panel {
        left: 68.0,
        top: 32.0,
        width: WIDTH - 68.0 - 92.0,
        height: HEIGHT - 82.0,
        x: Axis::exactly(format!("initial {}", bare(x)), x_range[0], x_range[1]),
        y: Axis::exactly(format!("initial {}", bare(y)), y_range[0], y_range[1]),
    };
    let mut scene = Scene::new(WIDTH, HEIGHT);
    let title = match &plane.fixed {
        Some((name, value)) => format!("{name} = {}", chosen(*value, 3)),
        None => "all cells".to_owned(),
    };
    scene.text((panel.left, 16.0), &*title, NORMAL, INK, Align::Left);
    let (rows, columns) = plane.mean.dim();
    let from_top = (0..rows).rev().flat_map(|row| plane.mean.row(row).to_vec());
    let colours = ColourMap::Amount.colours(from_top, scale);
    scene.raster((panel.left, panel.top), (panel.width, panel.height), columns, colours);
    panel.draw(&mut scene, true, false);
    ColourMap::Amount.bar_beside(&mut scene, &panel, scale);
    Figure::new(format!("plane_{number_of}"), format!("Error over the initial states, {title}"), &scene)
}

/// `u` for `u0`: the label says "initial" already.
fn bare(name: &str) -> &str {
    name.strip_suffix('0').unwrap_or(name)
}
