//! Instruction sets of 64-bit ARM.

pub mod neon;
