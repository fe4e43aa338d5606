//! Detection on a cell model of known structure, sound and with faults planted in it.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

use super::*;

const N: usize = 13;
const V: usize = 0;
const M: usize = 1;
const H: usize = 2;
const J: usize = 3;
const D: usize = 4;
const F: usize = 5;
const FCA: usize = 6;
const XS: usize = 7;
const R: usize = 8;
const CA: usize = 9;
const K: usize = 10;
const G: usize = 11;
const TAG: usize = 12;

/// Visited ranges of a ventricular cell.
const RANGES: [[f64; 2]; N] = [
    [-90.0, 45.0],
    [0.0, 1.0],
    [0.0, 0.8],
    [0.0, 0.8],
    [0.0, 1.0],
    [0.1, 1.0],
    [0.3, 1.0],
    [0.0, 0.25],
    [0.0, 0.95],
    [6e-5, 1.1e-3],
    [137.9, 138.1],
    [0.0, 0.9],
    [0.4, 0.4],
];

/// What is wrong with the model.
#[derive(Clone, Copy, Debug, Default)]
struct Fault {
    /// The steady state of h depends on Ca by this much.
    hidden_driver: f64,
    /// A gate and a current are this far from affine in a state, relative.
    nonlinearity: f64,
    /// The stimulus enters K by this much times its square.
    square_stimulus: f64,
    /// Currents are those of the gates after the step.
    new_gates: bool,
    /// Above this value of f every answer is NaN.
    fails_above: Option<f64>,
}

/// Sodium, calcium and potassium currents of gates, a buffered concentration, one with a stimulus, a memoryless variable, a gate
/// under Euler's method, a gate of a concentration and a number that never changes; after ten Tusscher's models.
macro_rules! cell_step {
    ($name:ident, $real:ty) => {
        fn $name(x: &mut [$real], stimulus: $real, dt: $real, fault: Fault) {
            let old: Vec<$real> = x.to_vec();
            let v = old[V];
            let sigmoid = |at: $real, width: $real| 1.0 / (1.0 + ((at - v) / width).exp());
            let relax = |y: $real, target: $real, tau: $real| target + (y - target) * (-dt / tau).exp();
            x[M] = relax(old[M], sigmoid(-57.0, 9.0), 0.03 + 0.1 * sigmoid(-30.0, 12.0));
            let h = 1.0 - sigmoid(-71.0, 7.4) + fault.hidden_driver as $real * old[CA];
            x[H] = relax(old[H], h, 1.0 + 4.0 * sigmoid(-60.0, 9.0));
            x[J] = relax(old[J], 1.0 - sigmoid(-71.0, 7.4), 10.0 + 50.0 * sigmoid(-60.0, 9.0));
            x[D] = relax(old[D], sigmoid(-8.0, 7.5), 0.5 + sigmoid(0.0, 20.0));
            x[F] = relax(old[F], 1.0 - sigmoid(-20.0, 7.0), 20.0 + 100.0 * sigmoid(-30.0, 10.0));
            let calcium = old[CA] / 3e-4;
            x[FCA] = relax(old[FCA], 1.0 / (1.0 + calcium * calcium), 2.0);
            x[XS] = relax(old[XS], sigmoid(-5.0, 14.0), 80.0 + 500.0 * sigmoid(10.0, 15.0));
            x[R] = sigmoid(20.0, 6.0);
            let slope = 1.0 + fault.nonlinearity as $real * old[G];
            x[G] = old[G] + dt * (sigmoid(-40.0, 5.0) - old[G] * slope) / 3.0;

            let gates = if fault.new_gates { x.to_vec() } else { old.clone() };
            let nernst = (5.4 / old[K]).ln() * 26.7;
            let i_na = 14.8 * gates[M] * gates[M] * gates[M] * gates[H] * gates[J] * (v - 70.0);
            let open = gates[F] + fault.nonlinearity as $real * (3.0 * gates[F]).sin();
            let reversal = (2.0 / old[CA]).ln() * 13.35;
            let i_ca = 0.3 * gates[D] * open * gates[FCA] * (v - reversal);
            let i_ks = 0.4 * gates[XS] * gates[XS] * (v - nernst);
            let i_to = 0.07 * gates[R] * (v - nernst);
            let i_leak = 0.01 * (v + 80.0) + 0.1 * old[TAG] + 0.02 * gates[G];
            x[V] = v - dt * (i_na + i_ca + i_ks + i_to + i_leak + stimulus);
            let buffer = 1.0 / (1.0 + 2e-4 / ((old[CA] + 1e-3) * (old[CA] + 1e-3)));
            x[CA] = old[CA] + dt * buffer * (-1e-4 * i_ca + 0.07 * (8e-5 - old[CA]));
            let square = fault.square_stimulus as $real * stimulus * stimulus;
            x[K] = old[K] - dt * (1e-4 * (i_ks + i_to + stimulus) + square);
            if fault.fails_above.is_some_and(|limit| old[F] > limit as $real) {
                x.fill(<$real>::NAN);
            }
        }
    };
}

