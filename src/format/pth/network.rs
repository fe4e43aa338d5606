//! Networks of linear layers and activations: out of PyTorch's files as programs, and out of
//! programs as state dicts.

use std::io::Seek;

use rawzip::ReaderAt;

use super::modules::{Modules, Step, is_module};
use super::pickle::Id;
use super::read::File;
use super::tensor::Description;
use super::write::NamedTensor;
use crate::activation::Activation;
use crate::error::{Error, Result};
use crate::program::{BinaryOperator, BlockId, Operation, Program, ProgramBuilder};

/// Under what names training scripts keep a network among other things, the likeliest first.
const NAMES: [&str; 8] =
    ["model_state_dict", "state_dict", "model", "net", "network", "module", "ema", "params"];
/// Depth to which a network may be nested in dictionaries.
const MAX_DEPTH: usize = 4;

/// A network as a program, and what was taken for granted on the way.
#[derive(Debug)]
pub struct Network {
    /// The program: one input block, one output block.
    pub program: Program,
    /// Classes whose code was not seen: their layers are applied in the order in which they were
    /// made.
    pub assumed: Vec<String>,
}

/// A linear layer of a file.
#[derive(Debug)]
pub(super) struct Linear {
    pub name: String,
    pub weight: Description,
    pub bias: Option<Description>,
}

impl<R: ReaderAt + Seek> File<R> {
    /// The network in the file: a module (of `torch.save(network)`) of linear layers and
    /// activations one after the other, or a state dict, alone or in a dictionary with other things.
    ///
    /// `hidden` gives activation and width of each hidden layer, the width being the number of rows of its
    /// weights (of GLU, half of them go on). State dicts need it; a module's own activations are replaced by it.
    ///
    /// # Errors
    /// No network, a layer that is neither linear nor a known activation, layers whose widths do not
    /// fit each other or `hidden`, or activations that are nowhere to be found.
    pub fn network(&mut self, hidden: Option<&[(Activation, usize)]>) -> Result<Network> {
        self.find_network(hidden).map_err(|e| self.place(e))
    }

    fn find_network(&mut self, hidden: Option<&[(Activation, usize)]>) -> Result<Network> {
        let place = self.locate(self.graph.root, 0).ok_or_else(|| self.without_network())?;
        let (mut steps, assumed) = if is_module(&self.graph, place) {
            Modules::new(&self.graph).steps(place, hidden.is_some())?
        } else {
            (self.state_dict(place)?, Vec::new())
        };
        let layers: Vec<&Linear> = layers(&steps).collect();
        let example: Vec<String> = layers.windows(2).map(|pair| example(pair[0], pair[1])).collect();
        match hidden {
            Some(hidden) => steps = with_activations(steps, hidden)?,
            None if !is_module(&self.graph, place) && !example.is_empty() => {
                return Err(Error::invalid("a state dict, which does not tell the activations").remedy(
                    format!("name them with the widths, for example --hidden {}", example.join(",")),
                ));
            }
            None => {}
        }
        Ok(Network { program: self.program(steps)?, assumed })
    }

    /// The module or state dict at or below `id`.
    fn locate(&self, id: Id, depth: usize) -> Option<Id> {
        if is_module(&self.graph, id) || self.is_state_dict(id) {
            return Some(id);
        }
        if depth == MAX_DEPTH {
            return None;
        }
        let below = NAMES.iter().filter_map(|name| self.graph.get(id, name));
        if let Some(found) = below.into_iter().find_map(|value| self.locate(value, depth + 1)) {
            return Some(found);
        }
        let items = self.graph.mapping(id)?.iter().map(|&(_, value)| value);
        let mut found = items.filter(|&value| is_module(&self.graph, value) || self.is_state_dict(value));
        // The only one, or none can be meant.
        found.next().filter(|_| found.next().is_none())
    }

    fn is_state_dict(&self, id: Id) -> bool {
        let weight = |&(key, value): &(Id, Id)| {
            self.graph.text(key).is_some_and(|key| key == "weight" || key.ends_with(".weight"))
                && Description::of(&self.graph, value).is_some()
        };
        self.graph.mapping(id).is_some_and(|items| items.iter().any(weight))
    }

