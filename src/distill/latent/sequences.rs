//! Recordings side by side, as long as the longest of them.

use crate::distill::checkpoint::Kept;
use crate::distill::fitting::Curve;
use crate::error::{Error, Result};
use crate::harvest::Recording;

/// All recordings; each array has `length` numbers a recording.
pub struct Sequences {
    pub length: usize,
    /// Samples of each recording.
    pub samples: Vec<usize>,
    /// ms; 0 beyond a recording's end, where nothing happens any more.
    pub interval: Vec<f32>,
    pub voltage: Vec<f32>,
    pub mean: Vec<f32>,
    /// Scaled changes of the potential, without the stimulus' part.
    pub target: Vec<f32>,
}

impl Sequences {
    /// The recordings with the part of the stimulus, `effect` for each unit of it, taken off the changes.
    pub fn new(recordings: &[Recording], effect: f64, curve: Curve) -> Self {
        let samples: Vec<usize> = recordings.iter().map(Recording::len).collect();
        let length = samples.iter().copied().max().unwrap_or(0);
        let padded = |own: &dyn Fn(&Recording, usize) -> f32, beyond: &dyn Fn(&Recording) -> f32| {
            let of = |r: &Recording| -> Vec<f32> {
                (0..length).map(|i| if i < r.len() { own(r, i) } else { beyond(r) }).collect()
            };
            recordings.iter().flat_map(of).collect()
        };
        let rest = |r: &Recording| r.voltage[0] as f32;
        Self {
            interval: padded(&|r, i| r.interval[i] as f32, &|_| 0.0),
            voltage: padded(&|r, i| r.voltage[i] as f32, &rest),
            mean: padded(&|r, i| r.mean[i] as f32, &rest),
            target: padded(&|r, i| curve.target(r.change[i] - effect * r.stimulus[i]), &|_| 0.0),
            length,
            samples,
        }
    }
}

/// Part of a large change that counts as small at least.
const FLATTEST: f64 = 1e-4;

/// The curve for the changes in `recordings`: half of them count as small, so that plateau and rest are not lost beside the upstroke.
pub fn curve(recordings: &[Recording], effect: f64) -> Curve {
    let of = |r: &Recording| -> Vec<f64> {
        r.change.iter().zip(&r.stimulus).map(|(change, stimulus)| change - effect * stimulus).collect()
    };
    let changes: Vec<f64> = recordings.iter().flat_map(of).collect();
    let mut sizes: Vec<f64> = changes.iter().map(|c| c.abs()).collect();
    sizes.sort_by(f64::total_cmp);
    let quantile = |part: f64| sizes[(part * sizes.len() as f64) as usize];
    // In cells that come to rest entirely, that half is nothing but rounding.
    Curve::of(&changes, quantile(0.5).max(FLATTEST * quantile(0.95)).max(1e-30))
}

/// Columns of a recording by the names under which they are kept.
type Column = (&'static str, fn(&Recording) -> &Vec<f64>);
const COLUMNS: [Column; 5] = [
    ("recorded_interval", |r| &r.interval),
    ("recorded_voltage", |r| &r.voltage),
    ("recorded_mean", |r| &r.mean),
    ("recorded_change", |r| &r.change),
    ("recorded_stimulus", |r| &r.stimulus),
];

/// Keeps recordings in a checkpoint.
pub fn keep(recordings: &[Recording], kept: &mut Kept) {
    let samples: Vec<f64> = recordings.iter().map(|r| r.len() as f64).collect();
    kept.put("recorded_samples", &samples);
    for (name, column) in COLUMNS {
        kept.put(name, &recordings.iter().flat_map(column).copied().collect::<Vec<f64>>());
    }
}

/// Takes them back.
///
/// # Errors
/// Columns of other lengths.
pub fn take_back(kept: &Kept) -> Result<Vec<Recording>> {
    let samples: Vec<usize> = kept.numbers("recorded_samples")?.iter().map(|&n| n as usize).collect();
    let total: usize = samples.iter().sum();
    let mut columns = Vec::new();
    for (name, _) in COLUMNS {
        let numbers = kept.numbers(name)?;
        if numbers.len() != total || samples.is_empty() {
            return Err(Error::format(format!("{} numbers in {name} of {total} samples", numbers.len())));
        }
        columns.push(numbers);
    }
    let mut start = 0;
    let recordings = samples.into_iter().map(|n| {
        let own = |k: usize| columns[k][start..start + n].to_vec();
        let [interval, voltage, mean, change, stimulus] = [own(0), own(1), own(2), own(3), own(4)];
        start += n;
        Recording { interval, voltage, mean, change, stimulus }
    });
    Ok(recordings.collect())
}
