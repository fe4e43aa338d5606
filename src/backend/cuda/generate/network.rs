//! A program as a C++ struct whose function computes it, and the kernels that call it.

use std::fmt::Write;

use super::chain::{Method, Tensor};
use super::columns::Body;
use super::numbers::Numbers;
use super::{Plan, Shape, Source};
use crate::program::{Program, Update};

/// The struct of a network, but for what depends on all of them.
#[derive(Debug)]
pub struct NetworkText {
    name: &'static str,
    constants: String,
    body: String,
    /// Shared memory that a warp needs.
    pub stage: usize,
    pub uses_tensor_cores: bool,
    pub arithmetic: &'static str,
}

impl NetworkText {
    pub fn write(plan: &Plan, steps: Option<&[Source]>, numbers: &mut Numbers) -> Self {
        let (body, stage) = Body::new(plan, numbers).write();
        let methods = || plan.chains.iter().map(|chain| chain.method);
        let tensor = methods().find_map(|method| match method {
            Method::Tensor(tensor) => Some(tensor),
            _ => None,
        });
        Self {
            name: plan.name,
            constants: constants(&plan.program, steps, &plan.updates),
            body,
            stage: stage.next_multiple_of(16),
            uses_tensor_cores: tensor.is_some(),
            arithmetic: match tensor {
                None => "f32",
                Some(Tensor::Half) => "f16",
                Some(Tensor::Bfloat) => "bf16",
                Some(Tensor::Tf32) => "tf32",
                Some(Tensor::SplitTf32) => "split tf32",
            },
        }
    }

    /// The whole struct.
    pub fn finish(&self, shape: Shape, stage: usize, layer_bytes: usize) -> String {
        let Self { name, constants, body, .. } = self;
        let Shape { threads, shared_weights } = shape;
        format!(
            "struct {name} {{
    static constexpr int THREADS = {threads}, STAGE = {stage}, SHARED_WEIGHTS = {shared_weights};
    static constexpr u64 BEHIND_LAYERS = {};
{constants}
    // A layer's words, in shared memory if they were copied there.
    template <int FIRST, int END> EMUCELL_DEVICE static const u8 *layer(const Warp &warp) {{
        return END <= SHARED_WEIGHTS ? warp.weights + FIRST : reinterpret_cast<const u8 *>(warp.numbers) + FIRST;
    }}

    EMUCELL_DEVICE static void run(const float (&b0)[INPUTS], float (&y)[OUTPUTS], const Warp &warp) {{
{body}    }}
}};

",
            layer_bytes / 4
        )
    }
}

/// Widths, and where the inputs of a step come from.
fn constants(program: &Program, steps: Option<&[Source]>, updates: &[Update]) -> String {
    let (n_inputs, n_outputs) = (program.n_inputs(), program.n_outputs());
    let mut text = format!("    static constexpr int INPUTS = {n_inputs}, OUTPUTS = {n_outputs};\n");
    let Some(sources) = steps else { return text };
    // The compiler settles these when it unrolls the loops over columns.
    let mut function = |kind: &str, name: &str, cases: Vec<(usize, String)>, otherwise: &str| {
        writeln!(text, "    EMUCELL_DEVICE static constexpr {kind} {name}(int i) {{").expect("a string");
        let cases: String = cases.into_iter().map(|(i, value)| format!("i == {i} ? {value} : ")).collect();
        writeln!(text, "        return {cases}{otherwise};\n    }}").expect("a string");
    };
    let numbered = || sources.iter().enumerate();
    let source = |(i, source): (usize, &Source)| {
        let name = match source {
            Source::State(_) => return None,
            Source::ByPosition => "BY_POSITION",
            Source::ByRow => "BY_ROW",
            Source::Time => "TIME",
        };
        Some((i, name.to_owned()))
    };
    function("Source", "source", numbered().filter_map(source).collect(), "STATE");
    let state = |(i, source): (usize, &Source)| match source {
        Source::State(j) if *j != i => Some((i, j.to_string())),
        _ => None,
    };
    // What it gives for other inputs is never used, but must be a state.
    let states: Vec<_> = numbered().filter_map(state).collect();
    function("int", "state", states, "i < OUTPUTS ? i : 0");
    let input = |(i, source): (usize, &Source)| match source {
        Source::State(j) if *j != i => Some((*j, i.to_string())),
        _ => None,
    };
    function("int", "input_of_state", numbered().filter_map(input).collect(), "i");
    let value = |(j, update): (usize, &Update)| (*update == Update::Value).then(|| (j, "false".to_owned()));
    function("bool", "is_increment", updates.iter().enumerate().filter_map(value).collect(), "true");
    text
}

/// The kernels of a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    Evaluate,
    Step,
    StepByIncrements,
}

impl Entry {
    /// The kernel for many times of the same cells.
    pub fn evaluate_times(parts: &str, domain: &str) -> String {
        format!(
            "typedef TimesJob<Network::INPUTS, Network::OUTPUTS> evaluate_times_job;
typedef {parts} AtTimes;
EMUCELL_KERNEL(Network::THREADS) emucell_evaluate_times(EMUCELL_ARGUMENT(evaluate_times_job) job) {{
    evaluate_cells_at_times<AtTimes>(job, {domain});
}}
"
        )
    }

    /// The kernel's definition; `domain` and `limits` are addresses.
    pub fn text(self, domain: &str, limits: &str) -> String {
        let (network, name, arguments) = match self {
            Self::Evaluate => ("Network", "evaluate", format!("evaluate_cells<Network>(job, {domain})")),
            Self::Step => ("Network", "step", format!("step_cells<Network>(job, {domain})")),
            Self::StepByIncrements => (
                "Increments",
                "step_by_increments",
                format!("step_cells_by_increments<Increments>(job, {domain}, {limits})"),
            ),
        };
        // A name for the type, because a comma would end the macro's argument.
        format!(
            "typedef Job<{network}::INPUTS, {network}::OUTPUTS> {name}_job;
EMUCELL_KERNEL({network}::THREADS) emucell_{name}(EMUCELL_ARGUMENT({name}_job) job) {{
    {arguments};
}}
"
        )
    }
}
