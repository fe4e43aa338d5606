//! One ONNX node after the other becomes operations of a program.

use std::collections::HashMap;

use super::gelu::GeluPart;
use super::proto::{Attribute, Node};
use super::table::{self, Lookup};
use super::tensor::{self, Constant};
use crate::activation::{Activation, SELU_ALPHA, SELU_SCALE};
use crate::error::{Error, Result};
use crate::program::{BinaryOperator, BlockId, Operation, ProgramBuilder};

/// What a name of the graph stands for.
#[derive(Clone, Debug)]
pub enum Value {
    /// A block of the program.
    Block(BlockId),
    /// Numbers of the file.
    Constant(Constant),
    /// The number of cells, alone or before a width: what constants are repeated to.
    CellCount,
    /// A part of a table's chain.
    Lookup(Lookup),
    /// A part of GELU's chain, as it is exported where the operator is missing.
    Gelu(GeluPart),
}

/// The program built so far and what each name means in it.
pub struct Translator {
    pub builder: ProgramBuilder,
    pub values: HashMap<String, Value>,
    /// Blocks made of constants that were operands before.
    pub constant_blocks: HashMap<String, BlockId>,
}

impl Translator {
    /// The values of `node`'s outputs.
    pub fn translate(&mut self, node: &Node) -> Result<Vec<Value>> {
        if !(node.domain.is_empty() || node.domain == "ai.onnx") {
            return Err(unknown_operator(&format!("{}.{}", node.domain, node.op_type)));
        }
        match node.op_type.as_str() {
            "Split" => self.split(node),
            _ => Ok(vec![self.value_of(node)?]),
        }
    }

    fn value_of(&mut self, node: &Node) -> Result<Value> {
        if let Some(activation) = activation(node)? {
            let input = self.operand(node, 0)?;
            return self.builder.activation(input, activation).map(Value::Block);
        }
        match node.op_type.as_str() {
            "Gemm" => self.gemm(node),
            "MatMul" => self.mat_mul(node),
            "Add" => self.binary(node, BinaryOperator::Add),
            "Sub" => self.binary(node, BinaryOperator::Subtract),
            "Mul" => self.binary(node, BinaryOperator::Multiply),
            "Div" => self.binary(node, BinaryOperator::Divide),
            "Min" => self.binary(node, BinaryOperator::Minimum),
            "Max" => self.binary(node, BinaryOperator::Maximum),
            "Neg" => {
                let zero = self.builder.constant([0.0])?;
                let input = self.operand(node, 0)?;
                self.builder.binary(BinaryOperator::Subtract, zero, input).map(Value::Block)
            }
            "Exp" => {
                let input = self.operand(node, 0)?;
                self.builder.push(Operation::Exp { input }).map(Value::Block)
            }
            "Identity" | "Dropout" => self.value(node, 0),
            "Constant" => constant_node(node),
            "Concat" => self.concat(node),
            "Slice" => self.slice(node),
            "Clip" => self.clip(node),
            "Shape" => Ok(Value::CellCount),
            "Expand" => self.operand(node, 0).map(Value::Block),
            "Floor" => {
                let position = self.operand(node, 0)?;
                Ok(Value::Lookup(Lookup::Row { position }))
            }
            "Cast" | "Squeeze" => match self.value(node, 0)? {
                row @ Value::Lookup(Lookup::Row { .. }) => Ok(row),
                _ => Err(table::foreign()),
            },
            "Gather" => self.gather(node),
            "Erf" => {
                let argument = self.operand(node, 0)?;
                Ok(Value::Gelu(GeluPart::Erf { argument }))
            }
            other => Err(unknown_operator(other)),
        }
    }

    /// The value of `node`'s input `i`.
    fn value(&self, node: &Node, i: usize) -> Result<Value> {
        let name = node.input.get(i).ok_or_else(|| Error::format(format!("input {i} is missing")))?;
        let value = self.values.get(name);
        value.cloned().ok_or_else(|| Error::format(format!("\"{name}\" is used before it is made")))
    }

