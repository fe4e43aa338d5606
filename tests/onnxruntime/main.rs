//! ONNX Runtime as a backend: the same steps and guards as the native one, graphs that are no
//! programs, and a clear error for whatever cannot be.

#![cfg(feature = "onnx")]

#[cfg(feature = "cli")]
mod cli;
mod graphs;
mod sessions;
#[path = "../support/mod.rs"]
mod support;
