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

/// MXCSR.
#[cfg(all(target_arch = "x86_64", not(miri)))]
mod register {
    use std::arch::asm;

    pub type Value = u32;
    /// All exceptions masked.
    pub const DEFAULT: Value = 0x1f80;

    pub fn read() -> Value {
        let mut value = 0;
        // SAFETY: stores the register in `value`.
        unsafe { asm!("stmxcsr [{}]", in(reg) &raw mut value, options(nostack, preserves_flags)) };
        value
    }

    pub fn write(value: Value) {
        // SAFETY: the value is the default or was read before: no reserved bit is set.
        unsafe { asm!("ldmxcsr [{}]", in(reg) &raw const value, options(nostack, preserves_flags)) };
    }
}

/// FPCR.
#[cfg(all(target_arch = "aarch64", not(miri)))]
mod register {
    use std::arch::asm;

    pub type Value = u64;
    pub const DEFAULT: Value = 0;

    pub fn read() -> Value {
        let value;
        // SAFETY: a register is read and nothing changed.
        unsafe { asm!("mrs {}, fpcr", out(reg) value, options(nomem, nostack, preserves_flags)) };
        value
    }

    pub fn write(value: Value) {
        // SAFETY: the value is the default or was read before.
        unsafe { asm!("msr fpcr, {}", in(reg) value, options(nostack, preserves_flags)) };
    }
}

/// Elsewhere, and in the interpreter that checks the library, there is nothing to set aside.
#[cfg(any(miri, not(any(target_arch = "x86_64", target_arch = "aarch64"))))]
mod register {
    pub type Value = ();
    pub const DEFAULT: Value = ();

    pub fn read() -> Value {}

    pub fn write((): Value) {}
}
