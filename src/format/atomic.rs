//! Writing a file so that it is either the old one or the new one, never a part.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// Replaces the file at `path` by what `fill` writes: into a temporary file beside it first,
/// which is flushed to disk and renamed. On failure the earlier file stays as it was.
///
/// # Errors
/// Whatever `fill` returns, or the system's refusal to write there.
pub fn write_with(path: &Path, fill: impl FnOnce(&mut File) -> Result<()>) -> Result<()> {
    let temporary = Temporary::beside(path);
    let mut file = File::create(&temporary.0).map_err(|e| Error::io("write", path, e))?;
    fill(&mut file)?;
    file.sync_all().map_err(|e| Error::io("write", path, e))?;
    drop(file);
    fs::rename(&temporary.0, path).map_err(|e| Error::io("replace", path, e))
}

/// Replaces the file at `path` by `bytes`; see [`write_with`].
///
/// # Errors
/// The system's refusal to write there.
pub fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    write_with(path, |file| file.write_all(bytes).map_err(|e| Error::io("write", path, e)))
}

/// A file that is removed when dropped, unless it was renamed before.
struct Temporary(PathBuf);

impl Temporary {
    fn beside(path: &Path) -> Self {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        Self(path.with_file_name(format!(".{name}.{}.tmp", std::process::id())))
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        // After a successful rename there is nothing to remove, and that is no fault.
        let _ = fs::remove_file(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_write_leaves_the_old_file_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.txt");
        write(&path, b"old").unwrap();
        let failed = write_with(&path, |file| {
            file.write_all(b"half").unwrap();
            Err(Error::invalid("stop"))
        });
        assert!(failed.is_err());
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        write(&path, b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
    }
}
