//! The header of a `.npy` file, read strictly and without allocating what it promises.
//!
//! Source: NEP 1 and the documentation of `numpy.lib.format`.

use crate::error::{Error, Result};

const MAGIC: &[u8] = b"\x93NUMPY";
/// More dimensions than any of our arrays has.
const MAX_DIMENSIONS: usize = 8;

/// What a `.npy` file says about its numbers; the file is as long as they need.
#[derive(Debug, PartialEq)]
pub(super) struct Header {
    /// Type without byte order, for example `f8`.
    pub dtype: String,
    /// Numbers along each dimension.
    pub shape: Vec<usize>,
}

impl Header {
    /// Reads and checks the header of the whole file `bytes`.
    pub fn check(bytes: &[u8]) -> Result<Self> {
        let damaged = |what: &str| Error::format(what).at("the header").remedy("write the file again");
        if !bytes.starts_with(MAGIC) {
            return Err(Error::format("the file does not begin as a .npy file does")
                .remedy("check that it was saved with numpy.save"));
        }
        let (length_bytes, text_start) = match bytes.get(6) {
            Some(1) => (2, 10),
            Some(2 | 3) => (4, 12),
            Some(version) => {
                return Err(Error::unsupported(format!(".npy version {version}"))
                    .remedy("save with version 1, 2 or 3"));
            }
            None => return Err(damaged("the file ends")),
        };
        let length = bytes.get(8..8 + length_bytes).ok_or_else(|| damaged("the file ends"))?;
        let length = length.iter().rev().fold(0, |sum, &byte| sum << 8 | usize::from(byte));
        let text = bytes.get(text_start..text_start + length).ok_or_else(|| damaged("the file ends"))?;
        let text = std::str::from_utf8(text).map_err(|_| damaged("text that is not UTF-8"))?;

        let mut scanner = Scanner(text);
        let (descr, shape) = scanner.dictionary()?;
        let (size, dtype) = item_size(&descr)?;
        let items = shape.iter().try_fold(1, |product: usize, &n| product.checked_mul(n));
        let needed = items.and_then(|n| n.checked_mul(size));
        let present = bytes.len() - text_start - length;
        if needed != Some(present) {
            return Err(Error::format(format!(
                "shape {shape:?} of {size}-byte numbers where {present} bytes of data are"
            ))
            .remedy("the file is truncated or damaged; write it again"));
        }
        Ok(Self { dtype: dtype.to_owned(), shape })
    }
}

fn item_size(descr: &str) -> Result<(usize, &str)> {
    let dtype = descr.trim_start_matches(['<', '>', '|', '=']);
    let size = match dtype {
        "b1" | "i1" | "u1" => 1,
        "i2" | "u2" => 2,
        "f4" | "i4" | "u4" => 4,
        "f8" | "i8" | "u8" => 8,
        _ => {
            return Err(Error::unsupported(format!("numbers of type '{descr}'"))
                .remedy("save the array as float32 or float64"));
        }
    };
    Ok((size, dtype))
}

/// Reads the header's dictionary, of which only the flat form that NumPy writes is accepted: a
/// general parser of Python literals would recurse as deep as the file says.
struct Scanner<'a>(&'a str);

impl<'a> Scanner<'a> {
    fn dictionary(&mut self) -> Result<(String, Vec<usize>)> {
        let (mut descr, mut order, mut shape) = (None, None, None);
        self.expect('{')?;
        while !self.accept('}') {
            let key = self.string()?;
            self.expect(':')?;
            let known = match key {
                "descr" => descr.replace(self.string()?.to_owned()).is_none(),
                "fortran_order" => order.replace(self.boolean()?).is_none(),
                "shape" => shape.replace(self.tuple()?).is_none(),
                _ => false,
            };
            if !known {
                return Err(self.fault(&format!("unexpected key '{key}'")));
            }
            if !self.accept(',') {
                self.expect('}')?;
                break;
            }
        }
        if !self.0.trim().is_empty() {
            return Err(self.fault("text after the dictionary"));
        }
        match (descr, order, shape) {
            (Some(descr), Some(_), Some(shape)) => Ok((descr, shape)),
            _ => Err(self.fault("one of descr, fortran_order and shape is missing")),
        }
    }

    fn string(&mut self) -> Result<&'a str> {
        let quote = if self.accept('"') {
            '"'
        } else {
            self.expect('\'')?;
            '\''
        };
        let Some((string, rest)) = self.0.split_once(quote) else {
            return Err(self.fault("a string does not end"));
        };
        self.0 = rest;
        Ok(string)
    }

    fn boolean(&mut self) -> Result<bool> {
        self.0 = self.0.trim_start();
        for (word, value) in [("True", true), ("False", false)] {
            if let Some(rest) = self.0.strip_prefix(word) {
                self.0 = rest;
                return Ok(value);
            }
        }
        Err(self.fault("True or False was expected"))
    }

    fn tuple(&mut self) -> Result<Vec<usize>> {
        let mut numbers = Vec::new();
        self.expect('(')?;
        while !self.accept(')') {
            self.0 = self.0.trim_start();
            let end = self.0.find(|c: char| !c.is_ascii_digit()).unwrap_or(self.0.len());
            let (digits, rest) = self.0.split_at(end);
            let number = digits.parse().map_err(|_| self.fault("the shape is not a tuple of sizes"))?;
            if numbers.len() == MAX_DIMENSIONS {
                return Err(self.fault("too many dimensions"));
            }
            numbers.push(number);
            self.0 = rest.strip_prefix('L').unwrap_or(rest);
            if !self.accept(',') {
                self.expect(')')?;
                break;
            }
        }
        Ok(numbers)
    }

    fn accept(&mut self, expected: char) -> bool {
        self.0 = self.0.trim_start();
        let rest = self.0.strip_prefix(expected);
        self.0 = rest.unwrap_or(self.0);
        rest.is_some()
    }

    fn expect(&mut self, expected: char) -> Result<()> {
        if self.accept(expected) {
            return Ok(());
        }
        Err(self.fault(&format!("'{expected}' was expected")))
    }

    fn fault(&self, what: &str) -> Error {
        let near: String = self.0.chars().take(20).collect();
        Error::format(format!("{what} before \"{}\"", near.trim_end()))
            .at("the header")
            .remedy("save a plain array of numbers with numpy.save")
    }
}
