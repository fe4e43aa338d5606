//! A training's loss curves.

use super::Figure;
use super::axis::Axis;
use super::panel::{Entry, Panel, legend};
use super::scene::{Pen, Scene};
use super::style::{INK, SERIES, SURROGATE};
use crate::error::Result;
use crate::report::losses::Losses;

const WIDTH: f64 = 600.0;
const PANEL_HEIGHT: f64 = 250.0;
const RATE_HEIGHT: f64 = 70.0;
const RATE_GAP: f64 = 24.0;
/// Decades below the largest loss that are shown.
const DECADES: f64 = 10.0;

/// All losses over the iterations, and the learning rate below if the file has it.
///
/// # Errors
/// A fault of the drawing library.
pub fn losses(losses: &Losses) -> Result<Figure> {
    let pens: Vec<Pen> = (0..losses.curves.len()).map(|i| pen(losses, i)).collect();
    let entries = losses.curves.iter().zip(&pens);
    let entries: Vec<Entry> = entries.map(|((name, _), &pen)| Entry::line(name.clone(), pen)).collect();
    // Legends may take several rows: they are counted on a scene that is thrown away.
    let mut head = Scene::new(WIDTH, 10.0);
    let top = 8.0 + legend(&mut head, (68.0, 14.0), WIDTH, &entries);

    let rates = losses.rate.as_ref().filter(|r| r.iter().any(|&v| v > 0.0));
    let below = if rates.is_some() { RATE_HEIGHT + RATE_GAP } else { 0.0 };
    let mut scene = Scene::new(WIDTH, top + PANEL_HEIGHT + below + 52.0);
    legend(&mut scene, (68.0, 14.0), WIDTH, &entries);
    let iterations =
        || Axis::logarithmic_tight("iteration", losses.iterations.iter().copied(), f64::INFINITY);
    let all = losses.curves.iter().flat_map(|(_, values)| values.iter().copied());
    let panel = Panel {
        left: 68.0,
        top,
        width: WIDTH - 84.0,
        height: PANEL_HEIGHT,
        x: iterations(),
        y: Axis::logarithmic("loss", all, DECADES),
    };
    panel.draw(&mut scene, rates.is_none(), true);
    for ((_, values), &pen) in losses.curves.iter().zip(&pens) {
        curve(&mut scene, &panel, &losses.iterations, values, pen);
    }
    if let Some(rates) = rates {
        let roomy = rates.iter().flat_map(|rate| [0.5 * rate, 2.0 * rate]);
        let panel = Panel {
            top: panel.bottom() + RATE_GAP,
            height: RATE_HEIGHT,
            y: Axis::logarithmic_tight("rate", roomy, DECADES),
            ..panel
        };
        panel.draw(&mut scene, true, true);
        curve(&mut scene, &panel, &losses.iterations, rates, Pen::solid(INK, 1.5));
    }
    Figure::new("losses", "Losses over the iterations of training", &scene)
}

/// The part of a curve that a logarithmic axis can show: positive iterations and values.
fn curve(scene: &mut Scene, panel: &Panel, iterations: &[f64], values: &[f64], pen: Pen) {
    let rows = iterations.iter().zip(values).filter(|(i, _)| **i > 0.0);
    let points = rows.map(|(&i, &v)| if v > 0.0 { panel.point(i, v) } else { (f64::NAN, f64::NAN) });
    let points: Vec<_> = points.collect();
    match points.as_slice() {
        [single] => scene.disc(*single, 3.0, pen.colour),
        _ => scene.line(points, pen),
    }
}

fn pen(losses: &Losses, i: usize) -> Pen {
    match losses.curves[i].0.as_str() {
        "validation" => Pen::solid(SURROGATE, 2.5),
        "total" => Pen::solid(INK, 1.5),
        _ => Pen::solid(SERIES[i % SERIES.len()], 1.5),
    }
}
