//! Compiled kernels on disk, for the next session and for the other processes of a run.
//!
//! A file holds the whole key beside the kernel, and a sum over both: whatever it is that lies in the folder, a kernel is
//! taken only if it is what was asked for, undamaged. A folder that cannot be written is no fault.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use crate::error::{Error, Result};
use crate::format::atomic;

/// First bytes of a file.
const MAGIC: &[u8; 16] = b"emucell kernel 1";
/// Magic, sum, and lengths of key and kernel.
const HEADER: usize = MAGIC.len() + 3 * 8;

/// A folder of compiled kernels, or none.
#[derive(Clone, Debug, Default)]
pub struct Cache {
    folder: Option<PathBuf>,
}

/// Threads of a process would write the same temporary file.
static WRITING: Mutex<()> = Mutex::new(());

impl Cache {
    /// The cache in `folder`, which is made when something is put there; without, nothing is kept.
    pub fn new(folder: Option<PathBuf>) -> Self {
        Self { folder }
    }

    /// The kernel that was put there under `key`.
    pub fn get(&self, key: &str) -> Option<Vec<u8>> {
        let path = self.path(key)?;
        let bytes = std::fs::read(&path).ok()?;
        let kernel = kernel_in(&bytes, key);
        if kernel.is_none() {
            log::warn!("{} is damaged or of another kernel; it is compiled again", path.display());
        }
        kernel.map(<[u8]>::to_vec)
    }

    /// Keeps `kernel` under `key`, if that is possible.
    pub fn put(&self, key: &str, kernel: &[u8]) {
        let Some(path) = self.path(key) else { return };
        if let Err(fault) = self.write(&path, key, kernel) {
            log::warn!("a compiled kernel is not kept for the next session: {fault}");
        }
    }

    fn write(&self, path: &std::path::Path, key: &str, kernel: &[u8]) -> Result<()> {
        let folder = path.parent().unwrap_or(path);
        std::fs::create_dir_all(folder).map_err(|e| Error::io("make", folder, e))?;
        let content = [key.as_bytes(), kernel].concat();
        let number = |n: usize| (n as u64).to_le_bytes();
        let header =
            [MAGIC, &sum(&content).to_le_bytes()[..], &number(key.len()), &number(kernel.len())].concat();
        let _one = WRITING.lock().unwrap_or_else(PoisonError::into_inner);
        atomic::write(path, &[header, content].concat())
    }

    fn path(&self, key: &str) -> Option<PathBuf> {
        Some(self.folder.as_ref()?.join(format!("{:016x}.kernel", sum(key.as_bytes()))))
    }
}

/// The kernel in a file's `bytes`, if it is the one under `key`.
fn kernel_in<'a>(bytes: &'a [u8], key: &str) -> Option<&'a [u8]> {
    let (header, content) = bytes.split_at_checked(HEADER)?;
    let number = |i: usize| {
        let bytes = header[MAGIC.len() + 8 * i..][..8].try_into().expect("8 bytes");
        u64::from_le_bytes(bytes)
    };
    let kernel = content.strip_prefix(key.as_bytes())?;
    let is_whole = header.starts_with(MAGIC)
        && number(0) == sum(content)
        && number(1) == key.len() as u64
        && number(2) == kernel.len() as u64;
    is_whole.then_some(kernel)
}

/// FNV-1a of 64 bits: the same everywhere and always, as a name on disk must be.
pub fn sum(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |sum, &b| (sum ^ u64::from(b)).wrapping_mul(0x100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn only_file(folder: &std::path::Path) -> PathBuf {
        let mut files = folder.read_dir().unwrap().map(|entry| entry.unwrap().path());
        let file = files.next().unwrap();
        assert!(files.next().is_none(), "a file a kernel and nothing else");
        file
    }

    #[test]
    fn what_was_put_comes_back_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::new(Some(folder.path().join("a/b")));
        assert_eq!(cache.get("key"), None);
        cache.put("key", b"kernel");
        assert_eq!(cache.get("key").unwrap(), b"kernel");
        assert_eq!(cache.get("other"), None);
        // Another key under the name of the first.
        std::fs::rename(cache.path("key").unwrap(), cache.path("other").unwrap()).unwrap();
        assert_eq!(cache.get("other"), None);
    }

    #[test]
    fn a_damaged_file_is_no_kernel_and_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::new(Some(folder.path().to_path_buf()));
        cache.put("key", b"kernel");
        let file = only_file(folder.path());
        let whole = std::fs::read(&file).unwrap();
        for i in 0..whole.len() {
            std::fs::write(&file, &whole[..i]).unwrap();
            assert_eq!(cache.get("key"), None, "cut off at {i}");
            let mut flipped = whole.clone();
            flipped[i] ^= 4;
            std::fs::write(&file, flipped).unwrap();
            assert_eq!(cache.get("key"), None, "byte {i}");
        }
        std::fs::write(&file, [&whole[..], b"!"].concat()).unwrap();
        assert_eq!(cache.get("key"), None, "too long");
        cache.put("key", b"kernel");
        assert_eq!(cache.get("key").unwrap(), b"kernel");
        assert_eq!(only_file(folder.path()), file);
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_no_fault() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "in the way").unwrap();
        let cache = Cache::new(Some(file.join("below a file")));
        cache.put("key", b"kernel");
        assert_eq!(cache.get("key"), None);
        Cache::default().put("key", b"kernel");
        assert_eq!(Cache::default().get("key"), None);
    }
}
