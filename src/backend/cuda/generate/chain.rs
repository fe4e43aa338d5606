//! Chains of dense layers of which each feeds only the next, and how each is computed.

use std::fmt::Write;

use half::{bf16, f16};

use super::activation::{approximate, exact, fast};
use super::numbers::Numbers;
use super::pack::Layer;
use crate::activation::Activation;
use crate::backend::Precision;
use crate::backend::cuda::target::Target;
use crate::program::{Operation, Program};

/// Multiply-adds of a chain, up to which it is unrolled in every thread: more instructions would not stay in a GPU's
/// instruction caches.
const UNROLLED: usize = 2048;
/// The widest layer of an unrolled chain: two such layers leave registers for everything else.
const UNROLLED_WIDTH: usize = 64;
/// The narrowest layer that is worth a tensor core's 16 × 8 numbers.
const TENSOR_WIDTH: usize = 8;
/// Registers of a warp's numbers, up to which two tiles of 16 cells are computed side by side.
const REGISTERS_OF_TILES: usize = 128;
/// Registers of a thread that two layers' numbers may take.
const REGISTERS_OF_LAYERS: usize = 192;

/// In what numbers tensor cores multiply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tensor {
    Half,
    Bfloat,
    Tf32,
    /// Sums of two TF32 numbers.
    SplitTf32,
}

impl Tensor {
    fn cpp(self) -> &'static str {
        match self {
            Self::Bfloat => "Bfloat",
            _ => "Half",
        }
    }

    pub fn is_half(self) -> bool {
        matches!(self, Self::Half | Self::Bfloat)
    }

    pub fn half_bits(self, x: f32) -> u16 {
        match self {
            Self::Bfloat => bf16::from_f32(x).to_bits(),
            _ => f16::from_f32(x).to_bits(),
        }
    }

    pub fn half_value(self, bits: u16) -> f32 {
        match self {
            Self::Bfloat => bf16::from_bits(bits).to_f32(),
            _ => f16::from_bits(bits).to_f32(),
        }
    }
}

/// How a chain is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// By every thread for itself.
    Unrolled,
    /// By a warp in single precision.
    Tile,
    /// By a warp on tensor cores.
    Tensor(Tensor),
}

/// A chain of dense operations.
#[derive(Clone, Debug)]
pub struct ChainPlan {
    /// Positions of the operations in the program.
    pub operations: Vec<usize>,
    pub method: Method,
    pub ends: Ends,
}

impl ChainPlan {
    /// The method of every thread for itself, if the chain is small enough.
    pub fn unrolled(&self, program: &Program) -> Option<Method> {
        is_small(&widths(program, &self.operations)).then_some(Method::Unrolled)
    }
}

/// Where the numbers of a chain on tensor cores come from and go to.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Ends {
    /// From the cell's registers to the cell's registers.
    #[default]
    Cell,
    /// To the warp's fragments, which are kept in the place of the cell's numbers.
    Kept,
    /// From kept fragments and what the time adds to them.
    AtTime(AtTime),
}

/// A layer whose sums over the cell's columns are kept.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AtTime {
    /// Column of the inputs where they lie.
    pub kept: usize,
    /// Column of the numbers of a time that are added.
    pub row: usize,
    pub activation: Activation,
}

/// Shared memory of a warp for its exchange, in bytes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Layout {
    pub input_bytes: usize,
    pub output_bytes: usize,
}

/// All chains of `program`, each with the method for `precision`.
pub fn plan(program: &Program, precision: Precision, target: Target) -> Vec<ChainPlan> {
    let mut uses = vec![0; program.operations().len() + 1];
    uses[program.output().index()] += 1;
    program.operations().iter().flat_map(Operation::inputs).for_each(|block| uses[block.index()] += 1);
    let mut chains: Vec<Vec<usize>> = Vec::new();
    for (i, operation) in program.operations().iter().enumerate() {
        let Operation::Dense { input, .. } = operation else { continue };
        if operation.is_sparse_sum() {
            continue;
        }
        // The block that operation j makes has number j + 1.
        let before = chains.iter_mut().find(|chain| {
            chain.last().is_some_and(|last| last + 1 == input.index()) && uses[input.index()] == 1
        });
        match before {
            Some(chain) => chain.push(i),
            None => chains.push(vec![i]),
        }
    }
    let method = |chain: &Vec<usize>| choose(&widths(program, chain), precision, target);
    chains
        .into_iter()
        .map(|operations| ChainPlan { method: method(&operations), operations, ends: Ends::Cell })
        .collect()
}

