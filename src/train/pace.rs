//! How far a training is, between its first and its last iteration, under a limit of time.

use serde::{Deserialize, Serialize};

/// The plan of a training: it ends after its iterations or, where the machine is too slow for
/// them, as many iterations earlier as the time limit demands. Learning rates follow the plan, so
/// that a slow machine still lowers them to the end; a machine that is fast enough computes
/// the same numbers every time, whatever its speed.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Pace {
    /// Where the present plan began.
    iteration: u64,
    fraction: f64,
    /// Iteration at which it ends.
    end: u64,
}

impl Pace {
    /// The plan to do all `iterations`.
    pub fn new(iterations: u64) -> Self {
        Self { iteration: 0, fraction: 0.0, end: iterations }
    }

    /// Part of the training done at `iteration`, 0 to 1.
    pub fn fraction(&self, iteration: u64) -> f64 {
        if iteration >= self.end {
            return 1.0;
        }
        let part = (iteration - self.iteration) as f64 / (self.end - self.iteration) as f64;
        self.fraction + (1.0 - self.fraction) * part
    }

    /// Makes a new plan from `iteration` on, if the limit of `limit` seconds, of which `seconds`
    /// have gone, comes before the end at the speed so far.
    pub fn observe(&mut self, iteration: u64, seconds: f64, limit: f64) {
        if iteration == 0 {
            return;
        }
        let affordable = (limit - seconds).max(0.0) / seconds * iteration as f64;
        let end = iteration + affordable as u64;
        if end < self.end {
            *self = Self { iteration, fraction: self.fraction(iteration), end };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fast_machine_keeps_the_plan_and_a_slow_one_ends_in_time() {
        let mut fast = Pace::new(1000);
        (1..10).for_each(|i| fast.observe(100 * i, i as f64, 11.0));
        assert_eq!(fast, Pace::new(1000));
        assert_eq!((fast.fraction(0), fast.fraction(250), fast.fraction(1000)), (0.0, 0.25, 1.0));

        let mut slow = Pace::new(1000);
        // Two seconds a hundred iterations: 500 of them in the ten seconds.
        slow.observe(100, 2.0, 10.0);
        assert_eq!(slow.fraction(100), 0.1);
        assert_eq!(slow.fraction(300), 0.55);
        assert_eq!(slow.fraction(500), 1.0);
        // The time is up.
        slow.observe(400, 12.0, 10.0);
        assert_eq!(slow.fraction(400), 1.0);
    }
}
