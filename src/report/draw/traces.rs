//! States of one cell over time, one panel a state.

use super::axis::{Axis, chosen};
use super::panel::{Entry, Panel, legend};
use super::scene::{Align, Pen, Scene};
use super::style::{EULER, INK, MUTED, NORMAL, REFERENCE, SMALL, SURROGATE};
use super::{Figure, with_unit};
use crate::error::Result;
use crate::report::evaluate::Trace;
use crate::surrogate::{Kind, Surrogate};

const WIDTH: f64 = 460.0;
const PANEL_HEIGHT: f64 = 130.0;
const MARGIN: [f64; 2] = [68.0, 12.0];
/// Euler's curve is shown where it strays this part of the state's span from the reference.
const VISIBLE: f64 = 0.02;
/// Up to so many steps are drawn as dots.
const MAX_DOTS: usize = 120;

/// A picture for each cell.
///
/// # Errors
/// A fault of the drawing library.
pub fn traces(surrogate: &Surrogate, traces: &[Trace]) -> Result<Vec<Figure>> {
    traces.iter().enumerate().map(|(i, trace)| one(surrogate, i + 1, trace)).collect()
}

fn one(surrogate: &Surrogate, number_of: usize, trace: &Trace) -> Result<Figure> {
    let n_states = surrogate.n_states();
    let column = |rows: &[Vec<f64>], j: usize| -> Vec<f64> {
        std::iter::once(trace.initial[j]).chain(rows.iter().map(|row| row[j])).collect()
    };
    let with_start = |times: &[f64]| [&[0.0], times].concat();
    let times = with_start(&trace.times);
    let euler_shown = (0..n_states).any(|j| strays(&column(&trace.euler, j), &column(&trace.reference, j)));
    // Its states between two of its times nobody knows.
    let at_points = matches!(surrogate.kind(), Kind::StepMap { .. }) || !surrogate.times().is_empty();
    let mut entries = vec![
        Entry::line("reference", Pen::solid(REFERENCE, 2.5)),
        match at_points {
            true => Entry::dots("surrogate", SURROGATE),
            false => Entry::line("surrogate", surrogate_pen()),
        },
    ];
    if euler_shown {
        entries.push(Entry::line("Euler, 0.01 ms", euler_pen()));
    }

    let head = 80.0;
    let mut scene = Scene::new(WIDTH, head + n_states as f64 * (PANEL_HEIGHT + 14.0) + 38.0);
    let values: Vec<String> = trace.inputs.iter().map(|(n, v)| format!("{n} = {}", chosen(*v, 3))).collect();
    let (rank, values) = (rank(trace.rank), values.join(", "));
    scene.text((MARGIN[0], 14.0), &*rank, NORMAL, INK, Align::Left);
    scene.text((MARGIN[0], 33.0), &*values, SMALL, MUTED, Align::Left);
    legend(&mut scene, (MARGIN[0], 58.0), WIDTH, &entries);
    for (j, variable) in surrogate.states().iter().enumerate() {
        let (reference, own) = (column(&trace.reference, j), column(&trace.surrogate, j));
        // A surrogate that runs away must not flatten the rest.
        let [low, high] = super::axis::extent(reference.iter().copied()).unwrap_or([0.0, 1.0]);
        let bound = (high - low).max(1e-6);
        let near = own.iter().copied().filter(|v| (low - bound..=high + bound).contains(v));
        let panel = Panel {
            left: MARGIN[0],
            top: head + j as f64 * (PANEL_HEIGHT + 14.0),
            width: WIDTH - MARGIN[0] - MARGIN[1],
            height: PANEL_HEIGHT,
            x: Axis::exactly("time (ms)", 0.0, times.last().copied().unwrap_or(1.0)),
            y: Axis::linear(with_unit(&variable.name, &variable.unit), reference.iter().copied().chain(near)),
        };
        panel.draw(&mut scene, j + 1 == n_states, true);
        panel.curve(&mut scene, &times, &reference, Pen::solid(REFERENCE, 2.5));
        if euler_shown {
            panel.curve(&mut scene, &times, &column(&trace.euler, j), euler_pen());
        }
        let own_times = with_start(&trace.surrogate_times);
        match at_points {
            true => {
                panel.curve(&mut scene, &own_times, &own, Pen::solid(SURROGATE, 1.0));
                let every = (own.len() / MAX_DOTS).max(1);
                let shown = own_times.iter().zip(&own).step_by(every).filter(|(_, y)| y.is_finite());
                shown.for_each(|(&x, &y)| scene.disc(panel.point(x, y), 2.0, SURROGATE));
            }
            false => panel.curve(&mut scene, &own_times[1..], &own[1..], surrogate_pen()),
        }
    }
    Figure::new(format!("trace_{number_of}"), format!("States over time, {rank}: {values}"), &scene)
}

fn surrogate_pen() -> Pen {
    Pen::dashed(SURROGATE, 2.0, 7.0, 4.0)
}

fn euler_pen() -> Pen {
    Pen::dashed(EULER, 1.5, 2.5, 2.5)
}

fn strays(euler: &[f64], reference: &[f64]) -> bool {
    let [low, high] = super::axis::extent(reference.iter().copied()).unwrap_or([0.0, 0.0]);
    euler.iter().zip(reference).any(|(a, b)| (a - b).abs() > VISIBLE * (high - low))
}

fn rank(rank: f64) -> String {
    match rank {
        r if r >= 1.0 => "worst cell".to_owned(),
        0.5 => "median cell".to_owned(),
        r => format!("better than {} % of cells", ((1.0 - r) * 100.0).round()),
    }
}
