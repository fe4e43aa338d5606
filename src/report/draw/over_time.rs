//! How errors develop over a rollout or over the horizon, one picture a state.

use super::Figure;
use super::axis::Axis;
use super::panel::{Entry, Panel, legend};
use super::scene::{Pen, Scene};
use super::style::{EULER, SURROGATE};
use crate::error::Result;
use crate::report::evaluate::Accuracy;
use crate::surrogate::Surrogate;

const WIDTH: f64 = 460.0;
const HEIGHT: f64 = 280.0;
/// Decades below the largest error that are shown.
const DECADES: f64 = 6.0;

/// A picture for each state.
///
/// # Errors
/// A fault of the drawing library.
pub fn over_time(surrogate: &Surrogate, accuracy: &Accuracy) -> Result<Vec<Figure>> {
    let errors = &accuracy.over_time;
    let one = |(j, variable): (usize, &crate::surrogate::Variable)| {
        let (mean, p99, euler) = (&errors.mean[j], &errors.p99[j], &errors.euler_mean[j]);
        let all = mean.iter().chain(p99).chain(euler).copied();
        let unit = if variable.unit == "1" { String::new() } else { format!(" ({})", variable.unit) };
        let panel = Panel {
            left: 68.0,
            top: 34.0,
            width: WIDTH - 80.0,
            height: HEIGHT - 84.0,
            x: Axis::exactly("time (ms)", 0.0, errors.times.last().copied().unwrap_or(1.0)),
            y: Axis::logarithmic(format!("|error of {}|{unit}", variable.name), all, DECADES),
        };
        let pens =
            [Pen::solid(SURROGATE, 2.0), Pen::dashed(SURROGATE, 1.5, 6.0, 4.0), Pen::solid(EULER, 2.0)];
        let names = ["mean", "99th percentile", "Euler, mean"];
        let mut scene = Scene::new(WIDTH, HEIGHT);
        let entries: Vec<Entry> = names.iter().zip(pens).map(|(n, pen)| Entry::line(*n, pen)).collect();
        legend(&mut scene, (68.0, 14.0), WIDTH, &entries);
        panel.draw(&mut scene, true, true);
        for (curve, pen) in [mean, p99, euler].into_iter().zip(pens) {
            panel.curve(&mut scene, &errors.times, curve, pen);
        }
        let name = &variable.name;
        Figure::new(format!("error_over_time_{name}"), format!("Error of {name} over time"), &scene)
    };
    surrogate.states().iter().enumerate().map(one).collect()
}
