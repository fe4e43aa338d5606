//! Kernels compiled by NVRTC for every architecture that emucell knows.

use emucell::Activation;
use emucell::backend::Precision;
use emucell::backend::cuda::Source;
use emucell::backend::cuda::compile::{self, Cache, Resources};
use emucell::backend::cuda::generate::{Kernel, Request};
use emucell::backend::cuda::target::Target;
use emucell::format::onnx;
use emucell::program::{BinaryOperator, BlockId, Program, ProgramBuilder};
use emucell::surrogate::Variable;

use super::nvrtc;
use super::programs::network;

const ARCHITECTURES: [u32; 7] = [75, 80, 86, 89, 90, 100, 120];

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
    let request = Request { program, steps: Some(&sources), time: None, domain: &domain, precision, target };
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
        // All of it where most of them will run, and elsewhere one network by the shortest and the longest kernel.
        let everything = [Precision::Auto, Precision::F32, Precision::F16, Precision::Bf16, Precision::Tf32];
        let (some, precisions) = match architecture {
            90 => (networks(), &everything[..]),
            75 => (networks().split_off(2)[..1].to_vec(), &everything[1..3]),
            _ => (networks().split_off(2)[..1].to_vec(), &everything[..3]),
        };
        for (name, program) in some {
            for &precision in precisions {
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

/// Surrogates of detailed models are long programs: the shipped one, and files named in EMUCELL_SURROGATES (separated by colons).
#[test]
fn distilled_cell_models_compile() {
    let Some(nvrtc) = nvrtc() else { return };
    let named = std::env::var("EMUCELL_SURROGATES").unwrap_or_default();
    let shipped = concat!(env!("CARGO_MANIFEST_DIR"), "/models/ten_tusscher_3_epi.onnx");
    for path in std::iter::once(shipped).chain(named.split(':').filter(|path| !path.is_empty())) {
        let surrogate = onnx::load(std::path::Path::new(path)).unwrap();
        let state = |name: &str| surrogate.outputs().iter().position(|output| output.name == name);
        let sources: Vec<Source> = surrogate
            .inputs()
            .iter()
            .map(|input| state(&input.name).map_or(Source::ByPosition, Source::State))
            .collect();
        let range = |input: &Variable| input.range.map_or([-1.0, 1.0], |range| range.map(|x| x as f32));
        let domain: Vec<[f32; 2]> = surrogate.inputs().iter().map(range).collect();
        let (program, target) = (surrogate.program().unwrap(), Target::of(90).unwrap());
        let request = Request {
            program,
            steps: Some(&sources),
            time: None,
            domain: &domain,
            precision: Precision::F32,
            target,
        };
        let kernel = Kernel::generate(&request).unwrap();
        let start = std::time::Instant::now();
        let cubin = nvrtc.compile(&kernel.text_for_gpu(), &compile::options(target)).unwrap();
        let seconds = start.elapsed().as_secs_f64();
        let mut resources = Resources::of(&cubin).unwrap();
        resources.retain(|r| r.kernel.starts_with("emucell_"));
        let n = program.operations().len();
        let work = kernel.work.multiply_adds;
        eprintln!("{path}: {n} operations, {work} multiply-adds, in {seconds:.1} s, {resources:?}");
        // What a dozen states and their tables need stays in registers.
        let is_lean = path != shipped || resources.iter().all(|r| r.stack == 0);
        assert!(resources.len() == 3 && is_lean, "{path}: {resources:?}");
    }
}

#[test]
fn architectures_and_networks_that_no_kernel_serves_are_refused() {
    let message = Target::of(70).unwrap_err().to_string();
    assert!(message.contains("compute capability 7.0") && message.contains("7.5 or later"), "{message}");
    let generate = |widths: &[usize], precision, architecture| {
        let program = network(widths, Activation::Tanh);
        let domain = vec![[-1.0, 1.0]; widths[0]];
        let target = Target::of(architecture).unwrap();
        Kernel::generate(&Request {
            program: &program,
            steps: None,
            time: None,
            domain: &domain,
            precision,
            target,
        })
    };
    for precision in [Precision::Bf16, Precision::Tf32] {
        let message = generate(&[3, 16, 2], precision, 75).unwrap_err().to_string();
        assert!(message.contains(&format!("{precision:?}")) && message.contains("8.0 or later"), "{message}");
    }
    let message = generate(&[3, 600, 2], Precision::F32, 90).unwrap_err().to_string();
    assert!(message.contains("600 columns"), "{message}");
    let mut b = ProgramBuilder::new(1).unwrap();
    let wide: Vec<BlockId> = (0..17).map(|_| b.constant(vec![0.5; 4096]).unwrap()).collect();
    let add = |sum, &block| b.binary(BinaryOperator::Add, sum, block).unwrap();
    let sum = wide.iter().skip(1).fold(wide[0], add);
    let (program, target) = (b.finish(sum), Target::of(90).unwrap());
    let domain = [[0.0, 1.0]];
    let precision = Precision::F32;
    let request = Request { program: &program, steps: None, time: None, domain: &domain, precision, target };
    let message = Kernel::generate(&request).unwrap_err().to_string();
    assert!(message.contains("columns as a CUDA kernel"), "{message}");
    let message = generate(&[3, 512, 512, 2], Precision::F32, 75).unwrap_err().to_string();
    assert!(message.contains("shared memory for 32 cells"), "{message}");
}

#[test]
fn a_text_that_does_not_compile_and_an_unknown_architecture_are_told() {
    let Some(nvrtc) = nvrtc() else { return };
    let options = compile::options(Target::of(90).unwrap());
    let message =
        nvrtc.compile("extern \"C\" __global__ void f() { nonsense; }", &options).unwrap_err().to_string();
    assert!(message.contains("nonsense") && message.contains("sm_90"), "{message}");
    let message = nvrtc.compile("", &["--gpu-architecture=sm_77".to_owned()]).unwrap_err().to_string();
    assert!(message.contains("sm_77") && message.contains("newer NVRTC"), "{message}");
}

#[test]
fn a_kernel_is_compiled_once_and_then_comes_from_the_cache() {
    let Some(_) = nvrtc() else { return };
    let folder = tempfile::tempdir().unwrap();
    let cache = Cache::new(Some(folder.path().to_path_buf()));
    let kernel = generate(&network(&[3, 4, 2], Activation::Relu), Precision::F32, 90);
    let compiled = compile::image(&kernel, Target::of(90).unwrap(), &cache).unwrap();
    let files = || folder.path().read_dir().unwrap().map(|entry| entry.unwrap().path()).collect::<Vec<_>>();
    assert_eq!(files().len(), 1);
    // What lies there is taken as it is: another kernel under the same key shows it.
    let key_of = std::fs::read(&files()[0]).unwrap();
    assert!(key_of.windows(6).any(|bytes| bytes == b"NVRTC "));
    assert_eq!(compile::image(&kernel, Target::of(90).unwrap(), &cache).unwrap(), compiled);
    // Another architecture, and other weights in the same shape.
    compile::image(&kernel, Target::of(80).unwrap(), &cache).unwrap();
    assert_eq!(files().len(), 2);
    let mut other = kernel.clone();
    other.constants[5] += 1.0;
    assert_eq!(compile::image(&other, Target::of(90).unwrap(), &cache).unwrap(), compiled);
    assert_eq!(files().len(), 2);
}
