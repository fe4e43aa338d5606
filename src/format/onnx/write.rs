//! From a program to an ONNX graph, operation by operation.

use prost::Message;

use super::proto::dimension::Extent;
use super::proto::{
    Attribute, Dimension, Graph, Model, Node, OperatorSet, Shape, Tensor, TensorType, Type, ValueInfo,
    attribute_kind, data_type,
};
use super::{metadata, table, tensor};
use crate::activation::{Activation, SELU_ALPHA, SELU_SCALE};
use crate::error::{Error, Result};
use crate::program::{BinaryOperator, BlockId, Operation, Program};
use crate::surrogate::{self, Kind, Port, Surrogate};

/// Names of a file's one input and one output.
const INPUT: &str = "x";
const OUTPUT: &str = "y";
/// First operator set with Gelu.
const OPSET_VERSION: i64 = 20;
/// The file version that belongs to it.
const IR_VERSION: i64 = 9;

/// `surrogate`'s file around its `program`.
pub fn model(surrogate: &Surrogate, program: &Program) -> Result<Vec<u8>> {
    if surrogate.kind() == Kind::Derivative {
        return Err(derivative());
    }
    let model = Model {
        ir_version: IR_VERSION,
        producer_name: metadata::PRODUCER.to_owned(),
        producer_version: env!("CARGO_PKG_VERSION").to_owned(),
        graph: Some(GraphWriter::new(program).finish()?),
        opset_import: vec![OperatorSet { domain: String::new(), version: OPSET_VERSION }],
        metadata_props: metadata::write(surrogate),
    };
    Ok(model.encode_to_vec())
}

fn derivative() -> Error {
    Error::unsupported("a derivative in a file")
        .remedy("save the surrogate itself: its derivatives are made where they are used")
}

/// `surrogate`'s file with what there is to know about its inputs and outputs.
pub fn graph(surrogate: &Surrogate, program: &Program) -> Result<surrogate::Graph> {
    let port = |name: &str, width| Port { name: name.to_owned(), width, is_vector: false };
    Ok(surrogate::Graph {
        file: model(surrogate, program)?.into(),
        inputs: vec![port(INPUT, program.n_inputs())],
        outputs: vec![port(OUTPUT, program.n_outputs())],
    })
}

/// Collects the nodes and initializers of a graph.
pub struct GraphWriter<'a> {
    program: &'a Program,
    /// Whether a block has a row a cell, or, made of constants alone, one row for all.
    per_cell: Vec<bool>,
    nodes: Vec<Node>,
    initializers: Vec<Tensor>,
}

impl<'a> GraphWriter<'a> {
    fn new(program: &'a Program) -> Self {
        Self { program, per_cell: vec![true], nodes: Vec::new(), initializers: Vec::new() }
    }

    fn finish(mut self) -> Result<Graph> {
        for (block, operation) in self.program.steps() {
            let per_cell = operation.inputs().iter().any(|b| self.per_cell[b.index()]);
            self.per_cell.push(per_cell);
            self.operation(block, operation)?;
        }
        let output = self.program.output();
        let last = self.with_cell_rows(output);
        self.node("Identity", OUTPUT, &[last], OUTPUT, vec![]);
        Ok(Graph {
            node: self.nodes,
            name: "surrogate".to_owned(),
            initializer: self.initializers,
            input: vec![value_info(INPUT, self.program.n_inputs())],
            output: vec![value_info(OUTPUT, self.program.n_outputs())],
        })
    }

    fn operation(&mut self, block: BlockId, operation: &Operation) -> Result<()> {
        let name = block_name(block);
        match operation {
            Operation::Constant { values } => self.floats(&name, &[1, values.len()], values),
            Operation::Dense { input, weights, bias, activation } => {
                let sum =
                    if *activation == Activation::Linear { name.clone() } else { format!("{name}.sum") };
                let (w, b) = (format!("{name}.weight"), format!("{name}.bias"));
                self.floats(&w, &[bias.len(), self.program.width(*input)], weights);
                self.floats(&b, &[bias.len()], bias);
                self.node("Gemm", &name, &[&block_name(*input), &w, &b], &sum, vec![integer("transB", 1)]);
                if *activation != Activation::Linear {
                    self.activation(*activation, &sum, &name);
                }
            }
            Operation::Activation { input, activation } => {
                self.activation(*activation, &block_name(*input), &name);
            }
            Operation::Exp { input } => self.node("Exp", &name, &[&block_name(*input)], &name, vec![]),
            Operation::Binary { operator, left, right } => {
                let operands = [block_name(*left), block_name(*right)];
                self.node(operator_name(*operator), &name, &operands, &name, vec![]);
            }
            Operation::Concat { inputs } => {
                let parts: Vec<String> = inputs.iter().map(|&b| self.with_cell_rows(b)).collect();
                self.per_cell[block.index()] = true;
                self.node("Concat", &name, &parts, &name, vec![integer("axis", 1)]);
            }
            Operation::Slice { input, start, width } => {
                let bounds = [("start", *start as i64), ("end", (start + width) as i64), ("axis", 1)]
                    .map(|(what, value)| self.integers(&format!("{name}.{what}"), &[value]));
                let [start, end, axis] = &bounds;
                self.node("Slice", &name, &[&block_name(*input), start, end, axis], &name, vec![]);
            }
            Operation::Table { input, table } => table::write(self, &name, &block_name(*input), table),
            Operation::Relax { state, rate, drive } => {
                let [state, rate, drive] = [state, rate, drive].map(|&b| block_name(b));
                let (decay, change) = (format!("{name}.decay"), format!("{name}.change"));
                self.node("Mul", &decay, &[&rate, &state], &decay, vec![]);
                self.node("Sub", &change, &[&drive, &decay], &change, vec![]);
                self.node("Add", &name, &[&state, &change], &name, vec![]);
            }
            Operation::Slope { .. } | Operation::TableSlope { .. } => return Err(derivative()),
        }
        Ok(())
    }

