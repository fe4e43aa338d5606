//! emucell makes a neural network stand in for a cell's ordinary differential equations inside a
//! tissue simulator.
//!
//! A [`surrogate::Surrogate`] is loaded from one self-describing ONNX file
//! ([`format::onnx`]); a [`session::Session`] evaluates or steps it on the caller's buffers.

#![doc(test(attr(deny(warnings))))]

pub mod activation;
pub mod backend;
pub mod capi;
pub mod cell_model;
#[cfg(feature = "cli")]
pub mod cli;
#[cfg(feature = "cxx")]
pub mod cxx_bridge;
#[cfg(feature = "data")]
pub mod dataset;
#[cfg(feature = "cli")]
pub mod distill;
pub mod error;
mod float_environment;
pub mod format;
#[cfg(feature = "cli")]
pub mod harvest;
pub mod kernels;
#[cfg(feature = "cli")]
pub mod model_library;
pub mod program;
#[cfg(feature = "cli")]
pub mod protocol;
#[cfg(feature = "cli")]
pub mod report;
#[cfg(all(feature = "cli", feature = "train"))]
pub mod reproduce;
#[cfg(all(feature = "cli", feature = "train"))]
pub mod search;
pub mod session;
#[cfg(feature = "cli")]
pub mod step_function;
#[cfg(feature = "cli")]
pub mod structure;
pub mod surrogate;
#[cfg(feature = "train")]
pub mod train;
#[cfg(feature = "cli")]
pub mod verify;
pub mod view;

pub use activation::Activation;
pub use error::{Error, ErrorKind, Result};
