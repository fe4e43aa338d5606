//! What a recipe trains: cell model, kind, domain, stimulus.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::quantity::StepLength;
use super::{Milliseconds, Recipe};
use crate::cell_model::CellModel;
use crate::dataset::Problem;
use crate::error::Result;
use crate::surrogate::{Role, Variable};
use crate::train::{Task, TaskStimulus};

/// What is trained.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct SurrogateSection {
    /// Solution map or step map.
    pub kind: KindName,
    /// One of the papers' problems `a` to `d`, which gives cell model, inputs and domain.
    pub problem: Option<String>,
    /// Name of a cell model, where no problem is named.
    pub cell_model: Option<String>,
    /// The cell model's parameters that differ from their defaults.
    #[serde(default)]
    pub parameters: BTreeMap<String, f64>,
    /// A step map's step, or the shortest and the longest step of a map that reads its step.
    pub dt: Option<StepLength>,
    /// A solution map's longest time.
    pub horizon: Option<Milliseconds>,
}

/// Names of [`Kind`](crate::surrogate::Kind).
#[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum KindName {
    /// (t, x0, parameters) → x(t).
    SolutionMap,
    /// (x, stimulus, parameters) → x after dt.
    StepMap,
}

impl Recipe {
    /// What the surrogate is to learn.
    pub(super) fn task(&self) -> Result<Task> {
        if self.surrogate.kind == KindName::StepMap {
            self.check_no_times()?;
        }
        let section = &self.surrogate;
        let problem = section.problem.as_deref().map(Problem::from_name).transpose();
        let problem = problem.map_err(|e| self.place(e, "surrogate.problem"))?;
        let cell_model = match (&section.cell_model, problem) {
            (Some(name), _) => CellModel::from_name(name, &section.parameters),
            (None, Some(problem)) => CellModel::from_name(problem.cell_model().name(), &section.parameters),
            (None, None) if self.data.training_file.is_some() => return self.recorded_task(),
            (None, None) => {
                let remedy = "name a cell model or a problem, or give recorded steps as data.training_file";
                return Err(self.fault("no cell model", "surrogate.cell_model", remedy));
            }
        };
        let cell_model = cell_model.map_err(|e| self.place(e, "surrogate.cell_model"))?;
        let mut domain = self.domain.clone();
        let mut range = |names: &[&str], default: Option<[f64; 2]>, key: &str| -> Result<Option<[f64; 2]>> {
            let given = names.iter().find_map(|name| domain.remove(*name));
            let range = given.or(default);
            range.map_or(Ok(()), |range| self.check_range(range, key)).map(|()| range)
        };
        let of_problem = problem.map(Problem::ranges);
        let mut states = Vec::new();
        for (i, state) in cell_model.states().iter().enumerate() {
            let default = of_problem.and_then(|r| r.get(i).copied());
            let key = format!("domain.{}", state.name);
            match range(&[state.name], default, &key)? {
                Some(range) => states.push(range),
                None => return Err(self.fault("no range", &key, "give the smallest and the largest value")),
            }
        }
        let name = cell_model.stimulus().name;
        let direct = range(&[name], None, &format!("domain.{name}"))?;
        let of_k = range(&["k"], of_problem.map(|r| r[2]), "domain.k")?;
        if let Some(unknown) = domain.keys().next() {
            let remedy = format!("use the states of {}, {name} or k", cell_model.name());
            return Err(self.fault("an unknown variable", &format!("domain.{unknown}"), remedy));
        }
        let stimulus = self.stimulus(&cell_model, problem, direct, of_k)?;
        match (section.kind, section.dt, section.horizon) {
            (KindName::StepMap, Some(StepLength::One(dt)), None) => {
                Ok(Task::step_map(cell_model, dt.0, &states, stimulus))
            }
            (KindName::StepMap, Some(StepLength::Between(shortest, longest)), None) => {
                let range = [shortest.0, longest.0];
                if range[0] >= range[1] {
                    let remedy = "write the shorter one first, or one step only";
                    return Err(self.fault("steps that do not go upward", "surrogate.dt", remedy));
                }
                Ok(Task::step_map_of_any(cell_model, range, &states, stimulus))
            }
            (KindName::StepMap, ..) => {
                Err(self.fault("a step map has a step", "surrogate.dt", "give dt, and no horizon"))
            }
            (KindName::SolutionMap, None, horizon) => {
                let horizon = horizon.map(|h| h.0).or(problem.map(Problem::horizon)).ok_or_else(|| {
                    self.fault("a solution map has a longest time", "surrogate.horizon", "give a horizon")
                })?;
                self.at_times(Task::solution_map(cell_model, horizon, &states, stimulus))
            }
            (KindName::SolutionMap, Some(_), _) => {
                Err(self.fault("a solution map has no step", "surrogate.dt", "remove it"))
            }
        }
    }

    pub(super) fn check_range(&self, [low, high]: [f64; 2], key: &str) -> Result<()> {
        if low.is_finite() && high.is_finite() && low <= high {
            return Ok(());
        }
        let what = format!("the range {low} to {high}");
        Err(self.fault(what, key, "write two finite numbers, the smaller one first"))
    }

    fn stimulus(
        &self,
        cell_model: &CellModel,
        problem: Option<Problem>,
        direct: Option<[f64; 2]>,
        of_k: Option<[f64; 2]>,
    ) -> Result<TaskStimulus> {
        let stimulus = cell_model.stimulus();
        if let Some([low, high]) = direct {
            return Ok(match low == high {
                true => TaskStimulus::Fixed(low),
                false => TaskStimulus::Input {
                    variable: Variable::new(stimulus.name, stimulus.unit, Role::Stimulus)
                        .with_range(low, high),
                    factor: 1.0,
                    offset: 0.0,
                },
            });
        }
        match (of_k, problem) {
            (None, _) => Ok(TaskStimulus::Fixed(stimulus.default)),
            (Some([low, high]), Some(problem)) if low == high => {
                Ok(TaskStimulus::Fixed(problem.stimulus(low)))
            }
            (Some([low, high]), Some(problem)) => {
                let offset = problem.stimulus(0.0);
                Ok(TaskStimulus::Input {
                    variable: Variable::new("k", "1", Role::Parameter).with_range(low, high),
                    factor: problem.stimulus(1.0) - offset,
                    offset,
                })
            }
            (Some(_), None) => {
                let remedy = "name the problem, or give the stimulus's own range";
                Err(self.fault("k belongs to the papers' problems", "domain.k", remedy))
            }
        }
    }
}
