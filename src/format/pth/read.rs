//! PyTorch's files as archives: the pickle in them, and the storages beside it.

use std::collections::HashMap;
use std::fs::File as SystemFile;
use std::io::{Cursor, Read, Seek};
use std::path::{Path, PathBuf};

use ndarray::ArrayD;
use rawzip::{FileReader, ReaderAt};

use super::pickle::{self, Graph, Id, Node};
use super::tensor::Description;
use crate::error::{Error, Result};
use crate::format::archive::Archive;

/// How a file begins that `torch.save` wrote before version 1.6: with a pickled magic number.
const LEGACY: &[u8] = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.";
/// Depth to which dictionaries and lists of tensors may be nested.
const MAX_DEPTH: usize = 16;
/// Bytes of a tensor's name: one long key can be part of many.
const MAX_NAME: usize = 256;
/// Elements of all tensors together, for each byte of the file: views may share storages.
const MAX_ELEMENTS_A_BYTE: u64 = 8;

/// A file that `torch.save` wrote: nothing in it is executed, classes are only names.
pub struct File<R = FileReader> {
    path: Option<PathBuf>,
    archive: Archive<R>,
    /// Folder of the archive that all members are in, with the slash.
    folder: String,
    pub(super) graph: Graph,
    /// Storages that were read, by name.
    storages: HashMap<String, Vec<u8>>,
    n_elements_left: u64,
}

impl File {
    /// Opens the file at `path` and reads its structure.
    ///
    /// # Errors
    /// An unreadable or damaged file, or one that is no zip archive of PyTorch's.
    pub fn open(path: &Path) -> Result<Self> {
        let mut file = SystemFile::open(path).map_err(|e| Error::io("read", path, e))?;
        let mut start = Vec::new();
        let length = LEGACY.len() as u64;
        file.by_ref().take(length).read_to_end(&mut start).map_err(|e| Error::io("read", path, e))?;
        let file = Self::new(FileReader::from(file), &start).map_err(|e| e.in_file(path))?;
        Ok(Self { path: Some(path.to_owned()), ..file })
    }
}

impl<'a> File<Cursor<&'a [u8]>> {
    /// The file with these bytes.
    ///
    /// # Errors
    /// As [`File::open`], without the file's name.
    pub fn from_bytes(bytes: &'a [u8]) -> Result<Self> {
        Self::new(Cursor::new(bytes), bytes)
    }
}

impl<R: ReaderAt + Seek> File<R> {
    fn new(reader: R, start: &[u8]) -> Result<Self> {
        if start.starts_with(LEGACY) {
            return Err(Error::unsupported("a file in the format that PyTorch had before version 1.6")
                .remedy("write it again in Python: torch.save(torch.load(NAME), NAME)"));
        }
        let mut archive = Archive::new(reader)?;
        let pickle = archive.names().find_map(|name| name.strip_suffix("data.pkl"));
        let Some(folder) = pickle.map(str::to_owned) else {
            return Err(Error::format("a zip archive without data.pkl, which torch.save puts there")
                .remedy("give a file that torch.save wrote"));
        };
        if archive.names().any(|name| name == format!("{folder}constants.pkl")) {
            return Err(Error::unsupported("a TorchScript archive")
                .remedy("save the network itself: torch.save(network.state_dict(), NAME)"));
        }
        if let Some(order) = archive.bytes(&format!("{folder}byteorder"))?
            && order != b"little"
        {
            return Err(Error::unsupported("numbers in another byte order than this machine's")
                .remedy("save the file on a little-endian machine"));
        }
        let bytes = archive.bytes(&format!("{folder}data.pkl"))?.unwrap_or_default();
        let graph = pickle::read(&bytes)?;
        let n_elements_left = archive.length().saturating_mul(MAX_ELEMENTS_A_BYTE);
        Ok(Self { path: None, archive, folder, graph, storages: HashMap::new(), n_elements_left })
    }

    /// Every tensor in the file, in its order: a bare one as `tensor`, those of dictionaries under
    /// their keys, those of lists under their numbers; names of nested ones are joined by dots.
    /// Numbers of all types are given in double precision.
    ///
    /// # Errors
    /// Anything but tensors, dictionaries and lists of them; damaged tensors; integers beyond 2^53.
    pub fn arrays(&mut self) -> Result<Vec<(String, ArrayD<f64>)>> {
        let mut found = Vec::new();
        let mut n_visits = 0;
        self.collect(self.graph.root, String::new(), 0, &mut n_visits, &mut found)
            .map_err(|e| self.place(e))?;
        found
            .into_iter()
            .map(|(name, tensor)| {
                let numbers =
                    self.numbers(&tensor).map_err(|e| self.place(e.at(format!("tensor \"{name}\""))))?;
                let array = ArrayD::from_shape_vec(tensor.shape, numbers);
                Ok((name, array.map_err(|e| self.place(Error::format(e.to_string())))?))
            })
            .collect()
    }