    /// The block of `node`'s input `i`; constants become blocks.
    fn operand(&mut self, node: &Node, i: usize) -> Result<BlockId> {
        let name = node.input.get(i).ok_or_else(|| Error::format(format!("input {i} is missing")))?;
        self.block(name)
    }

    /// The block called `name`; a constant becomes one block however often it is used.
    pub fn block(&mut self, name: &str) -> Result<BlockId> {
        if let Some(&block) = self.constant_blocks.get(name) {
            return Ok(block);
        }
        let value = self.values.get(name).cloned();
        let value = value.ok_or_else(|| Error::format(format!("nothing makes \"{name}\"")))?;
        let is_constant = matches!(value, Value::Constant(_));
        let block = self.block_of(value)?;
        if is_constant {
            self.constant_blocks.insert(name.to_owned(), block);
        }
        Ok(block)
    }

    fn block_of(&mut self, value: Value) -> Result<BlockId> {
        match value {
            Value::Block(block) => Ok(block),
            Value::Constant(Constant::Floats { dims, values }) => match dims[..] {
                [] | [_] | [1, _] => self.builder.constant(&*values),
                _ => Err(Error::unsupported(format!("a constant of shape {dims:?} as an operand"))),
            },
            Value::Constant(Constant::Integers { .. }) | Value::CellCount => {
                Err(Error::unsupported("an integer operand"))
            }
            Value::Lookup(_) => Err(table::foreign()),
            Value::Gelu(_) => Err(Error::unsupported("the error function outside GELU")),
        }
    }

    fn binary(&mut self, node: &Node, operator: BinaryOperator) -> Result<Value> {
        if node.input.len() != 2 {
            return Err(Error::unsupported(format!("{} operands", node.input.len())));
        }
        let (left, right) = (self.value(node, 0)?, self.value(node, 1)?);
        match (operator, &left, &right) {
            (BinaryOperator::Subtract, Value::Block(p), Value::Lookup(Lookup::Row { position }))
                if p == position =>
            {
                Ok(Value::Lookup(Lookup::Fraction { position: *position }))
            }
            (
                BinaryOperator::Multiply,
                Value::Lookup(Lookup::Gathered { position, values, .. }),
                Value::Lookup(Lookup::Fraction { position: other }),
            ) if position == other => {
                Ok(Value::Lookup(Lookup::Increment { position: *position, differences: values.clone() }))
            }
            (BinaryOperator::Add, Value::Lookup(low), Value::Lookup(increment)) => {
                table::blend(&mut self.builder, low, increment).map(Value::Block)
            }
            (_, Value::Gelu(part), other) | (_, other, Value::Gelu(part)) => {
                part.combine(&mut self.builder, operator, other)
            }
            _ => {
                let (left, right) = (self.operand(node, 0)?, self.operand(node, 1)?);
                self.builder.binary(operator, left, right).map(Value::Block)
            }
        }
    }

    fn gemm(&mut self, node: &Node) -> Result<Value> {
        let attribute = |name| node.attribute.iter().find(|a| a.name == name);
        let number = |name| attribute(name).map_or(1.0, |a: &Attribute| a.f);
        let flag = |name| attribute(name).is_some_and(|a: &Attribute| a.i != 0);
        if flag("transA") {
            return Err(Error::unsupported("a transposed input"));
        }
        let input = self.operand(node, 0)?;
        let (alpha, beta) = (number("alpha"), number("beta"));
        let (mut weights, n_outputs) = self.weights(node, input, flag("transB"))?;
        weights.iter_mut().for_each(|w| *w *= alpha);
        let bias = match node.input.get(2).filter(|name| !name.is_empty()) {
            None => vec![0.0; n_outputs],
            Some(_) => match self.value(node, 2)? {
                Value::Constant(Constant::Floats { values, .. }) if values.len() == 1 => {
                    vec![beta * values[0]; n_outputs]
                }
                Value::Constant(Constant::Floats { values, .. }) => values.iter().map(|b| beta * b).collect(),
                _ => return Err(Error::unsupported("a bias that is not constant")),
            },
        };
        self.builder.dense(input, weights, bias, Activation::Linear).map(Value::Block)
    }

