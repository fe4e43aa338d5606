//! Windows of time of a recipe, and the placement of collocation points in them.

use ndarray::Array2;
use serde::{Deserialize, Serialize};

use super::{FormName, LossName, Milliseconds, Recipe};
use crate::dataset::Sampling;
use crate::error::Result;
use crate::surrogate::{Kind, Role};
use crate::train::Task;

/// A network for each window of a solution map's time.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct WindowsSection {
    /// Windows of equal length.
    pub count: Option<usize>,
    /// Instead: times at which one window ends and the next begins, between 0 and the horizon.
    pub edges: Option<Vec<Milliseconds>>,
    /// Trains them one after another, with all iterations for each, instead of all at once.
    #[serde(default)]
    pub sequential: bool,
}

/// How fixed collocation points lie in time.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Placement {
    /// Anywhere, one in each of n slices.
    #[default]
    LatinHypercube,
    /// At equal distances.
    Uniform,
    /// At the zeros of the n-th Chebyshev polynomial, denser towards the ends.
    Chebyshev,
}

/// More windows than this are a mistake.
const MAX_WINDOWS: usize = 1000;

impl Recipe {
    /// Ends of all windows from 0 to the horizon; none without a section.
    pub(super) fn edges(&self, task: &Task) -> Result<Option<Vec<f64>>> {
        let Some(section) = &self.windows else { return Ok(None) };
        let has_time = task.inputs().first().is_some_and(|v| v.role == Role::Time);
        if task.kind() != Kind::SolutionMap || !has_time {
            let remedy = "remove the section, or make a solution map whose input is the time";
            return Err(self.fault("windows of time without a time", "windows", remedy));
        }
        if !(self.network.stages.is_empty() && self.network.trunk.is_empty()) {
            let remedy = "give hidden layers only: each window has such a network";
            return Err(self.fault("windows of time with stages or a trunk", "windows", remedy));
        }
        if self.network.form != FormName::Residual {
            let remedy = "set form = \"residual\", so that windows start where others end";
            return Err(self.fault("windows of time in the direct form", "network.form", remedy));
        }
        if !self.network.time_constants.is_empty() {
            let remedy = "remove them: each window has a scaled time of its own";
            return Err(self.fault("time features with windows", "network.time_constants", remedy));
        }
        if self.loss.iter().any(|loss| loss.kind == LossName::InitialCondition) {
            let remedy = "remove that loss: windows start exactly where they should";
            return Err(self.fault("an initial condition with windows", "loss.kind", remedy));
        }
        let horizon = task.ranges()[0][1];
        let inner: Vec<f64> = match (section.count, &section.edges) {
            (Some(count @ 1..=MAX_WINDOWS), None) => {
                (1..count).map(|i| horizon * i as f64 / count as f64).collect()
            }
            (None, Some(edges)) if edges.len() < MAX_WINDOWS => edges.iter().map(|t| t.0).collect(),
            (None, None) => return Err(self.fault("no windows", "windows.count", "give count or edges")),
            (Some(_), Some(_)) => {
                return Err(self.fault("count and edges", "windows.edges", "give one of them"));
            }
            _ => {
                let remedy = format!("use 1 to {MAX_WINDOWS} windows");
                return Err(self.fault("an impossible number of windows", "windows", remedy));
            }
        };
        let edges = [&[0.0], &inner[..], &[horizon]].concat();
        if edges.windows(2).any(|pair| pair[0] >= pair[1]) {
            let remedy = format!("give ascending times between 0 and the horizon of {horizon} ms");
            return Err(self.fault(format!("windows between {inner:?} ms"), "windows.edges", remedy));
        }
        Ok(Some(edges))
    }

    /// True where windows are trained one after another.
    pub(super) fn windows_in_turn(&self) -> bool {
        self.windows.as_ref().is_some_and(|w| w.sequential)
    }

    /// `n` fixed collocation points in each window, or in all of the time where there are none.
    pub(super) fn collocation_points(
        &self,
        task: &Task,
        n: usize,
        placement: Placement,
    ) -> Result<Array2<f64>> {
        let ranges = task.ranges();
        let edges = self.edges(task)?.unwrap_or_else(|| ranges[0].to_vec());
        let mut all = Array2::zeros((0, ranges.len()));
        for (i, window) in edges.windows(2).enumerate() {
            let mut ranges = ranges.clone();
            ranges[0] = [window[0], window[1]];
            let seed = self.seed.wrapping_add(i as u64);
            let mut points = Sampling::LatinHypercube.sample(&ranges, n, seed)?;
            for (k, time) in points.column_mut(0).iter_mut().enumerate() {
                // Parts of the window, from its start.
                let part = match placement {
                    Placement::LatinHypercube => continue,
                    Placement::Uniform => (k as f64 + 0.5) / n as f64,
                    Placement::Chebyshev => {
                        0.5 - 0.5 * (std::f64::consts::PI * (k as f64 + 0.5) / n as f64).cos()
                    }
                };
                *time = window[0] + (window[1] - window[0]) * part;
            }
            all.append(ndarray::Axis(0), points.view()).expect("columns of the same inputs");
        }
        Ok(all)
    }
}
