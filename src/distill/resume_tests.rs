//! Interrupted trainings go on as if nothing had happened.

use std::cell::Cell;

use super::*;
use crate::distill::checkpoint::Kept;
#[cfg(feature = "train")]
use crate::distill::latent::{Latent, Membrane};
use crate::distill::rounds::{Random, Trainee};
use crate::distill::tests::{TwoCurrents, distilled, options};
use rand_chacha::rand_core::RngCore;

/// A training of one number that no step but the next can continue.
struct Counting {
    surrogate: Surrogate,
    random: Random,
    number: f64,
    visits: Vec<f64>,
    /// Whether random numbers are forgotten: a fault to be found.
    forgetful: bool,
}

impl Trainee for Counting {
    fn effort(&self) -> (f64, f64) {
        (40.0, 1.0)
    }

    fn begin(&mut self) -> Result<()> {
        self.number *= 0.5;
        Ok(())
    }

    fn step(&mut self, rate: f64) {
        self.number += rate * f64::from(self.random.numbers.next_u32());
    }

    fn surrogate(&self) -> Result<Surrogate> {
        Ok(self.surrogate.clone())
    }

    fn visit(
        &mut self,
        _: &mut Asker,
        surrogate: &Arc<Surrogate>,
        late: Option<Visited>,
        seed: u64,
    ) -> Result<()> {
        assert!(late.is_none() && surrogate.outputs().len() == 3);
        self.visits.push(seed as f64);
        Ok(())
    }

    fn keep(&self, kept: &mut Kept) {
        kept.put("number", &[self.number]);
        kept.put("visits", &self.visits);
        self.random.keep(kept);
    }

    fn take_back(&mut self, kept: &Kept) -> Result<()> {
        self.number = kept.numbers("number")?[0];
        self.visits = kept.numbers("visits")?.to_vec();
        if self.forgetful { Ok(()) } else { self.random.take_back(kept) }
    }
}

#[test]
fn a_training_interrupted_anywhere_ends_as_one_that_was_not() {
    let folder = tempfile::tempdir().unwrap();
    let mut model = TwoCurrents { tangled: 0.0 };
    let surrogate = distilled(&mut model, &options(1.0)).unwrap().surrogate;
    // A target that nothing reaches, so that all rounds are run; time that is never short.
    let options = Options {
        apd90: 0.0,
        budget: Duration::from_secs(1_000_000),
        checkpoint: Some(Checkpoint {
            path: folder.path().join("x.onnx.checkpoint"),
            subject: serde_json::Map::new(),
        }),
        ..options(1.0)
    };
    let closed_loop =
        ClosedLoop::new(&mut model, 0.02, options.pulse, &options.cycle_lengths, 2, None).unwrap();
    let mut asker = Asker::new(&mut model, 0.02);
    let mut run = |options: &Options, most: u64, forgetful: bool| {
        let (surrogate, random) = (surrogate.clone(), Random::new(5));
        let mut trainee = Counting { surrogate, random, number: 1.0, visits: Vec::new(), forgetful };
        let steps = Cell::new(0);
        let go_on = || steps.replace(steps.get() + 1) < most;
        let trained =
            rounds::train(&mut trainee, &mut asker, &closed_loop, options, &mut |_| {}, &go_on).unwrap();
        (trainee.number, trainee.visits, trained.departure)
    };
    let without = Options { checkpoint: None, ..options.clone() };
    let planned = run(&Options { iterations: Some(40), ..without.clone() }, u64::MAX, false);
    assert_eq!(planned.1, [2.0, 3.0, 4.0, 5.0]);
    // Where nobody said how many iterations, more rounds follow as long as the target is missed and time is left.
    let whole = run(&without, u64::MAX, false);
    assert_eq!(whole.1, (2..=20).map(f64::from).collect::<Vec<_>>());
    let no_time = run(&Options { budget: Duration::from_micros(1), ..without }, u64::MAX, false);
    assert_eq!(no_time.1, planned.1);
    let checkpoint = options.checkpoint.clone().unwrap();
    // In the first round, at the begin of another, in the last that was planned, and later.
    for most in [3, 12, 29, 70] {
        let part = run(&options, most, false);
        assert_ne!(part.0, whole.0);
        assert!(checkpoint.path.exists());
        assert_eq!(run(&options, u64::MAX, false), whole, "after {most} steps");
        // A finished training has nothing more to do.
        assert_eq!(run(&options, 0, false), whole);
        checkpoint.remove().unwrap();
    }
    run(&options, 3, false);
    assert_ne!(run(&options, u64::MAX, true).0, whole.0, "what is planted must show");
}

/// Takes steps, and as many after what was kept of them came back through a file.
#[cfg(feature = "train")]
fn goes_on(first: &mut dyn Trainee, second: &mut dyn Trainee) {
    let folder = tempfile::tempdir().unwrap();
    let checkpoint = Checkpoint { path: folder.path().join("c"), subject: serde_json::Map::new() };
    let steps = |trainee: &mut dyn Trainee| (0..20).for_each(|_| trainee.step(1e-3));
    first.begin().unwrap();
    steps(first);
    let mut kept = Kept::default();
    first.keep(&mut kept);
    checkpoint.save(&kept).unwrap();
    steps(first);
    second.take_back(&checkpoint.load().unwrap().unwrap()).unwrap();
    let program = |trainee: &dyn Trainee| trainee.surrogate().unwrap().program().unwrap().clone();
    assert_ne!(program(first), program(second));
    steps(second);
    assert_eq!(program(first), program(second));
}

#[cfg(feature = "train")]
#[test]
fn networks_in_training_come_back_with_their_optimiser_and_their_cells() {
    let mut model = TwoCurrents { tangled: 0.01 };
    let options = options(1.0);
    let driven = |n_cells, seed| harvest::Options {
        strength: options.pulse.strength,
        duration: options.pulse.duration,
        time: 600.0,
        n_cells,
        seed,
        ..harvest::Options::default()
    };
    let visited = harvest::harvest(&mut model, &driven(16, 0)).unwrap();
    let structure = crate::structure::detect(&mut model, &visited, &crate::structure::Options::default());
    let structure = structure.unwrap();
    let domain = domain::domain(&visited, &structure);
    let mut asker = Asker::new(&mut model, 0.02);
    let make = |program| surrogate(&structure, &domain, &[0.0, 1.0, 0.2], program);
    let mut black_box =
        |seed| black_box::BlackBox::new(&domain, &mut asker, &visited, &make, driven(4, seed)).unwrap();
    goes_on(&mut black_box(1), &mut black_box(1));
    let quantities = Quantities::new(&structure, &asker, &domain).unwrap();
    let mut exact = Exact::new(&quantities, &mut asker, &visited, &domain, ONE_STEP, SEPARATIONS[0]).unwrap();
    if exact.formula.unknown.is_empty() {
        exact.formula.give_up(&[2]);
    }
    let mut remainder = |seed: u64| {
        let learner = Learner::new(&exact, &structure, &domain, &mut asker, &visited, seed).unwrap();
        Remainder { learner, exact: &exact, make: &make, driven: driven(4, seed) }
    };
    goes_on(&mut remainder(1), &mut remainder(1));
    let recordings = asker.record(&driven(4, 0)).unwrap();
    let latent = |seed| {
        let membrane =
            Membrane { name: "two currents".into(), dt: 0.02, rest: 0.0, range: domain[0], effect: 0.02 };
        Latent::new(membrane, 2, recordings.clone(), driven(4, seed)).unwrap()
    };
    goes_on(&mut latent(1), &mut latent(1));
}
