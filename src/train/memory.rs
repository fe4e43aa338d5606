//! The C library's memory between iterations.

/// Keeps freed memory for the tensors of the next iteration.
///
/// Each iteration frees all that it has made. glibc, as it comes, gives the end of its heap back to the system then, and
/// every page of it is zeroed and mapped again in the next iteration.
pub(super) fn keep_freed() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        static ONCE: std::sync::Once = std::sync::Once::new();
        // The largest block that is not mapped on its own (the most that glibc takes), and free bytes kept at the end.
        const SETTINGS: [(libc::c_int, libc::c_int); 2] =
            [(libc::M_MMAP_THRESHOLD, 32 << 20), (libc::M_TRIM_THRESHOLD, 512 << 20)];
        ONCE.call_once(|| {
            for (parameter, value) in SETTINGS {
                // SAFETY: mallopt sets a number under the allocator's own lock; a refusal leaves everything as it was.
                unsafe { libc::mallopt(parameter, value) };
            }
        });
    }
}
