//! A pickle's object graph, built by a stack machine that runs nothing: globals stay names, calls
//! and objects stay records of what would have been called with what.
//!
//! Opcodes as in Python's `pickletools`, protocols 2 to 5; those that PyTorch's files cannot
//! contain are refused. Every opcode makes at most one node, so that the graph is proportional to
//! the pickle, whatever it says.

use std::collections::HashMap;

use crate::error::{Error, Result};

/// Place of a node in its graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Id(usize);

/// One object of a pickle.
#[derive(Clone, Debug)]
pub(super) enum Node {
    None,
    /// True or False, which nothing here depends on.
    Bool,
    Integer(i64),
    Float(f64),
    Text(String),
    /// A byte string, an integer beyond 64 bits: kept only because it may be passed over.
    Opaque,
    Sequence(Vec<Id>),
    Mapping(Vec<(Id, Id)>),
    /// `module.name`
    Global {
        module: String,
        name: String,
    },
    Object(Object),
    /// What PyTorch stores outside of the pickle.
    Persistent(Id),
}

/// The result of calling a class or a function, as far as it can be told without doing so.
#[derive(Clone, Debug)]
pub(super) struct Object {
    pub callable: Id,
    /// A sequence.
    pub arguments: Id,
    /// What was put into it, if it is a dictionary.
    pub items: Vec<(Id, Id)>,
    /// Its attributes, a mapping.
    pub state: Option<Id>,
}

/// The objects of a pickle.
#[derive(Debug)]
pub(super) struct Graph {
    nodes: Vec<Node>,
    pub root: Id,
}

impl Graph {
    pub fn node(&self, id: Id) -> &Node {
        &self.nodes[id.0]
    }

    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    pub fn text(&self, id: Id) -> Option<&str> {
        match self.node(id) {
            Node::Text(text) => Some(text),
            _ => None,
        }
    }

    pub fn sequence(&self, id: Id) -> Option<&[Id]> {
        match self.node(id) {
            Node::Sequence(items) => Some(items),
            _ => None,
        }
    }

    /// Pairs of a dictionary, also of Python's own kinds of it.
    pub fn mapping(&self, id: Id) -> Option<&[(Id, Id)]> {
        match self.node(id) {
            Node::Mapping(items) => Some(items),
            Node::Object(object) => match self.global(object.callable)? {
                ("collections", "OrderedDict" | "defaultdict") => Some(&object.items),
                _ => None,
            },
            _ => None,
        }
    }

    /// The value under the text `key` of a dictionary.
    pub fn get(&self, mapping: Id, key: &str) -> Option<Id> {
        self.mapping(mapping)?.iter().rev().find(|(k, _)| self.text(*k) == Some(key)).map(|&(_, value)| value)
    }

    /// Module and name of a global.
    pub fn global(&self, id: Id) -> Option<(&str, &str)> {
        match self.node(id) {
            Node::Global { module, name } => Some((module, name)),
            _ => None,
        }
    }

    pub fn object(&self, id: Id) -> Option<&Object> {
        match self.node(id) {
            Node::Object(object) => Some(object),
            _ => None,
        }
    }
}

/// Longest pickle that is read; numbers are outside of it.
const MAX_LENGTH: usize = 16 << 20;

/// The object that `pickle` describes, with all that it refers to.
pub(super) fn read(pickle: &[u8]) -> Result<Graph> {
    if pickle.len() > MAX_LENGTH {
        return Err(Error::unsupported(format!("a pickle of {} bytes", pickle.len()))
            .remedy("save tensors instead of lists of numbers"));
    }
    let mut machine = Machine {
        pickle,
        position: 0,
        nodes: Vec::new(),
        stack: Vec::new(),
        marks: Vec::new(),
        memo: HashMap::new(),
    };
    // Those that every pickle repeats most.
    machine.nodes.extend([Node::None, Node::Bool]);
    let mut opcode_at = 0;
    let root = machine.run(&mut opcode_at).map_err(|e| {
        e.at(format!("byte {opcode_at} of the pickle"))
            .remedy("the file is damaged; write it again with torch.save")
    })?;
    Ok(Graph { nodes: machine.nodes, root })
}

const NONE: Id = Id(0);
const BOOL: Id = Id(1);

struct Machine<'a> {
    pickle: &'a [u8],
    position: usize,
    nodes: Vec<Node>,
    stack: Vec<Id>,
    /// Heights of the stack.
    marks: Vec<usize>,
    memo: HashMap<u64, Id>,
}

