//! Memory that two processes see: progress, then the numbers of the cells.

use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use super::stage::Progress;

/// What stands first: the worker's sign that it is one, and its progress.
#[repr(C)]
struct Header {
    sign: u64,
    progress: Progress,
}

/// Room for the header; the numbers begin behind it.
const HEADER: usize = 64;
const SIGN: u64 = u64::from_le_bytes(*b"emucell1");

/// A mapping of the memory behind a file descriptor.
#[derive(Debug)]
pub struct SharedMemory {
    file: OwnedFd,
    address: *mut u8,
    length: usize,
}

impl SharedMemory {
    /// New memory with room for `n` numbers, to be shared by its descriptor.
    pub fn new(n: usize) -> std::io::Result<Self> {
        // SAFETY: the name is a C string; a result that is not negative is a descriptor of ours.
        let file = unsafe {
            let file = libc::memfd_create(c"emucell".as_ptr(), libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING);
            if file < 0 {
                return Err(std::io::Error::last_os_error());
            }
            OwnedFd::from_raw_fd(file)
        };
        // A library that shortened the memory would end this process at its next access.
        // SAFETY: a descriptor that is open.
        if unsafe { libc::fcntl(file.as_raw_fd(), libc::F_ADD_SEALS, libc::F_SEAL_SHRINK) } != 0 {
            return Err(std::io::Error::last_os_error());
        }
        set_length(&file, length_for(n))?;
        Self::map(file, length_for(n))
    }

    /// The memory behind `file`, made by another process.
    pub fn open(file: OwnedFd) -> std::io::Result<Self> {
        let length = length_of(&file)?;
        if length < HEADER {
            return Err(std::io::Error::other("no shared memory"));
        }
        Self::map(file, length)
    }

    fn map(file: OwnedFd, length: usize) -> std::io::Result<Self> {
        // SAFETY: a new mapping of an open descriptor, which is `length` bytes long.
        let address = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                length,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED,
                file.as_raw_fd(),
                0,
            )
        };
        match address {
            libc::MAP_FAILED => Err(std::io::Error::last_os_error()),
            address => Ok(Self { file, address: address.cast(), length }),
        }
    }

    pub fn file(&self) -> &OwnedFd {
        &self.file
    }

    /// Makes room for `n` numbers; what was there is kept.
    pub fn reserve(&mut self, n: usize) -> std::io::Result<()> {
        let length = length_for(n);
        if length <= self.length {
            return Ok(());
        }
        if length_of(&self.file)? < length {
            set_length(&self.file, length)?;
        }
        // SAFETY: a descriptor that is open.
        let file = self.file.try_clone()?;
        *self = Self::map(file, length)?;
        Ok(())
    }

    /// The first `n` numbers, for which there is room. The other process must not be at work on them.
    pub fn numbers(&mut self, n: usize) -> &mut [f64] {
        assert!(length_for(n) <= self.length, "room for the numbers was made");
        // SAFETY: the mapping is long enough, and page-aligned; the processes take turns.
        unsafe { std::slice::from_raw_parts_mut(self.address.add(HEADER).cast(), n) }
    }

    /// The first `n` numbers and, beside them, the progress.
    pub fn numbers_and_progress(&mut self, n: usize) -> (&mut [f64], &Progress) {
        assert!(length_for(n) <= self.length, "room for the numbers was made");
        // SAFETY: as in `numbers`; header and numbers do not overlap.
        unsafe {
            let numbers = std::slice::from_raw_parts_mut(self.address.add(HEADER).cast(), n);
            (numbers, &(*self.address.cast::<Header>()).progress)
        }
    }

    pub fn progress(&self) -> &Progress {
        // SAFETY: the header is there; all of progress is atomic.
        unsafe { &(*self.address.cast::<Header>()).progress }
    }

    /// Leaves the sign of a worker.
    pub fn sign(&mut self) {
        // SAFETY: the header is there, and the other process waits.
        unsafe { (&raw mut (*self.address.cast::<Header>()).sign).write_volatile(SIGN) };
    }

    /// Whether a worker has left its sign.
    pub fn is_signed(&self) -> bool {
        // SAFETY: the header is there.
        unsafe { (&raw const (*self.address.cast::<Header>()).sign).read_volatile() == SIGN }
    }
}

impl Drop for SharedMemory {
    fn drop(&mut self) {
        // SAFETY: the mapping is this value's own.
        unsafe { libc::munmap(self.address.cast(), self.length) };
    }
}

// SAFETY: nothing about a mapping belongs to a thread.
unsafe impl Send for SharedMemory {}

fn length_for(n: usize) -> usize {
    HEADER + n * size_of::<f64>()
}

fn set_length(file: &OwnedFd, length: usize) -> std::io::Result<()> {
    let length = libc::off_t::try_from(length).map_err(std::io::Error::other)?;
    // SAFETY: a descriptor that is open.
    match unsafe { libc::ftruncate(file.as_raw_fd(), length) } {
        0 => Ok(()),
        _ => Err(std::io::Error::last_os_error()),
    }
}

fn length_of(file: &OwnedFd) -> std::io::Result<usize> {
    std::fs::File::from(file.try_clone()?).metadata().map(|metadata| metadata.len() as usize)
}
