//! Speed over the size of a call.

use super::Figure;
use super::axis::Axis;
use super::panel::{Entry, Panel, legend};
use super::scene::{Pen, Scene};
use super::style::{SERIES, SURROGATE};
use crate::error::Result;
use crate::report::bench::Measurement;

const WIDTH: f64 = 600.0;
const PANEL_HEIGHT: f64 = 300.0;
const DECADES: f64 = 12.0;

/// Cells a second over the batch, a curve for each backend, device, precision and number of
/// threads; the legend tells each one's largest error.
///
/// # Errors
/// A fault of the drawing library.
pub fn speed(measurements: &[Measurement]) -> Result<Figure> {
    let mut curves: Vec<Vec<&Measurement>> = Vec::new();
    for m in measurements {
        let same = |curve: &&mut Vec<&Measurement>| key(curve[0]) == key(m);
        match curves.iter_mut().find(same) {
            Some(curve) => curve.push(m),
            None => curves.push(vec![m]),
        }
    }
    curves.iter_mut().for_each(|curve| curve.sort_by_key(|m| m.batch));
    let entries: Vec<Entry> =
        curves.iter().enumerate().map(|(i, curve)| Entry::line(describe(curve), pen(i))).collect();
    // Legends may take several rows: they are counted on a scene that is thrown away.
    let top = 8.0 + legend(&mut Scene::new(WIDTH, 10.0), (68.0, 14.0), WIDTH, &entries);
    let mut scene = Scene::new(WIDTH, top + PANEL_HEIGHT + 52.0);
    legend(&mut scene, (68.0, 14.0), WIDTH, &entries);
    let batches = measurements.iter().map(|m| m.batch as f64);
    let speeds = measurements.iter().map(|m| m.evaluations_per_second);
    let panel = Panel {
        left: 68.0,
        top,
        width: WIDTH - 84.0,
        height: PANEL_HEIGHT,
        x: Axis::logarithmic("cells of a call", batches, DECADES),
        y: Axis::logarithmic("cells a second", speeds, DECADES),
    };
    panel.draw(&mut scene, true, true);
    for (i, curve) in curves.iter().enumerate() {
        let points: Vec<_> =
            curve.iter().map(|m| panel.point(m.batch as f64, m.evaluations_per_second)).collect();
        points.iter().for_each(|&point| scene.disc(point, 3.0, pen(i).colour));
        scene.line(points, pen(i));
    }
    Figure::new("speed", "Evaluations a second over the number of cells of a call", &scene)
}

/// What measurements of one curve have in common.
fn key(m: &Measurement) -> (&str, &str, &str, usize) {
    (&m.backend, &m.device, &m.precision, m.threads)
}

fn describe(curve: &[&Measurement]) -> String {
    let (backend, device, precision, threads) = key(curve[0]);
    let worst = curve.iter().filter_map(|m| m.max_abs_error).reduce(f64::max);
    let error = worst.map_or("error unknown".to_owned(), |error| format!("error {error:.0e}"));
    let threads = if threads == 1 { "1 thread".to_owned() } else { format!("{threads} threads") };
    format!("{backend} {device} {precision}, {threads}, {error}")
}

/// Solid for the first colours, dashed for more curves than colours.
fn pen(i: usize) -> Pen {
    let colours: Vec<_> = std::iter::once(SURROGATE).chain(SERIES).collect();
    let colour = colours[i % colours.len()];
    match i < colours.len() {
        true => Pen::solid(colour, 2.0),
        false => Pen::dashed(colour, 2.0, 6.0, 4.0),
    }
}
