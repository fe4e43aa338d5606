//! What is known of a cell of which only the potential is recorded: the potential over time and what steps add to it.

use super::drive::Drive;
use super::random::Random;
use super::{Options, RUNAWAY, check, potentials};
use crate::error::{Error, Result};
use crate::step_function::StepFunction;

/// A sample is taken where the potential has moved by this part of the height of an action potential since the last one …
const MOVED: f64 = 0.005;
/// … or after this time, ms.
const RESTED: f64 = 2.0;
/// Recordings of fewer samples tell nothing.
const FEWEST: usize = 100;

/// A cell from its initial state on, in samples that lie close where its potential moves.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Recording {
    /// From each sample to the next, ms.
    pub interval: Vec<f64>,
    /// The transmembrane potential.
    pub voltage: Vec<f64>,
    /// Its mean from each sample to the next.
    pub mean: Vec<f64>,
    /// What the one step from a sample on adds to the potential, under the stimulus.
    pub change: Vec<f64>,
    /// The stimulus of that step.
    pub stimulus: Vec<f64>,
}

impl Recording {
    /// Number of samples.
    pub fn len(&self) -> usize {
        self.voltage.len()
    }

    /// Whether nothing was recorded.
    pub fn is_empty(&self) -> bool {
        self.voltage.is_empty()
    }
}

/// Takes the samples of one cell, step by step.
struct Recorder {
    recording: Recording,
    dt: f64,
    moved: f64,
    /// Steps since the last sample, and the sum of potentials over them.
    steps: u32,
    sum: f64,
    ended: bool,
}

impl Recorder {
    /// For steps of `dt` of a cell whose action potentials are `height` high.
    fn new(dt: f64, height: f64) -> Self {
        let moved = MOVED * height;
        Self { recording: Recording::default(), dt, moved, steps: 0, sum: 0.0, ended: false }
    }

    /// A step from potential `voltage`, under `stimulus`, that adds `change`. What follows a number that is not finite is not
    /// recorded.
    fn step(&mut self, voltage: f64, stimulus: f64, change: f64) {
        self.ended |= !(voltage.is_finite() && change.is_finite());
        if self.ended {
            return;
        }
        let due = match (self.recording.voltage.last(), self.recording.stimulus.last()) {
            (Some(before), Some(&under)) => {
                (voltage - before).abs() > self.moved
                    || f64::from(self.steps) * self.dt >= RESTED
                    || stimulus != under
            }
            _ => true,
        };
        if due {
            self.close();
            self.recording.voltage.push(voltage);
            self.recording.stimulus.push(stimulus);
            self.recording.change.push(change);
        }
        self.steps += 1;
        self.sum += voltage;
    }

    /// Nothing more is to be recorded.
    fn end(&mut self) {
        self.ended = true;
    }

    fn close(&mut self) {
        if self.steps > 0 {
            self.recording.interval.push(f64::from(self.steps) * self.dt);
            self.recording.mean.push(self.sum / f64::from(self.steps));
        }
        (self.steps, self.sum) = (0, 0.0);
    }

    /// What was recorded; nothing if that is too little to learn from.
    fn finish(mut self) -> Option<Recording> {
        self.close();
        (self.recording.len() >= FEWEST).then_some(self.recording)
    }
}