    fn mat_mul(&mut self, node: &Node) -> Result<Value> {
        let input = self.operand(node, 0)?;
        let (weights, n_outputs) = self.weights(node, input, false)?;
        self.builder.dense(input, weights, vec![0.0; n_outputs], Activation::Linear).map(Value::Block)
    }

    /// The weights in input 1, one row an output, and the number of outputs.
    fn weights(&self, node: &Node, input: BlockId, rows_are_outputs: bool) -> Result<(Vec<f32>, usize)> {
        let Value::Constant(Constant::Floats { dims, values }) = self.value(node, 1)? else {
            return Err(Error::unsupported("weights that are not constant"));
        };
        let [rows, columns] = dims[..] else {
            return Err(Error::unsupported(format!("weights of shape {dims:?}")));
        };
        let (n_outputs, n_inputs) = if rows_are_outputs { (rows, columns) } else { (columns, rows) };
        if n_inputs != self.builder.width(input) {
            return Err(Error::format(format!(
                "weights for {n_inputs} inputs where {} come in",
                self.builder.width(input)
            )));
        }
        if rows_are_outputs {
            return Ok((values.to_vec(), n_outputs));
        }
        let transposed = (0..n_outputs).flat_map(|o| (0..n_inputs).map(move |i| (i, o)));
        Ok((transposed.map(|(i, o)| values[i * n_outputs + o]).collect(), n_outputs))
    }

    fn concat(&mut self, node: &Node) -> Result<Value> {
        if matches!(self.value(node, 0)?, Value::CellCount) {
            return Ok(Value::CellCount);
        }
        expect_column_axis(node.attribute.iter().find(|a| a.name == "axis").map(|a| a.i))?;
        let blocks = (0..node.input.len()).map(|i| self.operand(node, i)).collect::<Result<Vec<_>>>()?;
        self.builder.concat(&blocks).map(Value::Block)
    }

    fn slice(&mut self, node: &Node) -> Result<Value> {
        let input = self.operand(node, 0)?;
        let width = self.builder.width(input) as i64;
        let start = self.integer(node, 1)?;
        let end = self.integer(node, 2)?;
        expect_column_axis(Some(self.integer(node, 3)?))?;
        if node.input.len() > 4 && self.integer(node, 4)? != 1 {
            return Err(Error::unsupported("a slice with steps"));
        }
        let from_end = |i: i64| if i < 0 { i.saturating_add(width) } else { i.min(width) };
        let (start, end) = (from_end(start), from_end(end));
        if start < 0 || end <= start {
            return Err(Error::format(format!("columns {start} to {end} of {width}")));
        }
        self.builder.slice(input, start as usize, (end - start) as usize).map(Value::Block)
    }

    /// A block's columns as several blocks: as many as attribute or input 1 tell, else equally many in each,
    /// with fewer in the last where they do not divide.
    fn split(&mut self, node: &Node) -> Result<Vec<Value>> {
        let attribute = |name| node.attribute.iter().find(|a| a.name == name);
        expect_column_axis(Some(attribute("axis").map_or(0, |a| a.i)))?;
        let input = self.operand(node, 0)?;
        let (total, n_parts) = (self.builder.width(input), node.output.len());
        let told = match (attribute("split"), node.input.get(1).filter(|name| !name.is_empty())) {
            (Some(sizes), _) => Some(sizes.ints.clone()),
            (None, Some(_)) => match self.value(node, 1)? {
                Value::Constant(Constant::Integers { values }) => Some(values.to_vec()),
                _ => return Err(Error::unsupported("parts whose sizes are not constant")),
            },
            (None, None) => None,
        };
        let equal = total.div_ceil(n_parts.max(1));
        let mut start = 0;
        let mut blocks = Vec::new();
        for i in 0..n_parts {
            let width = match &told {
                Some(sizes) => sizes.get(i).and_then(|&size| usize::try_from(size).ok()).unwrap_or(0),
                None => equal.min(total - start),
            };
            blocks.push(Value::Block(self.builder.slice(input, start, width)?));
            start += width;
        }
        if start != total || told.is_some_and(|sizes| sizes.len() != n_parts) {
            return Err(Error::format(format!("{n_parts} parts that are not the {total} columns")));
        }
        Ok(blocks)
    }

