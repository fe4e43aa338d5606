//! libtorch as a contender in a program without it: says what is missing.

use std::sync::Arc;

use crate::error::Error;
use crate::report::bench::Contender;
use crate::session::Device;
use crate::surrogate::Surrogate;

pub fn contender(_: &Arc<Surrogate>, device: Device) -> Contender {
    Contender::new("libtorch", device.to_string(), "f32", |_| {
        Err(Error::unsupported("this emucell has no libtorch")
            .remedy("build it with `cargo build --release --features cli,train` after `make setup`"))
    })
}
