//! The backend on an emulated GPU beside the backend of the processor: views, indices, guards, steps, both memories.

use emucell::backend::cpu::{CpuBackend, CpuOptions};
use emucell::backend::cuda::{CudaBackend, CudaOptions, Source};
use emucell::backend::{
    Advance, Backend, Check, Evaluation, Guard, Precision, StatusBytes, StepInput, Tally,
};
use emucell::program::{BinaryOperator, BlockId, Operation, Program, ProgramBuilder, Table};
use emucell::view::{Column, ElementType};

use super::emulated_gpu::{EmulatedGpu, Ranges, give};
use super::programs::{network, noise};

const GUARDS: [Guard; 5] = [Guard::Ignore, Guard::Clamp, Guard::Count, Guard::Flag, Guard::Fallback];
/// Several blocks and a ragged tail.
const N_CELLS: usize = 300;
const DT: f32 = 0.1;

/// A step map of v and three more states, a stimulus, a parameter and the time: v gains, two relax by tables, one is
/// replaced by what a network gives.
fn step_map() -> Program {
    let mut b = ProgramBuilder::new(7).unwrap();
    let [time, v, gates, d, stimulus, parameter] = [(0, 1), (1, 1), (2, 2), (4, 1), (5, 1), (6, 1)]
        .map(|(start, width)| b.slice(BlockId::INPUT, start, width).unwrap());
    let gain = b.binary(BinaryOperator::Multiply, stimulus, parameter).unwrap();
    let gain = b.binary(BinaryOperator::Multiply, gain, time).unwrap();
    let next_v = b.binary(BinaryOperator::Add, v, gain).unwrap();
    let limit = b.constant([0.8]).unwrap();
    let next_v = b.binary(BinaryOperator::Minimum, next_v, limit).unwrap();
    let table = |scale: f32| Table {
        first: -1.0,
        rows_per_unit: 8.0,
        width: 2,
        values: (0..40).map(|i| scale * (0.5 + 0.4 * noise(i))).collect(),
    };
    let rate = b.push(Operation::Table { input: v, table: table(0.3) }).unwrap();
    let drive = b.push(Operation::Table { input: v, table: table(0.2) }).unwrap();
    let gates = b.push(Operation::Relax { state: gates, rate, drive }).unwrap();
    let features = b.concat(&[v, d]).unwrap();
    let hidden: Vec<f32> = (0..16).map(noise).collect();
    let hidden = b.dense(features, hidden, vec![0.1; 8], emucell::Activation::Tanh).unwrap();
    let next_d = b
        .dense(hidden, (0..8).map(|i| noise(i + 90)).collect(), vec![0.05], emucell::Activation::Linear)
        .unwrap();
    let output = b.concat(&[next_v, gates, next_d]).unwrap();
    b.finish(output)
}

const SOURCES: [Source; 7] = [
    Source::Time,
    Source::State(0),
    Source::State(1),
    Source::State(2),
    Source::State(3),
    Source::ByPosition,
    Source::ByRow,
];

fn check(guard: Guard) -> Check {
    let range = [-0.6, 0.6];
    Check { guard, domain: vec![[0.0, 1.0], range, range, range, range, [-1.0, 1.0], [0.0, 2.0]] }
}

fn cpu(guard: Guard) -> CpuBackend {
    let states = Some(vec![1, 2, 3, 4]);
    let instruction_set = Some("scalar".into());
    let options = CpuOptions { n_threads: 1, instruction_set, check: check(guard), states, time: None };
    CpuBackend::new(&step_map(), options).unwrap()
}

fn options(guard: Guard) -> CudaOptions {
    let steps = Some(SOURCES.to_vec());
    let precision = Precision::F32;
    CudaOptions {
        device: 0,
        precision,
        stream: None,
        capacity: 0,
        steps,
        time: None,
        cache: None,
        check: check(guard),
    }
}

fn emulated(name: &str, guard: Guard) -> (CudaBackend, Ranges) {
    let gpu = EmulatedGpu::new(name);
    let ranges = gpu.gpus_memory.clone();
    (CudaBackend::on(Box::new(gpu), &step_map(), options(guard)).unwrap(), ranges)
}

/// Numbers in one of the layouts that simulators have, with a canary in every place between them.
#[derive(Clone, Debug, PartialEq)]
struct Numbers {
    singles: Vec<f32>,
    doubles: Vec<f64>,
    is_double: bool,
    strides: [usize; 2],
}

