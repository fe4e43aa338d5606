//! What the two processes say to each other: one line of JSON a question and an answer.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::instance::{Opened, Source, Steps};
use crate::error::{Error, ErrorKind};

/// To the worker.
#[derive(Debug, Serialize, Deserialize)]
pub enum Question {
    /// Load a library.
    Open(Source),
    /// Advance the cells in the shared memory: their states, then a stimulus each.
    Step { n_cells: usize, steps: Steps },
    /// How much memory is in use, and how often did the library ask for some?
    Memory,
}

/// From the worker.
#[derive(Debug, Serialize, Deserialize)]
pub enum Answer {
    Opened(Opened),
    Stepped,
    Memory(Memory),
    Failed(Failure),
}

/// What the worker's process has allocated.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Memory {
    /// Bytes in use.
    pub bytes: u64,
    /// Calls of the allocator that the library itself made.
    pub allocations: u64,
}

/// An error on its way between processes.
#[derive(Debug, Serialize, Deserialize)]
pub struct Failure {
    what: String,
    remedy: Option<String>,
    numeric: bool,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let (what, whole) = (error.fault(), error.to_string());
        let remedy = whole.strip_prefix(&format!("{what}: ")).map(str::to_owned);
        Self { what, remedy, numeric: error.kind() == ErrorKind::Numeric }
    }
}

impl Failure {
    pub fn into_error(self) -> Error {
        let kind = if self.numeric { ErrorKind::Numeric } else { ErrorKind::Format };
        let error = Error::new(kind, self.what);
        match self.remedy {
            Some(remedy) => error.remedy(remedy),
            None => error,
        }
    }
}

/// Writes one line.
pub fn say(stream: &mut UnixStream, message: &impl Serialize) -> std::io::Result<()> {
    let mut line = serde_json::to_vec(message).map_err(std::io::Error::other)?;
    line.push(b'\n');
    stream.write_all(&line)
}

/// Reads one line; none at the end of the conversation.
pub fn hear<T: DeserializeOwned>(stream: &mut BufReader<UnixStream>) -> std::io::Result<Option<T>> {
    let mut line = String::new();
    match stream.read_line(&mut line)? {
        0 => Ok(None),
        _ => serde_json::from_str(&line).map(Some).map_err(std::io::Error::other),
    }
}
