//! NumPy's `.npz` archives: named arrays, and texts such as a description in JSON.
//!
//! Equal contents give equal bytes: members are stored in the order given, uncompressed, with
//! the earliest date that a zip archive can hold.

use std::fs::File;
use std::io::{BufWriter, Cursor, Seek, Write};
use std::path::{Path, PathBuf};

use ndarray::{Array, ArrayView, Dimension};
use rawzip::{FileReader, ReaderAt};
use zip::result::ZipError;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

use super::{Conversion, Number, npy};
use crate::error::{Error, Result};
use crate::format::{archive, atomic};

/// An archive that is being read, from a file or from memory.
pub struct Archive<R = FileReader> {
    path: Option<PathBuf>,
    members: archive::Archive<R>,
}

impl Archive {
    /// Opens the archive at `path`.
    ///
    /// # Errors
    /// An unreadable file or one that is not a zip archive.
    pub fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(|e| Error::io("read", path, e))?;
        let members = archive::Archive::new(FileReader::from(file)).map_err(|e| e.in_file(path))?;
        Ok(Self { path: Some(path.to_owned()), members })
    }
}

impl<'a> Archive<Cursor<&'a [u8]>> {
    /// The archive in an `.npz` file's bytes.
    ///
    /// # Errors
    /// Bytes that are not a zip archive.
    pub fn from_bytes(bytes: &'a [u8]) -> Result<Self> {
        Ok(Self { path: None, members: archive::Archive::new(Cursor::new(bytes))? })
    }
}

impl<R: ReaderAt + Seek> Archive<R> {
    /// Names of the arrays, in the archive's order, without `.npy`.
    pub fn array_names(&self) -> Vec<String> {
        self.members.names().filter_map(|name| name.strip_suffix(".npy")).map(str::to_owned).collect()
    }

    /// The array called `name`; see [`npy::read`].
    ///
    /// # Errors
    /// No such array, with the list of those there are; a malformed one; another number of
    /// dimensions or type of numbers than wanted.
    pub fn array<T: Number, D: Dimension>(
        &mut self,
        name: &str,
        conversion: Conversion,
    ) -> Result<Array<T, D>> {
        let bytes = self.bytes(&format!("{name}.npy"))?;
        npy::from_bytes(&bytes, conversion).map_err(|e| self.place(e.at(format!("array \"{name}\""))))
    }

    /// The text of the member called `name`.
    ///
    /// # Errors
    /// No such member, a malformed one, or one that is not UTF-8.
    pub fn text(&mut self, name: &str) -> Result<String> {
        String::from_utf8(self.bytes(name)?)
            .map_err(|_| self.place(Error::format("text that is not UTF-8").at(format!("member \"{name}\""))))
    }

    fn bytes(&mut self, name: &str) -> Result<Vec<u8>> {
        let bytes = self.members.bytes(name).and_then(|bytes| {
            bytes.ok_or_else(|| {
                let known = self.array_names().join(", ");
                Error::format(format!("no member \"{name}\" where the archive has the arrays {known}"))
            })
        });
        bytes.map_err(|e| self.place(e))
    }

    pub(super) fn place(&self, error: Error) -> Error {
        match &self.path {
            Some(path) => error.in_file(path),
            None => error,
        }
    }
}

/// An archive that is being written.
pub struct Writer<'a>(ZipWriter<BufWriter<&'a mut File>>);

/// Replaces the file at `path` by an archive of what `fill` adds.
///
/// # Errors
/// Whatever `fill` returns, or the system's refusal to write there.
pub fn write(path: &Path, fill: impl FnOnce(&mut Writer<'_>) -> Result<()>) -> Result<()> {
    atomic::write_with(path, |file| {
        let mut writer = Writer(ZipWriter::new(BufWriter::new(file)));
        fill(&mut writer).map_err(|e| e.in_file(path))?;
        let mut buffer = writer.0.finish().map_err(|e| refused(e).in_file(path))?;
        buffer.flush().map_err(|e| Error::io("write", path, e))
    })
}

impl Writer<'_> {
    /// Adds an array.
    ///
    /// # Errors
    /// A name that is there already, or the system's refusal to write.
    pub fn array<T: Number, D: Dimension>(&mut self, name: &str, array: &ArrayView<'_, T, D>) -> Result<()> {
        self.member(&format!("{name}.npy"), &npy::serialize(array)?)
    }

    /// Adds a text, under a name that does not end in `.npy`.
    ///
    /// # Errors
    /// A name that is there already, or the system's refusal to write.
    pub fn text(&mut self, name: &str, text: &str) -> Result<()> {
        self.member(name, text.as_bytes())
    }

    fn member(&mut self, name: &str, bytes: &[u8]) -> Result<()> {
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Stored)
            .last_modified_time(DateTime::default())
            .unix_permissions(0o644)
            .large_file(bytes.len() >= u32::MAX as usize);
        let written =
            self.0.start_file(name, options).and_then(|()| self.0.write_all(bytes).map_err(ZipError::Io));
        written.map_err(|e| refused(e).at(format!("member \"{name}\"")))
    }
}

