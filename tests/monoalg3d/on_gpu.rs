//! The plug-in with `use_gpu = yes`, on an emulated GPU (gpu.c): what it asks of the GPU, and what comes out.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use super::support::c_compiler::{Language, compiler, has, succeed};
use super::support::shared_library::SharedLibrary;
use super::{Real, Rig, largest_difference};

const SURROGATE: &str = "emucell_mode=surrogate emucell_surrogate=";

/// CUDA's libraries for a machine without a GPU, and host and plug-in for each type.
struct Emulated {
    folder: PathBuf,
}

impl Emulated {
    fn get() -> &'static Self {
        static EMULATED: OnceLock<Emulated> = OnceLock::new();
        EMULATED.get_or_init(|| {
            let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("monoalg3d").join("gpu");
            let _ = std::fs::remove_dir_all(&folder);
            std::fs::create_dir_all(&folder).unwrap();
            let root = Path::new(env!("CARGO_MANIFEST_DIR"));
            let path = |name: &str| format!("\"{}\"", root.join(name).display());
            let mut command = compiler(Language::C);
            command.args(["-std=gnu11", "-D_GNU_SOURCE", "-Wno-pedantic", "-O1", "-shared", "-fPIC"]);
            command.arg(format!("-DDEVICE_LAYER={}", path("src/backend/cuda/cu/device.cuh")));
            command.arg(format!("-DEMULATION={}", path("tests/cuda/emulation.hpp")));
            command.arg(root.join("tests/monoalg3d/gpu.c")).arg("-o").arg(folder.join("libcudart.so"));
            succeed(command.args(["-Wl,-soname,libcudart.so", "-ldl"]));
            // One library under its three names.
            for name in ["libcuda.so", "libnvrtc.so"] {
                std::os::unix::fs::symlink("libcudart.so", folder.join(name)).unwrap();
            }
            let library = SharedLibrary::with_features("gpu_library", "cuda");
            for real in [Real::Double, Real::Float] {
                let name = format!("{real:?}").to_lowercase();
                let mut build = Command::new(root.join("cpp_examples/monoalg3d/build.sh"));
                build.arg("-").arg(&library).arg(folder.join(format!("plugin_{name}.so")));
                succeed(build.env("REAL", &name));
                let mut command = compiler(Language::C);
                command.args([
                    "-std=gnu11",
                    "-D_GNU_SOURCE",
                    "-O2",
                    "-fopenmp",
                    "-rdynamic",
                    "-DCOMPILE_CUDA",
                ]);
                if real == Real::Double {
                    command.arg("-DCELL_MODEL_REAL_DOUBLE");
                }
                command
                    .arg(root.join("tests/monoalg3d/host.c"))
                    .arg("-o")
                    .arg(folder.join(format!("host_{name}")));
                succeed(command.arg("-L").arg(&folder).args(["-lcudart", "-ldl", "-lm"]));
            }
            Self { folder }
        })
    }

    /// Runs the host on the GPU: its output, final states, and what was asked of the GPU.
    fn output(&self, real: Real, name: &str, arguments: &str) -> (Output, PathBuf, PathBuf) {
        let (type_name, file) =
            (format!("{real:?}").to_lowercase(), |end: &str| self.folder.join(format!("{name}.{end}")));
        let (states, log) = (file("states"), file("log"));
        let mut command = Command::new(self.folder.join(format!("host_{type_name}")));
        command.arg(self.folder.join(format!("plugin_{type_name}.so"))).arg(&states).arg("use_gpu=1");
        command.args(arguments.split_whitespace()).current_dir(&Rig::get(real).folder);
        command.env("LD_LIBRARY_PATH", &self.folder).env("GPU_LOG", &log).env_remove("EMUCELL_NVRTC");
        (command.env("EMUCELL_KERNEL_CACHE", self.folder.join("kernels")).output().unwrap(), states, log)
    }

    /// Final states, what was printed, and the GPU's log.
    fn run(&self, real: Real, name: &str, arguments: &str) -> (Vec<f64>, String, String) {
        let (output, states, log) = self.output(real, name, arguments);
        let (printed, errors) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{real:?} {arguments}: {:?}\n{printed}{errors}", output.status);
        let bytes = std::fs::read(states).unwrap();
        let states = match real {
            Real::Double => bytes.chunks(8).map(|b| f64::from_le_bytes(b.try_into().unwrap())).collect(),
            Real::Float => {
                bytes.chunks(4).map(|b| f32::from_le_bytes(b.try_into().unwrap()).into()).collect()
            }
        };
        (states, printed.into_owned(), std::fs::read_to_string(log).unwrap())
    }
}

/// What was asked of the GPU in each step.
fn steps(log: &str) -> Vec<Vec<&str>> {
    log.split("\nstep\n")
        .skip(1)
        .map(|text| text.split("end of step").next().unwrap().lines().collect())
        .collect()
}

