//! Modules as `torch.save(network)` pickles them: layers and activations by their class names.

use super::network::Linear;
use super::pickle::{Graph, Id, Node};
use super::tensor::Description;
use crate::activation::Activation;
use crate::error::{Error, Result};
use crate::program::MAX_OPERATIONS;

/// Modules within modules.
const MAX_DEPTH: usize = 16;
/// Bytes of a module's path.
const MAX_NAME: usize = 256;

/// One after the other of these is a network.
#[derive(Debug)]
pub(super) enum Step {
    Linear(Linear),
    Activation { activation: Activation, name: String },
}

impl Step {
    fn name(&self) -> &str {
        match self {
            Self::Linear(layer) => &layer.name,
            Self::Activation { name, .. } => name,
        }
    }
}

/// Whether `id` is an object with the attributes of a `torch.nn.Module`.
pub(super) fn is_module(graph: &Graph, id: Id) -> bool {
    let state = graph.object(id).and_then(|object| object.state);
    state.is_some_and(|s| ["_modules", "_parameters"].iter().all(|key| graph.get(s, key).is_some()))
}

/// Collects the steps of a module and of those within it.
pub(super) struct Modules<'a> {
    graph: &'a Graph,
    steps: Vec<Step>,
    /// Classes that are not PyTorch's own.
    foreign: Vec<String>,
    n_visits: usize,
}

impl<'a> Modules<'a> {
    pub fn new(graph: &'a Graph) -> Self {
        Self { graph, steps: Vec::new(), foreign: Vec::new(), n_visits: 0 }
    }

    /// The steps of the module at `id`, and the classes whose order of application is assumed to be
    /// the order of their attributes. `activations_given` says that those of the file do not count.
    pub fn steps(mut self, id: Id, activations_given: bool) -> Result<(Vec<Step>, Vec<String>)> {
        self.walk(id, String::new(), 0)?;
        if !activations_given && let Some(class) = self.foreign.first() {
            self.check_alternation(class)?;
        }
        Ok((self.steps, self.foreign))
    }

    fn walk(&mut self, id: Id, name: String, depth: usize) -> Result<()> {
        // Modules may contain each other, or one module many times over.
        self.n_visits += 1;
        if depth > MAX_DEPTH || name.len() > MAX_NAME || self.n_visits > MAX_OPERATIONS {
            return Err(Error::unsupported("modules nested too deep, or in themselves"));
        }
        let module = Module::of(self.graph, id)
            .ok_or_else(|| Error::format("something else than a module").at(format!("module \"{name}\"")))?;
        let place = |e: Error| e.at(format!("module \"{name}\" of class {}", module.class));
        module.check_plain().map_err(place)?;
        if module.library != "torch.nn.modules" {
            module.check_without_tensors().map_err(place)?;
            let class = format!("{}.{}", module.library, module.class);
            if !self.foreign.contains(&class) {
                self.foreign.push(class);
            }
        } else if module.class == "Linear" {
            let layer = module.linear(&name).map_err(place)?;
            self.steps.push(Step::Linear(layer));
            return Ok(());
        } else if let Some(activation) = module.activation().map_err(place)? {
            self.steps.push(Step::Activation { activation, name });
            return Ok(());
        } else {
            match module.class {
                "Sequential" => {}
                // Applied by the class around it.
                "ModuleList" => {}
                "Identity" | "Dropout" | "AlphaDropout" | "Flatten" => return Ok(()),
                _ => {
                    let remedy =
                        "networks of linear layers and activations one after the other can be converted";
                    return Err(place(Error::unsupported("a layer without a counterpart").remedy(remedy)));
                }
            }
        }
        for &(key, child) in self.graph.mapping(module.modules).unwrap_or(&[]) {
            let key = self.graph.text(key).unwrap_or("?");
            let child_name = if name.is_empty() { key.to_owned() } else { format!("{name}.{key}") };
            // An attribute that was set to None.
            if !matches!(self.graph.node(child), Node::None) {
                self.walk(child, child_name, depth + 1)?;
            }
        }
        Ok(())
    }

    /// A class of its own whose activations are not modules applies them in its code, which nobody
    /// can see: two linear layers after each other are a sign of it, and so is an activation first.
    fn check_alternation(&self, class: &str) -> Result<()> {
        let hidden = |what: String| {
            Err(Error::unsupported(what)
                .at(format!("class {class}"))
                .remedy("its code, which is not in the file, may apply functions: name them with --hidden"))
        };
        if let Some(Step::Activation { name, .. }) = self.steps.first() {
            return hidden(format!("activation \"{name}\" before the first linear layer"));
        }
        for pair in self.steps.windows(2) {
            let [first, second] = pair else { continue };
            if matches!((first, second), (Step::Linear(_), Step::Linear(_))) {
                let (first, second) = (first.name(), second.name());
                return hidden(format!("no activation between \"{first}\" and \"{second}\""));
            }
        }
        Ok(())
    }
}

