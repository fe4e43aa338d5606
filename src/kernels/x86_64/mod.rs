//! Instruction sets of 64-bit x86.

pub mod avx2;
pub mod avx512;
mod pairs;
