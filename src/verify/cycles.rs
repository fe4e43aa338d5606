//! Regularly paced cells: durations and activation beat by beat, and beats that only one of the two has.

use serde::Serialize;

use super::errors::Errors;
use super::options::Relation;
use crate::protocol::{Beat, Response};

/// What the surrogate does with a beat that the reference does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// It has no action potential where the reference has one.
    Lost,
    /// It has one, or one more, where the reference has none.
    Added,
    /// It does not come back to rest where the reference does.
    NotRepolarised,
    /// Its numbers are not finite.
    NotFinite,
}

impl FailureKind {
    /// In words that follow "the surrogate".
    pub fn phrase(self) -> &'static str {
        match self {
            Self::Lost => "loses the action potential",
            Self::Added => "has an action potential of its own",
            Self::NotRepolarised => "does not repolarise",
            Self::NotFinite => "gives no finite numbers",
        }
    }
}

/// A beat at which the surrogate fails.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Failure {
    /// From one stimulus to the next, ms.
    pub cycle_length: f64,
    /// Number of the beat, from 1.
    pub beat: u32,
    /// What happens.
    pub kind: FailureKind,
}

/// The comparison at one cycle length.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CycleResult {
    /// From one stimulus to the next, ms.
    pub length: f64,
    /// How it stands to the cycle lengths of training.
    pub training: Relation,
    /// Number of beats.
    pub beats: usize,
    /// Beats of which both have a whole action potential.
    pub compared: usize,
    /// Beats at which the reference itself has no whole action potential.
    pub reference_incomplete: usize,
    /// Mean duration of the reference's action potentials, ms.
    pub apd90: Option<f64>,
    /// Largest error of APD90, %.
    pub apd90_error: Option<f64>,
    /// Root mean square difference of the potential over all beats; none if it is not finite.
    pub potential_rms: Option<f64>,
    /// Number of failures.
    pub failures: usize,
}

/// All cycle lengths together.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct CyclesResult {
    /// One entry a cycle length.
    pub cycles: Vec<CycleResult>,
    /// Errors of APD90, %.
    pub apd90_percent: Errors,
    /// Errors of APD90, ms.
    pub apd90_ms: Errors,
    /// Errors of APD50, %.
    pub apd50_percent: Errors,
    /// Errors of APD50, ms.
    pub apd50_ms: Errors,
    /// Errors of the activation time, ms.
    pub activation_ms: Errors,
    /// Beats at which the surrogate fails.
    pub failures: Vec<Failure>,
}

/// What the surrogate fails in, if anything.
pub fn failure(reference: &Beat, own: &Beat) -> Option<FailureKind> {
    use Response::{Complete, None as Nothing, NotFinite, NotRepolarised};
    match (reference.response, own.response) {
        // Nobody knows what the surrogate should do there.
        (NotFinite, _) => None,
        (_, NotFinite) => Some(FailureKind::NotFinite),
        (Complete(..) | NotRepolarised(_), Nothing) => Some(FailureKind::Lost),
        (Complete(..), NotRepolarised(_)) => Some(FailureKind::NotRepolarised),
        (Nothing, Complete(..) | NotRepolarised(_)) => Some(FailureKind::Added),
        _ if own.further > reference.further => Some(FailureKind::Added),
        (Complete(..), Complete(..))
        | (NotRepolarised(_), Complete(..) | NotRepolarised(_))
        | (Nothing, Nothing) => None,
    }
}

