//! The papers' study again: problems A–D, their methods, training sets of 1k to 100k samples, in the time that there is,
//! beside the published figures.

mod method;
mod page;
mod published;
mod study;
mod table;

pub use method::METHODS;
pub use published::Published;
pub use study::{SAMPLES, Samples, Study};
pub use table::{Results, Row};
