//! From an ONNX graph to a program.

use std::collections::HashMap;

use prost::Message;

use super::proto::dimension::Extent;
use super::proto::{Graph, Model, ValueInfo, data_type};
use super::translate::{Translator, Value};
use super::{metadata, tensor};
use crate::error::{Error, Result};
use crate::program::{BlockId, MAX_OPERATIONS, Program, ProgramBuilder};
use crate::surrogate::Surrogate;

pub fn surrogate(bytes: &[u8]) -> Result<Surrogate> {
    let model = Model::decode(bytes).map_err(|e| {
        Error::format(format!("not an ONNX file, or a damaged one ({e})"))
            .remedy("check that the file was copied whole, or export it again")
    })?;
    let graph = model.graph.as_ref().ok_or_else(|| {
        Error::format("not an ONNX file, or a damaged one (no graph inside)")
            .remedy("check that the file was copied whole, or export it again")
    })?;
    metadata::read(&model, program(graph)?)
}

fn program(graph: &Graph) -> Result<Program> {
    if graph.node.len() > MAX_OPERATIONS {
        return Err(Error::unsupported(format!("a graph of {} nodes", graph.node.len())));
    }
    let mut values = HashMap::new();
    for initializer in &graph.initializer {
        let constant = Value::Constant(tensor::constant(initializer)?);
        define(&mut values, &initializer.name, constant)?;
    }
    // Older files list their initializers among the inputs too.
    let inputs: Vec<&ValueInfo> = graph.input.iter().filter(|i| !values.contains_key(&i.name)).collect();
    let input = only(&inputs, "input")?;
    let builder =
        ProgramBuilder::new(input_width(input)?).map_err(|e| e.at(format!("input \"{}\"", input.name)))?;
    define(&mut values, &input.name, Value::Block(BlockId::INPUT))?;

    let mut translator = Translator { builder, values, constant_blocks: HashMap::new() };
    for (i, node) in graph.node.iter().enumerate() {
        let place = || format!("node {i} ({} \"{}\")", node.op_type, node.name);
        let value = translator.translate(node).map_err(|e| e.at(place()))?;
        let [output] = &node.output[..] else {
            return Err(Error::unsupported(format!("{} outputs", node.output.len())).at(place()));
        };
        define(&mut translator.values, output, value).map_err(|e| e.at(place()))?;
    }
    let outputs: Vec<&ValueInfo> = graph.output.iter().collect();
    let output = only(&outputs, "output")?;
    let block = translator.block(&output.name).map_err(|e| e.at(format!("output \"{}\"", output.name)))?;
    Ok(translator.builder.finish(block).without_unread())
}

fn define(values: &mut HashMap<String, Value>, name: &str, value: Value) -> Result<()> {
    match values.insert(name.to_owned(), value) {
        Some(_) => Err(Error::format(format!("two values are called \"{name}\""))),
        None => Ok(()),
    }
}

fn only<'a>(values: &[&'a ValueInfo], what: &str) -> Result<&'a ValueInfo> {
    match values {
        [value] => Ok(value),
        _ => Err(Error::unsupported(format!("a network with {} {what}s", values.len()))
            .remedy(format!("export it with one {what} of shape [cells, columns]"))),
    }
}

/// Columns of an input of shape [cells, columns].
fn input_width(input: &ValueInfo) -> Result<usize> {
    let tensor = input.kind.as_ref().and_then(|k| k.tensor.as_ref());
    let dims = tensor.and_then(|t| t.shape.as_ref()).map_or(&[][..], |s| &s.dim);
    let fault = |what: String| {
        Error::unsupported(what)
            .at(format!("input \"{}\"", input.name))
            .remedy("export the network with one single-precision input of shape [cells, columns]")
    };
    if tensor.is_some_and(|t| t.elem_type != data_type::FLOAT) {
        return Err(fault("an input that is not single precision".to_owned()));
    }
    match dims {
        [_, columns] => match columns.extent {
            Some(Extent::Value(n)) if n > 0 => Ok(n as usize),
            _ => Err(fault("an unknown number of columns".to_owned())),
        },
        _ => Err(fault(format!("an input of {} dimensions", dims.len()))),
    }
}
