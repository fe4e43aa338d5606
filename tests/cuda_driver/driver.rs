//! The emulated driver and what it tells the tests.

use std::ffi::{CString, c_char, c_int, c_void};
use std::path::Path;
use std::process::Command;
use std::sync::{MutexGuard, OnceLock};

use cudarc::driver::sys::{self, CUcontext, CUresult, CUstream};

/// The address of `driver.cpp`'s library.
static LIBRARY: OnceLock<usize> = OnceLock::new();

/// Loads both libraries under the names by which they are looked for.
pub fn load() {
    prepare(true);
}

/// Loads the driver alone.
pub fn load_without_nvrtc() {
    prepare(false);
}

fn prepare(with_nvrtc: bool) {
    LIBRARY.get_or_init(|| {
        let name = if with_nvrtc { "cuda_driver" } else { "cuda_driver_alone" };
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let cache = folder.join("cache");
        let _ = std::fs::remove_dir_all(&cache);
        std::fs::create_dir_all(&cache).unwrap();
        // SAFETY: no other thread reads the environment yet: all of them wait here.
        unsafe {
            std::env::set_var("FAKE_CUDA_FOLDER", &folder);
            std::env::set_var("FAKE_CUDA_SOURCE", env!("CARGO_MANIFEST_DIR"));
            std::env::set_var("EMUCELL_KERNEL_CACHE", cache);
            std::env::remove_var("EMUCELL_NVRTC");
        }
        if with_nvrtc {
            open(&folder, "nvrtc", "libnvrtc.so");
        }
        open(&folder, "driver", "libcuda.so")
    });
}

/// Compiles and loads a library; whoever asks for `name` from now on gets it.
fn open(folder: &Path, source: &str, name: &str) -> usize {
    let library = folder.join(name);
    let from = format!("{}/tests/cuda_driver/{source}.cpp", env!("CARGO_MANIFEST_DIR"));
    let mut command = Command::new("g++");
    command.args(["-std=c++17", "-O1", "-Wall", "-Wextra", "-Werror", "-fvisibility=hidden", "-shared"]);
    command.args(["-fPIC", &format!("-Wl,-soname,{name}"), &from, "-o"]).arg(&library).arg("-ldl");
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let path = CString::new(library.to_str().unwrap()).unwrap();
    // SAFETY: the library just compiled, whose loading runs nothing.
    let handle = unsafe { libc::dlopen(path.as_ptr(), libc::RTLD_NOW | libc::RTLD_GLOBAL) };
    assert!(!handle.is_null(), "cannot load {name}");
    handle as usize
}

fn symbol(name: &str) -> *mut c_void {
    symbol_of(*LIBRARY.get().unwrap(), name)
}

fn symbol_of(library: usize, name: &str) -> *mut c_void {
    let name = CString::new(name).unwrap();
    // SAFETY: the library is loaded for good.
    let symbol = unsafe { libc::dlsym(library as *mut c_void, name.as_ptr()) };
    assert!(!symbol.is_null(), "no {name:?}");
    symbol
}

/// Functions of the emulated NVRTC, under a name by which nobody looks for it.
pub fn host_compiler() -> impl Fn(&str) -> *mut c_void {
    let folder = std::env::var("FAKE_CUDA_FOLDER").unwrap();
    let library = open(Path::new(&folder), "nvrtc", "libhost_compiler.so");
    move |name| symbol_of(library, name)
}

