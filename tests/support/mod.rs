//! What several integration tests use; each uses its own part of it.

#![allow(dead_code)]

pub mod c_compiler;
pub mod clients;
pub mod model_libraries;
pub mod onnxruntime;
pub mod python;
pub mod shared_library;
pub mod surrogates;