impl Machine<'_> {
    fn run(&mut self, opcode_at: &mut usize) -> Result<Id> {
        loop {
            *opcode_at = self.position;
            let opcode = self.take(1)?[0];
            match opcode {
                b'.' => return self.pop(),
                0x80 => drop(self.take(1)?),
                0x95 => drop(self.take(8)?),
                b'(' => self.marks.push(self.stack.len()),
                b'N' => self.stack.push(NONE),
                0x88 | 0x89 => self.stack.push(BOOL),
                b'J' => {
                    let value = self.number::<4>()? as u32 as i32;
                    self.push(Node::Integer(value.into()));
                }
                b'K' => self.push_integer::<1>()?,
                b'M' => self.push_integer::<2>()?,
                0x8a => self.long::<1>()?,
                0x8b => self.long::<4>()?,
                b'G' => {
                    let bytes = self.take(8)?.try_into().expect("eight bytes");
                    self.push(Node::Float(f64::from_be_bytes(bytes)));
                }
                b'X' => self.text::<4>()?,
                0x8c => self.text::<1>()?,
                0x8d => self.text::<8>()?,
                // Byte strings, and the strings of Python 2.
                b'U' | b'C' => self.opaque::<1>()?,
                b'T' | b'B' => self.opaque::<4>()?,
                0x8e | 0x96 => self.opaque::<8>()?,
                b'}' => self.push(Node::Mapping(Vec::new())),
                b']' | b')' | 0x8f => self.push(Node::Sequence(Vec::new())),
                b't' | 0x91 => {
                    let items = self.since_mark()?;
                    self.push(Node::Sequence(items));
                }
                0x85..=0x87 => {
                    let items = self.pop_last(usize::from(opcode - 0x84))?;
                    self.push(Node::Sequence(items));
                }
                b'l' => {
                    let items = self.since_mark()?;
                    self.push(Node::Sequence(items));
                }
                b'd' => {
                    let items = self.since_mark()?;
                    let pairs = pairs(&items)?;
                    self.push(Node::Mapping(pairs));
                }
                b'a' => {
                    let item = self.pop()?;
                    self.append(&[item])?;
                }
                b'e' | 0x90 => {
                    let items = self.since_mark()?;
                    self.append(&items)?;
                }
                b's' => {
                    let items = self.pop_last(2)?;
                    self.set_items(&items)?;
                }
                b'u' => {
                    let items = self.since_mark()?;
                    self.set_items(&items)?;
                }
                b'c' => {
                    let module = self.line()?;
                    let name = self.line()?;
                    self.push(Node::Global { module, name });
                }
                0x93 => {
                    let parts = self.pop_last(2)?;
                    match [&self.nodes[parts[0].0], &self.nodes[parts[1].0]] {
                        [Node::Text(module), Node::Text(name)] => {
                            let (module, name) = (module.clone(), name.clone());
                            self.push_bounded(Node::Global { module, name })?;
                        }
                        _ => return Err(fault("a global whose name is no text")),
                    }
                }
                // REDUCE calls, NEWOBJ makes an object of a class: to us the same record.
                b'R' | 0x81 => {
                    let parts = self.pop_last(2)?;
                    self.push_object(parts[0], parts[1])?;
                }
                0x92 => {
                    let parts = self.pop_last(3)?;
                    self.push_object(parts[0], parts[1])?;
                }
                b'b' => {
                    let state = self.pop()?;
                    let object = self.top()?;
                    // Attributes of dictionaries and lists say nothing that matters here.
                    if let Node::Object(object) = &mut self.nodes[object.0] {
                        object.state = Some(state);
                    }
                }
                b'Q' => {
                    let name = self.pop()?;
                    self.push(Node::Persistent(name));
                }
                b'q' => self.put::<1>()?,
                b'r' => self.put::<4>()?,
                0x94 => {
                    let top = self.top()?;
                    self.memo.insert(self.memo.len() as u64, top);
                }
                b'h' => self.get::<1>()?,
                b'j' => self.get::<4>()?,
                b'0' => drop(self.pop()?),
                b'1' => drop(self.since_mark()?),
                b'2' => {
                    let top = self.top()?;
                    self.stack.push(top);
                }
                other => {
                    return Err(fault(format!("opcode {other:#04x}, which PyTorch does not write")));
                }
            }
        }
    }

    fn take(&mut self, n: usize) -> Result<&[u8]> {
        let end = self.position.checked_add(n).filter(|&end| end <= self.pickle.len());
        let end = end.ok_or_else(|| fault("the pickle ends"))?;
        let bytes = &self.pickle[self.position..end];
        self.position = end;
        Ok(bytes)
    }

    /// A little-endian number of `N` bytes.
    fn number<const N: usize>(&mut self) -> Result<u64> {
        Ok(self.take(N)?.iter().rev().fold(0, |sum, &byte| sum << 8 | u64::from(byte)))
    }

    fn length<const N: usize>(&mut self) -> Result<usize> {
        usize::try_from(self.number::<N>()?).map_err(|_| fault("the pickle ends"))
    }

    fn push(&mut self, node: Node) {
        self.nodes.push(node);
        self.stack.push(Id(self.nodes.len() - 1));
    }

    /// Pushes a node with texts that were copied: names longer than any class has would otherwise
    /// multiply a long text by the number of its uses.
    fn push_bounded(&mut self, node: Node) -> Result<()> {
        if let Node::Global { module, name } = &node
            && module.len() + name.len() > 512
        {
            return Err(fault("a global with a name of more than 512 bytes"));
        }
        self.push(node);
        Ok(())
    }

    fn push_integer<const N: usize>(&mut self) -> Result<()> {
        let value = self.number::<N>()? as i64;
        self.push(Node::Integer(value));
        Ok(())
    }

    /// A signed little-endian integer after its length in `N` bytes.
    fn long<const N: usize>(&mut self) -> Result<()> {
        let length = self.length::<N>()?;
        let bytes = self.take(length)?;
        let node = if length <= 8 {
            let value = bytes.iter().rev().fold(0u64, |sum, &byte| sum << 8 | u64::from(byte));
            let unused = 64 - 8 * length as u32;
            // The highest byte that is there has the sign.
            Node::Integer(if length == 0 { 0 } else { (value << unused) as i64 >> unused })
        } else {
            Node::Opaque
        };
        self.push(node);
        Ok(())
    }

    fn text<const N: usize>(&mut self) -> Result<()> {
        let length = self.length::<N>()?;
        let text = std::str::from_utf8(self.take(length)?).map_err(|_| fault("text that is not UTF-8"))?;
        let node = Node::Text(text.to_owned());
        self.push(node);
        Ok(())
    }

    fn opaque<const N: usize>(&mut self) -> Result<()> {
        let length = self.length::<N>()?;
        self.take(length)?;
        self.push(Node::Opaque);
        Ok(())
    }

    fn line(&mut self) -> Result<String> {
        let rest = &self.pickle[self.position..];
        let length = rest.iter().position(|&byte| byte == b'\n').ok_or_else(|| fault("the pickle ends"))?;
        let line =
            std::str::from_utf8(&rest[..length]).map_err(|_| fault("text that is not UTF-8"))?.to_owned();
        self.position += length + 1;
        Ok(line)
    }

    /// Height below which the operations that are not about a mark must not reach.
    fn floor(&self) -> usize {
        self.marks.last().copied().unwrap_or(0)
    }

    fn pop(&mut self) -> Result<Id> {
        if self.stack.len() <= self.floor() {
            return Err(fault("nothing on the stack"));
        }
        Ok(self.stack.pop().expect("more than the floor"))
    }

    fn top(&self) -> Result<Id> {
        if self.stack.len() <= self.floor() {
            return Err(fault("nothing on the stack"));
        }
        Ok(*self.stack.last().expect("more than the floor"))
    }

    fn pop_last(&mut self, n: usize) -> Result<Vec<Id>> {
        match self.stack.len().checked_sub(n) {
            Some(start) if start >= self.floor() => Ok(self.stack.split_off(start)),
            _ => Err(fault("too little on the stack")),
        }
    }

    fn since_mark(&mut self) -> Result<Vec<Id>> {
        let start = self.marks.pop().ok_or_else(|| fault("no mark on the stack"))?;
        Ok(self.stack.split_off(start))
    }

    fn append(&mut self, items: &[Id]) -> Result<()> {
        match self.top().map(|id| &mut self.nodes[id.0])? {
            Node::Sequence(sequence) => sequence.extend(items),
            // A list of a class of its own: what it holds is not looked at.
            Node::Object(_) => {}
            _ => return Err(fault("an item is added to what is no list")),
        }
        Ok(())
    }

    fn set_items(&mut self, items: &[Id]) -> Result<()> {
        let pairs = pairs(items)?;
        match self.top().map(|id| &mut self.nodes[id.0])? {
            Node::Mapping(mapping) => mapping.extend(pairs),
            Node::Object(object) => object.items.extend(pairs),
            _ => return Err(fault("an item is set in what is no dictionary")),
        }
        Ok(())
    }

    fn push_object(&mut self, callable: Id, arguments: Id) -> Result<()> {
        if !matches!(self.nodes[callable.0], Node::Global { .. }) {
            return Err(fault("a call of what is no class or function"));
        }
        self.push(Node::Object(Object { callable, arguments, items: Vec::new(), state: None }));
        Ok(())
    }

    fn put<const N: usize>(&mut self) -> Result<()> {
        let key = self.number::<N>()?;
        let top = self.top()?;
        self.memo.insert(key, top);
        Ok(())
    }

    fn get<const N: usize>(&mut self) -> Result<()> {
        let key = self.number::<N>()?;
        let id = self.memo.get(&key).copied().ok_or_else(|| fault(format!("nothing was kept as {key}")))?;
        self.stack.push(id);
        Ok(())
    }
}

fn pairs(items: &[Id]) -> Result<Vec<(Id, Id)>> {
    if !items.len().is_multiple_of(2) {
        return Err(fault("a key without a value"));
    }
    Ok(items.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect())
}

fn fault(what: impl Into<String>) -> Error {
    Error::format(what)
}