/// The driver for one test at a time: what it counts is then that test's.
pub struct Driver(#[expect(dead_code, reason = "held until the test is over")] MutexGuard<'static, ()>);

impl Driver {
    pub fn new() -> Self {
        load();
        let one = super::on_gpu::alone();
        // SAFETY: may be called at any time.
        unsafe { ok(sys::cuInit(0)) };
        let driver = Self(one);
        driver.calls();
        driver
    }

    /// Names of the functions that this thread called since this was last asked.
    pub fn calls(&self) -> Vec<String> {
        let mut text = vec![0u8; 1 << 16];
        // SAFETY: the function has this type, and writes no more than it is told.
        unsafe {
            let calls: unsafe extern "C" fn(*mut c_char, usize) = std::mem::transmute(symbol("fake_calls"));
            calls(text.as_mut_ptr().cast(), text.len());
        }
        let text = String::from_utf8(text.split(|&c| c == 0).next().unwrap().to_vec()).unwrap();
        text.lines().map(str::to_owned).collect()
    }

    /// Lets the call of this thread fail that comes after `n` others.
    pub fn fail_after(&self, n: usize, code: CUresult) {
        self.set_fault(n as c_int, code);
    }

    pub fn fail_no_more(&self) {
        self.set_fault(-1, CUresult::CUDA_SUCCESS);
    }

    fn set_fault(&self, n: c_int, code: CUresult) {
        // SAFETY: the function has this type.
        unsafe {
            let fault: unsafe extern "C" fn(c_int, c_int) = std::mem::transmute(symbol("fake_fault"));
            fault(n, code as c_int);
        }
    }

    /// What exists: pieces of memory, contexts, streams, events, modules, graphs, holders of primary contexts.
    pub fn counts(&self) -> [usize; 7] {
        let mut counts = [0; 7];
        // SAFETY: the function has this type, and writes so many numbers.
        unsafe {
            let fill: unsafe extern "C" fn(*mut usize) = std::mem::transmute(symbol("fake_counts"));
            fill(counts.as_mut_ptr());
        }
        counts
    }

    /// Gives every GPU so much memory.
    pub fn set_memory(&self, bytes: usize) {
        // SAFETY: the function has this type.
        unsafe {
            let set: unsafe extern "C" fn(usize) = std::mem::transmute(symbol("fake_memory"));
            set(bytes);
        }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.fail_no_more();
        self.set_memory(usize::MAX);
    }
}

pub fn ok(code: CUresult) {
    assert_eq!(code, CUresult::CUDA_SUCCESS);
}

/// The context that is the thread's.
pub fn current() -> CUcontext {
    let mut context = std::ptr::null_mut();
    // SAFETY: the driver fills the variable.
    unsafe { ok(sys::cuCtxGetCurrent(&raw mut context)) };
    context
}

/// A simulator's context on a GPU, the thread's while this lives, with a stream.
pub struct Simulator {
    pub context: CUcontext,
    pub stream: CUstream,
    memory: Vec<u64>,
}

impl Simulator {
    pub fn on(gpu: c_int) -> Self {
        let (mut context, mut stream) = (std::ptr::null_mut(), std::ptr::null_mut());
        // SAFETY: the driver fills the variables.
        unsafe {
            ok(sys::cuCtxCreate_v4(&raw mut context, std::ptr::null_mut(), 0, gpu));
            ok(sys::cuStreamCreate(&raw mut stream, 0));
        }
        Self { context, stream, memory: Vec::new() }
    }

    /// Its stream for a session, which is dropped before this.
    pub fn stream(&self) -> emucell::session::Stream {
        // SAFETY: as above.
        unsafe { emucell::session::Stream::from_raw(std::ptr::NonNull::new(self.stream.cast()).unwrap()) }
    }

    /// Numbers in its GPU's memory.
    pub fn put(&mut self, numbers: &[f32]) -> *mut u8 {
        let mut address = 0;
        // SAFETY: as many bytes as are reserved; the context is pushed for the time.
        unsafe {
            ok(sys::cuCtxPushCurrent_v2(self.context));
            ok(sys::cuMemAlloc_v2(&raw mut address, size_of_val(numbers)));
            ok(sys::cuMemcpyHtoD_v2(address, numbers.as_ptr().cast(), size_of_val(numbers)));
            ok(sys::cuCtxPopCurrent_v2(&raw mut self.context));
        }
        self.memory.push(address);
        address as *mut u8
    }

    /// Numbers from there, after all that was queued.
    pub fn get(&mut self, address: *mut u8, n: usize) -> Vec<f32> {
        let mut numbers = vec![0f32; n];
        // SAFETY: as above.
        unsafe {
            ok(sys::cuCtxPushCurrent_v2(self.context));
            ok(sys::cuMemcpyDtoH_v2(numbers.as_mut_ptr().cast(), address as u64, 4 * n));
            ok(sys::cuCtxPopCurrent_v2(&raw mut self.context));
        }
        numbers
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        // SAFETY: everything was made by this.
        unsafe {
            ok(sys::cuCtxPushCurrent_v2(self.context));
            self.memory.drain(..).for_each(|address| ok(sys::cuMemFree_v2(address)));
            ok(sys::cuStreamDestroy_v2(self.stream));
            ok(sys::cuCtxPopCurrent_v2(&raw mut self.context));
            ok(sys::cuCtxDestroy_v2(self.context));
        }
    }
}
