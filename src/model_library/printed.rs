//! What a model library prints: kept in part, counted in full.

/// Text that a library printed.
#[derive(Debug, Default)]
pub struct Printed {
    /// The end of it.
    tail: Vec<u8>,
    total: u64,
    /// What it had printed when it was open, and how much that was.
    at_opening: (String, u64),
    closed: bool,
}

/// Bytes that are kept; the end, because a library that gives up says why at last.
const KEPT: usize = 4096;
/// Characters that an error message quotes.
const QUOTED: usize = 300;

impl Printed {
    pub fn add(&mut self, bytes: &[u8]) {
        self.total += bytes.len() as u64;
        self.tail.extend_from_slice(bytes);
        if self.tail.len() > KEPT {
            self.tail.drain(..self.tail.len() - KEPT);
        }
    }

    /// From now on the library is open.
    pub fn begin_steps(&mut self) {
        let text = String::from_utf8_lossy(&self.tail).into_owned();
        self.at_opening = (text, self.total);
        self.tail.clear();
    }

    /// What the library printed while it was opened.
    pub fn at_opening(&self) -> &str {
        &self.at_opening.0
    }

    /// Number of bytes that it printed since.
    pub fn in_steps(&self) -> u64 {
        self.total - self.at_opening.1
    }

    /// Nothing can come any more.
    pub fn close(&mut self) {
        self.closed = true;
    }

    pub fn is_closed(&self) -> bool {
        self.closed
    }

    /// `; it printed "…"`, or nothing.
    pub fn quoted(&self) -> String {
        let text = String::from_utf8_lossy(&self.tail);
        let words: Vec<&str> = text.split_whitespace().collect();
        let text = words.join(" ");
        let n = text.chars().count();
        match n {
            0 => String::new(),
            1..=QUOTED => format!("; it printed \"{text}\""),
            _ => format!("; it printed \"…{}\"", text.chars().skip(n - QUOTED).collect::<String>()),
        }
    }
}
