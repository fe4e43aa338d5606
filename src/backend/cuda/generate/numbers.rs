//! The numbers of a kernel and where they lie.

use std::collections::HashMap;

/// Numbers of constant memory, of which a GPU has 64 KiB.
const MAX_CONSTANTS: usize = 16 * 1024 - 64;

/// Numbers that are collected while a kernel is written; the same numbers are kept once.
#[derive(Debug, Default)]
pub struct Numbers {
    constants: Vec<f32>,
    /// Layers of a warp, 16 bytes aligned.
    layers: Vec<u32>,
    /// Tables, and constants for which there was no room, each 16 bytes aligned.
    others: Vec<u32>,
    known: HashMap<(Kind, Vec<u32>), usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Kind {
    Constant,
    Layer,
    Other,
}

impl Numbers {
    /// C++ for the address of `values`, in constant memory if there is room.
    pub fn constants(&mut self, values: &[f32]) -> String {
        let bits: Vec<u32> = values.iter().map(|x| x.to_bits()).collect();
        if let Some(at) = self.known.get(&(Kind::Constant, bits.clone())) {
            return format!("emucell_constants + {at}");
        }
        if self.constants.len() + values.len() > MAX_CONSTANTS {
            return self.others(values);
        }
        let at = self.constants.len();
        self.constants.extend(values);
        self.known.insert((Kind::Constant, bits), at);
        format!("emucell_constants + {at}")
    }

    /// C++ for the address of `values` in the GPU's memory.
    pub fn others(&mut self, values: &[f32]) -> String {
        let bits: Vec<u32> = values.iter().map(|x| x.to_bits()).collect();
        let at = *self.known.entry((Kind::Other, bits)).or_insert_with_key(|(_, bits)| {
            let at = self.others.len();
            self.others.extend(bits);
            self.others.resize(self.others.len().next_multiple_of(4), 0);
            at
        });
        format!("warp.numbers + BEHIND_LAYERS + {at}")
    }

    /// C++ for the address of a layer's words as a warp reads them.
    pub fn layer(&mut self, words: Vec<u32>) -> String {
        let length = words.len();
        let at = *self.known.entry((Kind::Layer, words)).or_insert_with_key(|(_, words)| {
            let at = self.layers.len();
            self.layers.extend(words);
            self.layers.resize(self.layers.len().next_multiple_of(4), 0);
            at
        });
        format!("layer<{}, {}>(warp)", 4 * at, 4 * (at + length))
    }

    pub fn layer_bytes(&self) -> usize {
        4 * self.layers.len()
    }

    pub fn n_constants(&self) -> usize {
        self.constants.len()
    }

    /// Constants, and layers followed by the others.
    pub fn finish(self) -> (Vec<f32>, Vec<u32>) {
        (self.constants, [self.layers, self.others].concat())
    }
}
