//! libtorch, beside which benches put the native backend, gives the same numbers.

use emucell::train::Inference;

use super::{assert_close, double_precision, inputs_of, programs};

#[test]
fn libtorch_agrees_on_every_operation() {
    for (name, program) in programs::all() {
        // A batch and a ragged tail.
        let x = inputs_of(program.n_inputs(), 1024 + 45);
        let inference = Inference::new(&program, tch::Device::Cpu).unwrap();
        let mut y = vec![f32::NAN; x.len() / program.n_inputs() * program.n_outputs()];
        inference.evaluate(&x, &mut y);
        assert_close(&y, &double_precision(&program, &x), &name);
    }
}