    fn without_network(&self) -> Error {
        let keys = self.graph.mapping(self.graph.root).unwrap_or(&[]).iter();
        let keys: Vec<&str> = keys.filter_map(|&(key, _)| self.graph.text(key)).take(12).collect();
        let what = match keys.is_empty() {
            true => format!("no network, but {}", self.describe(self.graph.root)),
            false => format!("no network, but a dictionary of {}", keys.join(", ")),
        };
        Error::unsupported(what)
            .remedy("save the network or its state_dict(), alone or as \"model_state_dict\"")
    }

    /// The linear layers of a state dict, in its order.
    fn state_dict(&self, id: Id) -> Result<Vec<Step>> {
        let mut layers: Vec<Linear> = Vec::new();
        for &(key, value) in self.graph.mapping(id).unwrap_or(&[]) {
            let key = self.graph.text(key).unwrap_or("");
            let other = |what: String| {
                Error::unsupported(what).at(format!("\"{key}\"")).remedy("give a network of linear layers")
            };
            let Some(tensor) = Description::of(&self.graph, value) else {
                return Err(other(format!("{} where a tensor is wanted", self.describe(value))));
            };
            let tensor = tensor.map_err(|e| e.at(format!("\"{key}\"")))?;
            let (name, what) = key.rsplit_once('.').unwrap_or(("", key));
            match (what, tensor.shape.len(), layers.last_mut()) {
                ("weight", 2, _) => layers.push(Linear { name: name.to_owned(), weight: tensor, bias: None }),
                ("bias", 1, Some(layer)) if layer.name == name && layer.bias.is_none() => {
                    layer.bias = Some(tensor);
                }
                _ => {
                    return Err(other(format!(
                        "a tensor of shape {:?}, part of no linear layer",
                        tensor.shape
                    )));
                }
            }
        }
        Ok(layers.into_iter().map(Step::Linear).collect())
    }

    fn program(&mut self, steps: Vec<Step>) -> Result<Program> {
        let Some(first) = layers(&steps).next() else {
            return Err(Error::unsupported("a network without linear layers"));
        };
        let mut builder = ProgramBuilder::new(first.weight.shape[1])?;
        let mut block = BlockId::INPUT;
        for step in steps {
            block = match step {
                Step::Activation { activation, .. } => builder.activation(block, activation)?,
                Step::Linear(layer) => self
                    .dense(&mut builder, block, &layer)
                    .map_err(|e| e.at(format!("layer \"{}\"", layer.name)))?,
            };
        }
        Ok(builder.finish(block))
    }

    fn dense(&mut self, builder: &mut ProgramBuilder, block: BlockId, layer: &Linear) -> Result<BlockId> {
        let [n_outputs, n_inputs] = layer.weight.shape[..] else {
            return Err(Error::format(format!("weights of shape {:?}", layer.weight.shape)));
        };
        if n_inputs != builder.width(block) {
            return Err(Error::format(format!(
                "weights for {n_inputs} inputs where {} come in",
                builder.width(block)
            ))
            .remedy("give a network whose layers follow each other in the file's order"));
        }
        let weights = single(self.numbers(&layer.weight)?);
        let bias = match &layer.bias {
            Some(bias) if bias.shape == [n_outputs] => single(self.numbers(bias)?),
            Some(bias) => {
                return Err(Error::format(format!(
                    "a bias of shape {:?} for {n_outputs} outputs",
                    bias.shape
                )));
            }
            // No more than the weights, which were read.
            None => vec![0.0; weights.len().min(n_outputs)],
        };
        builder.dense(block, weights, bias, Activation::Linear)
    }
}

fn single(numbers: Vec<f64>) -> Vec<f32> {
    numbers.into_iter().map(|x| x as f32).collect()
}

fn layers(steps: &[Step]) -> impl Iterator<Item = &Linear> {
    steps.iter().filter_map(|step| match step {
        Step::Linear(layer) => Some(layer),
        Step::Activation { .. } => None,
    })
}

/// What `--hidden` may be for a layer: GLU where half its numbers go into the next.
fn example(layer: &Linear, next: &Linear) -> String {
    let (width, goes_on) = (layer.weight.shape[0], next.weight.shape[1]);
    format!("{}:{width}", if width == goes_on.saturating_mul(2) { "GLU" } else { "SiLU" })
}

