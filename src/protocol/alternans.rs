//! Alternans: long and short action potentials in turn under a regular stimulus.

use super::action_potential::Response;

/// The responses of a cell that is paced regularly.
#[derive(Clone, Debug, PartialEq)]
pub struct Cycle {
    /// From one stimulus to the next, ms.
    pub length: f64,
    /// One response a stimulus, in order.
    pub responses: Vec<Response>,
}

/// So many beats at the end are looked at.
const LAST: usize = 4;

impl Cycle {
    /// Smallest difference of APD90 between consecutive beats among the last four, ms: only what goes on counts, not what dies away.
    ///
    /// `None` where one of them is no whole action potential (a block is no alternans), or fewer were paced.
    pub fn alternation(&self) -> Option<f64> {
        let last = &self.responses[self.responses.len().checked_sub(LAST)?..];
        let durations = last.iter().map(Response::apd90).collect::<Option<Vec<f64>>>()?;
        let differences: Vec<f64> = durations.windows(2).map(|pair| pair[1] - pair[0]).collect();
        match differences.windows(2).all(|pair| pair[0] * pair[1] < 0.0) {
            true => differences.into_iter().map(f64::abs).reduce(f64::min),
            false => Some(0.0),
        }
    }
}

/// The largest cycle length at which APD90 alternates by more than `threshold` ms from beat to beat.
pub fn alternans_onset(cycles: &[Cycle], threshold: f64) -> Option<f64> {
    let alternating = cycles.iter().filter(|cycle| cycle.alternation().is_some_and(|by| by > threshold));
    alternating.map(|cycle| cycle.length).reduce(f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{Depolarisation, Repolarisation};

    fn cycle(length: f64, durations: &[f64]) -> Cycle {
        let begin = Depolarisation { activation: 1.0, upstroke: 100.0, rest: -85.0, peak: 30.0 };
        let responses = durations.iter().map(|&apd90| match apd90 {
            0.0 => Response::None,
            _ => Response::Complete(begin, Repolarisation { apd50: apd90 / 2.0, apd90 }),
        });
        Cycle { length, responses: responses.collect() }
    }

    #[test]
    fn only_lasting_alternation_counts() {
        let cycles = [
            cycle(500.0, &[100.0, 300.0, 300.0, 299.0, 300.0, 300.0]),
            cycle(400.0, &[260.0, 280.0, 262.0, 277.0]),
            cycle(350.0, &[200.0, 270.0, 190.0, 271.0]),
            cycle(300.0, &[200.0, 0.0, 200.0, 0.0]),
            cycle(450.0, &[300.0, 290.0, 280.0, 270.0]),
            cycle(600.0, &[300.0, 200.0]),
        ];
        let found: Vec<_> = cycles.iter().map(Cycle::alternation).collect();
        assert_eq!(found, [Some(0.0), Some(15.0), Some(70.0), None, Some(0.0), None]);
        assert_eq!(alternans_onset(&cycles, 10.0), Some(400.0));
        assert_eq!(alternans_onset(&cycles, 20.0), Some(350.0));
        assert_eq!(alternans_onset(&cycles, 100.0), None);
    }
}
