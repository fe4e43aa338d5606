//! Members of the zip archives that NumPy and PyTorch write, read within bounds that the length of
//! the file sets.
//!
//! `rawzip` reads them, because it allocates nothing; the reader of the crate `zip`, which writes
//! ours, allocates what the archive's directory announces before it looks for it.

use std::io::{Read, Seek};

use flate2::read::DeflateDecoder;
use rawzip::{
    CompressionMethod, RECOMMENDED_BUFFER_SIZE, ReaderAt, ZipArchive, ZipArchiveEntryWayfinder, ZipLocator,
};

use crate::error::{Error, Result};

/// Deflate cannot shrink data further than this; a member that claims more is damaged.
const MAX_COMPRESSION: u64 = 1032;

/// An archive that is being read.
pub(crate) struct Archive<R> {
    zip: ZipArchive<R>,
    members: Vec<Member>,
    length: u64,
    /// Bytes that may still be inflated: members that share their data inside the file would
    /// otherwise multiply it by their number.
    budget: u64,
}

struct Member {
    name: String,
    method: CompressionMethod,
    size: u64,
    stored: u64,
    place: ZipArchiveEntryWayfinder,
}

impl<R: ReaderAt + Seek> Archive<R> {
    /// The archive in `reader`.
    pub fn new(mut reader: R) -> Result<Self> {
        let length = reader.seek(std::io::SeekFrom::End(0)).map_err(damaged)?;
        let mut buffer = vec![0; RECOMMENDED_BUFFER_SIZE];
        let zip = ZipLocator::new().locate_in_reader(reader, &mut buffer, length);
        let zip = zip.map_err(|(_, e)| damaged(e))?;
        let mut members = Vec::new();
        let mut entries = zip.entries(&mut buffer);
        while let Some(entry) = entries.next_entry().map_err(damaged)? {
            let name = std::str::from_utf8(entry.file_path().as_bytes()).map_err(damaged)?;
            members.push(Member {
                name: name.to_owned(),
                method: entry.compression_method(),
                size: entry.uncompressed_size_hint(),
                stored: entry.compressed_size_hint(),
                place: entry.wayfinder(),
            });
        }
        if members.len() as u64 != zip.entries_hint() {
            return Err(damaged(format!("{} members of {}", members.len(), zip.entries_hint())));
        }
        Ok(Self { zip, members, length, budget: length.saturating_mul(MAX_COMPRESSION) })
    }

    /// Names of the members, in the archive's order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.members.iter().map(|member| member.name.as_str())
    }

    /// Length of the whole archive in bytes.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// The bytes of the member called `name`; none if there is no such member.
    ///
    /// # Errors
    /// Two members of that name, or a damaged one.
    pub fn bytes(&mut self, name: &str) -> Result<Option<Vec<u8>>> {
        self.unpack(name).map_err(|e| e.at(format!("member \"{name}\"")))
    }

    fn unpack(&mut self, name: &str) -> Result<Option<Vec<u8>>> {
        let mut named = self.members.iter().filter(|member| member.name == name);
        let Some(member) = named.next() else { return Ok(None) };
        if named.next().is_some() {
            return Err(damaged("two members of one name"));
        }
        let (size, stored) = (member.size, member.stored);
        let bound = match member.method {
            CompressionMethod::STORE => stored,
            CompressionMethod::DEFLATE => stored.saturating_mul(MAX_COMPRESSION),
            other => {
                return Err(Error::unsupported(format!("compression method {}", other.as_u16()))
                    .remedy("write the archive uncompressed or deflated"));
            }
        };
        if stored > self.length || size > bound || size > self.budget {
            return Err(Error::format(format!(
                "{size} bytes in {stored} where the file has {}",
                self.length
            ))
            .remedy("the file is truncated or damaged; write it again"));
        }
        self.budget -= size;
        let entry = self.zip.get_entry(member.place).map_err(damaged)?;
        let mut bytes = Vec::new();
        // What arrives decides the allocation, not what the archive announces; reading on to the
        // end, not only to `size`, makes the checksum compared.
        let read = match member.method {
            CompressionMethod::STORE => {
                entry.verifying_reader(entry.reader()).take(size.saturating_add(1)).read_to_end(&mut bytes)
            }
            _ => entry
                .verifying_reader(DeflateDecoder::new(entry.reader()))
                .take(size.saturating_add(1))
                .read_to_end(&mut bytes),
        };
        read.map_err(damaged)?;
        if bytes.len() as u64 != size {
            return Err(damaged(format!("{} bytes where {size} are announced", bytes.len())));
        }
        Ok(Some(bytes))
    }
}

fn damaged(what: impl ToString) -> Error {
    Error::format(format!("not a readable zip archive ({})", what.to_string()))
        .remedy("check that the file is what its name says and is whole; if so, write it again")
}
