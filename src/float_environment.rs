//! The floating-point settings of the calling thread: set aside while the library computes.
//!
//! Rust code may rely on rounding to nearest, on denormals and on faults that do not trap. A host may
//! have changed all three (flush-to-zero, another rounding mode, `feenableexcept`), for its own
//! numbers only. Threads inherit the settings of their creator, so the library's own have the
//! defaults, too.

/// The default settings, until it is dropped; then the thread has its own again, with the exception
/// flags as they were.
pub struct DefaultFloatEnvironment {
    host: register::Value,
}

impl DefaultFloatEnvironment {
    pub fn enter() -> Self {
        let host = register::read();
        register::write(register::DEFAULT);
        Self { host }
    }
}

impl Drop for DefaultFloatEnvironment {
    fn drop(&mut self) {
        register::write(self.host);
    }
}

/// Numbers so small that they have lost digits count as zero, in operands and results, until it is dropped.
///
/// A processor takes a hundred times as long for them, and gates at rest that are multiplied with each other are full of them: a step of a cell may take four times as
/// long. Nothing that kernels compute is wrong by more than 1e-38 for it.
pub struct FlushedDenormals {
    before: register::Value,
}

impl FlushedDenormals {
    pub fn enter() -> Self {
        let before = register::read();
        register::write(register::flushing(before));
        Self { before }
    }
}

impl Drop for FlushedDenormals {
    fn drop(&mut self) {
        register::write(self.before);
    }
}

/// MXCSR.
#[cfg(all(target_arch = "x86_64", not(miri)))]
mod register {
    use std::arch::asm;

    pub type Value = u32;
    /// All exceptions masked.
    pub const DEFAULT: Value = 0x1f80;
    /// Results (FTZ) and operands (DAZ).
    const FLUSH: Value = 0x8040;

    pub fn flushing(value: Value) -> Value {
        value | FLUSH
    }

    pub fn read() -> Value {
        let mut value = 0;
        // SAFETY: stores the register in `value`.
        unsafe { asm!("stmxcsr [{}]", in(reg) &raw mut value, options(nostack, preserves_flags)) };
        value
    }

    pub fn write(value: Value) {
        // SAFETY: the value is the default or was read before, but for bits of this module: no reserved bit is set.
        unsafe { asm!("ldmxcsr [{}]", in(reg) &raw const value, options(nostack, preserves_flags)) };
    }
}

/// FPCR.
#[cfg(all(target_arch = "aarch64", not(miri)))]
mod register {
    use std::arch::asm;

    pub type Value = u64;
    pub const DEFAULT: Value = 0;
    /// Operands and results (FZ).
    const FLUSH: Value = 1 << 24;

    pub fn flushing(value: Value) -> Value {
        value | FLUSH
    }

    pub fn read() -> Value {
        let value;
        // SAFETY: a register is read and nothing changed.
        unsafe { asm!("mrs {}, fpcr", out(reg) value, options(nomem, nostack, preserves_flags)) };
        value
    }

    pub fn write(value: Value) {
        // SAFETY: the value is the default or was read before, but for a bit of this module.
        unsafe { asm!("msr fpcr, {}", in(reg) value, options(nostack, preserves_flags)) };
    }
}

/// Elsewhere, and in the interpreter that checks the library, there is nothing to set aside.
#[cfg(any(miri, not(any(target_arch = "x86_64", target_arch = "aarch64"))))]
mod register {
    pub type Value = ();
    pub const DEFAULT: Value = ();

    pub fn flushing((): Value) -> Value {}

    pub fn read() -> Value {}

    pub fn write((): Value) {}
}