cell_step!(step_double, f64);
cell_step!(step_single, f32);

struct Cell {
    initial: Vec<f64>,
    fault: Fault,
    single: bool,
}

impl Cell {
    fn new(fault: Fault) -> Self {
        let initial = vec![-86.0, 0.0, 0.75, 0.75, 0.0, 1.0, 1.0, 0.0, 0.0, 8e-5, 138.0, 0.0, 0.4];
        Self { initial, fault, single: false }
    }
}

impl StepFunction for Cell {
    fn n_states(&self) -> usize {
        N
    }

    fn initial_state(&self) -> &[f64] {
        &self.initial
    }

    fn step(&mut self, states: &mut [f64], stimulus: &[f64], dt: f64, n_steps: u32) -> Result<()> {
        for (cell, &stimulus) in states.chunks_mut(N).zip(stimulus) {
            for _ in 0..n_steps {
                if self.single {
                    let mut x: Vec<f32> = cell.iter().map(|&x| x as f32).collect();
                    step_single(&mut x, stimulus as f32, dt as f32, self.fault);
                    cell.iter_mut().zip(x).for_each(|(cell, x)| *cell = f64::from(x));
                } else {
                    step_double(cell, stimulus, dt, self.fault);
                }
            }
        }
        Ok(())
    }
}

fn visited() -> Visited {
    let mut random = ChaCha8Rng::seed_from_u64(5);
    let mut states = Vec::new();
    for _ in 0..400 {
        for [low, high] in RANGES {
            states.push(low + (high - low) * f64::from(random.next_u32()) / f64::from(u32::MAX));
        }
    }
    let stimulus = (0..400).map(|k| if k % 8 == 0 { -52.0 } else { 0.0 }).collect();
    Visited { n_states: N, states, stimulus }
}

fn detected(cell: &mut Cell) -> Structure {
    detect(cell, &visited(), &Options { library: "cell.so".into(), ..Options::default() }).unwrap()
}

fn roles(structure: &Structure) -> Vec<Role> {
    structure.states.iter().map(|state| state.role).collect()
}

const ROLES: [Role; N] = [
    Role::Voltage,
    Role::Gate,
    Role::Gate,
    Role::Gate,
    Role::Gate,
    Role::Gate,
    Role::Affine,
    Role::Gate,
    Role::Memoryless,
    Role::Nonlinear,
    Role::Nonlinear,
    Role::Gate,
    Role::Constant,
];

/// The exponents of a monomial, and the sums whose product its coefficient is: the states of each of their parts.
type Factored = (Vec<(StateIndex, u32)>, Vec<Vec<Vec<StateIndex>>>);

/// The monomials of the increment of `state`, each with the sums whose product its coefficient is.
fn monomials(structure: &Structure, state: StateIndex) -> Vec<Factored> {
    let increment = structure.increments.iter().find(|increment| increment.state == state).unwrap();
    let monomials = increment.groups.iter().flat_map(|group| &group.monomials);
    monomials.map(|monomial| (monomial.exponents.clone(), sums(&monomial.coefficient))).collect()
}