    fn clip(&mut self, node: &Node) -> Result<Value> {
        if let row @ Value::Lookup(Lookup::Row { .. }) = self.value(node, 0)? {
            return Ok(row);
        }
        let mut block = self.operand(node, 0)?;
        for (i, operator) in [(1, BinaryOperator::Maximum), (2, BinaryOperator::Minimum)] {
            if node.input.get(i).is_some_and(|name| !name.is_empty()) {
                let bound = self.operand(node, i)?;
                block = self.builder.binary(operator, block, bound)?;
            }
        }
        Ok(Value::Block(block))
    }

    fn gather(&mut self, node: &Node) -> Result<Value> {
        match (self.value(node, 0)?, self.value(node, 1)?) {
            (Value::Constant(matrix), Value::Lookup(Lookup::Row { position })) => {
                table::gather(&matrix, position).map(Value::Lookup)
            }
            _ => Err(table::foreign()),
        }
    }

    fn integer(&self, node: &Node, i: usize) -> Result<i64> {
        match self.value(node, i)? {
            Value::Constant(Constant::Integers { values }) if values.len() == 1 => Ok(values[0]),
            _ => Err(Error::unsupported(format!("input {i} is not one constant integer"))),
        }
    }
}

fn unknown_operator(op_type: &str) -> Error {
    Error::unsupported(format!("operator {op_type}, which programs do not have")).remedy(
        "run this file with an ONNX runtime, or export the network with the operators of a plain network",
    )
}

fn expect_column_axis(axis: Option<i64>) -> Result<()> {
    match axis {
        Some(1 | -1) => Ok(()),
        other => Err(Error::unsupported(format!("axis {other:?} where columns, axis 1, are meant"))),
    }
}

fn activation(node: &Node) -> Result<Option<Activation>> {
    let number =
        |name: &str, default| node.attribute.iter().find(|a| a.name == name).map_or(default, |a| a.f);
    Ok(Some(match node.op_type.as_str() {
        "Relu" => Activation::Relu,
        "LeakyRelu" => Activation::LeakyRelu { slope: number("alpha", 0.01) },
        "Elu" => Activation::Elu { alpha: number("alpha", 1.0) },
        "Celu" => Activation::Celu { alpha: number("alpha", 1.0) },
        "Selu" if (number("alpha", SELU_ALPHA), number("gamma", SELU_SCALE)) == (SELU_ALPHA, SELU_SCALE) => {
            Activation::Selu
        }
        "Selu" => return Err(Error::unsupported("SELU with constants of its own")),
        "Tanh" => Activation::Tanh,
        "Sigmoid" => Activation::Sigmoid,
        "Softplus" => Activation::Softplus,
        "Gelu" => match node.attribute.iter().find(|a| a.name == "approximate").map(|a| &a.s[..]) {
            None | Some(b"none") => Activation::Gelu,
            Some(b"tanh") => Activation::GeluTanh,
            Some(_) => return Err(Error::unsupported("an unknown approximation of GELU")),
        },
        _ => return Ok(None),
    }))
}

fn constant_node(node: &Node) -> Result<Value> {
    let fault = || Error::unsupported("a constant that is neither a tensor nor a number");
    let [attribute] = &node.attribute[..] else {
        return Err(fault());
    };
    let constant = match attribute.name.as_str() {
        "value" => tensor::constant(attribute.t.as_ref().ok_or_else(fault)?)?,
        "value_float" => Constant::Floats { dims: [].into(), values: [attribute.f].into() },
        "value_floats" => {
            let values = attribute.floats.as_slice().into();
            Constant::Floats { dims: [attribute.floats.len()].into(), values }
        }
        "value_int" => Constant::Integers { values: [attribute.i].into() },
        "value_ints" => Constant::Integers { values: attribute.ints.as_slice().into() },
        _ => return Err(fault()),
    };
    Ok(Value::Constant(constant))
}
