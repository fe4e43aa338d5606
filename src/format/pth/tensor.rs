//! Tensors of a PyTorch file: where their numbers lie in which storage, and of which type.

use half::{bf16, f16};

use super::pickle::{Graph, Id, Node};
use crate::error::{Error, Result};

/// Tensors of more dimensions than this are none of ours.
const MAX_DIMENSIONS: usize = 8;
/// Storages are called by numbers.
const MAX_STORAGE_NAME: usize = 32;
/// Wrappers around a tensor: a parameter of a class of its own has two.
const MAX_WRAPPERS: usize = 4;

/// Element type of a storage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Element {
    F64,
    F32,
    F16,
    BF16,
    I64,
    I32,
    I16,
    I8,
    U64,
    U32,
    U16,
    U8,
    Bool,
}

impl Element {
    /// By the class of a storage, or as the attribute of `torch` that names the type.
    fn from_name(name: &str) -> Result<Self> {
        Ok(match name {
            "DoubleStorage" | "float64" => Self::F64,
            "FloatStorage" | "float32" => Self::F32,
            "HalfStorage" | "float16" => Self::F16,
            "BFloat16Storage" | "bfloat16" => Self::BF16,
            "LongStorage" | "int64" => Self::I64,
            "IntStorage" | "int32" => Self::I32,
            "ShortStorage" | "int16" => Self::I16,
            "CharStorage" | "int8" => Self::I8,
            "uint64" => Self::U64,
            "uint32" => Self::U32,
            "uint16" => Self::U16,
            "ByteStorage" | "uint8" => Self::U8,
            "BoolStorage" | "bool" => Self::Bool,
            other => {
                return Err(Error::unsupported(format!("a tensor of type {other}"))
                    .remedy("save it as float32 or float64"));
            }
        })
    }

    fn size(self) -> usize {
        match self {
            Self::F64 | Self::I64 | Self::U64 => 8,
            Self::F32 | Self::I32 | Self::U32 => 4,
            Self::F16 | Self::BF16 | Self::I16 | Self::U16 => 2,
            Self::I8 | Self::U8 | Self::Bool => 1,
        }
    }

    /// The number in little-endian `bytes`, of which there are [`Self::size`]; none for an integer
    /// that a double cannot hold.
    fn number(self, bytes: &[u8]) -> Option<f64> {
        let bits = bytes.iter().rev().fold(0u64, |sum, &byte| sum << 8 | u64::from(byte));
        let exactly = |integer: i128| {
            let number = integer as f64;
            (number as i128 == integer).then_some(number)
        };
        match self {
            Self::F64 => Some(f64::from_bits(bits)),
            Self::F32 => Some(f32::from_bits(bits as u32).into()),
            Self::F16 => Some(f16::from_bits(bits as u16).to_f64()),
            Self::BF16 => Some(bf16::from_bits(bits as u16).to_f64()),
            Self::I64 => exactly((bits as i64).into()),
            Self::I32 => Some((bits as u32 as i32).into()),
            Self::I16 => Some((bits as u16 as i16).into()),
            Self::I8 => Some((bits as u8 as i8).into()),
            Self::U64 => exactly(bits.into()),
            Self::U32 | Self::U16 | Self::U8 => exactly(bits.into()),
            Self::Bool => Some(if bits == 0 { 0.0 } else { 1.0 }),
        }
    }
}

/// A tensor of a file, its numbers not read yet.
#[derive(Clone, Debug)]
pub(super) struct Description {
    /// Name of the storage among the archive's members.
    pub storage: String,
    element: Element,
    /// Element of the storage at which the tensor begins.
    offset: usize,
    /// Its shape; an empty one is a single number.
    pub shape: Vec<usize>,
    strides: Vec<usize>,
}

impl Description {
    /// The tensor that `id` is; none if it is something else.
    pub fn of(graph: &Graph, id: Id) -> Option<Result<Self>> {
        let (callable, arguments) = unwrap(graph, id)?;
        let typed = match graph.global(callable)? {
            ("torch._utils", "_rebuild_tensor_v2") => false,
            ("torch._utils", "_rebuild_tensor_v3") => true,
            _ => return None,
        };
        Some(Self::from_arguments(graph, arguments, typed).unwrap_or_else(|| Err(damaged())))
    }

