//! Whether a model library is what a step function must be: answers that depend on nothing but the question.

use super::instance::Steps;
use super::{Engine, ModelLibrary, Real};
use crate::error::{Error, Result};
use crate::step_function::StepFunction;

/// Something about a model library that its user should know, though it can be used.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// What was found.
    pub what: String,
    /// What it means for the user.
    pub remedy: String,
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.what, self.remedy)
    }
}

/// How long a cell must stay finite without a stimulus, ms.
const REST: f64 = 20.0;
/// States along that time that are asked about.
const N_PROBES: usize = 36;
/// A number that no batch size divides, and more than the loader hands over at once.
const MANY: usize = 1111;
/// Calls during which memory must not grow.
const CALLS: u32 = 64;

impl ModelLibrary {
    /// Asks the library the same things in different ways, with steps of `dt`, and looks at what it does meanwhile. What does no
    /// more than cost time or disturb is returned; the library can be used.
    ///
    /// # Errors
    /// A cell that does not stay finite at rest, and answers that depend on something else than the question: hidden state,
    /// chance, or the other cells.
    pub fn check(&mut self, dt: f64) -> Result<Vec<Finding>> {
        let probes = Probes::at_rest(self, dt)?;
        let mut findings = Vec::new();
        findings.extend(self.check_answers(&probes, dt)?);
        findings.extend(self.check_unset(&probes, dt)?);
        findings.extend(self.check_memory(&probes, dt)?);
        findings.extend(self.check_prints());
        Ok(findings)
    }

    fn check_answers(&mut self, probes: &Probes, dt: f64) -> Result<Option<Finding>> {
        const N_STEPS: u32 = 3;
        let n_states = self.n_states();
        let n = probes.stimulus.len();
        let first = probes.ask(self, dt, N_STEPS)?;

        let again = probes.ask(self, dt, N_STEPS)?;
        let mut worst = Difference::between(&first, &again, n_states, "asked again");

        let mut one_by_one = Vec::new();
        for step in 0..N_STEPS {
            let mut states = if step == 0 { probes.states.clone() } else { std::mem::take(&mut one_by_one) };
            self.step(&mut states, &probes.stimulus, dt, 1)?;
            one_by_one = states;
        }
        worst = worst.or(&first, &one_by_one, n_states, "steps asked for one by one");

        let mut alone = Vec::new();
        for i in (0..n).rev() {
            let mut cell = probes.states[i * n_states..(i + 1) * n_states].to_vec();
            self.step(&mut cell, &probes.stimulus[i..=i], dt, N_STEPS)?;
            alone.splice(0..0, cell);
        }
        worst = worst.or(&first, &alone, n_states, "cells asked about one by one");

        let turned = |i: usize| (i * 5 + 3) % n;
        let mut states: Vec<f64> = (0..MANY)
            .flat_map(|i| &probes.states[turned(i) * n_states..(turned(i) + 1) * n_states])
            .copied()
            .collect();
        let stimulus: Vec<f64> = (0..MANY).map(|i| probes.stimulus[turned(i)]).collect();
        self.step(&mut states, &stimulus, dt, N_STEPS)?;
        let expected: Vec<f64> = (0..MANY)
            .flat_map(|i| &first[turned(i) * n_states..(turned(i) + 1) * n_states])
            .copied()
            .collect();
        worst = worst.or(&expected, &states, n_states, "cells in another order and number");

        let fresh = probes.ask(&mut self.open_again()?, dt, N_STEPS)?;
        worst = worst.or(&first, &fresh, n_states, "another instance asked");
        if worst.size == 0.0 {
            return Ok(None);
        }
        let what = format!(
            "the same question has different answers: state {} differs by {:.1e} with {}",
            worst.state, worst.size, worst.when
        );
        let harmless = match self.real() {
            Real::Float => 1e-4,
            _ => 1e-9,
        };
        if worst.size < harmless {
            return Ok(Some(Finding {
                what,
                remedy: "this is rounding, and limits what can be found".into(),
            }));
        }
        // Two instances without a past differ only by chance.
        let other = probes.ask(&mut self.open_again()?, dt, N_STEPS)?;
        let cause = match Difference::between(&fresh, &other, n_states, "").size > 0.0 {
            true => "its answers depend on chance or on its surroundings",
            false => "it keeps a hidden state from call to call, or one cell influences another",
        };
        Err(Error::numeric(format!("{what}; {cause}"))
            .in_file(self.path())
            .remedy("make the step a function of state, stimulus and Δt alone"))
    }

    fn check_unset(&mut self, probes: &Probes, dt: f64) -> Result<Option<Finding>> {
        let n_states = self.n_states();
        let zeros = probes.ask(self, dt, 1)?;
        let Engine::Isolated(process) = &mut self.engine else { return Ok(None) };
        let mut ones = probes.states.clone();
        process.step(&mut ones, &probes.stimulus, Steps { unset: 1.0, ..Steps::new(dt, 1) })?;
        let worst = Difference::between(&zeros, &ones, n_states, "");
        Ok((worst.size > 0.0).then(|| Finding {
            what: format!(
                "the step reads variables that it never sets: state {} changes by {:.1e} with what lies on the stack",
                worst.state, worst.size
            ),
            remedy: "they are zero here; elsewhere they may be anything, so set them in the library".into(),
        }))
    }