const CANARY: f64 = -77.0;

impl Numbers {
    fn new(
        n: usize,
        width: usize,
        is_double: bool,
        structures: bool,
        value: impl Fn(usize, usize) -> f64,
    ) -> Self {
        let strides = if structures { [width + 1, 1] } else { [1, n + 3] };
        let len = (n * strides[0]).max(width * strides[1]) + 8;
        let mut own =
            Self { singles: vec![CANARY as f32; len], doubles: vec![CANARY; len], is_double, strides };
        for i in 0..n {
            for j in 0..width {
                let at = i * strides[0] + j * strides[1];
                own.doubles[at] = value(i, j);
                own.singles[at] = value(i, j) as f32;
            }
        }
        own
    }

    fn column(&mut self, j: usize) -> Column {
        let (at, stride) = (j * self.strides[1], self.strides[0]);
        match self.is_double {
            true => Column {
                pointer: self.doubles.as_mut_ptr().wrapping_add(at).cast(),
                element: ElementType::F64,
                stride,
            },
            false => Column {
                pointer: self.singles.as_mut_ptr().wrapping_add(at).cast(),
                element: ElementType::F32,
                stride,
            },
        }
    }

    fn give(&self, ranges: &Ranges) {
        give(ranges, &self.singles);
        give(ranges, &self.doubles);
    }
}

/// What a call left behind.
#[derive(Debug)]
struct Outcome {
    state: Numbers,
    status: Vec<u8>,
    tally: Tally,
}

/// Where the numbers of a call lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Processor,
    Gpu,
    /// The state on the GPU, what goes with it on the processor.
    Both,
}

#[derive(Clone, Copy, Debug)]
struct Case<'a> {
    is_double: bool,
    structures: bool,
    n_steps: u32,
    index: Option<&'a [u32]>,
    place: Place,
}

fn run(backend: &mut dyn Backend, ranges: Option<&Ranges>, case: Case<'_>) -> Outcome {
    let Case { is_double, structures, n_steps, index, place } = case;
    let value =
        |i: usize, j: usize| if i == 70 && j == 0 { f64::NAN } else { 0.9 * f64::from(noise(7 * i + j)) };
    let mut state = Numbers::new(N_CELLS, 4, is_double, structures, value);
    let n_cells = index.map_or(N_CELLS, <[u32]>::len);
    let mut stimulus = Numbers::new(n_cells, 1, !is_double, false, |i, _| f64::from(noise(3 * i)));
    let mut parameter = Numbers::new(N_CELLS, 1, is_double, false, |i, _| 1.0 + f64::from(noise(i)));
    let mut status = vec![0xaau8; n_cells];
    if let Some(ranges) = ranges.filter(|_| place != Place::Processor) {
        state.give(ranges);
        give(ranges, &status);
        if place == Place::Gpu {
            stimulus.give(ranges);
            parameter.give(ranges);
            index.iter().for_each(|list| give(ranges, list));
        }
    }
    let states: Vec<Column> = (0..4).map(|j| state.column(j)).collect();
    let inputs = SOURCES.map(|source| match source {
        Source::Time => StepInput::Time,
        Source::State(j) => StepInput::State(j),
        Source::ByPosition => StepInput::ByPosition(stimulus.column(0)),
        Source::ByRow => StepInput::ByRow(parameter.column(0)),
    });
    let status_bytes = StatusBytes::new(Some(&mut status));
    let job = Advance {
        n_cells,
        n_rows: N_CELLS,
        index,
        inputs: &inputs,
        state: &states,
        status: status_bytes,
        dt: DT,
        n_steps,
    };
    // SAFETY: all columns have as many numbers as the job says.
    let mut tally = unsafe { backend.step(&job).unwrap() };
    tally += backend.synchronize().unwrap();
    if let Some(ranges) = ranges {
        ranges.lock().unwrap().retain(|_| place == Place::Processor);
    }
    Outcome { state, status, tally }
}

fn assert_same(expected: &Outcome, got: &Outcome, what: &str) {
    let limit = if expected.state.is_double { 1e-6 } else { 2e-6 };
    for (i, (a, b)) in expected.state.doubles.iter().zip(&got.state.doubles).enumerate() {
        assert!((a - b).abs() < limit || (a.is_nan() && b.is_nan()), "{what}: number {i}: {a} and {b}");
    }
    for (i, (a, b)) in expected.state.singles.iter().zip(&got.state.singles).enumerate() {
        assert!(
            (a - b).abs() < limit as f32 || (a.is_nan() && b.is_nan()),
            "{what}: number {i}: {a} and {b}"
        );
    }
    assert!(expected.status == got.status, "{what}: status bytes");
    assert_eq!(expected.tally, got.tally, "{what}");
}