impl CyclesResult {
    /// Adds the beats at one cycle length, with the potential of both.
    pub fn add(
        &mut self,
        length: f64,
        training: Relation,
        reference: (&[Beat], &[f64]),
        own: (&[Beat], &[f64]),
    ) {
        let failures_before = self.failures.len();
        let mut here = Errors::default();
        let (mut sum, mut compared) = (0.0, 0);
        for (i, (reference, own)) in reference.0.iter().zip(own.0).enumerate() {
            let beat = i as u32 + 1;
            if let Some(kind) = failure(reference, own) {
                self.failures.push(Failure { cycle_length: length, beat, kind });
                continue;
            }
            if let (Response::Complete(begin, end), Response::Complete(own_begin, own_end)) =
                (reference.response, own.response)
            {
                (sum, compared) = (sum + end.apd90, compared + 1);
                let percent = |own: f64, reference: f64| 100.0 * (own / reference - 1.0);
                here.add(percent(own_end.apd90, end.apd90), length, beat);
                self.apd90_percent.add(percent(own_end.apd90, end.apd90), length, beat);
                self.apd90_ms.add(own_end.apd90 - end.apd90, length, beat);
                self.apd50_percent.add(percent(own_end.apd50, end.apd50), length, beat);
                self.apd50_ms.add(own_end.apd50 - end.apd50, length, beat);
                self.activation_ms.add(own_begin.activation - begin.activation, length, beat);
            }
        }
        let squares: f64 = reference.1.iter().zip(own.1).map(|(a, b)| (a - b) * (a - b)).sum();
        let rms = (squares / reference.1.len().max(1) as f64).sqrt();
        self.cycles.push(CycleResult {
            length,
            training,
            beats: reference.0.len(),
            compared,
            reference_incomplete: reference.0.iter().filter(|beat| beat.response.apd90().is_none()).count(),
            apd90: (compared > 0).then(|| sum / compared as f64),
            apd90_error: here.worst(),
            potential_rms: rms.is_finite().then_some(rms),
            failures: self.failures.len() - failures_before,
        });
    }

    /// The cycle length with failures, the most of them, or else with the largest error.
    pub fn worst_cycle(&self) -> Option<usize> {
        let badness = |cycle: &CycleResult| (cycle.failures, cycle.apd90_error.unwrap_or(0.0));
        let all = self.cycles.iter().enumerate();
        let worst = all.max_by(|(_, a), (_, b)| {
            let (a, b) = (badness(a), badness(b));
            a.0.cmp(&b.0).then(a.1.total_cmp(&b.1))
        });
        worst.map(|(i, _)| i)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{Depolarisation, Repolarisation};

    const BEGIN: Depolarisation =
        Depolarisation { activation: 1.0, upstroke: 100.0, rest: -80.0, peak: 30.0 };

    fn complete(apd90: f64) -> Response {
        Response::Complete(BEGIN, Repolarisation { apd50: 0.8 * apd90, apd90 })
    }

    fn beats(responses: &[Response]) -> Vec<Beat> {
        responses.iter().map(|&response| Beat { start: 0.0, response, further: 0 }).collect()
    }

    #[test]
    fn what_only_one_of_the_two_does_is_a_failure_with_its_place() {
        let not = Response::NotRepolarised(BEGIN);
        let reference =
            [complete(200.0), complete(200.0), Response::None, not, complete(200.0), complete(200.0)];
        let own =
            [complete(202.0), Response::None, complete(100.0), complete(300.0), not, Response::NotFinite];
        let mut result = CyclesResult::default();
        result.add(400.0, Relation::Unknown, (&beats(&reference), &[0.0, 1.0]), (&beats(&own), &[0.0, 3.0]));
        let found: Vec<_> = result.failures.iter().map(|f| (f.beat, f.kind)).collect();
        let expected = [
            (2, FailureKind::Lost),
            (3, FailureKind::Added),
            (5, FailureKind::NotRepolarised),
            (6, FailureKind::NotFinite),
        ];
        assert_eq!(found, expected);
        let cycle = &result.cycles[0];
        assert_eq!((cycle.compared, cycle.reference_incomplete, cycle.failures), (1, 2, 4));
        assert!((cycle.apd90_error.unwrap() - 1.0).abs() < 1e-9);
        assert!((cycle.potential_rms.unwrap() - 2f64.sqrt()).abs() < 1e-12);
        let mut twice = beats(&[complete(200.0)]);
        twice[0].further = 1;
        assert_eq!(failure(&beats(&[complete(200.0)])[0], &twice[0]), Some(FailureKind::Added));
        assert_eq!(failure(&twice[0], &twice[0]), None);
    }

    #[test]
    fn failures_are_worse_than_errors() {
        let mut result = CyclesResult::default();
        let reference = beats(&[complete(200.0), complete(200.0)]);
        for (length, own) in [
            (300.0, [complete(240.0), complete(240.0)]),
            (400.0, [complete(200.0), Response::None]),
            (500.0, [complete(280.0), complete(200.0)]),
        ] {
            result.add(length, Relation::Unknown, (&reference, &[]), (&beats(&own), &[]));
        }
        assert_eq!(result.worst_cycle(), Some(1));
        let worst = result.apd90_ms;
        assert_eq!((worst.worst(), worst.place()), (Some(80.0), Some((500.0, 1))));
        assert_eq!(CyclesResult::default().worst_cycle(), None);
    }
}
