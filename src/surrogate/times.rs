//! Solution maps that give the states at several times at once.

use super::{Kind, Role, Surrogate, Variable};
use crate::error::{Error, Result};

/// Between the name of a state and the time of an output: `u@0.8`.
const AT: char = '@';

/// The outputs of a solution map that gives `states` at all of `times`: one state after the other at the first time,
/// then at the second, …, called `u@0.8`.
pub fn outputs_at(states: &[Variable], times: &[f64]) -> Vec<Variable> {
    let named = |time: &f64| {
        let time = *time;
        states.iter().map(move |v| Variable { name: format!("{}{AT}{time}", v.name), ..v.clone() })
    };
    times.iter().flat_map(named).collect()
}

impl Surrogate {
    /// The same solution map, whose outputs are the states at each of `times` in turn, called as [`outputs_at`] does.
    ///
    /// # Errors
    /// Another kind, a time among the inputs, times that do not ascend from above 0, outputs that are not named after
    /// them, an initial state given before.
    pub fn with_times(mut self, times: Vec<f64>) -> Result<Self> {
        let ascend = times.windows(2).all(|w| w[0] < w[1]);
        if times.is_empty() || !ascend || !times.iter().all(|t| t.is_finite() && *t > 0.0) {
            return Err(
                Error::format(format!("output times {times:?}")).remedy("give positive, ascending times")
            );
        }
        if self.kind != Kind::SolutionMap || !self.columns_of(Role::Time).is_empty() {
            return Err(Error::format(
                "output times of a surrogate that is no solution map, or that reads the time",
            )
            .remedy("give times only to solution maps without an input of role time"));
        }
        let n_states = self.outputs.len() / times.len();
        let named = |i: usize| -> Option<&str> {
            let suffix = format!("{AT}{}", times[i / n_states]);
            self.outputs[i].name.strip_suffix(suffix.as_str())
        };
        let whole = n_states > 0 && n_states * times.len() == self.outputs.len();
        if !whole || !(0..self.outputs.len()).all(|i| named(i).is_some() && named(i) == named(i % n_states)) {
            return Err(Error::format(format!(
                "{} outputs that are not the same states at each of {} times",
                self.outputs.len(),
                times.len()
            ))
            .remedy("name them u@0.8, w@0.8, u@1.6, …, one state after the other at each time"));
        }
        if self.initial_state.is_some() {
            return Err(Error::invalid("an initial state given before the times"));
        }
        self.times = times;
        Ok(self)
    }

    /// The times of the outputs, in the unit of the cell model's time (milliseconds for the shipped ones); empty where
    /// each output is one state at one time.
    pub fn times(&self) -> &[f64] {
        &self.times
    }

    /// Number of states: outputs at one time.
    pub fn n_states(&self) -> usize {
        self.outputs.len() / self.times.len().max(1)
    }

    /// The states that the outputs are, at one time or at each of [`Self::times`].
    pub fn states(&self) -> Vec<Variable> {
        let state = |v: &Variable| {
            let name = match self.times.first() {
                Some(first) => v.name.strip_suffix(&format!("{AT}{first}")).unwrap_or(&v.name),
                None => &v.name,
            };
            Variable { name: name.to_owned(), ..v.clone() }
        };
        self.outputs[..self.n_states()].iter().map(state).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program::{BlockId, Program, ProgramBuilder};

    /// A program of two inputs that repeats them `n` times.
    fn repeated(n: usize) -> Program {
        let mut b = ProgramBuilder::new(2).unwrap();
        let y = b.concat(&vec![BlockId::INPUT; n]).unwrap();
        b.finish(y)
    }

    fn state(name: &str) -> Variable {
        Variable::new(name, "1", Role::State)
    }

    fn surrogate(inputs: [&str; 2], outputs: Vec<Variable>) -> Surrogate {
        let n = outputs.len() / 2;
        Surrogate::new(Kind::SolutionMap, inputs.map(state).to_vec(), outputs, repeated(n)).unwrap()
    }

    #[test]
    fn outputs_are_the_states_at_each_time() {
        let outputs = outputs_at(&[state("u"), state("w")], &[0.8, 1.6, 20.0]);
        let names: Vec<_> = outputs.iter().map(|v| v.name.as_str()).collect();
        assert_eq!(names, ["u@0.8", "w@0.8", "u@1.6", "w@1.6", "u@20", "w@20"]);
        let map = surrogate(["u0", "w0"], outputs).with_times(vec![0.8, 1.6, 20.0]).unwrap();
        assert_eq!((map.times(), map.n_states()), (&[0.8, 1.6, 20.0][..], 2));
        assert_eq!(map.states(), [state("u"), state("w")]);
        assert!(map.clone().with_initial_state(vec![0.0; 6]).is_err());
        assert_eq!(map.with_initial_state(vec![0.1, 0.2]).unwrap().initial_state(), Some(&[0.1, 0.2][..]));
        let plain = surrogate(["u0", "w0"], vec![state("u"), state("w")]);
        assert_eq!((plain.times().len(), plain.n_states()), (0, 2));
    }

    #[test]
    fn times_that_the_outputs_do_not_have_are_refused() {
        let outputs = || outputs_at(&[state("u"), state("w")], &[0.8, 1.6]);
        let fault = |outputs, times: &[f64]| {
            surrogate(["u0", "w0"], outputs).with_times(times.to_vec()).unwrap_err().to_string()
        };
        for times in [&[][..], &[1.6, 0.8], &[0.8, 0.8], &[-0.8, 1.6], &[0.8, f64::NAN]] {
            assert!(fault(outputs(), times).contains("ascending"), "{times:?}");
        }
        assert!(fault(outputs(), &[0.8, 1.7]).contains("u@0.8"));
        assert!(fault(outputs(), &[0.8]).contains("4 outputs"));
        assert!(fault(outputs(), &[0.8, 1.6, 2.4]).contains("3 times"));
        let mut mixed = outputs();
        mixed.swap(2, 3);
        assert!(fault(mixed, &[0.8, 1.6]).contains("same states"));
        let time = Variable::new("t", "ms", Role::Time);
        let inputs = vec![time, state("u0")];
        let reads_time = Surrogate::new(Kind::SolutionMap, inputs, outputs(), repeated(2)).unwrap();
        assert!(reads_time.with_times(vec![0.8, 1.6]).unwrap_err().to_string().contains("role time"));
    }
}
