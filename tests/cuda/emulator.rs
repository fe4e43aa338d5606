//! Generated kernels compiled for the processor, and run there; see emulation.hpp.

use std::ffi::{CString, c_char, c_void};
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use emucell::backend::cuda::generate::{Kernel, LIBRARY, TENSOR_LIBRARY, TIMES_LIBRARY};
use emucell::backend::cuda::job::Entry;

/// Kernel, entry, blocks, threads, bytes of shared memory, and the job.
type Run = unsafe extern "C" fn(u32, u32, u32, u32, usize, *const u64);

/// Kernels in one library for the processor.
pub struct Emulator {
    pub kernels: Vec<Kernel>,
    run: Run,
    /// Fibers of one launch at a time.
    busy: Mutex<()>,
}

/// Blocks of a launch: fewer than there are tiles of cells, so that blocks have to come around again.
const MAX_BLOCKS: usize = 3;

impl Emulator {
    /// Compiles the kernels into a library called `name`.
    pub fn new(name: &str, kernels: Vec<Kernel>) -> Self {
        Self::with_fault(name, kernels, |text| text)
    }

    /// The same with something wrong in the text.
    pub fn with_fault(name: &str, kernels: Vec<Kernel>, fault: impl Fn(String) -> String) -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cuda");
        std::fs::create_dir_all(&folder).unwrap();
        // The loader gives back the library that it knows by a name, whatever the file holds by now.
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let name = format!("{name}_{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        let (source, library) = (folder.join(format!("{name}.cpp")), folder.join(format!("{name}.so")));
        std::fs::write(&source, fault(text(&kernels))).unwrap();
        compile(&source, &library);
        let symbol = load(&library);
        for (i, kernel) in kernels.iter().enumerate() {
            // SAFETY: the generated function has this type, and its array room for all constants.
            unsafe {
                let constants: unsafe extern "C" fn(u32) -> *mut f32 =
                    std::mem::transmute(symbol("constants"));
                let to = constants(i as u32);
                to.copy_from_nonoverlapping(kernel.constants.as_ptr(), kernel.constants.len());
            }
        }
        // SAFETY: the generated function has this type.
        let run = unsafe { std::mem::transmute::<*mut c_void, Run>(symbol("run")) };
        Self { kernels, run, busy: Mutex::new(()) }
    }

    /// Runs an entry of a kernel for so many cells.
    pub fn launch(&self, kernel: usize, entry: Entry, n_cells: usize, job: &[u64]) {
        let own = &self.kernels[kernel];
        let (threads, shared_bytes) = (own.threads, own.shared_bytes_of(entry));
        let blocks = n_cells.div_ceil(threads).clamp(1, MAX_BLOCKS);
        let number = Entry::ALL.iter().position(|e| *e == entry).unwrap();
        let _one = self.busy.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        // SAFETY: the job leads to the memory of its cells, as the backend made it.
        unsafe {
            (self.run)(
                kernel as u32,
                number as u32,
                blocks as u32,
                threads as u32,
                shared_bytes,
                job.as_ptr(),
            )
        }
    }
}

fn text(kernels: &[Kernel]) -> String {
    let mut text = format!("#include \"{}/tests/cuda/emulation.hpp\"\n", env!("CARGO_MANIFEST_DIR"));
    LIBRARY.iter().for_each(|part| text += part);
    text += TENSOR_LIBRARY;
    text += TIMES_LIBRARY;
    for (i, kernel) in kernels.iter().enumerate() {
        write!(text, "namespace k{i} {{\n{}}}\n", kernel.source).unwrap();
    }
    text += "extern \"C\" __attribute__((visibility(\"default\"))) float *constants(unsigned kernel) {\n    switch (kernel) {\n";
    for i in 0..kernels.len() {
        writeln!(text, "    case {i}: return k{i}::emucell_constants;").unwrap();
    }
    text += "    default: std::abort();\n    }\n}\n";
    text += "extern \"C\" __attribute__((visibility(\"default\"))) void run(unsigned kernel, unsigned entry, unsigned grid, unsigned threads, std::size_t shared, const void *job) {\n";
    text += "    switch (4 * kernel + entry) {\n";
    for (i, kernel) in kernels.iter().enumerate() {
        for (j, entry) in Entry::ALL.into_iter().enumerate() {
            if kernel.has(entry) {
                let (case, name) = (4 * i + j, entry.name());
                let job = format!("{}_job", name.strip_prefix("emucell_").unwrap());
                writeln!(text, "    case {case}: return emulation::launch(grid, threads, shared, [&] {{ k{i}::{name}(*static_cast<const k{i}::{job} *>(job)); }});").unwrap();
            }
        }
    }
    text += "    default: std::abort();\n    }\n}\n";
    text
}

fn compile(source: &Path, library: &PathBuf) {
    let mut command = Command::new("g++");
    command
        .args([
            "-std=c++17",
            "-O1",
            "-fno-strict-aliasing",
            "-fvisibility=hidden",
            "-fno-gnu-unique",
            "-shared",
            "-fPIC",
            "-o",
        ])
        .arg(library)
        .arg(source);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn load(library: &Path) -> impl Fn(&str) -> *mut c_void {
    let path = CString::new(library.to_str().unwrap()).unwrap();
    // SAFETY: the library just compiled, whose loading runs nothing of ours.
    let handle = unsafe { libc::dlopen(path.as_ptr().cast::<c_char>(), libc::RTLD_NOW) };
    assert!(!handle.is_null(), "cannot load {}", library.display());
    let handle = handle as usize;
    move |name| {
        let name = CString::new(name).unwrap();
        // SAFETY: the handle of above.
        let symbol = unsafe { libc::dlsym(handle as *mut c_void, name.as_ptr()) };
        assert!(!symbol.is_null(), "no {name:?}");
        symbol
    }
}
