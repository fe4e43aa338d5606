//! `emucell convert`: PyTorch's networks become surrogates, plain surrogates become state dicts.

use std::path::{Path, PathBuf};

use serde_json::json;

use crate::activation::Activation;
use crate::cell_model::CellModel;
use crate::error::{Error, Result};
use crate::format::{onnx, pth};
use crate::program::Program;
use crate::surrogate::{CellModelDescription, Kind, Role, Surrogate, Variable};

/// Convert a network between PyTorch's files and surrogates.
///
/// IN.pth (a state dict, alone or in a checkpoint, or a whole module of linear layers and
/// activations) becomes OUT.onnx; no code in it is run. IN.onnx becomes a state dict OUT.pth.
#[derive(Debug, clap::Args)]
pub struct Convert {
    /// File to read (.pth, .pt or .onnx).
    file: PathBuf,
    /// File to write (.onnx, or .pth for a surrogate).
    #[arg(long, short, value_name = "FILE")]
    output: PathBuf,
    /// Names of the inputs in the network's order; without them variables are anonymous.
    #[arg(long, value_name = "NAME,…", value_delimiter = ',', requires = "outputs")]
    inputs: Vec<String>,
    /// Names of the outputs, which are states; inputs called like them (or with a 0: u0) are states too.
    #[arg(long, value_name = "NAME,…", value_delimiter = ',', requires = "inputs")]
    outputs: Vec<String>,
    /// Inputs that are the stimulus; other inputs are parameters, `t` of a solution map is the time.
    #[arg(long, value_name = "NAME,…", value_delimiter = ',', requires = "inputs")]
    stimulus: Vec<String>,
    /// Smallest and largest value of variables: the domain.
    #[arg(long, value_name = "NAME=LOW:HIGH,…", value_delimiter = ',', value_parser = range, requires = "inputs")]
    ranges: Vec<(String, [f64; 2])>,
    /// Units of variables.
    #[arg(long, value_name = "NAME=UNIT,…", value_delimiter = ',', value_parser = unit, requires = "inputs")]
    units: Vec<(String, String)>,
    /// What the network does [default: a step map if --dt is given].
    #[arg(long, value_enum)]
    kind: Option<KindName>,
    /// Step of a step map, in ms.
    #[arg(long, value_name = "MS", requires = "inputs")]
    dt: Option<f64>,
    /// Name of the cell model that the network stands for.
    #[arg(long, value_name = "NAME")]
    cell_model: Option<String>,
    /// Activation and width of each hidden layer, which state dicts do not tell: SiLU:64,SiLU:32.
    #[arg(long, value_name = "NAME:WIDTH,…", value_delimiter = ',', value_parser = layer)]
    hidden: Option<Vec<(Activation, usize)>>,
    /// Print a summary as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
#[value(rename_all = "snake_case")]
enum KindName {
    /// (t, x0, parameters) → x(t)
    SolutionMap,
    /// (x, stimulus, parameters) → x after --dt
    StepMap,
}

impl Convert {
    pub fn run(&self) -> Result<()> {
        match (extension(&self.file), extension(&self.output)) {
            ("pth" | "pt", "onnx") => self.to_surrogate(),
            ("onnx", "pth" | "pt") => self.to_state_dict(),
            _ => Err(Error::unsupported(format!(
                "a conversion from {} to {}",
                self.file.display(),
                self.output.display()
            ))
            .remedy("convert .pth or .pt to .onnx, or .onnx to .pth")),
        }
    }

    fn to_surrogate(&self) -> Result<()> {
        let network = pth::File::open(&self.file)?.network(self.hidden.as_deref())?;
        let n = network.program.multiply_adds();
        let mut surrogate = self.surrogate(network.program)?;
        if let Some(name) = &self.cell_model {
            let model = CellModel::from_name(name, &Default::default()).map_err(|e| e.at("--cell-model"))?;
            let name = model.name().to_owned();
            surrogate = surrogate.with_cell_model(CellModelDescription { name, ..Default::default() });
        }
        let file = self.file.file_name().unwrap_or_default().to_string_lossy();
        let provenance = json!({
            "converted_from": file,
            "assumed_sequential": network.assumed,
            "emucell": env!("CARGO_PKG_VERSION"),
        });
        surrogate = surrogate.with_provenance(provenance.as_object().cloned().unwrap_or_default());
        onnx::save(&self.output, &surrogate)?;
        for class in &network.assumed {
            eprintln!("note: the layers of class {class} are applied in the order in which it has them");
        }
        let names = |variables: &[Variable]| {
            let names: Vec<String> =
                variables.iter().map(|v| format!("{} ({})", v.name, v.role.name())).collect();
            names.join(", ")
        };
        if self.json {
            println!("{}", json!({"output": self.output, "multiply_adds": n, "assumed": network.assumed}));
        } else {
            println!(
                "{}: {} of {n} multiply-adds, {} → {}",
                self.output.display(),
                surrogate.kind().name(),
                names(surrogate.inputs()),
                names(surrogate.outputs())
            );
        }
        Ok(())
    }

