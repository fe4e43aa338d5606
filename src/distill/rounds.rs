//! Rounds of training, each after the first with what the surrogate's own mistakes led to.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

use super::Options;
use super::ask::Asker;
use super::checkpoint::Kept;
use super::closed_loop::{ClosedLoop, Departure};
use crate::error::{Error, Result};
use crate::harvest::Visited;
use crate::surrogate::Surrogate;
use crate::verify::SurrogateCells;

/// Parts of the budget: the first round's, and one for each round that learns from the surrogate's own mistakes.
const ROUNDS: [f64; 5] = [0.3, 0.15, 0.15, 0.15, 0.25];
/// A part of the budget that is worth another round, where the target was missed before it ended.
const WORTH: f64 = 0.05;
/// Rounds after which it is hopeless.
const MOST: usize = 20;
/// Iterations in which the rate rises at the begin of a round.
const WARM: f64 = 100.0;
/// Part of the rate that is left at the end of a round.
const LAST_RATE: f64 = 1e-3;
/// Part of the target at which no further round is worth its time.
const ENOUGH: f64 = 0.5;
/// From one checkpoint to the next.
const SAVE_EVERY: Duration = Duration::from_secs(30);

/// Networks that make a surrogate, in training.
pub trait Trainee {
    /// Iterations of all rounds where nothing else is said, and the largest rate.
    fn effort(&self) -> (f64, f64);
    /// Gets ready for a round with the data that are there now.
    fn begin(&mut self) -> Result<()>;
    /// One step of size `rate`.
    fn step(&mut self, rate: f64);
    /// What the networks make.
    ///
    /// # Errors
    /// Networks that diverged.
    fn surrogate(&self) -> Result<Surrogate>;
    /// Adds what the model does where `surrogate` goes: driven with `seed`, and in the states that it visited `late` in long pacing.
    fn visit(
        &mut self,
        asker: &mut Asker,
        surrogate: &Arc<Surrogate>,
        late: Option<Visited>,
        seed: u64,
    ) -> Result<()>;
    /// Keeps everything that the next step depends on.
    fn keep(&self, kept: &mut Kept);
    /// Takes back what [`Self::keep`] kept, in place of [`Self::begin`].
    ///
    /// # Errors
    /// What was kept of something else.
    fn take_back(&mut self, kept: &Kept) -> Result<()>;
}

/// What came of the rounds.
pub struct Trained {
    pub surrogate: Surrogate,
    pub departure: Departure,
    /// Time of training before this run went on, s.
    pub seconds_before: f64,
}

/// How far training is.
#[derive(Default)]
struct Progressed {
    round: usize,
    /// Iterations of this round.
    iteration: u64,
    /// Time of this round, s.
    seconds: f64,
    /// Time of the rounds before, s.
    seconds_before: f64,
    /// After the last round that was worth its time.
    finished: bool,
    best: Option<(Surrogate, Departure)>,
}

impl Progressed {
    /// The part of all iterations that this round takes.
    fn part(&self) -> f64 {
        ROUNDS[self.round.min(ROUNDS.len() - 1)]
    }

    /// The longest time that this round may take, s.
    fn time(&self, budget: f64) -> f64 {
        match ROUNDS.get(self.round) {
            Some(part) => part * budget,
            None => budget - self.seconds_before,
        }
    }

    /// Whether the rounds that were planned are over, and no other is worth its time or there is no hope.
    fn ends(&self, options: &Options) -> bool {
        let budget = options.budget.as_secs_f64();
        let left = budget - self.seconds_before - self.seconds;
        let missed = self.best.as_ref().is_none_or(|(_, departure)| departure.apd90 > options.apd90);
        let goes_on = missed && options.iterations.is_none() && left > WORTH * budget;
        self.round + 1 >= if goes_on { MOST } else { ROUNDS.len() }
    }
}

/// Trains in rounds until the target holds in closed loop, the budget (where iterations were said: all of them) is spent, or `go_on` says no;
/// the best surrogate so far is given back. With a checkpoint in the options, training goes on where that was saved.
///
/// # Errors
/// A checkpoint of something else, and whatever trainee and model answer.
pub fn train(
    trainee: &mut dyn Trainee,
    asker: &mut Asker,
    closed_loop: &ClosedLoop,
    options: &Options,
    progress: &mut dyn FnMut(&str),
    go_on: &dyn Fn() -> bool,
) -> Result<Trained> {
    let kept = options.checkpoint.as_ref().map(|checkpoint| checkpoint.load()).transpose()?.flatten();
    let mut at = Progressed::default();
    match &kept {
        Some(kept) => {
            at = resume(kept, trainee).map_err(|e| match &options.checkpoint {
                Some(checkpoint) => e.in_file(&checkpoint.path),
                None => e,
            })?;
            progress(&format!("going on in round {}, iteration {}", at.round + 1, at.iteration));
        }
        None => {
            trainee.begin()?;
            save(trainee, &at, options)?;
        }
    }
    let seconds_before = at.seconds_before + at.seconds;
    while !at.finished {
        progress(&format!("training, round {}", at.round + 1));
        let whole = run_round(trainee, &mut at, options, go_on)?;
        let surrogate = trainee.surrogate()?;
        let (departure, late) =
            closed_loop.departure(&mut SurrogateCells::new(&Arc::new(surrogate.clone()))?)?;
        progress(&format!("round {}: {departure}", at.round + 1));
        if at.best.as_ref().is_none_or(|(_, b)| departure.apd90_mean <= b.apd90_mean) {
            at.best = Some((surrogate.clone(), departure));
        }
        if !whole {
            break;
        }
        at.finished = departure.apd90 <= ENOUGH * options.apd90 || at.ends(options);
        if !at.finished {
            at.round += 1;
            trainee.visit(asker, &Arc::new(surrogate), late, options.seed + at.round as u64)?;
            trainee.begin()?;
            at.seconds_before += at.seconds;
            (at.iteration, at.seconds) = (0, 0.0);
        }
        save(trainee, &at, options)?;
    }
    let (surrogate, departure) = at.best.expect("a round, or what a finished training kept");
    Ok(Trained { surrogate, departure, seconds_before })
}

