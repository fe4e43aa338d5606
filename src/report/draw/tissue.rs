//! A tissue at a few times: solver, surrogate and their difference side by side.

use ndarray::{Axis as Dimension, s};
use serde_json::Value;

use super::axis::{Axis, chosen, extent};
use super::colour_map::ColourMap;
use super::panel::Panel;
use super::scene::{Align, Scene};
use super::style::{INK, NORMAL};
use super::{Figure, with_unit};
use crate::error::Result;
use crate::report::tissue::Tissue;

/// Times that are shown.
const N_TIMES: usize = 6;
const MAP_WIDTH: f64 = 210.0;
const GAP: f64 = 10.0;

/// The largest absolute difference of all snapshots, which the colours of differences reach.
fn difference_scale(tissue: &Tissue) -> f64 {
    let solver = tissue.snapshots.index_axis(Dimension(0), 0);
    let surrogate = tissue.snapshots.index_axis(Dimension(0), 1);
    let differences = surrogate.iter().zip(solver).map(|(a, b)| f64::from((a - b).abs()));
    extent(differences).map_or(0.0, |e| e[1])
}

/// A picture for each of a few times, all with the same colours.
///
/// # Errors
/// A fault of the drawing library.
pub fn tissue(tissue: &Tissue) -> Result<Vec<Figure>> {
    let voltages = tissue.snapshots.iter().map(|&v| f64::from(v));
    let [low, high] = extent(voltages).unwrap_or([0.0, 1.0]);
    let unit = tissue.numbers.get("unit").and_then(Value::as_str).unwrap_or_default();
    let amount = Axis::exactly(with_unit("voltage", unit), low, high);
    let largest = match difference_scale(tissue) {
        0.0 => 1.0,
        largest => largest,
    };
    let difference = Axis::exactly("surrogate − solver", -largest, largest);
    let n = tissue.times.len();
    let mut shown: Vec<usize> = (0..N_TIMES.min(n))
        .map(|i| if n == 1 { 0 } else { i * (n - 1) / (N_TIMES.min(n) - 1).max(1) })
        .collect();
    shown.dedup();
    shown.into_iter().enumerate().map(|(i, at)| one(tissue, i + 1, at, &amount, &difference)).collect()
}

fn one(tissue: &Tissue, number_of: usize, at: usize, amount: &Axis, difference: &Axis) -> Result<Figure> {
    let (rows, columns) = (tissue.snapshots.shape()[2], tissue.snapshots.shape()[3]);
    let height = (MAP_WIDTH * rows as f64 / columns as f64).clamp(40.0, 2.0 * MAP_WIDTH);
    let bar = 98.0;
    let top = 54.0;
    let second = 10.0 + MAP_WIDTH + GAP;
    let third = second + MAP_WIDTH + bar;
    let mut scene = Scene::new(third + MAP_WIDTH + bar, top + height + 12.0);
    let time = format!("t = {} ms", chosen(tissue.times[at], 4));
    scene.text((10.0, 14.0), &*time, NORMAL + 2.0, INK, Align::Left);

    let solver = tissue.snapshots.slice(s![0, at, .., ..]);
    let surrogate = tissue.snapshots.slice(s![1, at, .., ..]);
    let both = surrogate.iter().zip(solver).map(|(a, b)| f64::from(a - b)).collect::<Vec<_>>();
    let floats = |a: ndarray::ArrayView2<f32>| a.iter().map(|&v| f64::from(v)).collect::<Vec<_>>();
    let maps = [
        ("solver", 10.0, floats(solver), ColourMap::Amount, amount),
        ("surrogate", second, floats(surrogate), ColourMap::Amount, amount),
        ("difference", third, both, ColourMap::Difference, difference),
    ];
    for (name, left, values, colour_map, scale) in maps {
        let axis = || Axis::exactly("", 0.0, 1.0);
        let panel = Panel { left, top, width: MAP_WIDTH, height, x: axis(), y: axis() };
        let colours = colour_map.colours(values.into_iter(), scale);
        scene.raster((left, top), (MAP_WIDTH, height), columns, colours);
        panel.frame(&mut scene);
        scene.text((left + MAP_WIDTH / 2.0, top - 14.0), name, NORMAL + 1.0, INK, Align::Centre);
        if name != "solver" {
            colour_map.bar_beside(&mut scene, &panel, scale);
        }
    }
    Figure::new(
        format!("tissue_{number_of}"),
        format!("Tissue at {time}: solver, surrogate, difference"),
        &scene,
    )
}