    /// Tensors below `id`, which is called `name`.
    fn collect(
        &self,
        id: Id,
        name: String,
        depth: usize,
        n_visits: &mut usize,
        found: &mut Vec<(String, Description)>,
    ) -> Result<()> {
        // Objects may contain each other, or share what they contain many times over.
        *n_visits += 1;
        if depth > MAX_DEPTH || *n_visits > 2 * self.graph.len() {
            return Err(Error::unsupported("tensors nested too deep, or in themselves").at(name));
        }
        let below = |key: &str| if name.is_empty() { key.to_owned() } else { format!("{name}.{key}") };
        if let Some(tensor) = Description::of(&self.graph, id) {
            let name = if name.is_empty() { "tensor".to_owned() } else { name };
            let tensor = tensor.map_err(|e| e.at(format!("tensor \"{name}\"")))?;
            found.push((name, tensor));
        } else if let Some(items) = self.graph.mapping(id) {
            for &(key, value) in items {
                let key = match self.graph.node(key) {
                    Node::Text(text) => text.clone(),
                    Node::Integer(i) => i.to_string(),
                    _ => return Err(Error::unsupported("a key that is neither text nor integer").at(name)),
                };
                let name = below(&key);
                if name.len() > MAX_NAME {
                    return Err(Error::unsupported(format!("a name of more than {MAX_NAME} bytes")));
                }
                self.collect(value, name, depth + 1, n_visits, found)?;
            }
        } else if let Some(items) = self.graph.sequence(id) {
            for (i, &item) in items.iter().enumerate() {
                self.collect(item, below(&i.to_string()), depth + 1, n_visits, found)?;
            }
        } else {
            let place = if name.is_empty() { "the file".to_owned() } else { format!("\"{name}\"") };
            return Err(Error::unsupported(format!("{} where a tensor is wanted", self.describe(id)))
                .at(place)
                .remedy("save tensors, or dictionaries or lists of them"));
        }
        Ok(())
    }

    /// The numbers of a tensor, row-major.
    pub(super) fn numbers(&mut self, tensor: &Description) -> Result<Vec<f64>> {
        let n = tensor.len().map_or(u64::MAX, |n| n as u64);
        self.n_elements_left = self.n_elements_left.checked_sub(n).ok_or_else(|| {
            Error::unsupported(format!("{:?} elements: more than the file can hold", tensor.shape))
                .remedy("save a copy of a tensor that repeats itself: tensor.clone()")
        })?;
        if !self.storages.contains_key(&tensor.storage) {
            let name = format!("{}data/{}", self.folder, tensor.storage);
            let bytes = self.archive.bytes(&name)?.ok_or_else(|| {
                Error::format(format!("no member \"{name}\""))
                    .remedy("the file is damaged; write it again with torch.save")
            })?;
            self.storages.insert(tensor.storage.clone(), bytes);
        }
        tensor.numbers(&self.storages[&tensor.storage])
    }

    /// What `id` is, for messages.
    pub(super) fn describe(&self, id: Id) -> String {
        match self.graph.node(id) {
            Node::None => "None".to_owned(),
            Node::Bool => "a truth value".to_owned(),
            Node::Integer(_) | Node::Float(_) => "a number".to_owned(),
            Node::Text(_) => "text".to_owned(),
            Node::Opaque => "bytes".to_owned(),
            Node::Sequence(_) => "a list".to_owned(),
            Node::Mapping(_) => "a dictionary".to_owned(),
            Node::Global { module, name } => format!("{module}.{name}"),
            Node::Persistent(_) => "a storage".to_owned(),
            Node::Object(object) => {
                let (module, name) = self.graph.global(object.callable).unwrap_or(("", "an object"));
                format!("an object of {module}.{name}")
            }
        }
    }

    pub(in crate::format) fn place(&self, error: Error) -> Error {
        match &self.path {
            Some(path) => error.in_file(path),
            None => error,
        }
    }
}