    /// From storage, offset, shape, strides, requires_grad, hooks and, if `typed`, element type.
    fn from_arguments(graph: &Graph, arguments: &[Id], typed: bool) -> Option<Result<Self>> {
        let [storage, offset, shape, strides, ..] = *arguments else { return None };
        let Node::Persistent(storage) = graph.node(storage) else { return None };
        // ("storage", class, name, device, number of elements)
        let [kind, class, name, ..] = *graph.sequence(*storage)? else { return None };
        if graph.text(kind)? != "storage" {
            return None;
        }
        let type_name = match typed {
            true => graph.global(*arguments.get(6)?)?.1,
            false => graph.global(class)?.1,
        };
        let element = match Element::from_name(type_name) {
            Ok(element) => element,
            Err(e) => return Some(Err(e)),
        };
        let description = Self {
            storage: graph.text(name).filter(|name| name.len() <= MAX_STORAGE_NAME)?.to_owned(),
            element,
            offset: size(graph, offset)?,
            shape: sizes(graph, shape)?,
            strides: sizes(graph, strides)?,
        };
        (description.shape.len() == description.strides.len()).then_some(Ok(description))
    }

    /// Number of elements, if that is a number.
    pub fn len(&self) -> Option<usize> {
        self.shape.iter().try_fold(1, |n: usize, &extent| n.checked_mul(extent))
    }

    /// The tensor's numbers, row-major, out of the bytes of its storage.
    pub fn numbers(&self, storage: &[u8]) -> Result<Vec<f64>> {
        let Some(n) = self.len() else { return Err(damaged()) };
        if n == 0 {
            return Ok(Vec::new());
        }
        let size = self.element.size();
        let last = self.shape.iter().zip(&self.strides).try_fold(self.offset, |last, (&extent, &stride)| {
            last.checked_add((extent - 1).checked_mul(stride)?)
        });
        if last.is_none_or(|last| last >= storage.len() / size) {
            return Err(Error::format(format!(
                "shape {:?} with strides {:?} from element {} on, of a storage of {}",
                self.shape,
                self.strides,
                self.offset,
                storage.len() / size
            ))
            .remedy("the file is damaged; write it again with torch.save"));
        }
        let mut numbers = Vec::with_capacity(n);
        let mut index = vec![0; self.shape.len()];
        let mut place = self.offset;
        for _ in 0..n {
            let bytes = &storage[place * size..][..size];
            numbers.push(self.element.number(bytes).ok_or_else(|| {
                Error::format("an integer beyond 2^53, which a double does not hold")
                    .remedy("save the tensor as float64")
            })?);
            // The last index counts fastest.
            for d in (0..index.len()).rev() {
                index[d] += 1;
                place += self.strides[d];
                if index[d] < self.shape[d] {
                    break;
                }
                place -= self.strides[d] * self.shape[d];
                index[d] = 0;
            }
        }
        Ok(numbers)
    }
}

/// The function and the arguments that make a tensor, without parameters and classes around it.
fn unwrap(graph: &Graph, mut id: Id) -> Option<(Id, &[Id])> {
    for _ in 0..MAX_WRAPPERS {
        let object = graph.object(id)?;
        let arguments = graph.sequence(object.arguments)?;
        match graph.global(object.callable)? {
            ("torch._utils", "_rebuild_parameter" | "_rebuild_parameter_with_state") => {
                id = *arguments.first()?
            }
            // (function, class, arguments, attributes)
            ("torch._tensor", "_rebuild_from_type_v2") => {
                return Some((*arguments.first()?, graph.sequence(*arguments.get(2)?)?));
            }
            _ => return Some((object.callable, arguments)),
        }
    }
    None
}

fn size(graph: &Graph, id: Id) -> Option<usize> {
    match graph.node(id) {
        Node::Integer(n) => usize::try_from(*n).ok(),
        _ => None,
    }
}

fn sizes(graph: &Graph, id: Id) -> Option<Vec<usize>> {
    let items = graph.sequence(id).filter(|items| items.len() <= MAX_DIMENSIONS)?;
    items.iter().map(|&item| size(graph, item)).collect()
}

fn damaged() -> Error {
    Error::format("a tensor that is not described as PyTorch does it")
        .remedy("the file is damaged, or newer than this program; write it again with torch.save")
}