/// Drives `cells` as [`super::harvest`] does and records the potential of each from its initial state on.
///
/// With a `model`, its potential is clamped to that of the cells, step by step, and what its steps add is recorded: how it answers
/// where others lead it.
///
/// # Errors
/// As for [`super::harvest`]; cells of which no recording is long enough.
pub fn record(
    cells: &mut dyn StepFunction,
    mut model: Option<&mut dyn StepFunction>,
    options: &Options,
) -> Result<Vec<Recording>> {
    check(options)?;
    let mut random = Random::new(options.seed);
    let mut drive = Drive::new(options, &mut random);
    let range = match &mut model {
        Some(model) => potentials(*model, options)?,
        None => potentials(cells, options)?,
    };
    let height = range[1] - range[0];
    let possible = range[0] - RUNAWAY * height..=range[1] + RUNAWAY * height;
    let (n, n_states) = (options.n_cells, cells.n_states());
    let initial = cells.initial_state().to_vec();
    let mut states = initial.repeat(n);
    let mut clamped = model.as_ref().map(|model| model.initial_state().repeat(n)).unwrap_or_default();
    let mut stimulus = vec![0.0; n];
    let mut recorders: Vec<Recorder> = (0..n).map(|_| Recorder::new(options.dt, height)).collect();
    for k in 0..(options.time / options.dt) as u64 {
        drive.stimulus(k as f64 * options.dt, &mut stimulus);
        let before: Vec<f64> = states.iter().step_by(n_states).copied().collect();
        let after: Vec<f64> = match &mut model {
            Some(model) => {
                let of_model = model.n_states();
                clamped.iter_mut().step_by(of_model).zip(&before).for_each(|(v, before)| *v = *before);
                model.step(&mut clamped, &stimulus, options.dt, 1)?;
                clamped.iter().step_by(of_model).copied().collect()
            }
            None => Vec::new(),
        };
        cells.step(&mut states, &stimulus, options.dt, 1)?;
        for (i, (recorder, cell)) in recorders.iter_mut().zip(states.chunks_exact_mut(n_states)).enumerate() {
            let after = after.get(i).copied().unwrap_or(cell[0]);
            recorder.step(before[i], stimulus[i], after - before[i]);
            if !(possible.contains(&cell[0]) && cell.iter().all(|x| x.is_finite())) {
                recorder.end();
                // Its neighbours go on.
                cell.copy_from_slice(&initial);
            }
        }
        drive.couple(&mut states, n_states, options.dt);
    }
    let recordings: Vec<Recording> = recorders.into_iter().filter_map(Recorder::finish).collect();
    match recordings.is_empty() {
        true => Err(Error::numeric("no cell was recorded for long: states run away or are not finite")
            .remedy("take a smaller Δt or a weaker stimulus, and check the model")),
        false => Ok(recordings),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// V follows a hidden state that follows V, and the stimulus.
    struct Lag(f64);

    impl StepFunction for Lag {
        fn n_states(&self) -> usize {
            2
        }

        fn initial_state(&self) -> &[f64] {
            &[0.0, 0.0]
        }

        fn step(&mut self, states: &mut [f64], stimulus: &[f64], dt: f64, n_steps: u32) -> Result<()> {
            for (cell, stimulus) in states.chunks_mut(2).zip(stimulus) {
                for _ in 0..n_steps {
                    let [v, y] = [cell[0], cell[1]];
                    cell[0] += dt * (stimulus - 0.5 * v - self.0 * y);
                    cell[1] += dt * 0.1 * (v - y);
                }
            }
            Ok(())
        }
    }

    fn options() -> Options {
        Options { strength: 1.0, dt: 0.1, n_cells: 24, in_cables: 0.0, ..Options::default() }
    }

    /// Whether changes are those of a hidden state that follows the recorded means, to the order of the samples.
    fn follows(recording: &Recording, strength: f64) -> bool {
        let mut y = 0.0;
        (0..recording.len()).all(|i| {
            let expected = 0.1 * (recording.stimulus[i] - 0.5 * recording.voltage[i] - strength * y);
            let share = 1.0 - 0.99f64.powf(recording.interval[i] / 0.1);
            y += share * (recording.mean[i] - y);
            (recording.change[i] - expected).abs() < 2e-3
        })
    }

    #[test]
    fn samples_give_the_step_and_the_mean_between_them() {
        let recordings = record(&mut Lag(0.3), None, &options()).unwrap();
        assert_eq!(recordings.len(), 24);
        for recording in &recordings {
            let n = recording.len();
            assert!([&recording.interval, &recording.mean, &recording.change].iter().all(|c| c.len() == n));
            assert!((recording.interval.iter().sum::<f64>() - 1500.0).abs() < 1e-6);
            assert!(n < 4000 && recording.stimulus.iter().any(|&s| s != 0.0));
            assert!(follows(recording, 0.3));
        }
    }

    #[test]
    fn a_clamped_model_answers_along_the_way_of_others() {
        let own = record(&mut Lag(0.3), None, &options()).unwrap();
        // Led by itself, it answers as it does alone.
        let led = record(&mut Lag(0.3), Some(&mut Lag(0.3)), &options()).unwrap();
        assert_eq!(own, led);
        let astray = record(&mut Lag(0.0), Some(&mut Lag(0.3)), &options()).unwrap();
        let stray = |(a, b): (&Recording, &Recording)| a.voltage != b.voltage;
        assert!(astray.iter().zip(&own).any(stray));
        assert!(astray.iter().all(|recording| follows(recording, 0.3)));
        assert!(!astray.iter().all(|recording| follows(recording, 0.0)));
    }

    #[test]
    fn what_is_not_finite_ends_a_recording() {
        let mut recorder = Recorder::new(0.1, 1.0);
        (0..150).for_each(|i| recorder.step(f64::from(i % 7), 0.0, 0.1));
        recorder.step(1.0, 0.0, f64::NAN);
        recorder.step(2.0, 0.0, 0.1);
        assert_eq!(recorder.finish().unwrap().len(), 150);
        assert!(Recorder::new(0.1, 1.0).finish().is_none());
    }
}