/// Registers of a thread for two tiles of a chain's widest pair of layers; none if a tensor core's tiles are computed one
/// by one, or the chain is computed otherwise.
pub fn registers_of_tiles(program: &Program, plan: &ChainPlan) -> Option<usize> {
    let widths = widths(program, &plan.operations);
    let registers = |pair: &[usize]| match plan.method {
        Method::Tensor(tensor) if tensor.is_half() => {
            8 * pair.iter().map(|width| width.div_ceil(16)).sum::<usize>()
        }
        _ => 2 * registers_of_tf32(pair),
    };
    let most = widths.windows(2).map(registers).max().unwrap_or(0);
    (matches!(plan.method, Method::Tensor(_)) && most <= REGISTERS_OF_TILES).then_some(most)
}

/// Widths of the chain's input and of each layer.
pub fn widths(program: &Program, chain: &[usize]) -> Vec<usize> {
    let first = program.operations()[chain[0]].inputs()[0];
    let results = program.steps().map(|(block, _)| program.width(block)).collect::<Vec<_>>();
    std::iter::once(program.width(first)).chain(chain.iter().map(|&i| results[i])).collect()
}

fn is_small(widths: &[usize]) -> bool {
    let multiply_adds: usize = widths.windows(2).map(|pair| pair[0] * pair[1]).sum();
    multiply_adds <= UNROLLED && widths.iter().all(|width| *width <= UNROLLED_WIDTH)
}

fn choose(widths: &[usize], precision: Precision, target: Target) -> Method {
    let widest = widths.iter().copied().max().unwrap_or(0);
    let is_small = is_small(widths);
    let exact = if is_small { Method::Unrolled } else { Method::Tile };
    let layers_fit = widths.windows(2).all(|pair| registers_of_tf32(pair) <= REGISTERS_OF_LAYERS);
    let tensor = match precision {
        Precision::F32 => return exact,
        Precision::Auto if is_small || target.architecture < 80 => return exact,
        Precision::Auto => Tensor::SplitTf32,
        Precision::Tf32 => Tensor::Tf32,
        Precision::F16 => Tensor::Half,
        Precision::Bf16 => Tensor::Bfloat,
    };
    let has_room = tensor.is_half() || layers_fit;
    if widest < TENSOR_WIDTH || !has_room { exact } else { Method::Tensor(tensor) }
}

fn registers_of_tf32(pair: &[usize]) -> usize {
    pair.iter().map(|width| 4 * width.div_ceil(8)).sum()
}

/// C++ that computes a chain's output block from its input block, and what it needs.
#[derive(Debug)]
pub struct ChainText {
    pub text: String,
    pub stage: Layout,
}

/// The layers of a chain with their activations.
fn layers<'a>(program: &'a Program, plan: &ChainPlan) -> Vec<(Layer<'a>, Activation)> {
    let layer = |&i: &usize| match &program.operations()[i] {
        Operation::Dense { weights, bias, activation, .. } => (Layer { weights, bias }, *activation),
        other => unreachable!("a chain of dense operations holds {other:?}"),
    };
    plan.operations.iter().map(layer).collect()
}

/// Reads the array `input`.
pub fn write(program: &Program, plan: &ChainPlan, input: &str, numbers: &mut Numbers) -> ChainText {
    let output = plan.operations[plan.operations.len() - 1] + 1;
    let chain = Chain { layers: layers(program, plan), input, output, ends: plan.ends, numbers };
    match plan.method {
        Method::Unrolled => chain.unrolled(),
        Method::Tile => chain.tile(),
        Method::Tensor(tensor) if tensor.is_half() => chain.half(tensor),
        Method::Tensor(tensor) => chain.tf32(tensor == Tensor::SplitTf32),
    }
}

struct Chain<'a> {
    layers: Vec<(Layer<'a>, Activation)>,
    /// Name of the input array.
    input: &'a str,
    /// Number of the output block.
    output: usize,
    ends: Ends,
    numbers: &'a mut Numbers,
}

macro_rules! line {
    ($text:expr, $($format:tt)*) => {{
        $text.push_str("        ");
        writeln!($text, $($format)*).expect("a string");
    }};
}