fn refused(error: ZipError) -> Error {
    Error::new(crate::error::ErrorKind::Io, format!("cannot write the archive: {error}"))
        .remedy("check the disk and the path")
}

#[cfg(test)]
mod tests {
    use std::fs;

    use ndarray::{Array1, Array2, Ix1, Ix2};

    use super::*;

    fn example(path: &Path) {
        write(path, |archive| {
            archive.array("a", &Array1::from(vec![1.0f64, 2.0, 3.0]).view())?;
            archive.array("b", &Array2::<f32>::ones((2, 2)).view())?;
            archive.text("about.json", "{}")
        })
        .unwrap();
    }

    #[test]
    fn members_come_back_and_equal_contents_are_equal_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let (one, two) = (folder.path().join("1.npz"), folder.path().join("2.npz"));
        example(&one);
        std::thread::sleep(std::time::Duration::from_millis(5));
        example(&two);
        assert_eq!(fs::read(&one).unwrap(), fs::read(&two).unwrap());
        let mut archive = Archive::open(&one).unwrap();
        assert_eq!(archive.array_names(), ["a", "b"]);
        assert_eq!(archive.array::<f64, Ix1>("a", Conversion::Exact).unwrap().to_vec(), [1.0, 2.0, 3.0]);
        assert_eq!(archive.array::<f32, Ix2>("b", Conversion::Exact).unwrap().sum(), 4.0);
        assert_eq!(archive.text("about.json").unwrap(), "{}");
        let text = archive.array::<f64, Ix1>("c", Conversion::Exact).unwrap_err().to_string();
        assert!(text.contains("arrays a, b") && text.contains("1.npz"), "{text}");
        let text = archive.array::<f64, Ix2>("b", Conversion::Exact).unwrap_err().to_string();
        assert!(text.contains("array \"b\"") && text.contains("f4 where f8"), "{text}");
    }

    #[test]
    fn compressed_archives_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.npz");
        let mut zip = ZipWriter::new(File::create(&path).unwrap());
        let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
        zip.start_file("x.npy", options).unwrap();
        zip.write_all(&npy::serialize(&Array1::<f64>::zeros(10_000).view()).unwrap()).unwrap();
        zip.finish().unwrap();
        let x: Array<f64, Ix1> = Archive::open(&path).unwrap().array("x", Conversion::Exact).unwrap();
        assert_eq!(x.len(), 10_000);
    }

    #[test]
    fn damaged_archives_are_errors() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.npz");
        example(&path);
        let good = fs::read(&path).unwrap();
        let attempt = |bytes: &[u8]| -> Result<Array<f64, Ix1>> {
            fs::write(&path, bytes).unwrap();
            Archive::open(&path)?.array("a", Conversion::Exact)
        };
        assert!(attempt(&good).is_ok());
        for end in 0..good.len() {
            assert!(attempt(&good[..end]).is_err(), "cut at {end}");
        }
        assert!(attempt(b"").unwrap_err().to_string().contains("a.npz"));
        // A flipped bit in the data is caught by the checksum.
        let mut flipped = good.clone();
        let place = good.windows(8).position(|w| w == 2f64.to_le_bytes()).unwrap();
        flipped[place] ^= 1;
        assert!(attempt(&flipped).is_err());
        // Sizes of four gigabytes in the directory of a file of a few hundred bytes.
        let directory = good.windows(4).position(|w| w == b"PK\x01\x02").unwrap();
        let mut huge = good.clone();
        huge[directory + 20..directory + 28].fill(0xfe);
        assert!(attempt(&huge).unwrap_err().to_string().contains("truncated or damaged"));
    }
}
