//! What computes a surrogate's outputs: a program, or an ONNX graph that is none.

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::program::Program;

/// What computes a surrogate's outputs.
#[derive(Clone, Debug)]
pub enum Network {
    /// A program, which every backend runs.
    Program(Program),
    /// An ONNX graph that programs cannot hold; only ONNX Runtime runs it.
    Graph {
        /// The graph.
        graph: Graph,
        /// Which node programs do not have, and why.
        why_no_program: String,
    },
}

impl From<Program> for Network {
    fn from(program: Program) -> Self {
        Self::Program(program)
    }
}

impl Network {
    /// Number of input columns.
    pub fn n_inputs(&self) -> usize {
        match self {
            Self::Program(program) => program.n_inputs(),
            Self::Graph { graph, .. } => n_columns(&graph.inputs),
        }
    }

    /// Number of output columns.
    pub fn n_outputs(&self) -> usize {
        match self {
            Self::Program(program) => program.n_outputs(),
            Self::Graph { graph, .. } => n_columns(&graph.outputs),
        }
    }

    /// The program.
    ///
    /// # Errors
    /// A graph; the message says why it is no program, and who runs it.
    pub fn program(&self) -> Result<&Program> {
        match self {
            Self::Program(program) => Ok(program),
            Self::Graph { why_no_program, .. } => Err(Error::unsupported(why_no_program)
                .remedy("use the backend ONNX Runtime, which runs any ONNX graph")),
        }
    }
}

/// An ONNX file's graph with its inputs and outputs; the surrogate's columns are those of all
/// inputs (outputs) side by side.
#[derive(Clone, Debug)]
pub struct Graph {
    /// The whole file.
    pub file: Arc<[u8]>,
    /// Inputs in the order of the graph, each single precision.
    pub inputs: Vec<Port>,
    /// Outputs in the order of the graph, each single precision.
    pub outputs: Vec<Port>,
}

/// An input or output of a graph: a row of numbers for each cell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    /// Its name in the graph.
    pub name: String,
    /// Numbers of a cell.
    pub width: usize,
    /// Shape `[cells]` instead of `[cells, width]`; the width is 1 then.
    pub is_vector: bool,
}

fn n_columns(ports: &[Port]) -> usize {
    ports.iter().map(|port| port.width).sum()
}
