//! Inputs in the processor's memory, on their way to cells in the GPU's.

use super::gpu::{Memory, Staging};
use super::run::Machine;
use crate::error::{Error, Result};
use crate::view::{Column, ElementType};

/// Bytes to which columns are aligned in a staging.
pub const ALIGNMENT: usize = 64;

/// Inputs of calls whose results stay in the GPU's memory: two stagings in turns, so that the processor fills one while
/// the GPU copies from the other.
#[derive(Debug, Default)]
pub struct Queue {
    stagings: [Option<Staging>; 2],
    turn: usize,
    /// Bytes of the current call that are filled.
    filled: usize,
    /// Bytes that a new staging has at least.
    reserve: usize,
}

impl Queue {
    /// For calls of up to `capacity` cells with a column or two of the processor's.
    pub fn with_capacity(capacity: usize) -> Self {
        Self { reserve: (2 * capacity * size_of::<f32>()).next_multiple_of(ALIGNMENT), ..Self::default() }
    }

    /// Bytes that a copy of `column` needs, of which `n` numbers are read; 0 for one in the GPU's memory.
    pub fn bytes_of(machine: &Machine, column: &Column, n: usize) -> Result<usize> {
        Ok(match machine.memory_of_column(column, n)? {
            Memory::Gpu => 0,
            Memory::Processor => padded(numbers_of(column, n) * size_of::<f32>()),
        })
    }

    /// The same for an index.
    pub fn bytes_of_index(machine: &Machine, list: &[u32]) -> Result<usize> {
        Ok(match machine.memory_of_bytes(list.as_ptr().cast(), size_of_val(list).max(1))? {
            Memory::Gpu => 0,
            Memory::Processor => padded(size_of_val(list)),
        })
    }

    /// Begins a call that copies so many bytes.
    pub fn begin(&mut self, machine: &mut Machine, bytes: usize) -> Result<()> {
        self.filled = 0;
        if bytes == 0 {
            return Ok(());
        }
        if machine.gpu.is_capturing()? {
            return Err(Error::unsupported("inputs in the processor's memory, for a call that a CUDA graph records").remedy(
                "keep stimulus, parameters and index in the GPU's memory: the graph would repeat today's numbers",
            ));
        }
        self.turn = (self.turn + 1) % 2;
        let staging = &mut self.stagings[self.turn];
        if let Some(old) = staging {
            machine.gpu.wait(old)?;
        }
        if staging.as_ref().is_none_or(|staging| staging.len < bytes) {
            if let Some(small) = staging.take() {
                machine.gpu.free(small);
            }
            *staging = Some(machine.gpu.allocate(bytes.max(self.reserve))?);
        }
        Ok(())
    }

    /// `column` if it is in the GPU's memory, else a copy there of the `n` numbers that are read.
    ///
    /// # Safety
    /// The column has so many numbers.
    pub unsafe fn on_gpu(&mut self, machine: &Machine, column: Column, n: usize) -> Result<Column> {
        let bytes = Self::bytes_of(machine, &column, n)?;
        if bytes == 0 {
            return Ok(column);
        }
        let (host, device) = self.room(bytes);
        for i in 0..numbers_of(&column, n) {
            // SAFETY: there is room for these numbers; the column has them.
            unsafe { host.cast::<f32>().add(i).write(column.get(i) as f32) };
        }
        Ok(Column { pointer: device as *mut u8, element: ElementType::F32, stride: column.stride.min(1) })
    }

    /// The address of an index in the GPU's memory.
    ///
    /// # Safety
    /// A list in the processor's memory may be read.
    pub unsafe fn index_on_gpu(&mut self, machine: &Machine, list: &[u32]) -> Result<u64> {
        let bytes = Self::bytes_of_index(machine, list)?;
        if bytes == 0 {
            return Ok(list.as_ptr() as u64);
        }
        let (host, device) = self.room(bytes);
        // SAFETY: there is room for the list.
        unsafe { host.cast::<u32>().copy_from_nonoverlapping(list.as_ptr(), list.len()) };
        Ok(device)
    }

    /// The next `bytes` of those that the call began with.
    fn room(&mut self, bytes: usize) -> (*mut u8, u64) {
        let staging = self.stagings[self.turn].as_ref().expect("a call that began with these bytes");
        assert!(self.filled + bytes <= staging.len, "a call copies what it began with");
        let place = (staging.host.wrapping_add(self.filled), staging.device + self.filled as u64);
        self.filled += bytes;
        place
    }

    /// Queues the copy of what was filled.
    pub fn send(&mut self, machine: &mut Machine) -> Result<()> {
        match &self.stagings[self.turn] {
            Some(staging) if self.filled > 0 => machine.gpu.send(staging, 0..self.filled),
            _ => Ok(()),
        }
    }

    /// Ends the call: its copy is used until here.
    pub fn end(&mut self, machine: &mut Machine) -> Result<()> {
        match &self.stagings[self.turn] {
            Some(staging) if self.filled > 0 => machine.gpu.record(staging),
            _ => Ok(()),
        }
    }

    /// Gives the memory back.
    pub fn free(&mut self, machine: &mut Machine) {
        self.stagings.iter_mut().filter_map(Option::take).for_each(|staging| machine.gpu.free(staging));
    }
}

fn padded(bytes: usize) -> usize {
    bytes.next_multiple_of(ALIGNMENT)
}

/// Of the `n` numbers of a column that are read, those that lie in different places.
fn numbers_of(column: &Column, n: usize) -> usize {
    if column.stride == 0 { n.min(1) } else { n }
}