#[test]
fn steps_are_those_of_the_processor_for_every_guard_layout_and_memory() {
    // Some rows, backwards.
    let index: Vec<u32> = (0..N_CELLS as u32).rev().filter(|i| i % 3 != 0).collect();
    for guard in GUARDS {
        let (mut cuda, ranges) = emulated(&format!("backend_{guard:?}"), guard);
        let mut cpu = cpu(guard);
        for (is_double, structures) in [(false, false), (false, true), (true, false), (true, true)] {
            for (n_steps, index) in [(0, None), (1, None), (1, Some(&index[..])), (3, Some(&index[..]))] {
                // The session itself takes single steps where a fallback is to be asked.
                if guard == Guard::Fallback && n_steps == 3 {
                    continue;
                }
                let case = |place| Case { is_double, structures, n_steps, index, place };
                let expected = run(&mut cpu, None, case(Place::Processor));
                for place in [Place::Processor, Place::Gpu, Place::Both] {
                    if guard == Guard::Fallback && place != Place::Processor {
                        continue;
                    }
                    let got = run(&mut cuda, Some(&ranges), case(place));
                    assert_same(&expected, &got, &format!("{guard:?}, {:?}", case(place)));
                }
                if n_steps > 0 && guard != Guard::Ignore {
                    assert!(expected.tally.outside_domain > 20 && expected.tally.not_finite > 0);
                }
            }
        }
    }
}

#[test]
fn small_increments_of_states_in_double_precision_are_kept() {
    // v gains 1e-9 of itself in a step: single precision would round that away.
    let mut b = ProgramBuilder::new(1).unwrap();
    let small = b.constant([1e-9]).unwrap();
    let change = b.binary(BinaryOperator::Multiply, BlockId::INPUT, small).unwrap();
    let next = b.binary(BinaryOperator::Add, BlockId::INPUT, change).unwrap();
    let program = b.finish(next);
    let check = Check { guard: Guard::Ignore, domain: vec![[-10.0, 10.0]] };
    let options = CudaOptions { steps: Some(vec![Source::State(0)]), check, ..options(Guard::Ignore) };
    let mut cuda = CudaBackend::on(Box::new(EmulatedGpu::new("increments")), &program, options).unwrap();
    let mut state = vec![1.0f64; 40];
    let column = Column { pointer: state.as_mut_ptr().cast(), element: ElementType::F64, stride: 1 };
    let status = StatusBytes::new(None);
    let (inputs, columns) = ([StepInput::State(0)], [column]);
    let job = Advance {
        n_cells: 40,
        n_rows: 40,
        index: None,
        inputs: &inputs,
        state: &columns,
        status,
        dt: DT,
        n_steps: 1000,
    };
    // SAFETY: the column has 40 numbers.
    unsafe { cuda.step(&job).unwrap() };
    assert!(state.iter().all(|x| (x - 1.000_001).abs() < 1e-12), "{}", state[0]);
}

#[test]
fn evaluations_are_those_of_the_processor_in_batches_and_in_place() {
    let program = network(&[3, 16, 16, 2], emucell::Activation::Silu);
    // More than two batches.
    let n_cells = 2 * (1 << 16) + 77;
    let domain = vec![[-0.9, 0.9]; 3];
    for (guard, place) in
        [(Guard::Count, Place::Processor), (Guard::Clamp, Place::Gpu), (Guard::Count, Place::Both)]
    {
        let n_cells = if place == Place::Processor { n_cells } else { 1000 };
        let gpu = EmulatedGpu::new(&format!("evaluations_{guard:?}_{place:?}"));
        let ranges = gpu.gpus_memory.clone();
        let check = || Check { guard, domain: domain.clone() };
        let options = CudaOptions { steps: None, check: check(), ..options(guard) };
        let mut cuda = CudaBackend::on(Box::new(gpu), &program, options).unwrap();
        let cpu_options =
            CpuOptions { n_threads: 1, instruction_set: None, check: check(), states: None, time: None };
        let mut cpu = CpuBackend::new(&program, cpu_options).unwrap();
        let mut outcomes = Vec::new();
        for (backend, is_gpu) in [(&mut cpu as &mut dyn Backend, false), (&mut cuda, true)] {
            let mut x = Numbers::new(n_cells, 3, true, true, |i, j| f64::from(noise(3 * i + j)));
            let mut y = Numbers::new(n_cells, 2, false, false, |_, _| CANARY);
            let mut status = vec![9u8; n_cells];
            if is_gpu && place != Place::Processor {
                y.give(&ranges);
                give(&ranges, &status);
                if place == Place::Gpu {
                    x.give(&ranges);
                }
            }
            let inputs: Vec<Column> = (0..3).map(|j| x.column(j)).collect();
            let outputs: Vec<Column> = (0..2).map(|j| y.column(j)).collect();
            let status_bytes = StatusBytes::new(Some(&mut status));
            let job = Evaluation { n_cells, inputs: &inputs, outputs: &outputs, status: status_bytes };
            // SAFETY: the columns have as many numbers as there are cells.
            let mut tally = unsafe { backend.evaluate(&job).unwrap() };
            tally += backend.synchronize().unwrap();
            outcomes.push(Outcome { state: y, status, tally });
        }
        assert!(outcomes[0].tally.outside_domain > 100);
        assert_same(&outcomes[0], &outcomes[1], &format!("{guard:?}, {place:?}"));
    }
}