    fn check_memory(&mut self, probes: &Probes, dt: f64) -> Result<Option<Finding>> {
        let Engine::Isolated(process) = &mut self.engine else { return Ok(None) };
        let mut states = probes.states.clone();
        process.step(&mut states, &probes.stimulus, Steps::new(dt, 1))?;
        let before = process.memory()?;
        process.step(&mut states, &probes.stimulus, Steps::new(dt, CALLS))?;
        let after = process.memory()?;
        let n = probes.stimulus.len();
        let grown = after.bytes.saturating_sub(before.bytes);
        // The smallest piece of memory in each step of a single cell, or of all cells together.
        if grown >= 16 * u64::from(CALLS) {
            let each = grown as f64 / f64::from(CALLS) / n as f64;
            return Ok(Some(Finding {
                what: format!(
                    "the step allocates memory that it does not free, {each:.1} bytes a cell and step"
                ),
                remedy: "long runs may run out of memory; free it, or keep it between the calls".into(),
            }));
        }
        let allocations = (after.allocations - before.allocations) as f64 / f64::from(CALLS);
        Ok((allocations > 0.0).then(|| Finding {
            what: format!(
                "the step allocates memory and frees it, {allocations:.1} times a step of {n} cells"
            ),
            remedy: "this takes time; keep the memory between the calls".into(),
        }))
    }

    fn check_prints(&self) -> Option<Finding> {
        let Engine::Isolated(process) = &self.engine else { return None };
        let bytes = process.printed().in_steps();
        (bytes > 0).then(|| Finding {
            what: format!("the step prints{}", process.printed().quoted().trim_start_matches("; it printed")),
            remedy: "what it prints is thrown away, and printing takes time".into(),
        })
    }
}

/// States that a cell passes at rest, some of them under a little stimulus.
struct Probes {
    states: Vec<f64>,
    stimulus: Vec<f64>,
}

impl Probes {
    fn at_rest(library: &mut ModelLibrary, dt: f64) -> Result<Self> {
        let n_states = library.n_states();
        let mut cell = library.initial_state().to_vec();
        let steps = (REST / dt / N_PROBES as f64).ceil().max(1.0) as u32;
        let (mut states, mut stimulus) = (Vec::new(), Vec::new());
        for k in 0..N_PROBES {
            states.extend_from_slice(&cell);
            stimulus.push([0.0, 1.0, -1.0][k % 3]);
            library.step(&mut cell, &[0.0], dt, steps)?;
            if let Some(j) = cell.iter().position(|x| !x.is_finite()) {
                let time = f64::from(steps) * dt * (k + 1) as f64;
                return Err(Error::numeric(format!(
                    "state {j} of {n_states} is {} within {time:.3} ms of rest at Δt = {dt} ms",
                    cell[j]
                ))
                .in_file(library.path())
                .remedy("take a smaller --dt, more --substeps or --adaptive ones, and check the precision (--real)"));
            }
        }
        Ok(Self { states, stimulus })
    }

    fn ask(&self, library: &mut ModelLibrary, dt: f64, n_steps: u32) -> Result<Vec<f64>> {
        let mut states = self.states.clone();
        library.step(&mut states, &self.stimulus, dt, n_steps)?;
        Ok(states)
    }
}

/// The largest difference between two answers, relative to the largest value of the state.
#[derive(Clone, Copy)]
struct Difference {
    size: f64,
    state: usize,
    when: &'static str,
}

impl Difference {
    fn between(a: &[f64], b: &[f64], n_states: usize, when: &'static str) -> Self {
        let mut worst = Self { size: 0.0, state: 0, when };
        for state in 0..n_states {
            let column = |x: &[f64]| x.iter().skip(state).step_by(n_states).copied().collect::<Vec<_>>();
            let (a, b) = (column(a), column(b));
            let scale = a.iter().chain(&b).fold(f64::MIN_POSITIVE, |m, x| m.max(x.abs()));
            for (a, b) in a.iter().zip(&b) {
                let difference = ((a - b) / scale).abs();
                let size = match a.to_bits() == b.to_bits() {
                    true => 0.0,
                    false if difference.is_finite() => difference.max(f64::MIN_POSITIVE),
                    // A number beside a NaN is as different as can be.
                    false => f64::MAX,
                };
                if size > worst.size {
                    (worst.size, worst.state) = (size, state);
                }
            }
        }
        worst
    }

    fn or(self, a: &[f64], b: &[f64], n_states: usize, when: &'static str) -> Self {
        let other = Self::between(a, b, n_states, when);
        if other.size > self.size { other } else { self }
    }
}
