//! Which trainings make the study, and how long each may take.

use std::path::Path;

use super::method::{METHODS, Method};
use crate::dataset::Problem;
use crate::error::{Error, Result};
use crate::search::{Search, Trial};

/// A size of training sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Samples {
    /// Its name.
    pub name: &'static str,
    /// Samples.
    pub n: usize,
    /// The largest prime number below.
    pub prime: usize,
}

/// The sizes of the papers.
pub const SAMPLES: [Samples; 3] = [
    Samples { name: "1k", n: 1000, prime: 997 },
    Samples { name: "10k", n: 10_000, prime: 9973 },
    Samples { name: "100k", n: 100_000, prime: 99_991 },
];

/// Part of the time that trainings take; data and evaluation take the rest.
const TRAINING: f64 = 0.85;
/// Seconds of training below which nothing is worth a row.
const LEAST: f64 = 1.0;

/// The study: trainings to do, and those that make no sense.
#[derive(Clone, Debug)]
pub struct Study {
    /// The trainings.
    pub search: Search,
    /// Problem and method of each training.
    pub cells: Vec<(Problem, &'static str, &'static str)>,
    /// Problem, method, and why it is left out.
    pub left_out: Vec<(Problem, &'static str, &'static str)>,
    /// Minutes given.
    pub budget: f64,
    /// Seconds of each training.
    pub seconds: f64,
    /// Seed of all trainings.
    pub seed: u32,
}

impl Study {
    /// The study of these problems, methods and sizes in `budget` minutes, `jobs` trainings at once.
    ///
    /// # Errors
    /// Names that are not known, nothing that makes sense, too little time.
    pub fn new(
        problems: &[String],
        methods: &[String],
        samples: &[String],
        budget: f64,
        jobs: usize,
        seed: u32,
    ) -> Result<Self> {
        let problems: Vec<Problem> = problems
            .iter()
            .map(|name| Problem::from_name(name).map_err(|e| e.at("--problems")))
            .collect::<Result<_>>()?;
        let methods: Vec<&Method> = methods
            .iter()
            .map(|name| named(METHODS, |m| m.name, name).map_err(|e| e.at("--methods")))
            .collect::<Result<_>>()?;
        let samples: Vec<&Samples> = samples
            .iter()
            .map(|name| named(&SAMPLES, |s| s.name, name).map_err(|e| e.at("--samples")))
            .collect::<Result<_>>()?;
        let (mut planned, mut left_out) = (Vec::new(), Vec::new());
        for &problem in &problems {
            for method in &methods {
                match method.left_out(problem) {
                    Some(why) => left_out.push((problem, method.name, why)),
                    None => planned.extend(samples.iter().map(|&samples| (problem, *method, *samples))),
                }
            }
        }
        if planned.is_empty() {
            let why: Vec<String> = left_out
                .iter()
                .map(|(problem, method, why)| format!("{method} of {}: {why}", problem.name()))
                .collect();
            let remedy = "choose other problems or methods";
            return Err(Error::invalid(format!("nothing to train ({})", why.join("; "))).remedy(remedy));
        }
        let rounds = planned.len().div_ceil(jobs) as f64;
        let seconds = TRAINING * 60.0 * budget / rounds;
        if !(seconds >= LEAST && seconds.is_finite()) {
            let least = LEAST * rounds / TRAINING / 60.0;
            return Err(Error::invalid(format!("{budget} minutes for {} trainings", planned.len()))
                .at("--budget")
                .remedy(format!("give at least {least:.2} minutes, or fewer problems, methods or samples")));
        }
        let trial = |(problem, method, samples): &(Problem, &Method, Samples)| {
            let recipe = method.recipe(*problem, *samples, seed, seconds);
            let settings = [("problem", problem.name()), ("method", method.name), ("samples", samples.name)];
            let settings = settings.map(|(key, value)| (key.to_owned(), value.to_owned()));
            Trial::new(&recipe, Path::new("the study"), settings.to_vec())
        };
        let trials: Result<Vec<Trial>> = planned.iter().map(trial).collect();
        let keys = ["problem", "method", "samples"].map(str::to_owned).to_vec();
        Ok(Self {
            search: Search { source: "the study".into(), keys, trials: trials? },
            cells: planned
                .iter()
                .map(|(problem, method, samples)| (*problem, method.name, samples.name))
                .collect(),
            left_out,
            budget,
            seconds,
            seed,
        })
    }
}

fn named<'a, T>(all: &'a [T], name_of: impl Fn(&T) -> &'static str, name: &str) -> Result<&'a T> {
    all.iter().find(|one| name_of(one).eq_ignore_ascii_case(name)).ok_or_else(|| {
        let names: Vec<&str> = all.iter().map(name_of).collect();
        Error::invalid(format!("unknown name \"{name}\"")).remedy(format!("use some of {}", names.join(", ")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn study(problems: &str, methods: &str, samples: &str, budget: f64) -> Result<Study> {
        let list = |text: &str| text.split(',').map(str::to_owned).collect::<Vec<_>>();
        Study::new(&list(problems), &list(methods), &list(samples), budget, 1, 1)
    }

    #[test]
    fn the_whole_study_is_well_formed_and_says_what_it_leaves_out() {
        let study = study("a,b,c,d", "ddnn,pinn,itnn", "1k,10k,100k", 60.0).unwrap();
        assert_eq!(study.cells.len(), 3 * (2 + 3 + 3 + 1));
        assert_eq!(study.left_out.len(), 3);
        assert!((study.seconds * study.cells.len() as f64 - 0.85 * 3600.0).abs() < 1e-6);
        let names: std::collections::BTreeSet<_> = study.search.trials.iter().map(|t| &t.name).collect();
        assert_eq!(names.len(), study.cells.len());
    }

    #[test]
    fn no_time_of_problem_a_is_both_trained_and_tested() {
        for samples in SAMPLES {
            let recipe = METHODS[0].recipe(Problem::A, samples, 1, 10.0);
            assert_eq!(recipe["data"]["times"].as_integer(), Some(samples.prime as i64));
            let tested: Vec<f64> = (1..=83).map(|i| 0.3 * f64::from(i)).collect();
            let trained = |i: usize| 25.0 * (i + 1) as f64 / samples.prime as f64;
            for t in tested {
                let nearest = (t / 25.0 * samples.prime as f64).round() as usize;
                assert!((trained(nearest.max(1) - 1) - t).abs() > 1e-7, "{t} of {}", samples.name);
            }
        }
    }

    #[test]
    fn what_cannot_be_done_is_refused() {
        for (problems, methods, samples, budget, what) in [
            ("e", "ddnn", "1k", 1.0, "unknown problem \"e\""),
            ("a", "magic", "1k", 1.0, "unknown name \"magic\""),
            ("a", "ddnn", "2k", 1.0, "use some of 1k, 10k, 100k"),
            ("a", "itnn", "1k", 1.0, "nothing to train"),
            ("a,b", "ddnn", "1k", 0.01, "at least 0.04 minutes"),
            ("a", "ddnn", "1k", f64::NAN, "--budget"),
        ] {
            let message = study(problems, methods, samples, budget).unwrap_err().to_string();
            assert!(message.contains(what), "{message}");
        }
    }
}
