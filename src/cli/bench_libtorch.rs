//! libtorch as a contender.

use std::sync::Arc;

use crate::error::Result;
use crate::report::bench::{Contender, Evaluator, Setting};
use crate::session::Device;
use crate::surrogate::Surrogate;
use crate::train::Inference;

struct OnLibtorch(Inference);

impl Evaluator for OnLibtorch {
    fn evaluate(&mut self, x: &[f32], y: &mut [f32]) -> Result<()> {
        self.0.evaluate(x, y);
        Ok(())
    }
}

pub fn contender(surrogate: &Arc<Surrogate>, device: Device) -> Contender {
    let surrogate = surrogate.clone();
    let on = match device {
        Device::Cpu => tch::Device::Cpu,
        Device::Cuda(number) => tch::Device::Cuda(number),
    };
    Contender::new("libtorch", device.to_string(), "f32", move |Setting { threads, .. }| {
        tch::set_num_threads(threads as i32);
        Ok(Box::new(OnLibtorch(Inference::new(surrogate.program()?, on)?)) as Box<dyn Evaluator>)
    })
}
