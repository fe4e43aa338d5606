//! Errors of one kind: how large in the mean and where the largest is.

use serde::Serialize;
use serde::ser::{SerializeStruct, Serializer};

/// Absolute errors of one kind.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Errors {
    n: usize,
    sum: f64,
    worst: f64,
    place: Option<(f64, u32)>,
}

impl Errors {
    /// Adds the error of a beat at a cycle length.
    pub fn add(&mut self, error: f64, cycle_length: f64, beat: u32) {
        let error = error.abs();
        self.n += 1;
        self.sum += error;
        if self.place.is_none() || error > self.worst {
            (self.worst, self.place) = (error, Some((cycle_length, beat)));
        }
    }

    /// The largest, if there are any.
    pub fn worst(&self) -> Option<f64> {
        self.place.map(|_| self.worst)
    }

    /// Cycle length (ms) and number of the beat with the largest.
    pub fn place(&self) -> Option<(f64, u32)> {
        self.place
    }

    /// Their mean, if there are any.
    pub fn mean(&self) -> Option<f64> {
        (self.n > 0).then(|| self.sum / self.n as f64)
    }
}

impl Serialize for Errors {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("Errors", 5)?;
        object.serialize_field("n", &self.n)?;
        object.serialize_field("mean", &self.mean())?;
        object.serialize_field("worst", &self.worst())?;
        object.serialize_field("worst_cycle_length", &self.place.map(|place| place.0))?;
        object.serialize_field("worst_beat", &self.place.map(|place| place.1))?;
        object.end()
    }
}