/// Takes the steps of one round that are left; false if it was interrupted.
fn run_round(
    trainee: &mut dyn Trainee,
    at: &mut Progressed,
    options: &Options,
    go_on: &dyn Fn() -> bool,
) -> Result<bool> {
    let (usual, largest) = trainee.effort();
    let iterations = options.iterations.map_or(usual, |n| n as f64);
    let iterations = (iterations * at.part()).ceil();
    let time = at.time(options.budget.as_secs_f64());
    let (began, before) = (Instant::now(), at.seconds);
    let mut saved = Instant::now();
    loop {
        // Where the budget suffices, the clock has no part in it.
        let fraction = (at.iteration as f64 / iterations).max(at.seconds / time);
        if fraction >= 1.0 {
            log::info!("{} iterations in {:.1} s", at.iteration, at.seconds);
            return Ok(true);
        }
        if !go_on() {
            save(trainee, at, options)?;
            return Ok(false);
        }
        let warm = ((at.iteration + 1) as f64 / WARM).min(1.0);
        let falling = (0.5 * (1.0 + (std::f64::consts::PI * fraction).cos())).max(LAST_RATE);
        trainee.step(largest * warm * falling);
        at.iteration += 1;
        at.seconds = before + began.elapsed().as_secs_f64();
        if saved.elapsed() > SAVE_EVERY {
            save(trainee, at, options)?;
            saved = Instant::now();
        }
    }
}

fn save(trainee: &dyn Trainee, at: &Progressed, options: &Options) -> Result<()> {
    let Some(checkpoint) = &options.checkpoint else { return Ok(()) };
    let mut kept = Kept::default();
    trainee.keep(&mut kept);
    kept.put_value("round", at.round);
    kept.put_value("iteration", at.iteration);
    kept.put_value("seconds", at.seconds);
    kept.put_value("seconds_before", at.seconds_before);
    kept.put_value("finished", at.finished);
    if let Some((surrogate, departure)) = &at.best {
        kept.put_surrogate("best", surrogate)?;
        // Lost beats are infinite errors, which JSON cannot hold.
        let Departure { apd90, apd90_mean, voltage, late } = *departure;
        kept.put("departure", &[apd90, apd90_mean, voltage, late.unwrap_or(f64::NAN)]);
    }
    checkpoint.save(&kept)
}

fn resume(kept: &Kept, trainee: &mut dyn Trainee) -> Result<Progressed> {
    trainee.take_back(kept)?;
    let best = match kept.surrogate("best")? {
        Some(surrogate) => {
            let &[apd90, apd90_mean, voltage, late] = kept.numbers("departure")? else {
                return Err(Error::format("no four errors of the best surrogate so far"));
            };
            let late = Some(late).filter(|late| !late.is_nan());
            Some((surrogate, Departure { apd90, apd90_mean, voltage, late }))
        }
        None => None,
    };
    let at = Progressed {
        round: kept.value("round")?,
        iteration: kept.value("iteration")?,
        seconds: kept.value("seconds")?,
        seconds_before: kept.value("seconds_before")?,
        finished: kept.value("finished")?,
        best,
    };
    match !at.finished || at.best.is_some() {
        true => Ok(at),
        false => Err(Error::format("a finished training without a surrogate")),
    }
}

/// The random numbers of a training, kept by their seed and how many were drawn.
pub struct Random {
    seed: u64,
    pub numbers: ChaCha8Rng,
}

impl Random {
    pub fn new(seed: u64) -> Self {
        Self { seed, numbers: ChaCha8Rng::seed_from_u64(seed) }
    }

    pub fn keep(&self, kept: &mut Kept) {
        kept.put_value("drawn", self.numbers.get_word_pos().to_string());
    }

    pub fn take_back(&mut self, kept: &Kept) -> Result<()> {
        let drawn: String = kept.value("drawn")?;
        let drawn = drawn.parse().map_err(|e| Error::format(format!("{drawn} numbers: {e}")))?;
        self.numbers = ChaCha8Rng::seed_from_u64(self.seed);
        self.numbers.set_word_pos(drawn);
        Ok(())
    }
}
