//! A machine with a driver and without NVRTC: kernels that emucell brings along, and what is said for others.

use std::ffi::{CString, c_int, c_void};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use emucell::backend::Precision;
use emucell::backend::cuda::CudaBackend;
use emucell::backend::cuda::compile::{Nvrtc, embedded};
use emucell::backend::cuda::target::Target;
use emucell::format::onnx;
use emucell::session::{Cells, Device, Session, SessionOptions};
use emucell::surrogate::Surrogate;
use emucell::view::{ElementType, Layout, View, ViewMut};

use super::driver::{self, Driver, Simulator};
use super::emulated_gpu::EmulatedGpu;

/// NVRTC is loaded once a process and stays: another process has none.
#[test]
fn kernels_brought_along_serve_a_machine_without_nvrtc() {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "without_nvrtc::in_a_process_without_it", "--ignored", "--nocapture"]);
    let output = command.output().unwrap();
    let said =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

#[test]
#[ignore = "for a process of its own, which the test above starts"]
fn in_a_process_without_it() {
    driver::load_without_nvrtc();
    if Nvrtc::load(None).is_ok() {
        eprintln!("this test is skipped: this machine has NVRTC");
        return;
    }
    let driver = Driver::new();
    let before = driver.counts();
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/fhn_cubic_step.onnx");
    let surrogate = onnx::load(&file).unwrap();
    let mut simulator = Simulator::on(0);
    let options = SessionOptions {
        device: Device::Cuda(0),
        stream: Some(simulator.stream()),
        precision: Precision::F16,
        ..SessionOptions::default()
    };
    lay_out_for_the_driver(&surrogate, &options);
    let surrogate = Arc::new(surrogate);
    let mut session = Session::new(surrogate.clone(), &options).unwrap();
    assert!(session.backend_name().contains("f16"));

    let n = 100;
    let start: Vec<f32> = (0..2 * n).map(|i| (i * 37 % 101) as f32 * 0.001).collect();
    let stimulus = vec![0.05f32; n];
    let step = |session: &mut Session, state: *mut u8, stimulus: *const u8| {
        // SAFETY: as many numbers as there are cells, in the memory that the session reaches.
        let (state, stimulus) = unsafe {
            let two = Layout::structure_of_arrays(n, 2);
            let one = Layout::structure_of_arrays(n, 1);
            let stimulus = View::from_raw(stimulus, ElementType::F32, one);
            (ViewMut::from_raw(state, ElementType::F32, two).unwrap(), stimulus)
        };
        session.step(Cells { stimulus: Some(stimulus), ..Cells::new(state) }, 0.1, 20).unwrap();
    };
    let (there, stimulus_there) = (simulator.put(&start), simulator.put(&stimulus));
    step(&mut session, there, stimulus_there);
    let mut expected = start;
    let mut on_processor = Session::new(surrogate, &SessionOptions::default()).unwrap();
    step(&mut on_processor, expected.as_mut_ptr().cast(), stimulus.as_ptr().cast());
    for (a, b) in simulator.get(there, 2 * n).iter().zip(&expected) {
        assert!((a - b).abs() < 5e-3, "{a} {b}");
    }
    drop(session);

    let other = Arc::new(super::on_gpu::surrogates::formula_network());
    let fault = Session::new(other, &options).err().unwrap().to_string();
    assert!(fault.contains("does not bring along") && fault.contains("install NVRTC"), "{fault}");
    drop(simulator);
    assert_eq!(driver.counts(), before);
}

/// The emulated driver cannot read PTX: it looks for a library with what the same text does, named after the PTX.
fn lay_out_for_the_driver(surrogate: &Surrogate, options: &SessionOptions) {
    let target = Target::of(90).unwrap();
    let (gpu, loaded) = EmulatedGpu::only_loading(target);
    CudaBackend::on(Box::new(gpu), surrogate.program().unwrap(), options.for_gpu(surrogate, 0)).unwrap();
    let kernel = loaded.lock().unwrap().take().unwrap();
    let ptx = embedded::kernel(&kernel, target).unwrap().expect("a kernel that is brought along");
    let ptx = ptx.strip_suffix(b"\0").unwrap();
    assert!(ptx.windows(10).any(|word| word == b"mma.sync.a"), "tensor cores");
    let sum = ptx
        .iter()
        .fold(0xcbf2_9ce4_8422_2325u64, |sum, &b| (sum ^ u64::from(b)).wrapping_mul(0x100_0000_01b3));
    let folder = std::env::var("FAKE_CUDA_FOLDER").unwrap();
    let library = Path::new(&folder).join(format!("ptx_{sum}.so"));
    std::fs::copy(compile(&kernel.text_for_gpu()), library).unwrap();
}

/// The library that the emulated NVRTC makes of a text.
fn compile(text: &str) -> String {
    let compiler = driver::host_compiler();
    let text = CString::new(text).unwrap();
    let mut program: *mut c_void = std::ptr::null_mut();
    let mut path = vec![0u8; 4096];
    // SAFETY: functions of these types, which write no more than there is room for.
    unsafe {
        type Create = unsafe extern "C" fn(
            *mut *mut c_void,
            *const i8,
            *const i8,
            c_int,
            *const *const i8,
            *const *const i8,
        ) -> c_int;
        type Compile = unsafe extern "C" fn(*mut c_void, c_int, *const *const i8) -> c_int;
        type Get = unsafe extern "C" fn(*mut c_void, *mut u8) -> c_int;
        let none = std::ptr::null();
        let create: Create = std::mem::transmute(compiler("nvrtcCreateProgram"));
        assert_eq!(create(&raw mut program, text.as_ptr(), none, 0, none.cast(), none.cast()), 0);
        let compile: Compile = std::mem::transmute(compiler("nvrtcCompileProgram"));
        assert_eq!(compile(program, 0, none.cast()), 0);
        let get: Get = std::mem::transmute(compiler("nvrtcGetCUBIN"));
        assert_eq!(get(program, path.as_mut_ptr()), 0);
    }
    path.retain(|c| *c != 0);
    String::from_utf8(path).unwrap()
}