/// One module.
struct Module<'a> {
    graph: &'a Graph,
    /// `torch.nn.modules`, or the Python module of any other class.
    library: &'a str,
    class: &'a str,
    state: Id,
    modules: Id,
    parameters: Id,
}

impl<'a> Module<'a> {
    fn of(graph: &'a Graph, id: Id) -> Option<Self> {
        let object = graph.object(id)?;
        // Other ways to make an object name the class among their arguments.
        let class = match graph.global(object.callable)? {
            ("copyreg" | "copy_reg", "_reconstructor" | "__newobj__") => {
                *graph.sequence(object.arguments)?.first()?
            }
            _ => object.callable,
        };
        let (module, class) = graph.global(class)?;
        let library = if module.starts_with("torch.nn.modules.") { "torch.nn.modules" } else { module };
        let state = object.state?;
        let (modules, parameters) = (graph.get(state, "_modules")?, graph.get(state, "_parameters")?);
        Some(Self { graph, library, class, state, modules, parameters })
    }

    /// Hooks are code that changes what a module does.
    fn check_plain(&self) -> Result<()> {
        for key in ["_forward_hooks", "_forward_pre_hooks"] {
            let hooks = self.graph.get(self.state, key).and_then(|id| self.graph.mapping(id));
            if hooks.is_some_and(|hooks| !hooks.is_empty()) {
                return Err(Error::unsupported("hooks, whose code is not in the file").remedy(
                    "remove them, for example by torch.nn.utils.remove_weight_norm, and save again",
                ));
            }
        }
        Ok(())
    }

    /// A class of its own must not calculate with numbers that no layer has.
    fn check_without_tensors(&self) -> Result<()> {
        let buffers = self.graph.get(self.state, "_buffers").unwrap_or(self.parameters);
        for place in [self.parameters, buffers, self.state] {
            for &(key, value) in self.graph.mapping(place).unwrap_or(&[]) {
                if Description::of(self.graph, value).is_some() {
                    let key = self.graph.text(key).unwrap_or("?");
                    return Err(Error::unsupported(format!(
                        "tensor \"{key}\", which belongs to no linear layer"
                    ))
                    .remedy("save a network whose numbers are all in linear layers"));
                }
            }
        }
        Ok(())
    }

    fn linear(&self, name: &str) -> Result<Linear> {
        let tensor = |key: &str| -> Result<Option<Description>> {
            let Some(id) = self.graph.get(self.parameters, key) else { return Ok(None) };
            Description::of(self.graph, id).transpose().map_err(|e| e.at(format!("\"{key}\"")))
        };
        let weight = tensor("weight")?.filter(|weight| weight.shape.len() == 2).ok_or_else(|| {
            Error::unsupported("no matrix of weights").remedy("save the network without parametrizations")
        })?;
        Ok(Linear { name: name.to_owned(), weight, bias: tensor("bias")? })
    }

    /// The activation that the module is, with its constants.
    fn activation(&self) -> Result<Option<Activation>> {
        Ok(Some(match self.class {
            "ReLU" => Activation::Relu,
            "LeakyReLU" => Activation::LeakyRelu { slope: self.number("negative_slope")? },
            "RReLU" => Activation::RRelu { lower: self.number("lower")?, upper: self.number("upper")? },
            "ELU" => Activation::Elu { alpha: self.number("alpha")? },
            "CELU" => Activation::Celu { alpha: self.number("alpha")? },
            "SELU" => Activation::Selu,
            "Tanh" => Activation::Tanh,
            "Sigmoid" => Activation::Sigmoid,
            // Beyond its threshold PyTorch takes x for ln(1 + eˣ): the same in single precision from 17 on.
            "Softplus" if self.number("beta")? == 1.0 && self.number("threshold")? >= 17.0 => {
                Activation::Softplus
            }
            "Softplus" => return Err(Error::unsupported("Softplus with constants of its own")),
            "SiLU" => Activation::Silu,
            "GLU" => match self.number("dim")? {
                -1.0 | 1.0 => Activation::Glu,
                dim => {
                    return Err(Error::unsupported(format!("GLU along dimension {dim}"))
                        .remedy("halve the columns, by nn.GLU() or nn.GLU(dim=1)"));
                }
            },
            "GELU" => match self.graph.get(self.state, "approximate").and_then(|id| self.graph.text(id)) {
                None | Some("none") => Activation::Gelu,
                Some("tanh") => Activation::GeluTanh,
                Some(_) => return Err(Error::unsupported("an unknown approximation of GELU")),
            },
            _ => return Ok(None),
        }))
    }

    fn number(&self, key: &str) -> Result<f32> {
        let number = self.graph.get(self.state, key).and_then(|id| match self.graph.node(id) {
            Node::Float(x) => Some(*x as f32),
            Node::Integer(i) => Some(*i as f32),
            _ => None,
        });
        number.filter(|x| x.is_finite()).ok_or_else(|| {
            Error::format(format!("no finite number \"{key}\"")).remedy("save the network again")
        })
    }
}