impl Chain<'_> {
    fn unrolled(self) -> ChainText {
        let Self { layers, input, output, numbers, .. } = self;
        let mut text = String::new();
        let mut x = input.to_owned();
        line!(text, "float b{output}[{}];", layers[layers.len() - 1].0.n_outputs());
        text += "        {\n";
        for (i, (layer, activation)) in layers.iter().enumerate() {
            let y = if i + 1 == layers.len() { format!("b{output}") } else { format!("h{i}") };
            if i + 1 < layers.len() {
                line!(text, "    float {y}[{}];", layer.n_outputs());
            }
            let weights = numbers.constants(&layer.unrolled());
            line!(text, "    dense({x}, {y}, {weights}, {});", exact(*activation));
            x = y;
        }
        text += "        }\n";
        ChainText { text, stage: Layout::default() }
    }

    fn tile(self) -> ChainText {
        /// Bytes of a row of a stage.
        const ROW: usize = 36 * 4;
        let Self { layers, input, output, numbers, .. } = self;
        // Layers read one part of the stage and write the other, in turns.
        let mut rows = [layers[0].0.n_inputs(), 0];
        for (i, (layer, _)) in layers.iter().enumerate() {
            let part = &mut rows[(i + 1) % 2];
            *part = (*part).max(layer.n_outputs().next_multiple_of(8));
        }
        let mut text = String::new();
        line!(text, "float b{output}[{}];", layers[layers.len() - 1].0.n_outputs());
        text += "        {\n";
        line!(
            text,
            "    float *p0 = reinterpret_cast<float *>(warp.stage), *p1 = p0 + {} * EMUCELL_TILE_ROW;",
            rows[0]
        );
        line!(text, "    tile_put({input}, p0, warp.lane);");
        for (i, (layer, activation)) in layers.iter().enumerate() {
            let (from, to) = (i % 2, (i + 1) % 2);
            let weights = numbers.layer(layer.tile());
            let eights = layer.n_outputs().div_ceil(8);
            let inputs = layer.n_inputs();
            let activation = exact(*activation);
            line!(
                text,
                "    tile_layer<{inputs}, {eights}>(p{from}, p{to}, reinterpret_cast<const float *>({weights}), {activation}, warp.lane);"
            );
            line!(text, "    sync_warp();");
        }
        line!(text, "    tile_get(b{output}, p{}, warp.lane);", layers.len() % 2);
        text += "        }\n";
        ChainText { text, stage: Layout { input_bytes: rows[0] * ROW, output_bytes: rows[1] * ROW } }
    }

    fn half(self, tensor: Tensor) -> ChainText {
        let Self { layers, input, output, ends, numbers } = self;
        let (kind, n_inputs) = (tensor.cpp(), layers[0].0.n_inputs());
        let n_outputs = layers[layers.len() - 1].0.n_outputs();
        // A few columns have room for what rounding takes away from inputs and weights.
        let parts = if n_inputs <= 16 && !matches!(ends, Ends::AtTime(_)) { 3 } else { 1 };
        let padded = (parts * n_inputs).next_multiple_of(16);
        let eights = n_outputs.div_ceil(8);
        let tiles_of = |layer: usize| match layer {
            0 => padded / 16,
            _ => layers[layer].0.n_inputs().div_ceil(16),
        };
        let registers = |layer: usize| 8 * (tiles_of(layer) + layers[layer].0.n_outputs().div_ceil(16));
        let side_by_side = (0..layers.len()).all(|layer| registers(layer) <= REGISTERS_OF_TILES);
        let tiles = if side_by_side { 2 } else { 1 };
        let stage =
            Layout { input_bytes: 32 * (padded / 2 + 4) * 4, output_bytes: 32 * (eights * 8 + 2) * 4 };

        let mut text = String::new();
        line!(text, "float b{output}[{n_outputs}];");
        text += "        {\n";
        line!(text, "    u32 *in = reinterpret_cast<u32 *>(warp.stage);");
        line!(text, "    float *out = reinterpret_cast<float *>(warp.stage + {});", stage.input_bytes);
        if !matches!(ends, Ends::AtTime(_)) {
            line!(text, "    half_put<{kind}, {parts}, {n_inputs}, {padded}>({input}, in, warp.lane);");
        }
        line!(text, "    EMUCELL_ROLLED for (int tile = 0; tile < 2; tile += {tiles}) {{");
        line!(text, "        u32 a0[{tiles}][{}][4];", tiles_of(0));
        if let Ends::AtTime(AtTime { kept, row, activation }) = ends {
            let (eights, activation) = (n_inputs / 8, approximate(activation));
            line!(
                text,
                "        half_enter<{kind}, {eights}>(b0, {kept}, warp.row + {row}, a0, {activation}, warp.lane);"
            );
        } else {
            line!(text, "        half_get(a0, in, warp.lane, tile);");
        }
        for (i, (layer, activation)) in layers.iter().enumerate() {
            let weights = numbers.layer(layer.half(tensor, if i == 0 { parts } else { 1 }));
            let (k, eights, next) = (tiles_of(i), layer.n_outputs().div_ceil(8), i + 1);
            if next < layers.len() {
                line!(text, "        u32 a{next}[{tiles}][{}][4];", eights.div_ceil(2));
                let activation = approximate(*activation);
                line!(
                    text,
                    "        half_layer<{kind}, {tiles}, {k}, {eights}>(a{i}, a{next}, {weights}, {activation}, warp.lane);"
                );
            } else if ends == Ends::Kept {
                line!(
                    text,
                    "        half_keep<{kind}, {k}, {eights}>(a{i}, b{output}, {weights}, warp.lane);"
                );
            } else {
                line!(
                    text,
                    "        half_last<{kind}, {tiles}, {k}, {eights}>(a{i}, out, {weights}, warp.lane, tile);"
                );
            }
        }
        line!(text, "    }}");
        if ends != Ends::Kept {
            let activation = exact(layers[layers.len() - 1].1);
            line!(text, "    get_outputs(b{output}, out, {activation}, warp.lane);");
        }
        text += "        }\n";
        ChainText { text, stage }
    }

    fn tf32(self, split: bool) -> ChainText {
        let Self { layers, input, output, ends, numbers } = self;
        let n_inputs = layers[0].0.n_inputs();
        let n_outputs = layers[layers.len() - 1].0.n_outputs();
        let (in_eights, out_eights) = (n_inputs.div_ceil(8), n_outputs.div_ceil(8));
        let registers = |layer: &Layer<'_>| 2 * registers_of_tf32(&[layer.n_inputs(), layer.n_outputs()]);
        let side_by_side = layers.iter().all(|(layer, _)| registers(layer) <= REGISTERS_OF_TILES);
        let tiles = if side_by_side { 2 } else { 1 };
        let bytes = |eights: usize| 32 * (eights * 8 + 2) * 4;
        let stage = Layout { input_bytes: bytes(in_eights), output_bytes: bytes(out_eights) };

        let mut text = String::new();
        line!(text, "float b{output}[{n_outputs}];");
        text += "        {\n";
        line!(text, "    float *in = reinterpret_cast<float *>(warp.stage);");
        line!(text, "    float *out = reinterpret_cast<float *>(warp.stage + {});", stage.input_bytes);
        if !matches!(ends, Ends::AtTime(_)) {
            line!(text, "    tf32_put<{n_inputs}, {in_eights}>({input}, in, warp.lane);");
        }
        line!(text, "    EMUCELL_ROLLED for (int tile = 0; tile < 2; tile += {tiles}) {{");
        line!(text, "        float x0[{tiles}][{in_eights}][4];");
        if let Ends::AtTime(AtTime { kept, row, activation }) = ends {
            let activation = if split { fast(activation) } else { approximate(activation) };
            line!(
                text,
                "        tf32_enter<{in_eights}>(b0, {kept}, warp.row + {row}, x0, {activation}, warp.lane);"
            );
        } else {
            line!(text, "        tf32_get(x0, in, warp.lane, tile);");
        }
        for (i, (layer, activation)) in layers.iter().enumerate() {
            let (eights, next) = (layer.n_outputs().div_ceil(8), i + 1);
            let k = layer.n_inputs().div_ceil(8);
            let weights = numbers.layer(layer.tf32(split));
            // The last layer's activation is applied to the cell's own outputs.
            let activation = match (next == layers.len(), split) {
                (true, _) => "Linear{}".to_owned(),
                (false, true) => fast(*activation),
                (false, false) => approximate(*activation),
            };
            line!(text, "        float x{next}[{tiles}][{eights}][4];");
            line!(
                text,
                "        tf32_layer<{tiles}, {k}, {eights}, {split}>(x{i}, x{next}, {weights}, {activation}, warp.lane);"
            );
        }
        match ends {
            Ends::Kept => line!(text, "        tf32_keep(x{}, b{output});", layers.len()),
            _ => line!(text, "        tf32_put_outputs(x{}, out, warp.lane, tile);", layers.len()),
        }
        line!(text, "    }}");
        if ends != Ends::Kept {
            let activation = exact(layers[layers.len() - 1].1);
            line!(text, "    get_outputs(b{output}, out, {activation}, warp.lane);");
        }
        text += "        }\n";
        ChainText { text, stage }
    }
}