    fn surrogate(&self, program: Program) -> Result<Surrogate> {
        let kind = match (self.kind, self.dt) {
            (Some(KindName::SolutionMap) | None, None) => Kind::SolutionMap,
            (Some(KindName::StepMap) | None, Some(dt)) => Kind::StepMap { dt },
            (Some(KindName::StepMap), None) => {
                return Err(Error::invalid("a step map without a step").at("--kind").remedy("give --dt"));
            }
            (Some(KindName::SolutionMap), Some(_)) => {
                return Err(Error::invalid("a solution map has no step").at("--dt").remedy("remove --dt"));
            }
        };
        if self.inputs.is_empty() {
            return match kind {
                Kind::StepMap { .. } => Err(Error::invalid("a step map's variables have names")
                    .at("--kind")
                    .remedy("give --inputs and --outputs")),
                _ => Ok(Surrogate::anonymous(program)),
            };
        }
        let known = |name: &String| self.inputs.contains(name) || self.outputs.contains(name);
        let named = self
            .ranges
            .iter()
            .map(|r| (&r.0, "--ranges"))
            .chain(self.units.iter().map(|u| (&u.0, "--units")));
        for (name, option) in named.chain(self.stimulus.iter().map(|s| (s, "--stimulus"))) {
            if !known(name) {
                return Err(Error::invalid(format!("unknown variable \"{name}\""))
                    .at(option)
                    .remedy("use the names of --inputs and --outputs"));
            }
        }
        let inputs = self.inputs.iter().map(|name| self.variable(name, self.role(kind, name))).collect();
        let outputs = self.outputs.iter().map(|name| self.variable(name, Role::State)).collect();
        Surrogate::new(kind, inputs, outputs, program)
            .map_err(|e| e.remedy("name every input and output of the network, with --inputs and --outputs"))
    }

    fn role(&self, kind: Kind, name: &str) -> Role {
        let is_state = |name: &str| self.outputs.iter().any(|output| output == name);
        if self.stimulus.iter().any(|stimulus| stimulus == name) {
            Role::Stimulus
        } else if is_state(name) || kind == Kind::SolutionMap && name.strip_suffix('0').is_some_and(is_state)
        {
            Role::State
        } else if name == (if kind == Kind::SolutionMap { "t" } else { "dt" }) {
            Role::Time
        } else {
            Role::Parameter
        }
    }

    fn variable(&self, name: &str, role: Role) -> Variable {
        let unit = self.units.iter().find(|u| u.0 == name).map_or("", |u| &u.1);
        let mut variable = Variable::new(name, unit, role);
        variable.range = self.ranges.iter().find(|r| r.0 == name).map(|r| r.1);
        variable
    }

    fn to_state_dict(&self) -> Result<()> {
        let surrogate = super::load_surrogate(&self.file)?;
        let pth::StateDict { tensors, hidden } =
            surrogate.program().and_then(pth::StateDict::of).map_err(|e| e.in_file(&self.file))?;
        pth::save(&self.output, &tensors)?;
        let hidden: Vec<String> = hidden.iter().map(|(a, width)| format!("{}:{width}", a.name())).collect();
        if self.json {
            println!("{}", json!({"output": self.output, "tensors": tensors.len(), "hidden": hidden}));
        } else {
            println!(
                "{}: a state dict of {} tensors; its activations, which it does not hold: {}",
                self.output.display(),
                tensors.len(),
                if hidden.is_empty() { "none".to_owned() } else { hidden.join(",") }
            );
        }
        Ok(())
    }
}

fn extension(path: &Path) -> &str {
    path.extension().and_then(|e| e.to_str()).unwrap_or("")
}

fn range(text: &str) -> Result<(String, [f64; 2]), String> {
    let parts = text.split_once('=').and_then(|(name, range)| Some((name, range.split_once(':')?)));
    match parts.map(|(name, (low, high))| (name, low.parse(), high.parse())) {
        Some((name, Ok(low), Ok(high))) => Ok((name.to_owned(), [low, high])),
        _ => Err("write a range as u=-0.1:1".to_owned()),
    }
}

fn unit(text: &str) -> Result<(String, String), String> {
    let parts = text.split_once('=').map(|(name, unit)| (name.to_owned(), unit.to_owned()));
    parts.ok_or_else(|| "write a unit as t=ms".to_owned())
}

fn layer(text: &str) -> Result<(Activation, usize), String> {
    let (name, width) = text.split_once(':').ok_or("write a layer as SiLU:64")?;
    let activation = Activation::from_name(name).map_err(|e| e.to_string())?;
    Ok((activation, width.parse().map_err(|_| "write a layer as SiLU:64")?))
}
