//! `emucell inspect`: what is in a surrogate file.

use std::path::PathBuf;

use serde_json::json;

use crate::error::Result;
use crate::format::onnx;
use crate::program::{Operation, Program};
use crate::surrogate::{Kind, Network, Port, Surrogate, Variable, Verified};

/// Show what a surrogate file holds: kind, variables, network, provenance.
///
/// Of a network that programs cannot hold it says which node they do not have and why.
#[derive(Debug, clap::Args)]
pub struct Inspect {
    /// Surrogate (.onnx).
    file: PathBuf,
    /// Print as JSON.
    #[arg(long)]
    json: bool,
}

impl Inspect {
    pub fn run(&self) -> Result<()> {
        // `emucell inspect x.onnx | head` ends like any other program there; Rust ignores the signal.
        #[cfg(unix)]
        // SAFETY: the default action of a signal, before any other thread was started.
        unsafe {
            libc::signal(libc::SIGPIPE, libc::SIG_DFL);
        }
        let surrogate = onnx::load(&self.file)?;
        if self.json {
            println!("{:#}", as_json(&surrogate));
        } else {
            print(&surrogate);
        }
        Ok(())
    }
}

fn as_json(surrogate: &Surrogate) -> serde_json::Value {
    let program = surrogate.program().ok();
    let dt = match surrogate.kind() {
        Kind::SolutionMap | Kind::Derivative => None,
        Kind::StepMap { dt } => Some(dt),
    };
    json!({
        "kind": surrogate.kind().name(),
        "dt": dt,
        "times": surrogate.times(),
        "inputs": surrogate.inputs(),
        "outputs": surrogate.outputs(),
        "initial_state": surrogate.initial_state(),
        "cell_model": surrogate.cell_model(),
        "verified": match surrogate.verified() {
            Verified::Unknown => None,
            Verified::No => Some(false),
            Verified::Yes => Some(true),
        },
        "operations": program.map(|p| p.operations().len()),
        "multiply_adds": program.map(Program::multiply_adds),
        "why_no_program": match surrogate.network() {
            Network::Program(_) => None,
            Network::Graph { why_no_program, .. } => Some(why_no_program),
        },
        "provenance": surrogate.provenance(),
    })
}

fn print(surrogate: &Surrogate) {
    match surrogate.kind() {
        Kind::SolutionMap if surrogate.times().is_empty() => {
            println!("solution map: (t, x0, parameters) → x(t)")
        }
        Kind::SolutionMap => {
            let times: Vec<String> = surrogate.times().iter().map(f64::to_string).collect();
            println!("solution map: (x0, parameters) → x at t = {}", times.join(", "));
        }
        Kind::Derivative => println!("derivative: values, then their derivatives"),
        Kind::StepMap { dt } if surrogate.step_input().is_some() => {
            println!("step map: (x, Δt, stimulus, parameters) → x after Δt, for example {dt}");
        }
        Kind::StepMap { dt } => println!("step map: (x, stimulus, parameters) → x after Δt = {dt}"),
    }
    if let Some(model) = surrogate.cell_model() {
        let parameters: Vec<String> = model.parameters.iter().map(|(k, v)| format!("{k} = {v}")).collect();
        println!("cell model: {} ({})", model.name, parameters.join(", "));
    }
    match (surrogate.warning(), surrogate.verification()) {
        (Some(warning), _) => println!("{}{}", warning[..1].to_uppercase(), &warning[1..]),
        (None, Some(verification)) => println!("verified: {}", verification.targets),
        (None, None) => {}
    }
    print_variables("inputs", surrogate.inputs());
    print_variables("outputs", surrogate.outputs());
    if let Some(state) = surrogate.initial_state() {
        println!("initial state: {state:?}");
    }
    match surrogate.network() {
        Network::Program(program) => print_program(&program.fused()),
        Network::Graph { graph, why_no_program } => {
            println!("network: a graph for the backend ONNX Runtime only: {why_no_program}");
            print_ports("inputs", &graph.inputs);
            print_ports("outputs", &graph.outputs);
        }
    }
    if !surrogate.provenance().is_empty() {
        println!("provenance:");
        for (key, value) in surrogate.provenance() {
            match value {
                serde_json::Value::String(text) if text.contains('\n') => {
                    println!("  {key}:");
                    text.lines().for_each(|line| println!("    {line}"));
                }
                serde_json::Value::String(text) => println!("  {key}: {text}"),
                other => println!("  {key}: {other}"),
            }
        }
    }
}

fn print_program(program: &Program) {
    println!("network: {} multiply-adds a cell", program.multiply_adds());
    for (block, operation) in program.steps() {
        println!("  {:3}  {:<28} width {}", block.index(), describe(operation), program.width(block));
    }
}

fn print_ports(what: &str, ports: &[Port]) {
    let ports: Vec<String> = ports.iter().map(|port| format!("{} width {}", port.name, port.width)).collect();
    println!("  {what}: {}", ports.join(", "));
}

fn print_variables(what: &str, variables: &[Variable]) {
    println!("{what}:");
    for variable in variables {
        let range = variable.range.map_or("any".to_owned(), |[low, high]| format!("{low} … {high}"));
        let Variable { name, unit, role, .. } = variable;
        println!("  {name:<12} {:<10} {range:<20} {unit}", role.name());
    }
}

fn describe(operation: &Operation) -> String {
    match operation {
        Operation::Constant { .. } => "constant".to_owned(),
        Operation::Dense { input, activation, .. } => {
            format!("dense({}) {}", input.index(), activation.name())
        }
        Operation::Activation { input, activation } => format!("{}({})", activation.name(), input.index()),
        Operation::Exp { input } => format!("exp({})", input.index()),
        Operation::Binary { operator, left, right } => {
            format!("{}({}, {})", format!("{operator:?}").to_lowercase(), left.index(), right.index())
        }
        Operation::Concat { inputs } => {
            let blocks: Vec<String> = inputs.iter().map(|b| b.index().to_string()).collect();
            format!("concatenate({})", blocks.join(", "))
        }
        Operation::Slice { input, start, width } => {
            format!("columns {start}..{} of {}", start + width, input.index())
        }
        Operation::Table { input, table } => format!("table of {} rows({})", table.n_rows(), input.index()),
        Operation::Relax { state, rate, drive } => {
            format!("relax({}, {}, {})", state.index(), rate.index(), drive.index())
        }
        Operation::Slope { input, activation } => {
            format!("slope of {}({})", activation.name(), input.index())
        }
        Operation::TableSlope { input, table } => {
            format!("slopes of a table of {} rows({})", table.n_rows(), input.index())
        }
    }
}
