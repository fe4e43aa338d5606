//! What a verification does.

use crate::protocol::Pulse;
use crate::surrogate::Surrogate;

/// What a verification does. All times in ms.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// Every stimulus.
    pub pulse: Pulse,
    /// Cycle lengths at which cells are paced.
    pub cycle_lengths: Vec<f64>,
    /// Beats at each of them.
    pub beats: u32,
    /// Regular beats before the premature one (S1–S2); 0 leaves restitution out.
    pub restitution_beats: u32,
    /// Cycle lengths at which alternans is looked for; none leave it out.
    pub alternans_lengths: Vec<f64>,
    /// Beats at each of them.
    pub alternans_beats: u32,
    /// Difference of APD90 from beat to beat that counts as alternans.
    pub alternans_threshold: f64,
    /// How long a cable is followed; 0 leaves it out.
    pub cable_time: f64,
    /// Number of cells of the cable.
    pub cable_cells: usize,
    /// Beats of long pacing; 0 leaves it out.
    pub long_beats: u32,
    /// How long cells are followed whose states were pushed out of the domain; 0 leaves it out.
    pub push_time: f64,
    /// Whether the cost of a step is measured.
    pub cost: bool,
    /// What the surrogate has to reach.
    pub targets: super::Targets,
}

impl Options {
    /// Everything, with stimulus `pulse`: 7 cycle lengths of 12 beats, restitution, alternans, a cable of 100 cells, 500 beats.
    pub fn new(pulse: Pulse) -> Self {
        Self {
            pulse,
            cycle_lengths: vec![300.0, 350.0, 400.0, 500.0, 650.0, 800.0, 1000.0],
            beats: 12,
            restitution_beats: 8,
            alternans_lengths: (0..10).map(|i| 400.0 - 20.0 * f64::from(i)).collect(),
            alternans_beats: 24,
            alternans_threshold: 5.0,
            cable_time: 600.0,
            cable_cells: 100,
            long_beats: 500,
            push_time: 1500.0,
            cost: true,
            targets: super::Targets::default(),
        }
    }

    /// What is enough to see where a surrogate stands while it is made: 3 cycle lengths of 5 beats and the velocity in a short cable.
    pub fn quick(pulse: Pulse) -> Self {
        Self {
            cycle_lengths: vec![330.0, 540.0, 950.0],
            beats: 5,
            restitution_beats: 0,
            alternans_lengths: Vec::new(),
            cable_time: 80.0,
            cable_cells: 60,
            long_beats: 0,
            push_time: 0.0,
            cost: false,
            ..Self::new(pulse)
        }
    }

    /// The same with cycle lengths moved by a few milliseconds where training used them.
    #[must_use]
    pub fn avoiding(mut self, training: &TrainingCycles) -> Self {
        for length in &mut self.cycle_lengths {
            while training.relation(*length) == Relation::Used {
                *length += 7.0;
            }
        }
        self
    }
}

/// The cycle lengths that a surrogate was trained with, as far as its file tells.
#[derive(Clone, Debug, PartialEq)]
pub enum TrainingCycles {
    /// The file does not tell.
    Unknown,
    /// Drawn between two lengths.
    Between(f64, f64),
    /// These.
    Listed(Vec<f64>),
}

/// How a cycle length stands to those of training.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Relation {
    /// The file does not tell what training used.
    Unknown,
    /// Training used it.
    Used,
    /// Training drew lengths from a range around it, or used some on both of its sides.
    Between,
    /// Training had nothing as short, or as long.
    Outside,
}

impl TrainingCycles {
    /// What `provenance["distill"]["training_cycle_lengths"]` says: two numbers are the ends of a range, any others a list.
    pub fn of(surrogate: &Surrogate) -> Self {
        let entry = surrogate.provenance().get("distill").and_then(|d| d.get("training_cycle_lengths"));
        let lengths = entry.and_then(|lengths| lengths.as_array()).map(|lengths| {
            let numbers = lengths.iter().map(|length| length.as_f64().filter(|l| l.is_finite()));
            numbers.collect::<Option<Vec<f64>>>()
        });
        match lengths.flatten().as_deref() {
            None | Some([]) => Self::Unknown,
            Some(&[low, high]) => Self::Between(low, high),
            Some(list) => Self::Listed(list.to_vec()),
        }
    }

    /// How `length` stands to them.
    pub fn relation(&self, length: f64) -> Relation {
        let (low, high) = match self {
            Self::Unknown => return Relation::Unknown,
            Self::Listed(list) if list.iter().any(|used| (used - length).abs() < 1.0) => {
                return Relation::Used;
            }
            Self::Listed(list) => list.iter().fold((f64::MAX, f64::MIN), |(l, h), &v| (l.min(v), h.max(v))),
            &Self::Between(low, high) => (low, high),
        };
        match (low..=high).contains(&length) {
            true => Relation::Between,
            false => Relation::Outside,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cycle_lengths_of_training_are_avoided_and_named() {
        let training = TrainingCycles::Listed(vec![300.0, 407.0, 400.0, 1000.0]);
        let options = Options::new(Pulse { strength: 1.0, duration: 1.0 }).avoiding(&training);
        assert_eq!(options.cycle_lengths, [307.0, 350.0, 414.0, 500.0, 650.0, 800.0, 1007.0]);
        let relations = [300.4, 350.0, 250.0, 1200.0].map(|length| training.relation(length));
        assert_eq!(relations, [Relation::Used, Relation::Between, Relation::Outside, Relation::Outside]);
        let drawn = TrainingCycles::Between(350.0, 1000.0);
        assert_eq!([350.0, 300.0].map(|l| drawn.relation(l)), [Relation::Between, Relation::Outside]);
        assert_eq!(TrainingCycles::Unknown.relation(500.0), Relation::Unknown);
    }
}
