//! The methods of the study, each a recipe that is completed for a problem and a number of samples.

use toml::{Table, Value};

use super::study::Samples;
use crate::dataset::Problem;
use crate::search::set;

/// A way to train.
#[derive(Debug)]
pub struct Method {
    /// Its name on the command line and in tables.
    pub name: &'static str,
    /// What it is.
    pub what: &'static str,
    /// The recipe as TOML, without problem, data and time.
    recipe: &'static str,
    /// What it learns.
    learns: Learns,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Learns {
    /// States at times.
    Solution,
    /// A step.
    Step,
}

/// All methods; one more recipe here is one more column of the study.
pub const METHODS: &[Method] = &[
    Method {
        name: "ddnn",
        what: "solution map from data",
        recipe: include_str!("recipes/ddnn.toml"),
        learns: Learns::Solution,
    },
    Method {
        name: "pinn",
        what: "solution map from the same data, the residual of the equations and the initial condition",
        recipe: include_str!("recipes/pinn.toml"),
        learns: Learns::Solution,
    },
    Method {
        name: "itnn",
        what: "step map of 1 ms from pairs of states, rolled out",
        recipe: include_str!("recipes/itnn.toml"),
        learns: Learns::Step,
    },
];

/// Seed of the cells that results are measured on: trainings draw theirs with other seeds.
const TEST_SEED: i64 = 20_250_601;
/// Cells that results are measured on, where more than the time varies.
const TEST_CELLS: i64 = 2000;
/// Samples of each training trajectory, so that 100k samples are the 5000 trajectories of the papers' problem B.
const TIMES: usize = 20;
/// Where trajectories of problems B and C go: a step map that starts in their boxes must know more than the boxes.
const VISITED: [(&str, [f64; 2]); 2] = [("u", [-0.3, 1.1]), ("w", [-0.02, 0.2])];

impl Method {
    /// Why the method is left out for `problem`, if it makes no sense there.
    pub fn left_out(&self, problem: Problem) -> Option<&'static str> {
        match (self.learns, problem) {
            (Learns::Step, Problem::A) => Some(
                "A is one trajectory: its pairs of states lie on a line and teach a step map nothing beside it",
            ),
            (Learns::Solution, Problem::D) => {
                Some("D asks for the state one step later, which has no time to learn or to differentiate by")
            }
            _ => None,
        }
    }

    /// The recipe for `problem`, `samples` and `seed` that trains for `seconds`.
    pub fn recipe(&self, problem: Problem, samples: Samples, seed: u32, seconds: f64) -> Table {
        let mut recipe: Table = toml::from_str(self.recipe).expect("recipes of the study are TOML");
        let mut put = |path: &str, value: Value| set(&mut recipe, path, value).expect("keys of sections");
        let integer = |n: usize| Value::Integer(n as i64);
        let range = |[low, high]: [f64; 2]| Value::Array(vec![Value::Float(low), Value::Float(high)]);
        put("seed", Value::Integer(i64::from(seed)));
        put("surrogate.problem", Value::String(problem.name().to_owned()));
        put("stop.time_limit", Value::String(format!("{seconds:.1} s")));
        put("evaluation.seed", Value::Integer(TEST_SEED));
        put("evaluation.cells", Value::Integer(TEST_CELLS));
        match (self.learns, problem) {
            (Learns::Step, _) => {
                put("data.pairs", integer(samples.n));
                put("evaluation.horizon", Value::String(format!("{} ms", problem.horizon())));
                if problem != Problem::D {
                    for ((name, visited), start) in VISITED.into_iter().zip(problem.ranges()) {
                        put(&format!("domain.{name}"), range(visited));
                        put(&format!("evaluation.domain.{name}"), range(start));
                    }
                }
            }
            (Learns::Solution, Problem::A) => {
                // One trajectory has no other cells to test on, only other times: a prime number of training times to
                // 25 ms meets the test's multiples of 0.3 ms nowhere.
                put("data.cells", integer(1));
                put("data.times", integer(samples.prime));
                put("evaluation.every", Value::String("0.3 ms".to_owned()));
                put("evaluation.horizon", Value::String("24.9 ms".to_owned()));
            }
            (Learns::Solution, _) => {
                put("data.cells", integer(samples.n / TIMES));
                put("data.times", integer(TIMES));
                // A tenth more, for early stopping; not counted among the samples, as in the papers.
                put("data.validation", integer((samples.n / TIMES).div_ceil(10)));
            }
        }
        recipe
    }
}
