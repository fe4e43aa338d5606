//! From an ONNX graph to a program.

use std::collections::HashMap;

use prost::Message;

use super::description::Description;
use super::proto::dimension::Extent;
use super::proto::{Graph, Model, ValueInfo, data_type};
use super::translate::{Translator, Value};
use super::{graph, metadata, tensor};
use crate::error::{Error, ErrorKind, Result};
use crate::program::{BlockId, MAX_OPERATIONS, Operation, Program, ProgramBuilder};
use crate::surrogate::{Network, Surrogate};

/// Numbers of all operations together, as many as the largest file holds: operations do not share
/// them, so that a short file could otherwise fill the memory.
const MAX_NUMBERS: usize = super::MAX_FILE_SIZE as usize / size_of::<f32>();

/// The surrogate in an ONNX file's `bytes`; where the file does not describe its variables, with
/// the description that `beside` finds, or anonymous.
pub fn surrogate(bytes: &[u8], beside: impl FnOnce() -> Result<Option<Description>>) -> Result<Surrogate> {
    let model = Model::decode(bytes).map_err(|e| {
        Error::format(format!("not an ONNX file, or a damaged one ({e})"))
            .remedy("check that the file was copied whole, or export it again")
    })?;
    let graph = model.graph.as_ref().ok_or_else(|| {
        Error::format("not an ONNX file, or a damaged one (no graph inside)")
            .remedy("check that the file was copied whole, or export it again")
    })?;
    let program = program(graph);
    let description = match metadata::read(&model)? {
        None => beside()?,
        own => own,
    };
    let network = match program {
        Ok(program) => Network::Program(program),
        // Emucell writes programs only: a graph of its own that is none is damaged, or newer.
        Err(e) if e.kind() == ErrorKind::Unsupported && model.producer_name != metadata::PRODUCER => {
            let graph = graph::graph(bytes, graph, description.as_ref()).map_err(|other| {
                Error::new(other.kind(), format!("{}; nor can ONNX Runtime run it: {other}", e.fault()))
            })?;
            Network::Graph { graph, why_no_program: e.fault() }
        }
        Err(e) => return Err(e),
    };
    match description {
        Some(description) => description.surrogate(network),
        None => Ok(Surrogate::anonymous(network)),
    }
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
    let mut n_numbers = 0;
    for (i, node) in graph.node.iter().enumerate() {
        let place = || format!("node {i} ({} \"{}\")", node.op_type, node.name);
        let values = translator.translate(node).map_err(|e| e.at(place()))?;
        n_numbers += values.iter().map(|value| numbers_of(&translator, value)).sum::<usize>();
        if n_numbers > MAX_NUMBERS {
            return Err(Error::unsupported("constants that are used over and over")
                .at(place())
                .remedy(format!("a surrogate's operations may have {MAX_NUMBERS} numbers in all")));
        }
        if values.len() != node.output.len() {
            return Err(Error::unsupported(format!("{} outputs", node.output.len())).at(place()));
        }
        for (output, value) in node.output.iter().zip(values) {
            define(&mut translator.values, output, value).map_err(|e| e.at(place()))?;
        }
    }
    let outputs: Vec<&ValueInfo> = graph.output.iter().collect();
    let output = only(&outputs, "output")?;
    let block = translator.block(&output.name).map_err(|e| e.at(format!("output \"{}\"", output.name)))?;
    Ok(translator.builder.finish(block).without_unread())
}

