//! A GPU that is the processor: memory of its own that is registered as the GPU's, copies, and emulated kernels.

use std::ops::Range;
use std::sync::{Arc, Mutex};

use emucell::Result;
use emucell::backend::cuda::generate::Kernel;
use emucell::backend::cuda::gpu::{Gpu, Memory, Region, Staging};
use emucell::backend::cuda::job::{Entry, OwnMemory};
use emucell::backend::cuda::target::Target;

use super::emulator::Emulator;

/// Ranges of addresses that are the GPU's.
pub type Ranges = Arc<Mutex<Vec<Range<usize>>>>;

/// The kernel that a GPU was given.
pub type Loaded = Arc<Mutex<Option<Kernel>>>;

/// Everything that was queued is done at once, but copies are made only when they are asked for.
pub struct EmulatedGpu {
    pub name: String,
    pub gpus_memory: Ranges,
    pub is_capturing: bool,
    target: Target,
    /// Where a kernel goes that is not to be run.
    loaded: Option<Loaded>,
    emulator: Option<Emulator>,
    numbers: Vec<u128>,
    counters: Box<[u64; 3]>,
    depth: i32,
}

impl EmulatedGpu {
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            gpus_memory: Ranges::default(),
            is_capturing: false,
            target: Target::of(90).unwrap(),
            loaded: None,
            emulator: None,
            numbers: Vec::new(),
            counters: Box::default(),
            depth: 0,
        }
    }

    /// One that runs nothing, but keeps what it was given.
    pub fn only_loading(target: Target) -> (Self, Loaded) {
        let loaded = Loaded::default();
        let mut own = Self::new("keeping");
        (own.target, own.loaded) = (target, Some(loaded.clone()));
        (own, loaded)
    }

    fn check_inside(&self) {
        assert_eq!(self.depth, 1, "a call between enter and leave");
    }
}

/// Makes `numbers` the GPU's.
pub fn give<T>(ranges: &Ranges, numbers: &[T]) {
    let start = numbers.as_ptr() as usize;
    ranges.lock().unwrap().push(start..start + size_of_val(numbers));
}

impl Drop for EmulatedGpu {
    fn drop(&mut self) {
        assert_eq!(self.depth, 0, "as many times left as entered");
    }
}

impl Gpu for EmulatedGpu {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn target(&self) -> Target {
        self.target
    }

    fn region_at(&self, address: *const u8) -> Result<Region> {
        let address = address as usize;
        let gpus_memory = self.gpus_memory.lock().unwrap();
        Ok(match gpus_memory.iter().find(|range| range.contains(&address)) {
            Some(range) => Region { memory: Memory::Gpu, bytes: range.clone() },
            None => Region { memory: Memory::Processor, bytes: address..address + 1 },
        })
    }

    fn enter(&mut self) -> Result<()> {
        self.depth += 1;
        self.check_inside();
        Ok(())
    }

    fn leave(&mut self) {
        self.check_inside();
        self.depth -= 1;
    }

    fn load(&mut self, kernel: &Kernel) -> Result<OwnMemory> {
        self.check_inside();
        if let Some(loaded) = &self.loaded {
            *loaded.lock().unwrap() = Some(kernel.clone());
            return Ok(OwnMemory::default());
        }
        self.emulator = Some(Emulator::new(&self.name, vec![kernel.clone()]));
        self.numbers = vec![0; kernel.numbers.len() / 4 + 1];
        // SAFETY: there is room for all numbers.
        unsafe {
            let to = self.numbers.as_mut_ptr().cast::<u32>();
            to.copy_from_nonoverlapping(kernel.numbers.as_ptr(), kernel.numbers.len());
        }
        Ok(OwnMemory { numbers: self.numbers.as_ptr() as u64, counters: self.counters.as_mut_ptr() as u64 })
    }

    fn is_capturing(&self) -> Result<bool> {
        Ok(self.is_capturing)
    }

    unsafe fn launch(&mut self, entry: Entry, n_cells: usize, job: &[u64]) -> Result<()> {
        self.check_inside();
        self.emulator.as_ref().unwrap().launch(0, entry, n_cells, job);
        Ok(())
    }

    fn allocate(&mut self, len: usize) -> Result<Staging> {
        self.check_inside();
        let bytes = || Box::leak(vec![0xaau64; len.div_ceil(8)].into_boxed_slice()).as_mut_ptr().cast::<u8>();
        let (host, device) = (bytes(), bytes());
        self.gpus_memory.lock().unwrap().push(device as usize..device as usize + len);
        Ok(Staging { host, device: device as u64, len, event: 0 })
    }

    fn free(&mut self, staging: Staging) {
        self.check_inside();
        self.gpus_memory.lock().unwrap().retain(|range| range.start as u64 != staging.device);
        for start in [staging.host, staging.device as *mut u8] {
            // SAFETY: made by `allocate`.
            drop(unsafe {
                Box::from_raw(std::ptr::slice_from_raw_parts_mut(
                    start.cast::<u64>(),
                    staging.len.div_ceil(8),
                ))
            });
        }
    }

    fn send(&mut self, staging: &Staging, bytes: Range<usize>) -> Result<()> {
        self.check_inside();
        // SAFETY: inside both sides.
        unsafe {
            let to = (staging.device as *mut u8).add(bytes.start);
            to.copy_from_nonoverlapping(staging.host.add(bytes.start), bytes.len());
        }
        Ok(())
    }

    fn receive(&mut self, staging: &Staging, bytes: Range<usize>) -> Result<()> {
        self.check_inside();
        // SAFETY: as above.
        unsafe {
            let from = (staging.device as *const u8).add(bytes.start);
            staging.host.add(bytes.start).copy_from_nonoverlapping(from, bytes.len());
        }
        Ok(())
    }

    fn record(&mut self, _: &Staging) -> Result<()> {
        self.check_inside();
        Ok(())
    }

    fn wait(&mut self, _: &Staging) -> Result<()> {
        self.check_inside();
        Ok(())
    }

    fn take_counters(&mut self) -> Result<[u64; 3]> {
        self.check_inside();
        Ok(std::mem::take(&mut *self.counters))
    }
}