#[test]
fn what_cannot_be_is_refused_with_what_to_do() {
    let (mut cuda, ranges) = emulated("refused", Guard::Count);
    let refuse = |backend: &mut CudaBackend, gpus: [bool; 3], index: Option<&[u32]>, what: &str| {
        let mut state = Numbers::new(N_CELLS, 4, true, false, |_, _| 0.1);
        let mut other = Numbers::new(N_CELLS, 1, true, false, |_, _| 0.1);
        let mut status = vec![0u8; N_CELLS];
        let before = state.clone();
        let [state_there, other_there, status_there] = gpus;
        if state_there {
            state.give(&ranges);
        }
        if other_there {
            other.give(&ranges);
        }
        if status_there {
            give(&ranges, &status);
        }
        let states: Vec<Column> = (0..4).map(|j| state.column(j)).collect();
        let inputs = SOURCES.map(|source| match source {
            Source::Time => StepInput::Time,
            Source::State(j) => StepInput::State(j),
            Source::ByPosition => StepInput::ByPosition(other.column(0)),
            Source::ByRow => StepInput::ByRow(other.column(0)),
        });
        let status = StatusBytes::new(Some(&mut status));
        let n_cells = index.map_or(N_CELLS, <[u32]>::len);
        let job = Advance {
            n_cells,
            n_rows: N_CELLS,
            index,
            inputs: &inputs,
            state: &states,
            status,
            dt: DT,
            n_steps: 1,
        };
        // SAFETY: the columns have as many numbers as there are cells.
        let result = unsafe { backend.step(&job) };
        let fault = result.and_then(|_| backend.synchronize()).unwrap_err().to_string();
        ranges.lock().unwrap().clear();
        assert!(fault.contains(what), "{fault}");
        if index.is_none() {
            assert_eq!(state, before, "{fault}");
        }
    };
    refuse(&mut cuda, [false, true, false], None, "stimulus and parameters in the GPU's memory");
    refuse(&mut cuda, [false, false, true], None, "status bytes in the GPU's memory");
    refuse(&mut cuda, [true, true, false], None, "status bytes in the processor's memory");
    // The GPU finds out itself; the session does that for an index in the processor's memory.
    let index = [3, 1_000_000, 5, u32::MAX];
    refuse(&mut cuda, [true, true, true], Some(&index), "2 rows that the state does not have");

    let mut capturing = EmulatedGpu::new("capturing");
    capturing.is_capturing = true;
    capturing.gpus_memory = ranges.clone();
    let mut capturing = CudaBackend::on(Box::new(capturing), &step_map(), options(Guard::Count)).unwrap();
    refuse(
        &mut capturing,
        [true, false, true],
        None,
        "inputs in the processor's memory, for a call that a CUDA graph",
    );
    refuse(
        &mut capturing,
        [false, false, false],
        None,
        "results in the processor's memory, for a call that a CUDA graph",
    );
    let mut fallback = EmulatedGpu::new("refused_fallback");
    fallback.gpus_memory = ranges.clone();
    let mut fallback = CudaBackend::on(Box::new(fallback), &step_map(), options(Guard::Fallback)).unwrap();
    refuse(&mut fallback, [true, true, true], None, "a fallback for state in the GPU's memory");
}