/// Meshes that adapt, checkpoints, sub-steps: the cells are those of the same run on the CPU.
#[test]
fn a_tissue_on_a_gpu_is_that_on_the_cpu() {
    if !has("g++") {
        return;
    }
    let gpu = Emulated::get();
    for real in [Real::Double, Real::Float] {
        let rig = Rig::get(real);
        for (i, run) in super::RUNS.iter().enumerate() {
            let expected = rig.states(&format!("plugin.so {SURROGATE}euler.onnx {run}"));
            let (found, printed, log) =
                gpu.run(real, &format!("same_{real:?}_{i}"), &format!("{SURROGATE}euler.onnx {run}"));
            let difference = largest_difference(&found, &expected);
            assert!(difference < 1e-5, "{real:?} {run}: {difference}");
            assert!(printed.contains("cuda:0 emulated") && printed.contains("to queue"), "{printed}");
            assert!(log.ends_with("left 0\n"), "memory of the GPU is given back: {run} {log}");
        }
    }
}

/// A kernel a step, a copy of the stimulus while there is one, and of the list of cells when it has changed.
#[test]
fn a_step_queues_a_kernel_and_nothing_else() {
    if !has("g++") {
        return;
    }
    let gpu = Emulated::get();
    let (_, _, log) = gpu.run(Real::Double, "queue", &format!("{SURROGATE}euler.onnx steps=40"));
    // 200 cells of 8 bytes, two states.
    assert!(log.contains("cudaMallocPitch 1600 2\n"), "{log}");
    let (own, all) = (steps(&log), |step: &[&str]| step.join("; "));
    assert_eq!(own.len(), 40);
    // The stimulus lasts 1.5 ms. The first step reserves its pinned memory, and the second the other half of it.
    for (i, step) in own.iter().enumerate() {
        let what: Vec<&str> =
            step.iter().copied().filter(|line| i > 1 || !line.starts_with("cuMem")).collect();
        assert_eq!(all(&what), if i < 15 { "copy 832; launch" } else { "launch" }, "step {i}");
    }

    let run = "steps=40 refine_at=20 emucell_parameter_threshold=0.3";
    let (_, _, log) = gpu.run(Real::Double, "mesh", &format!("{SURROGATE}threshold.onnx {run}"));
    let lists: Vec<usize> =
        (0..40).filter(|&i| steps(&log)[i].iter().any(|line| line.starts_with("cudaMemcpy"))).collect();
    assert_eq!(lists, [0, 20], "{log}");
    assert!(steps(&log)[16..20].iter().all(|step| step == &["launch"]), "{log}");
}

/// Parameters of its own for a Purkinje network beside the tissue.
#[test]
fn a_tissue_and_its_purkinje_network_share_the_gpu() {
    if !has("g++") {
        return;
    }
    let gpu = Emulated::get();
    let settings = format!(
        "{SURROGATE}euler.onnx purkinje:emucell_mode=surrogate purkinje:emucell_surrogate=threshold.onnx \
         purkinje:emucell_parameter_threshold=0.3"
    );
    for real in [Real::Double, Real::Float] {
        let expected = Rig::get(real).states(&format!("plugin.so {settings}"));
        let (found, ..) = gpu.run(real, &format!("purkinje_{real:?}"), &settings);
        let difference = largest_difference(&found, &expected);
        assert!(difference < 1e-5, "{real:?}: {difference}");
    }
}

/// Cells outside the domain are counted on the GPU, and told in the end.
#[test]
fn cells_outside_the_domain_are_reported() {
    if !has("g++") {
        return;
    }
    let (_, printed, _) =
        Emulated::get().run(Real::Double, "domain", &format!("{SURROGATE}nowhere.onnx steps=5"));
    assert!(
        printed.contains("100 % of 1000 cells and steps were outside the domain of nowhere.onnx"),
        "{printed}"
    );
}

/// A library that was built without CUDA says so, under the key that asks for it.
#[test]
fn a_library_without_cuda_is_refused() {
    if !has("g++") {
        return;
    }
    let gpu = Emulated::get();
    let plugin = Rig::get(Real::Double).path("plugin.so");
    let mut command = Command::new(gpu.folder.join("host_double"));
    command.arg(plugin).arg(gpu.folder.join("none.states")).args(["use_gpu=1", "emucell_mode=surrogate"]);
    command.arg("emucell_surrogate=euler.onnx").current_dir(&Rig::get(Real::Double).folder);
    let output = command.env("LD_LIBRARY_PATH", &gpu.folder).output().unwrap();
    let message = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{message}");
    assert!(
        message.contains("use_gpu = yes in [ode_solver]") && message.contains("euler.onnx on cuda:0"),
        "{message}"
    );
}

/// The plug-in declares by itself what it calls of CUDA's runtime; here NVIDIA's headers are asked, where there are any.
#[test]
fn declarations_are_nvidias() {
    let variable = |name: &str, below: &str| Some(PathBuf::from(std::env::var_os(name)?).join(below));
    let folders = [
        variable("CUDA_HOME", "include"),
        variable("CUDA_PATH", "include"),
        Some(PathBuf::from("/usr/local/cuda/include")),
        Some(PathBuf::from("/usr/include")),
    ];
    let Some(headers) = folders.into_iter().flatten().find(|f| f.join("cuda_runtime_api.h").exists()) else {
        eprintln!("no headers of CUDA here (CUDA_HOME/include): this test is skipped");
        return;
    };
    let mut command = Command::new("gcc");
    command.args(["-std=gnu11", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", "-isystem"]).arg(headers);
    succeed(command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/monoalg3d/cuda_headers.c")));
}