    fn activation(&mut self, activation: Activation, input: &str, output: &str) {
        let name = format!("{output}.{}", activation.name());
        let (op_type, attributes) = match activation {
            Activation::Linear => ("Identity", vec![]),
            Activation::Relu => ("Relu", vec![]),
            Activation::LeakyRelu { slope } => ("LeakyRelu", vec![float("alpha", slope)]),
            Activation::Elu { alpha } => ("Elu", vec![float("alpha", alpha)]),
            Activation::Selu => ("Selu", vec![float("alpha", SELU_ALPHA), float("gamma", SELU_SCALE)]),
            Activation::Celu { alpha } => ("Celu", vec![float("alpha", alpha)]),
            Activation::Tanh => ("Tanh", vec![]),
            Activation::Sigmoid => ("Sigmoid", vec![]),
            Activation::Softplus => ("Softplus", vec![]),
            Activation::Gelu => ("Gelu", vec![text("approximate", "none")]),
            Activation::GeluTanh => ("Gelu", vec![text("approximate", "tanh")]),
            Activation::Silu => {
                let gate = format!("{output}.gate");
                self.node("Sigmoid", &gate, &[input], &gate, vec![]);
                self.node("Mul", &name, &[input, &gate], output, vec![]);
                return;
            }
            Activation::RRelu { .. } | Activation::Glu => activation.no_function(),
        };
        self.node(op_type, &name, &[input], output, attributes);
    }

    /// The tensor of `block` with a row a cell, for operations that do not repeat a single row.
    fn with_cell_rows(&mut self, block: BlockId) -> String {
        let name = block_name(block);
        if self.per_cell[block.index()] {
            return name;
        }
        let (cells, shape, rows) = (format!("{name}.cells"), format!("{name}.shape"), format!("{name}.rows"));
        if self.nodes.iter().all(|n| n.name != rows) {
            let width = self.integers(&format!("{name}.width"), &[self.program.width(block) as i64]);
            self.node("Shape", &cells, &[INPUT], &cells, vec![integer("start", 0), integer("end", 1)]);
            self.node("Concat", &shape, &[&cells, &width], &shape, vec![integer("axis", 0)]);
            self.node("Expand", &rows, &[&name, &shape], &rows, vec![]);
        }
        rows
    }

    /// Adds a node with one output.
    pub fn node<S: AsRef<str>>(
        &mut self,
        op_type: &str,
        name: &str,
        inputs: &[S],
        output: &str,
        attribute: Vec<Attribute>,
    ) {
        self.nodes.push(Node {
            input: inputs.iter().map(|i| i.as_ref().to_owned()).collect(),
            output: vec![output.to_owned()],
            name: name.to_owned(),
            op_type: op_type.to_owned(),
            attribute,
            domain: String::new(),
        });
    }

    /// Adds a constant tensor of single-precision numbers.
    pub fn floats(&mut self, name: &str, dims: &[usize], values: &[f32]) {
        self.initializers.push(tensor::floats(name, dims, values));
    }

    /// Adds a constant integer.
    pub fn integer_scalar(&mut self, name: &str, value: i64) {
        self.initializers.push(Tensor { dims: vec![], ..tensor::integers(name, &[value]) });
    }

    /// Adds a constant vector of integers and gives back its name.
    pub fn integers(&mut self, name: &str, values: &[i64]) -> String {
        self.initializers.push(tensor::integers(name, values));
        name.to_owned()
    }
}

pub fn integer(name: &str, value: i64) -> Attribute {
    Attribute { name: name.to_owned(), i: value, kind: attribute_kind::INT, ..Attribute::default() }
}

fn float(name: &str, value: f32) -> Attribute {
    Attribute { name: name.to_owned(), f: value, kind: attribute_kind::FLOAT, ..Attribute::default() }
}

fn text(name: &str, value: &str) -> Attribute {
    Attribute { name: name.to_owned(), s: value.into(), kind: attribute_kind::STRING, ..Attribute::default() }
}

fn block_name(block: BlockId) -> String {
    match block {
        BlockId::INPUT => INPUT.to_owned(),
        other => format!("block{}", other.index()),
    }
}

fn operator_name(operator: BinaryOperator) -> &'static str {
    match operator {
        BinaryOperator::Add => "Add",
        BinaryOperator::Subtract => "Sub",
        BinaryOperator::Multiply => "Mul",
        BinaryOperator::Divide => "Div",
        BinaryOperator::Minimum => "Min",
        BinaryOperator::Maximum => "Max",
    }
}

fn value_info(name: &str, width: usize) -> ValueInfo {
    let dimension = |extent| Dimension { extent: Some(extent) };
    let shape = Shape {
        dim: vec![dimension(Extent::Symbol("cells".to_owned())), dimension(Extent::Value(width as i64))],
    };
    let tensor = TensorType { elem_type: data_type::FLOAT, shape: Some(shape) };
    ValueInfo { name: name.to_owned(), kind: Some(Type { tensor: Some(tensor) }) }
}
