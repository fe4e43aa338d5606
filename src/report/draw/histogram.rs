//! How errors are distributed, one picture a state.

use super::Figure;
use super::axis::{Axis, extent};
use super::panel::{Entry, Panel, legend};
use super::scene::{Align, Pen, Scene};
use super::style::{EULER, INK, MUTED, PAPER, SMALL, SURROGATE};
use crate::error::Result;
use crate::report::evaluate::{Comparison, StateErrors};
use crate::surrogate::Surrogate;

const WIDTH: f64 = 460.0;
const HEIGHT: f64 = 320.0;
/// Bars of a decade.
const BINS_PER_DECADE: f64 = 5.0;
/// Decades below the largest error that are shown; smaller errors are counted in the first bar.
const DECADES: f64 = 9.0;

/// A picture for each state.
///
/// # Errors
/// A fault of the drawing library.
pub fn histograms(surrogate: &Surrogate, comparison: &Comparison) -> Result<Vec<Figure>> {
    (0..surrogate.n_states()).map(|j| one(surrogate, comparison, j)).collect()
}

fn one(surrogate: &Surrogate, comparison: &Comparison, j: usize) -> Result<Figure> {
    let column = |a: &ndarray::Array3<f64>| -> Vec<f64> {
        let pairs = a.index_axis(ndarray::Axis(2), j).to_owned();
        let reference = comparison.reference.index_axis(ndarray::Axis(2), j);
        pairs.iter().zip(reference).map(|(a, b)| (a - b).abs()).filter(|e| e.is_finite()).collect()
    };
    let (own, euler) = (column(&comparison.surrogate), column(&comparison.euler));
    let variable = &surrogate.states()[j];
    let unit = if variable.unit == "1" { String::new() } else { format!(" ({})", variable.unit) };
    let name = &variable.name;
    let label = format!("|error of {name}|{unit}");
    let x = Axis::logarithmic(label, own.iter().chain(&euler).copied(), DECADES);
    let (own, euler) = (shares(&own, &x), shares(&euler, &x));
    let highest = extent(own.iter().chain(&euler).copied()).map_or(1.0, |e| e[1]);
    let panel = Panel {
        left: 68.0,
        top: 98.0,
        width: WIDTH - 80.0,
        height: HEIGHT - 148.0,
        x,
        y: Axis::exactly("share of samples (%)", 0.0, highest * 1.08),
    };

    let mut scene = Scene::new(WIDTH, HEIGHT);
    let entries = [
        Entry::line("surrogate", Pen::solid(SURROGATE, 6.0)),
        Entry::line("Euler, 0.01 ms", Pen::solid(EULER, 2.0)),
    ];
    legend(&mut scene, (68.0, 14.0), WIDTH, &entries);
    panel.draw(&mut scene, true, true);
    let [low, high] = panel.x.range();
    let edge = |i: usize, n: usize| low * (high / low).powf(i as f64 / n as f64);
    for (i, &share) in own.iter().enumerate().filter(|(_, share)| **share > 0.0) {
        let (a, b) = (panel.point(edge(i, own.len()), share), panel.point(edge(i + 1, own.len()), 0.0));
        scene.area(vec![a, (b.0, a.1), b, (a.0, b.1)], SURROGATE, 0.55);
    }
    let steps = euler.iter().enumerate().flat_map(|(i, &share)| {
        [panel.point(edge(i, euler.len()), share), panel.point(edge(i + 1, euler.len()), share)]
    });
    let steps: Vec<_> = steps.collect();
    scene.line(steps, Pen::solid(EULER, 2.0));
    mark(&mut scene, &panel, &comparison.accuracy.surrogate.states[j]);
    panel.frame(&mut scene);
    Figure::new(format!("errors_{name}"), format!("Distribution of the error of {name}"), &scene)
}

/// Percentages of `errors` in the bars of `axis`.
fn shares(errors: &[f64], axis: &Axis) -> Vec<f64> {
    let [low, high] = axis.range();
    let n = ((high / low).log10() * BINS_PER_DECADE).round().max(1.0) as usize;
    let mut counts = vec![0.0; n];
    for &error in errors {
        counts[((axis.place(error) * n as f64) as usize).min(n - 1)] += 100.0 / errors.len() as f64;
    }
    counts
}

/// Lines at the surrogate's median, mean, 99th percentile and maximum, with their names above.
fn mark(scene: &mut Scene, panel: &Panel, errors: &StateErrors) {
    let mut marks = [
        ("median", errors.median),
        ("mean", errors.mean_absolute),
        ("99 %", errors.p99),
        ("max", errors.maximum),
    ];
    marks.sort_by(|a, b| a.1.total_cmp(&b.1));
    // Names of neighbours stand in rows of their own where they would overlap.
    let mut free_from = [f64::NEG_INFINITY; 4];
    let mut names = Vec::new();
    for (name, value) in marks.into_iter().filter(|(_, value)| value.is_finite()) {
        let x = panel.point(value, 0.0).0;
        let half = super::panel::text_width(name, SMALL) / 2.0;
        let row = (0..4).find(|&r| x - half > free_from[r]).unwrap_or(3);
        free_from[row] = x + half + 5.0;
        let y = panel.top - 12.0 - 16.0 * row as f64;
        scene.line([(x, y + 7.0), (x, panel.bottom())], Pen::dashed(MUTED, 1.0, 3.0, 3.0));
        names.push((name, (x.min(panel.right() + 8.0 - half), y), half));
    }
    // Lines to the upper rows pass behind the names of the lower ones.
    for (name, (x, y), half) in names {
        let corners = [(-half, -7.0), (half, -7.0), (half, 7.0), (-half, 7.0)];
        scene.area(corners.map(|(dx, dy)| (x + dx, y + dy)).to_vec(), PAPER, 1.0);
        scene.text((x, y), name, SMALL, INK, Align::Centre);
    }
}
