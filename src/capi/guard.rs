//! The border that no panic crosses, and no floating-point setting of the host.

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind};
use std::sync::{Mutex, MutexGuard, Once, PoisonError};

use super::last_error;
use super::status::emucell_status;
use crate::error::Result;
use crate::float_environment::DefaultFloatEnvironment;

thread_local! {
    static INSIDE: Cell<bool> = const { Cell::new(false) };
    static PANIC: RefCell<String> = const { RefCell::new(String::new()) };
}

/// The last panic on one of the library's own threads.
static HELPER_PANIC: Mutex<String> = Mutex::new(String::new());

/// Runs `body` and turns its error or panic into a status and this thread's message.
pub fn guarded(body: impl FnOnce() -> Result<()>) -> emucell_status {
    install_hook();
    let _environment = DefaultFloatEnvironment::enter();
    let outer = INSIDE.replace(true);
    let result = catch_unwind(AssertUnwindSafe(body));
    INSIDE.set(outer);
    match result {
        Ok(Ok(())) => emucell_status::EMUCELL_OK,
        Ok(Err(error)) => {
            last_error::set(&error.to_string());
            error.kind().into()
        }
        Err(_) => {
            // A panic of a helper goes on in this thread without another call of the hook.
            let own = PANIC.take();
            let text = if own.is_empty() { helper_panic().clone() } else { own };
            last_error::set(&format!("internal fault {text}: please report it"));
            emucell_status::EMUCELL_PANIC
        }
    }
}

/// A library must not print: panics inside [`guarded`] and on the library's own threads are kept
/// as text instead. All others go where they went before.
fn install_hook() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let previous = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let own_thread = std::thread::current().name().is_some_and(|n| n.starts_with("emucell-"));
            if INSIDE.try_with(Cell::get).unwrap_or(false) {
                let _ = PANIC.try_with(|panic| *panic.borrow_mut() = describe(info));
            } else if own_thread {
                *helper_panic() = describe(info);
            } else {
                previous(info);
            }
        }));
    });
}

fn helper_panic() -> MutexGuard<'static, String> {
    HELPER_PANIC.lock().unwrap_or_else(PoisonError::into_inner)
}

fn describe(info: &PanicHookInfo<'_>) -> String {
    let place = info.location().map(|l| format!(" at {}:{}", l.file(), l.line())).unwrap_or_default();
    let message = info.payload_as_str().unwrap_or("without a message");
    format!("\"{message}\"{place}")
}

#[cfg(test)]
mod tests {
    use std::ffi::CStr;

    use super::*;
    use crate::error::Error;

    fn message() -> String {
        // SAFETY: the message is valid until the next failure in this thread.
        unsafe { CStr::from_ptr(last_error::emucell_last_error_message()) }.to_str().unwrap().to_owned()
    }

    #[test]
    fn errors_and_panics_become_statuses_with_messages() {
        assert_eq!(guarded(|| Ok(())), emucell_status::EMUCELL_OK);
        let status = guarded(|| Err(Error::format("bad \0 byte")));
        assert_eq!((status, message()), (emucell_status::EMUCELL_FORMAT, "bad ? byte".to_owned()));
        assert_eq!(guarded(|| panic!("planted")), emucell_status::EMUCELL_PANIC);
        assert!(message().contains("planted") && message().contains("guard.rs"), "{}", message());
        let elsewhere = std::thread::spawn(message).join().unwrap();
        assert_eq!(elsewhere, "");
    }
}
