//! Graphs that programs cannot hold: their inputs and outputs, for ONNX Runtime.

use super::description::Description;
use super::proto::dimension::Extent;
use super::proto::{self, Dimension, ValueInfo, data_type};
use crate::error::{Error, Result};
use crate::program::MAX_WIDTH;
use crate::surrogate::{Graph, Port};

const REMEDY: &str = "export the network with single-precision tensors of shape [cells, columns] or [cells]";

/// The graph of the ONNX `file`.
///
/// Outputs may keep their number of columns to themselves where `description` tells it.
pub fn graph(file: &[u8], graph: &proto::Graph, description: Option<&Description>) -> Result<Graph> {
    if let Some(tensor) = graph.initializer.iter().find(|t| t.data_location != 0) {
        return Err(Error::unsupported("weights in a file of their own")
            .at(format!("tensor \"{}\"", tensor.name))
            .remedy("export the model with its weights inside"));
    }
    // Older files list their initializers among the inputs too.
    let is_constant = |name: &String| graph.initializer.iter().any(|t| t.name == *name);
    let inputs = graph.input.iter().filter(|i| !is_constant(&i.name));
    let inputs = inputs.map(|i| port(i, "input", None)).collect::<Result<Vec<_>>>()?;
    // Of several outputs it would not be clear whose the columns are.
    let told = description.filter(|_| graph.output.len() == 1).map(|d| d.outputs.len());
    let outputs = graph.output.iter().map(|o| port(o, "output", told)).collect::<Result<Vec<_>>>()?;
    for (what, ports) in [("inputs", &inputs), ("outputs", &outputs)] {
        let columns: usize = ports.iter().map(|port| port.width).sum();
        if columns == 0 || columns > MAX_WIDTH {
            return Err(Error::unsupported(format!("{columns} columns of {what}"))
                .remedy(format!("networks with 1 to {MAX_WIDTH} are run")));
        }
    }
    Ok(Graph { file: file.into(), inputs, outputs })
}

/// An input or output with its shape checked; `told` columns where the file does not say.
fn port(value: &ValueInfo, what: &str, told: Option<usize>) -> Result<Port> {
    let fault =
        |fault: String| Error::unsupported(fault).at(format!("{what} \"{}\"", value.name)).remedy(REMEDY);
    if value.name.contains('\0') {
        return Err(Error::format(format!("{what} name {:?}", value.name)));
    }
    let tensor = value.kind.as_ref().and_then(|k| k.tensor.as_ref());
    let tensor = tensor.ok_or_else(|| fault("something that is no tensor".to_owned()))?;
    if tensor.elem_type != data_type::FLOAT {
        return Err(fault("a tensor that is not single precision".to_owned()));
    }
    let shape = tensor.shape.as_ref();
    let dims = &shape.ok_or_else(|| fault("a tensor of any number of dimensions".to_owned()))?.dim[..];
    let (cells, width) = match dims {
        [cells] => (cells, Some(1)),
        [cells, columns] => (cells, length(columns).or(told)),
        _ => return Err(fault(format!("a tensor of {} dimensions", dims.len()))),
    };
    if let Some(n) = length(cells) {
        return Err(fault(format!("a tensor for {n} cells, neither more nor fewer"))
            .remedy("export the network with a dynamic first dimension"));
    }
    let width = width.filter(|w| (1..=MAX_WIDTH).contains(w));
    let width = width.ok_or_else(|| fault("a tensor of an unknown number of columns".to_owned()))?;
    Ok(Port { name: value.name.clone(), width, is_vector: dims.len() == 1 })
}

fn length(dimension: &Dimension) -> Option<usize> {
    match dimension.extent {
        Some(Extent::Value(n)) => usize::try_from(n).ok(),
        _ => None,
    }
}
