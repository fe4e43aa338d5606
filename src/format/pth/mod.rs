//! Files of PyTorch's `torch.save`: a zip archive with a pickle of the structure and one member a
//! storage.
//!
//! Nothing in a file is executed: the pickle becomes a graph of records in which classes and
//! functions are names, and what is understood of it is looked up there.

mod modules;
mod network;
mod pickle;
mod read;
mod tensor;
mod write;

pub use network::{Network, StateDict};
pub use read::File;
pub use write::{NamedTensor, save};
