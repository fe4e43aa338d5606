//! The kernels that emucell brings along, as the generator would make them today.
//!
//!     EMUCELL_UPDATE_KERNELS=1 cargo test --features cuda,cli --test cuda embedded

use std::collections::BTreeMap;
use std::io::{Cursor, Write};
use std::path::Path;

use emucell::backend::Precision;
use emucell::backend::cuda::CudaBackend;
use emucell::backend::cuda::compile::embedded;
use emucell::backend::cuda::generate::Kernel;
use emucell::backend::cuda::target::Target;
use emucell::cell_model::{self, CellModel};
use emucell::format::onnx;
use emucell::session::SessionOptions;
use emucell::view::ElementType;

use super::emulated_gpu::{EmulatedGpu, Loaded};

/// Networks of `models/`: those whose kernels are small.
const MODELS: [&str; 5] = [
    "fhn_cubic_step",
    "fhn_cubic_step_1ms",
    "fhn_cubic_solution",
    "mitchell_schaeffer",
    "ten_tusscher_3_epi",
];
/// Before and after tensor cores take TF32, with what is brought along for each.
const TARGETS: [(u32, &[Precision]); 2] =
    [(75, &[Precision::Auto]), (90, &[Precision::Auto, Precision::F16])];
/// A library that simulators link should stay small.
const MOST_BYTES: usize = 500_000;

/// Every kernel that is brought along, with the GPU that it is for.
pub fn kernels() -> Vec<(String, Kernel, Target)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
    let mut all = Vec::new();
    for (architecture, precisions) in TARGETS {
        let target = Target::of(architecture).unwrap();
        for model in MODELS {
            let surrogate = onnx::load(&folder.join(format!("{model}.onnx"))).unwrap();
            for &precision in precisions {
                let options = SessionOptions { precision, ..SessionOptions::default() };
                let (gpu, loaded) = EmulatedGpu::only_loading(target);
                let options = options.for_gpu(&surrogate, 0);
                CudaBackend::on(Box::new(gpu), surrogate.program().unwrap(), options).unwrap();
                all.push((format!("{model} {precision:?}"), taken(&loaded), target));
            }
        }
        for name in CellModel::NAMES {
            let model = CellModel::from_name(name, &BTreeMap::new()).unwrap();
            for element in [ElementType::F32, ElementType::F64] {
                let kernel = cell_model::cuda::kernel(&model, element);
                all.push((format!("solver of {name} {element:?}"), kernel, target));
            }
        }
    }
    all
}

fn taken(loaded: &Loaded) -> Kernel {
    loaded.lock().unwrap().take().expect("a kernel")
}

fn archive(nvrtc: emucell::backend::cuda::compile::Nvrtc) -> Vec<u8> {
    let mut members = BTreeMap::new();
    for (what, kernel, target) in kernels() {
        let name = embedded::name(&kernel, target);
        members.entry(name).or_insert_with(|| {
            let ptx =
                nvrtc.compile_to_ptx(&kernel.text_for_gpu(), &embedded::options(&kernel, target)).unwrap();
            let ptx = embedded::finished(&ptx);
            eprintln!("sm_{} {what}: {} bytes", target.architecture, ptx.len());
            ptx
        });
    }
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default()
        .compression_method(zip::CompressionMethod::Deflated)
        .compression_level(Some(9))
        .last_modified_time(zip::DateTime::default());
    for (name, ptx) in members {
        zip.start_file(name, options).unwrap();
        zip.write_all(ptx.as_bytes()).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

#[test]
fn the_kernels_brought_along_are_those_of_today() {
    if std::env::var_os("EMUCELL_UPDATE_KERNELS").is_some_and(|value| !value.is_empty()) {
        let nvrtc = super::nvrtc().expect("NVRTC, to make kernels");
        let bytes = archive(nvrtc);
        eprintln!("{} bytes in all", bytes.len());
        assert!(bytes.len() < MOST_BYTES);
        let file = "src/backend/cuda/compile/kernels.zip";
        std::fs::write(Path::new(env!("CARGO_MANIFEST_DIR")).join(file), bytes).unwrap();
        return;
    }
    let (all, held) = (kernels(), embedded::names());
    for (name, kernel, target) in &all {
        let is_held = held.contains(&embedded::name(kernel, *target));
        assert!(is_held, "the kernel of {name} is another by now: run `make kernels`");
    }
    let distinct: std::collections::BTreeSet<_> = all.iter().map(|(_, k, t)| embedded::name(k, *t)).collect();
    assert_eq!(held.len(), distinct.len(), "kernels that nobody needs: run `make kernels`");
    // One that is compiled here again is the same to the last letter, by the compiler that made them.
    let Some(nvrtc) = super::nvrtc().filter(|nvrtc| nvrtc.version() == "13.0") else { return };
    let (name, kernel, target) = &all[all.len() / 2];
    let ptx = nvrtc.compile_to_ptx(&kernel.text_for_gpu(), &embedded::options(kernel, *target)).unwrap();
    let held = embedded::kernel(kernel, *target).unwrap().unwrap();
    assert!(held.strip_suffix(b"\0") == Some(embedded::finished(&ptx).as_bytes()), "{name}");
}

#[test]
fn a_kernel_of_another_shape_is_not_brought_along() {
    let target = Target::of(90).unwrap();
    let (_, kernel, _) = kernels().swap_remove(0);
    let other = Kernel { source: kernel.source.clone() + " ", ..kernel.clone() };
    assert_eq!(embedded::kernel(&other, target).unwrap(), None);
    let held = embedded::kernel(&kernel, target).unwrap().unwrap();
    let text = std::str::from_utf8(held.strip_suffix(b"\0").unwrap()).unwrap();
    assert!(text.starts_with(".version 8.1\n.target sm_75\n"), "{}", &text[..60]);
    assert!(text.contains(".entry emucell_evaluate("));
}