/// The linear layers of `steps` with the activations of `hidden` between them.
fn with_activations(steps: Vec<Step>, hidden: &[(Activation, usize)]) -> Result<Vec<Step>> {
    let found: Vec<usize> = layers(&steps).map(|layer| layer.weight.shape[0]).collect();
    let found = &found[..found.len().saturating_sub(1)];
    let given: Vec<usize> = hidden.iter().map(|h| h.1).collect();
    if found != given {
        return Err(Error::invalid(format!(
            "hidden layers of widths {given:?} where the file has {found:?}"
        ))
        .remedy("give activation and width of each hidden layer of the file"));
    }
    let mut activations = hidden.iter().map(|h| h.0);
    let mut all = Vec::new();
    for step in steps {
        if let Step::Linear(layer) = step {
            all.push(Step::Linear(layer));
            all.extend(
                activations.next().map(|activation| Step::Activation { activation, name: String::new() }),
            );
        }
    }
    Ok(all)
}

/// A network as PyTorch's `load_state_dict` takes it.
#[derive(Clone, Debug)]
pub struct StateDict {
    /// Weights and biases, under the names of a `torch.nn.Sequential` called `layers`.
    pub tensors: Vec<NamedTensor>,
    /// Activation and width of each hidden layer, which the tensors do not tell.
    pub hidden: Vec<(Activation, usize)>,
}

impl StateDict {
    /// The state dict of a `program` that is a chain of linear layers and activations.
    ///
    /// # Errors
    /// A program that is no such chain, or ends in an activation.
    pub fn of(program: &Program) -> Result<Self> {
        let fault = |what: &str| {
            Error::unsupported(what)
                .remedy("only plain chains of linear layers and activations can be written as .pth")
        };
        let program = program.fused();
        let operations = program.operations();
        let (mut tensors, mut hidden) = (Vec::new(), Vec::new());
        let mut i = 0;
        while let Some(operation) = operations.get(i) {
            let Operation::Dense { input, weights, bias, activation } = operation else {
                return Err(fault(&format!("operation {} of the network is no linear layer", i + 1)));
            };
            if input.index() != i {
                return Err(fault(&format!("operation {} of the network is beside the others", i + 1)));
            }
            let name = |what: &str| format!("layers.{}.{what}", 2 * hidden.len());
            let shape = vec![bias.len(), weights.len() / bias.len()];
            tensors.push(NamedTensor { name: name("weight"), shape, values: weights.clone() });
            tensors.push(NamedTensor { name: name("bias"), shape: vec![bias.len()], values: bias.clone() });
            let is_gated = *activation == Activation::Linear && is_glu(&program, i + 1);
            hidden.push((if is_gated { Activation::Glu } else { *activation }, bias.len()));
            i += if is_gated { 1 + GLU_OPERATIONS } else { 1 };
        }
        match hidden.pop() {
            Some((Activation::Linear, _)) if program.output().index() == operations.len() => {
                Ok(Self { tensors, hidden })
            }
            Some((Activation::Linear, _)) | None => Err(fault("the network's output is not its last layer")),
            Some((activation, _)) => {
                Err(fault(&format!("the network's last layer ends in {}", activation.name())))
            }
        }
    }
}

/// Operations of [`Activation::Glu`].
const GLU_OPERATIONS: usize = 4;

/// Whether the operations that read block `sums` and follow it are those of GLU.
fn is_glu(program: &Program, sums: usize) -> bool {
    let half = program.steps().nth(sums - 1).map_or(0, |(block, _)| program.width(block) / 2);
    let is_half = |operation: &Operation, from: usize| {
        matches!(operation, Operation::Slice { input, start, width }
            if input.index() == sums && *start == from && *width == half)
    };
    let next = program.operations().get(sums..sums + GLU_OPERATIONS);
    let Some([values, gates, Operation::Activation { input, activation: Activation::Sigmoid }, last]) = next
    else {
        return false;
    };
    let Operation::Binary { operator: BinaryOperator::Multiply, left, right } = last else { return false };
    let (value, gate, sigmoid) = (sums + 1, sums + 2, sums + 3);
    let factors = [left.index(), right.index()];
    is_half(values, 0)
        && is_half(gates, half)
        && input.index() == gate
        && (factors == [value, sigmoid] || factors == [sigmoid, value])
}
