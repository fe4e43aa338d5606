//! What a compiled kernel needs of a GPU, read from its cubin, which is an ELF file.

use crate::error::{Error, Result};

/// Of one kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resources {
    /// Name of the kernel.
    pub kernel: String,
    /// Registers of a thread.
    pub registers: u32,
    /// Bytes of a thread's own memory: what registers could not hold.
    pub stack: u32,
}

/// Type of a section with attributes of kernels.
const CUDA_INFO: u32 = 0x7000_0000;
/// Attributes in `.nv.info`: bytes of a kernel's frame, registers of a kernel.
const FRAME_SIZE: u8 = 0x11;
const REGISTER_COUNT: u8 = 0x2f;

impl Resources {
    /// Of every kernel in `cubin`, by name.
    ///
    /// # Errors
    /// Something that is no cubin.
    pub fn of(cubin: &[u8]) -> Result<Vec<Self>> {
        read(cubin).ok_or_else(|| Error::format("a compiled kernel that is no ELF file of 64 bits"))
    }
}

struct Section {
    name: usize,
    kind: u32,
    start: usize,
    size: usize,
    link: usize,
}

fn read(cubin: &[u8]) -> Option<Vec<Resources>> {
    cubin.starts_with(b"\x7fELF\x02\x01").then_some(())?;
    let (table, n, names) = (number(cubin, 0x28, 8)?, number(cubin, 0x3c, 2)?, number(cubin, 0x3e, 2)?);
    let section = |i: usize| {
        let at = table.checked_add(i.checked_mul(64)?)?;
        Some(Section {
            name: number(cubin, at, 4)?,
            kind: number(cubin, at + 4, 4)? as u32,
            start: number(cubin, at + 24, 8)?,
            size: number(cubin, at + 32, 8)?,
            link: number(cubin, at + 40, 4)?,
        })
    };
    let name_table = section(names)?;
    let mut found: Vec<Resources> = Vec::new();
    for i in 0..n {
        let info = section(i)?;
        if info.kind != CUDA_INFO || text(cubin, &name_table, info.name)? != ".nv.info" {
            continue;
        }
        let symbols = section(info.link)?;
        let symbol_names = section(symbols.link)?;
        for (attribute, symbol, value) in
            attributes(cubin.get(info.start..info.start.checked_add(info.size)?)?)?
        {
            let name = number(cubin, symbols.start.checked_add(24 * symbol)?, 4)?;
            let kernel = text(cubin, &symbol_names, name)?;
            let known = found.iter().position(|known| known.kernel == kernel);
            let at = known.unwrap_or_else(|| {
                found.push(Resources { kernel, registers: 0, stack: 0 });
                found.len() - 1
            });
            match attribute {
                FRAME_SIZE => found[at].stack = value,
                _ => found[at].registers = value,
            }
        }
    }
    found.sort_by(|a, b| a.kernel.cmp(&b.kernel));
    Some(found)
}

/// Attribute, symbol and value of the two attributes wanted. An attribute is a format, a code, and a value of two bytes,
/// which with format 4 is the length of what follows.
fn attributes(info: &[u8]) -> Option<Vec<(u8, usize, u32)>> {
    let mut found = Vec::new();
    let mut at = 0;
    while at + 4 <= info.len() {
        let (format, code, length) = (info[at], info[at + 1], number(info, at + 2, 2)?);
        at += 4;
        if format != 4 {
            continue;
        }
        if length == 8 && matches!(code, FRAME_SIZE | REGISTER_COUNT) {
            found.push((code, number(info, at, 4)?, number(info, at + 4, 4)? as u32));
        }
        at += length;
    }
    Some(found)
}

/// A little-endian number of `size` bytes.
fn number(bytes: &[u8], at: usize, size: usize) -> Option<usize> {
    let bytes = bytes.get(at..at.checked_add(size)?)?;
    bytes.iter().rev().try_fold(0usize, |sum, &b| Some(sum.checked_mul(256)? | usize::from(b)))
}

fn text(cubin: &[u8], table: &Section, at: usize) -> Option<String> {
    let rest = cubin.get(table.start.checked_add(at)?..)?;
    let end = rest.iter().position(|&b| b == 0)?;
    Some(String::from_utf8_lossy(&rest[..end]).into_owned())
}