fn sums(sums: &[Sum]) -> Vec<Vec<Vec<StateIndex>>> {
    let parents = |part: &Part| part.parents.clone();
    sums.iter().map(|sum| sum.parts.iter().map(parents).collect()).collect()
}

#[test]
fn a_known_model_is_taken_apart_exactly() {
    let structure = detected(&mut Cell::new(Fault::default()));
    assert_eq!(roles(&structure), ROLES);
    let [v, fca] = [&structure.states[V], &structure.states[FCA]];
    assert_eq!(v.parents, [M, H, J, D, F, FCA, XS, R, CA, K, G]);
    assert_eq!((&*v.name, &*fca.name, &fca.parents), ("V", "x6", &vec![CA]));
    assert_eq!(structure.states[K].parents, [V, XS, R]);
    let update = |i: usize| structure.states[i].update;
    assert_eq!([update(M), update(FCA)], [Some(Update::RushLarsen); 2]);
    assert_eq!((update(G), update(R), update(CA)), (Some(Update::Euler), Some(Update::Instantaneous), None));

    let currents = [
        (vec![(M, 3), (H, 1), (J, 1)], vec![vec![vec![V]]]),
        (vec![(D, 1), (F, 1), (FCA, 1)], vec![vec![vec![V], vec![CA]]]),
        (vec![(XS, 2)], vec![vec![vec![V], vec![K]]]),
        (vec![(R, 1)], vec![vec![vec![V], vec![K]]]),
        (vec![(G, 1)], vec![]),
    ];
    assert_eq!(monomials(&structure, V), currents);
    assert_eq!(monomials(&structure, K), currents[2..4]);
    // The buffer multiplies everything, and the driving force has a part of the concentration alone.
    assert_eq!(monomials(&structure, CA), [(currents[1].0.clone(), vec![vec![vec![V, CA]]])]);
    let increment = |i: usize| structure.increments.iter().find(|increment| increment.state == i).unwrap();
    let part = &increment(CA).groups[0].monomials[0].coefficient[0].parts[0];
    assert_eq!(part.products, [0.0], "buffer(Ca)·(V − E(Ca)) = w(Ca) + one product");
    assert_eq!(sums(&increment(V).remainder), [[[V]]]);
    assert_eq!(increment(K).remainder_parents, [] as [StateIndex; 0]);
    assert_eq!(increment(FCA).remainder_parents, [CA]);

    let stimulus: Vec<_> = structure.stimulus.iter().map(|e| (e.state, e.per_unit)).collect();
    assert_eq!(stimulus.iter().map(|(i, _)| *i).collect::<Vec<_>>(), [V, K]);
    assert!((stimulus[0].1 + 0.02).abs() < 1e-12 && (stimulus[1].1 + 2e-6).abs() < 1e-14, "{stimulus:?}");
    assert!(structure.undecided.is_empty(), "{:?}", structure.undecided);
    for state in &structure.states {
        assert!(
            state.residual <= state.tolerance && state.margin.is_none_or(|margin| margin > 1e3),
            "{state:?}"
        );
    }

    let figure = picture(&structure).unwrap();
    assert!(figure.svg.contains("cell.so: what drives each state"));

    let text = serde_json::to_string(&structure).unwrap();
    assert_eq!(serde_json::from_str::<Structure>(&text).unwrap(), structure);
}

#[test]
fn gates_that_are_updated_before_the_currents_are_seen_through() {
    let fault = Fault { new_gates: true, ..Fault::default() };
    let structure = detected(&mut Cell::new(fault));
    assert_eq!(roles(&structure), ROLES);
    let currents = [
        (vec![(M, 3), (H, 1), (J, 1)], vec![vec![vec![V]]]),
        (vec![(D, 1), (F, 1), (FCA, 1)], vec![vec![vec![V], vec![CA]]]),
        (vec![(XS, 2)], vec![vec![vec![V], vec![K]]]),
        (vec![(G, 1)], vec![]),
    ];
    assert_eq!(monomials(&structure, V), currents);
    assert_eq!(monomials(&structure, K), currents[2..3]);
    let increment = |i: usize| structure.increments.iter().find(|increment| increment.state == i).unwrap();
    assert_eq!(increment(V).after, [M, H, J, D, F, FCA, XS, G]);
    assert_eq!(increment(K).after, [XS]);
    assert_eq!(increment(FCA).after, [] as [StateIndex; 0]);
    // The memoryless variable's new value is a function of V, so its current is one of V and K.
    assert_eq!(sums(&increment(V).remainder), [[[V, K]]]);
}