/// Numbers that the operation behind `value` has for itself.
fn numbers_of(translator: &Translator, value: &Value) -> usize {
    let Value::Block(block) = value else { return 0 };
    match translator.builder.producer(*block) {
        Some(Operation::Dense { weights, .. }) => weights.len(),
        Some(Operation::Table { table, .. }) => table.values.len(),
        _ => 0,
    }
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

#[cfg(test)]
mod tests {
    use super::super::proto::{Attribute, Dimension, Node, Shape, Tensor, TensorType, Type};
    use super::*;

    fn node(op_type: &str, inputs: &[&str], output: &str, attribute: Vec<Attribute>) -> Node {
        Node {
            input: inputs.iter().map(|&i| i.to_owned()).collect(),
            output: vec![output.to_owned()],
            op_type: op_type.to_owned(),
            attribute,
            ..Node::default()
        }
    }

    fn number(name: &str, f: f32) -> Attribute {
        Attribute { name: name.to_owned(), f, ..Attribute::default() }
    }

    /// A network as another program may have written it: input `x` of two columns, output `y`.
    fn foreign(node: Vec<Node>, initializer: Vec<Tensor>) -> Result<Surrogate> {
        let dimension = |n| Dimension { extent: Some(Extent::Value(n)) };
        let shape = Some(Shape { dim: vec![dimension(1), dimension(2)] });
        let kind = Some(Type { tensor: Some(TensorType { elem_type: data_type::FLOAT, shape }) });
        let info = |name: &str| ValueInfo { name: name.to_owned(), kind: kind.clone() };
        let graph =
            Graph { node, initializer, input: vec![info("x")], output: vec![info("y")], ..Graph::default() };
        super::surrogate(&Model { graph: Some(graph), ..Model::default() }.encode_to_vec(), || Ok(None))
    }

    fn evaluate(surrogate: &Surrogate, x: [f64; 2]) -> Vec<f64> {
        surrogate.program().unwrap().evaluate_reference(&x)
    }

    #[test]
    fn a_general_matrix_product_has_its_factors_and_its_transposition() {
        let matrix = tensor::floats("a", &[2, 3], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        let bias = tensor::floats("c", &[3], &[10.0, 20.0, 30.0]);
        let factors = vec![number("alpha", 0.5), number("beta", 2.0)];
        let gemm = node("Gemm", &["x", "a", "c"], "y", factors);
        let surrogate = foreign(vec![gemm], vec![matrix, bias]).unwrap();
        assert_eq!(evaluate(&surrogate, [1.0, 10.0]), [40.5, 66.0, 91.5]);

        let rows = tensor::floats("a", &[1, 2], &[3.0, -1.0]);
        let transposed = Attribute { name: "transB".to_owned(), i: 1, ..Attribute::default() };
        let surrogate = foreign(vec![node("Gemm", &["x", "a"], "y", vec![transposed])], vec![rows]).unwrap();
        assert_eq!(evaluate(&surrogate, [1.0, 10.0]), [-7.0]);
    }

    #[test]
    fn products_sums_slices_and_limits_of_other_programs() {
        let nodes = vec![
            node("MatMul", &["x", "a"], "product", vec![]),
            node("Add", &["c", "product"], "sum", vec![]),
            node("Neg", &["sum"], "minus", vec![]),
            node("Clip", &["minus", "low", ""], "limited", vec![]),
            node("Slice", &["limited", "from", "to", "axis"], "y", vec![]),
        ];
        let constants = vec![
            tensor::floats("a", &[2, 2], &[1.0, 2.0, 3.0, 4.0]),
            tensor::floats("c", &[1, 2], &[1.0, -1.0]),
            tensor::floats("low", &[], &[-30.0]),
            tensor::integers("from", &[-1]),
            tensor::integers("to", &[i64::MAX]),
            tensor::integers("axis", &[-1]),
        ];
        let surrogate = foreign(nodes, constants).unwrap();
        assert_eq!(evaluate(&surrogate, [1.0, 2.0]), [-9.0]);
        assert_eq!(evaluate(&surrogate, [1.0, 20.0]), [-30.0]);
    }

    #[test]
    fn columns_are_split_as_the_file_says() {
        let doubled = tensor::floats("a", &[2, 5], &[1.0, 2.0, 3.0, 4.0, 5.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
        let split = |inputs: &[&str], mut attribute: Vec<Attribute>, parts: &[&str]| {
            attribute.push(Attribute { name: "axis".to_owned(), i: 1, ..Attribute::default() });
            let output = parts.iter().map(|&p| p.to_owned()).collect();
            let split = Node { output, ..node("Split", inputs, "", attribute) };
            let nodes = vec![node("MatMul", &["x", "a"], "five", vec![]), split];
            let surrogate = foreign(nodes, vec![doubled.clone(), tensor::integers("sizes", &[1, 4])]);
            surrogate.map(|surrogate| evaluate(&surrogate, [1.0, 0.0])).map_err(|e| e.to_string())
        };
        let sizes = |ints: &[i64]| {
            vec![Attribute { name: "split".to_owned(), ints: ints.to_vec(), ..Attribute::default() }]
        };
        // As operator sets 1 to 12, 13 to 17 and from 18 on say it.
        assert_eq!(split(&["five"], sizes(&[2, 2, 1]), &["p", "y", "q"]).unwrap(), [3.0, 4.0]);
        assert_eq!(split(&["five", "sizes"], vec![], &["p", "y"]).unwrap(), [2.0, 3.0, 4.0, 5.0]);
        assert_eq!(split(&["five"], vec![], &["p", "y"]).unwrap(), [4.0, 5.0]);
        for (ints, parts, expected) in [
            (&[2, 2][..], &["p", "y"][..], "not the 5 columns"),
            (&[2, 3, 4], &["p", "y"], "not the 5 columns"),
            (&[3, 3], &["p", "y"], "columns 3..3+3"),
            (&[-1, 6], &["p", "y"], "width 0"),
            (&[5], &["p", "y"], "width 0"),
        ] {
            let fault = split(&["five"], sizes(ints), parts).unwrap_err();
            assert!(fault.contains(expected) && fault.contains("Split"), "{fault}");
        }
    }

    #[test]
    fn weights_that_are_used_over_and_over_do_not_fill_the_memory() {
        let n = 2048;
        let first = tensor::floats("first", &[2, n], &vec![0.0; 2 * n]);
        let weights = tensor::floats("w", &[n, n], &vec![0.0; n * n]);
        let mut nodes = vec![node("MatMul", &["x", "first"], "h0", vec![])];
        for i in 0..100 {
            nodes.push(node("MatMul", &[&format!("h{i}"), "w"], &format!("h{}", i + 1), vec![]));
        }
        let fault = foreign(nodes, vec![first, weights]).unwrap_err().to_string();
        assert!(fault.contains("over and over") && fault.contains("node 16"), "{fault}");
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        let fault = |nodes, constants| foreign(nodes, constants).unwrap_err().to_string();
        let weights = tensor::floats("a", &[3, 2], &[0.0; 6]);
        assert!(fault(vec![node("MatMul", &["x", "a"], "y", vec![])], vec![weights]).contains("3 inputs"));
        assert!(fault(vec![node("Relu", &["later"], "y", vec![])], vec![]).contains("later"));
        assert!(fault(vec![node("Relu", &["x"], "x", vec![])], vec![]).contains("two values"));
        let huge = Tensor { dims: vec![i64::MAX, 8], ..tensor::floats("a", &[], &[1.0]) };
        assert!(fault(vec![node("Add", &["x", "a"], "y", vec![])], vec![huge]).contains("impossible shape"));
    }
}
