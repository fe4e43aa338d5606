//! Kernels compiled by NVRTC for every architecture that emucell knows.

use emucell::Activation;
use emucell::backend::Precision;
use emucell::backend::cuda::Source;
use emucell::backend::cuda::compile::{self, Nvrtc, Resources};
use emucell::backend::cuda::generate::{Kernel, Request};
use emucell::backend::cuda::target::Target;
use emucell::program::Program;

use super::programs::network;

const ARCHITECTURES: [u32; 7] = [75, 80, 86, 89, 90, 100, 120];

/// The compiler; none where it cannot be had, which is said.
fn nvrtc() -> Option<Nvrtc> {
    match Nvrtc::load() {
        Ok(nvrtc) => Some(nvrtc),
        Err(fault) => {
            let required = std::env::var_os("EMUCELL_REQUIRE_ALL").is_some_and(|value| !value.is_empty());
            assert!(!required, "{fault}");
            eprintln!("this test is skipped: {fault}");
            None
        }
    }
}

fn generate(program: &Program, precision: Precision, architecture: u32) -> Kernel {
    // All but the first inputs are states, as far as there are outputs.
    let (n, states) = (program.n_inputs(), program.n_outputs());
    let source = |i: usize| match i.checked_sub(n - states) {
        Some(j) => Source::State(j),
        None => Source::ByPosition,
    };
    let sources: Vec<Source> = (0..n).map(source).collect();
    let domain = vec![[-1.0, 1.0]; n];
    let target = Target::of(architecture).unwrap();
    let request = Request { program, steps: Some(&sources), domain: &domain, precision, target };
    Kernel::generate(&request).unwrap()
}

/// The networks of the goals, and what limits a kernel.
fn networks() -> Vec<(&'static str, Program)> {
    vec![
        ("[16, 16] ReLU", network(&[3, 16, 16, 2], Activation::Relu)),
        ("[16, 16] tanh", network(&[3, 16, 16, 2], Activation::Tanh)),
        ("[64] × 3 ReLU", network(&[4, 64, 64, 64, 2], Activation::Relu)),
        ("4-128-128-64-2 SiLU", network(&[4, 128, 128, 64, 2], Activation::Silu)),
    ]
}

#[test]
fn every_precision_compiles_for_every_architecture_without_spills() {
    let Some(nvrtc) = nvrtc() else { return };
    for architecture in ARCHITECTURES {
        // One network everywhere, the others where most of them will run.
        let some = if architecture == 90 { networks() } else { networks().split_off(2)[..1].to_vec() };
        for (name, program) in some {
            for precision in
                [Precision::Auto, Precision::F32, Precision::F16, Precision::Bf16, Precision::Tf32]
            {
                if architecture < 80 && matches!(precision, Precision::Bf16 | Precision::Tf32) {
                    continue;
                }
                let kernel = generate(&program, precision, architecture);
                let options = compile::options(Target::of(architecture).unwrap());
                let start = std::time::Instant::now();
                let cubin = nvrtc.compile(&kernel.text_for_gpu(), &options).unwrap();
                let ms = start.elapsed().as_millis();
                let mut resources = Resources::of(&cubin).unwrap();
                // Helpers of the compiler's have entries, too.
                resources.retain(|r| r.kernel.starts_with("emucell_"));
                let registers: Vec<u32> = resources.iter().map(|r| r.registers).collect();
                eprintln!(
                    "sm_{architecture} {name}, {}: registers {registers:?}, shared {}, {ms} ms",
                    kernel.arithmetic, kernel.shared_bytes
                );
                assert_eq!(resources.len(), 2, "{resources:?}");
                for r in resources {
                    assert!(
                        r.registers > 0 && r.stack == 0,
                        "sm_{architecture} {name}, {precision:?}: {r:?}"
                    );
                }
            }
        }
    }
}
