//! What the library has to say that is no error: handed to a function of the host's.

use std::ffi::{CString, c_char, c_void};
use std::sync::atomic::{AtomicPtr, Ordering};
use std::sync::{Mutex, Once, PoisonError};

use super::guard::guarded;
use super::status::emucell_status;
use crate::error::{Error, Result};

/// Log nothing; the default.
pub const EMUCELL_LOG_OFF: u32 = 0;
/// Log what made a session unusable.
pub const EMUCELL_LOG_ERROR: u32 = 1;
/// Log also what may make results wrong: the first cells outside the domain of a session whose
/// guard looks.
pub const EMUCELL_LOG_WARN: u32 = 2;
/// Log also what was loaded and made.
pub const EMUCELL_LOG_INFO: u32 = 3;
/// Log everything.
pub const EMUCELL_LOG_DEBUG: u32 = 4;

/// Receives a message: its level (EMUCELL_LOG_…) and UTF-8 text without a line end, which lives
/// during the call. Called on the thread that called the library; must not throw or jump out.
pub type emucell_log = Option<unsafe extern "C" fn(data: *mut c_void, level: u32, message: *const c_char)>;

/// Sends messages of the library up to level (EMUCELL_LOG_…) to log; NULL or EMUCELL_LOG_OFF end
/// it. For the whole process, from all threads; a call in another thread may still be on its way
/// when this returns. Formatting a message allocates.
///
/// Errors: EMUCELL_INVALID_ARGUMENT; EMUCELL_UNSUPPORTED in a program in which Rust code that is
/// linked statically has a logger of its own.
///
/// # Safety
/// log may be called with data from any thread that calls the library.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn emucell_set_log(log: emucell_log, data: *mut c_void, level: u32) -> emucell_status {
    guarded(|| {
        let level = match level {
            EMUCELL_LOG_OFF => log::LevelFilter::Off,
            EMUCELL_LOG_ERROR => log::LevelFilter::Error,
            EMUCELL_LOG_WARN => log::LevelFilter::Warn,
            EMUCELL_LOG_INFO => log::LevelFilter::Info,
            EMUCELL_LOG_DEBUG => log::LevelFilter::Debug,
            other => return Err(Error::invalid(format!("log level {other}")).remedy("use EMUCELL_LOG_…")),
        };
        install()?;
        *lock() = log.map(|function| Receiver { function, data: AtomicPtr::new(data) });
        log::set_max_level(if log.is_some() { level } else { log::LevelFilter::Off });
        Ok(())
    })
}

struct Receiver {
    function: unsafe extern "C" fn(*mut c_void, u32, *const c_char),
    data: AtomicPtr<c_void>,
}

static RECEIVER: Mutex<Option<Receiver>> = Mutex::new(None);

fn lock() -> std::sync::MutexGuard<'static, Option<Receiver>> {
    RECEIVER.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Makes this library's logger the process's, once.
fn install() -> Result<()> {
    static ONCE: Once = Once::new();
    static IS_OURS: std::sync::atomic::AtomicBool = std::sync::atomic::AtomicBool::new(false);
    ONCE.call_once(|| IS_OURS.store(log::set_logger(&HostLogger).is_ok(), Ordering::Relaxed));
    match IS_OURS.load(Ordering::Relaxed) {
        true => Ok(()),
        false => Err(Error::unsupported("another logger is installed in this program")
            .remedy("emucell logs to that one")),
    }
}

struct HostLogger;

impl log::Log for HostLogger {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        metadata.target().starts_with("emucell")
    }

    fn log(&self, record: &log::Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let message = CString::new(record.args().to_string().replace('\0', "?")).unwrap_or_default();
        let level = match record.level() {
            log::Level::Error => EMUCELL_LOG_ERROR,
            log::Level::Warn => EMUCELL_LOG_WARN,
            log::Level::Info => EMUCELL_LOG_INFO,
            log::Level::Debug | log::Level::Trace => EMUCELL_LOG_DEBUG,
        };
        // Not locked during the call: the receiver may call the library.
        let receiver = lock().as_ref().map(|r| (r.function, r.data.load(Ordering::Relaxed)));
        if let Some((function, data)) = receiver {
            // SAFETY: whoever set the receiver vouched for it.
            unsafe { function(data, level, message.as_ptr()) }
        }
    }

    fn flush(&self) {}
}
