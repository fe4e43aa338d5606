//! Which of the states that cells pass are kept: alike many of every potential and every speed, so that the upstroke, which takes a
//! thousandth of the time, is there.

use std::collections::BTreeMap;

use super::random::Random;

/// Steps of the potential over the range of an action potential.
const LEVELS: f64 = 48.0;
/// Speeds are told apart on a logarithmic scale from this part of the action potential's range in a ms …
const SLOWEST: f64 = 1e-4;
/// … in steps of this factor.
const SPEED_STEP: f64 = 3.0;
/// Part of the kept states that are taken evenly over time instead.
const EVENLY: f64 = 0.25;

/// States seen so far, in part.
pub struct Strata {
    /// Lowest potential of an action potential, and its range.
    scale: [f64; 2],
    n_samples: usize,
    n_states: usize,
    capacity: usize,
    strata: BTreeMap<(i64, i64), Reservoir>,
    evenly: Reservoir,
    /// For each state the cells in which it was smallest and largest.
    extremes: Vec<[Option<Sample>; 2]>,
    random: Random,
}

/// One cell at one time: states, then stimulus.
type Sample = Vec<f64>;

#[derive(Default)]
struct Reservoir {
    samples: Vec<Sample>,
    seen: usize,
}

impl Reservoir {
    /// Keeps every state seen with the same probability (Vitter's algorithm R).
    fn offer(&mut self, capacity: usize, random: &mut Random, sample: impl FnOnce() -> Sample) {
        self.seen += 1;
        if self.samples.len() < capacity {
            self.samples.push(sample());
        } else {
            let place = random.below(self.seen);
            if place < capacity {
                self.samples[place] = sample();
            }
        }
    }
}

impl Strata {
    /// Keeps about `n_samples` states of cells whose potential ranges over `potentials`.
    pub fn new(potentials: [f64; 2], n_samples: usize, n_states: usize, random: Random) -> Self {
        let range = (potentials[1] - potentials[0]).max(f64::MIN_POSITIVE);
        Self {
            scale: [potentials[0], range],
            n_samples,
            n_states,
            // A stratum never gets more than this; most get far less.
            capacity: n_samples.div_ceil(16),
            strata: BTreeMap::new(),
            evenly: Reservoir::default(),
            extremes: vec![[None, None]; n_states],
            random,
        }
    }

    /// Offers a finite cell whose potential changes with `speed` per ms.
    pub fn offer(&mut self, cell: &[f64], stimulus: f64, speed: f64) {
        let sample = || [cell, &[stimulus]].concat();
        let [low, range] = self.scale;
        let level = ((cell[0] - low) / range * LEVELS).floor() as i64;
        let relative = speed.abs() / range / SLOWEST;
        let pace = if relative > 1.0 { (relative.ln() / SPEED_STEP.ln()) as i64 + 1 } else { 0 };
        let stratum = self.strata.entry((level, pace * speed.signum() as i64)).or_default();
        stratum.offer(self.capacity, &mut self.random, sample);
        let evenly = (self.n_samples as f64 * EVENLY) as usize;
        self.evenly.offer(evenly, &mut self.random, sample);
        for (j, (extremes, &x)) in self.extremes.iter_mut().zip(cell).enumerate() {
            if extremes[0].as_ref().is_none_or(|s| x < s[j]) {
                extremes[0] = Some(sample());
            }
            if extremes[1].as_ref().is_none_or(|s| x > s[j]) {
                extremes[1] = Some(sample());
            }
        }
    }

    /// The kept states in random order, cell after cell, and the stimulus of each.
    pub fn finish(mut self) -> (Vec<f64>, Vec<f64>) {
        let mut kept = self.evenly.samples;
        kept.extend(self.extremes.into_iter().flatten().flatten());
        let wanted = self.n_samples.saturating_sub(kept.len());
        let each = fair_share(self.strata.values().map(|stratum| stratum.samples.len()), wanted);
        let mut fair = Vec::new();
        for mut stratum in self.strata.into_values() {
            self.random.shuffle(&mut stratum.samples);
            fair.extend(stratum.samples.into_iter().take(each));
        }
        self.random.shuffle(&mut fair);
        fair.truncate(wanted);
        kept.extend(fair);
        self.random.shuffle(&mut kept);
        let states = kept.iter().flat_map(|sample| &sample[..self.n_states]).copied().collect();
        (states, kept.iter().map(|sample| sample[self.n_states]).collect())
    }
}

/// The number that each may give at most, so that all together give about `wanted`.
fn fair_share(sizes: impl Iterator<Item = usize>, wanted: usize) -> usize {
    let mut sizes: Vec<usize> = sizes.collect();
    sizes.sort_unstable();
    let (mut left, mut n) = (wanted, sizes.len());
    for size in sizes {
        if size * n >= left {
            return left.div_ceil(n.max(1));
        }
        left -= size;
        n -= 1;
    }
    usize::MAX
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_fair() {
        assert_eq!(fair_share([1, 5, 100, 100].into_iter(), 46), 20);
        assert_eq!(fair_share([1, 5].into_iter(), 46), usize::MAX);
        assert_eq!(fair_share([].into_iter(), 46), usize::MAX);
    }

    #[test]
    fn what_is_rare_is_kept_beside_what_is_common() {
        let mut strata = Strata::new([-80.0, 40.0], 1000, 2, Random::new(3));
        for k in 0..100_000 {
            let rare = k % 1000 == 0;
            strata.offer(
                &[if rare { 0.0 } else { -80.0 }, f64::from(k)],
                0.0,
                if rare { 200.0 } else { 0.0 },
            );
        }
        let (states, stimulus) = strata.finish();
        let rare = states.chunks(2).filter(|cell| cell[0] == 0.0).count();
        assert!((63..=70).contains(&rare), "{rare}");
        assert!(stimulus.len() > 250 && stimulus.len() <= 1000, "{}", stimulus.len());
        // The extremes are there whatever chance says.
        assert!(states.chunks(2).any(|cell| cell[1] == 99_999.0));
    }
}