#[test]
fn a_hidden_driver_of_a_gate_is_found() {
    let fault = Fault { hidden_driver: 1e-6, ..Fault::default() };
    let structure = detected(&mut Cell::new(fault));
    // The largest effect on h in a step is 1e-6·1e-3·0.02 = 2e-11.
    assert_eq!((structure.states[H].role, &structure.states[H].parents), (Role::Affine, &vec![V, CA]));
    assert_eq!(structure.states[J].role, Role::Gate);
}

#[test]
fn what_is_nearly_affine_is_not_called_affine() {
    let fault = Fault { nonlinearity: 1e-4, ..Fault::default() };
    let structure = detected(&mut Cell::new(fault));
    assert_eq!(structure.states[G].role, Role::Nonlinear);
    assert_eq!(structure.states[F].role, Role::Gate);
    let increment = structure.increments.iter().find(|increment| increment.state == V).unwrap();
    let factors = increment.groups.iter().flat_map(|group| group.members.iter().map(|(j, _)| *j));
    assert_eq!(factors.collect::<Vec<_>>(), [M, H, J, D, FCA, XS, R, G]);
    let calcium = monomials(&structure, V).into_iter().find(|(exponents, _)| exponents[0].0 == D).unwrap();
    assert_eq!(calcium.1, [vec![vec![V], vec![CA]], vec![vec![F]]]);
}

#[test]
fn single_precision_hides_details_but_invents_none() {
    let mut cell = Cell { single: true, ..Cell::new(Fault::default()) };
    let structure = detected(&mut cell);
    assert!(structure.evidence.single_precision);
    assert_eq!(roles(&structure)[..R + 1], ROLES[..R + 1]);
    let found = monomials(&structure, V);
    for exponents in [vec![(M, 3), (H, 1), (J, 1)], vec![(D, 1), (F, 1), (FCA, 1)]] {
        assert!(found.iter().any(|(e, _)| *e == exponents), "{found:?}");
    }
    let truth = detected(&mut Cell::new(Fault::default()));
    for (state, known) in structure.states.iter().zip(&truth.states) {
        assert!(
            state.parents.iter().all(|j| known.parents.contains(j)),
            "{}: {:?}",
            state.name,
            state.parents
        );
    }
}

#[test]
fn a_stimulus_out_of_proportion_and_lost_answers_are_told() {
    let fault = Fault { square_stimulus: 1e-7, ..Fault::default() };
    let found = detected(&mut Cell::new(fault));
    assert!(found.stimulus[1].residual > 1e-2);
    assert_eq!(found.undecided.len(), 1, "{:?}", found.undecided);
    assert!(found.undecided[0].starts_with("the stimulus does not enter x10 in proportion"));

    let fault = Fault { fails_above: Some(0.9), ..Fault::default() };
    let found = detected(&mut Cell::new(fault));
    assert_eq!(roles(&found)[..F], ROLES[..F]);
    assert!(found.evidence.dropped > 0);
    assert!(found.undecided.iter().any(|s| s.contains("probes gave answers that are not finite")));
    assert!(found.undecided.iter().any(|s| s.contains("answers of V to changes of x5 are not finite")));

    let fault = Fault { fails_above: Some(-1.0), ..Fault::default() };
    let error = detect(&mut Cell::new(fault), &visited(), &Options::default()).unwrap_err();
    assert!(error.to_string().contains("only 0 of 96"), "{error}");
    let few = Visited { n_states: N, states: vec![0.0; N], stimulus: vec![0.0] };
    assert!(detect(&mut Cell::new(fault), &few, &Options::default()).is_err());
}
