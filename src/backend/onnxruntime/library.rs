//! Finding the library and starting it, once a process.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use ort::environment::Environment;
use ort::logging::LogLevel;

use super::LIBRARY_VARIABLE;
use crate::error::{Error, Result};

/// Names under which the system's loader may know the library.
const SYSTEM_NAMES: [&str; 2] = ["libonnxruntime.so", "libonnxruntime.so.1"];

const INSTALL: &str = "install ONNX Runtime 1.23 or later (for example `pip install onnxruntime`, whose folder \
    onnxruntime/capi has libonnxruntime.so.*) and name the file in EMUCELL_ONNXRUNTIME or in the session's options";

/// The library in use, kept until the process ends: sessions come and go, and ONNX Runtime can be
/// started only once.
struct Running {
    /// The file that was asked for; none if the system's loader found it.
    file: Option<PathBuf>,
    environment: Environment,
}

static RUNNING: Mutex<Option<Running>> = Mutex::new(None);

/// ONNX Runtime from the file `asked` for, from the one in [`LIBRARY_VARIABLE`], or the system's.
///
/// # Errors
/// No such library, one that is too old or none at all, and a second one in the same process.
pub fn start(asked: Option<&Path>) -> Result<Environment> {
    let named = asked.map(Path::to_path_buf);
    let variable = || std::env::var_os(LIBRARY_VARIABLE).filter(|v| !v.is_empty()).map(PathBuf::from);
    let file = match named.or_else(variable) {
        // The loader would look for it in places of its own.
        Some(file) => Some(std::fs::canonicalize(&file).map_err(|e| {
            Error::unsupported(format!("ONNX Runtime: cannot open {}: {e}", file.display())).remedy(INSTALL)
        })?),
        None => None,
    };
    let mut running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(Running { file: used, environment }) = &*running {
        return match file {
            Some(file) if used.as_ref() != Some(&file) => Err(Error::unsupported(format!(
                "ONNX Runtime from {}: this process uses the one from {}",
                file.display(),
                used.as_deref().unwrap_or(Path::new(SYSTEM_NAMES[0])).display()
            ))
            .remedy("name the same library in all sessions of a process")),
            _ => Ok(environment.clone()),
        };
    }
    let environment = match &file {
        Some(file) => load(file)?,
        None => SYSTEM_NAMES
            .iter()
            .find_map(|name| load(Path::new(name)).ok())
            .ok_or_else(|| Error::unsupported("this machine has no libonnxruntime.so").remedy(INSTALL))?,
    };
    *running = Some(Running { file, environment: environment.clone() });
    Ok(environment)
}

fn load(file: &Path) -> Result<Environment> {
    let builder = ort::init_from(file).map_err(|fault| {
        use ort::LoadDynamicError::{BadVersion, MissingApi};
        let fault = match fault {
            BadVersion { version_str, .. } => format!("it is version {version_str}, which is too old"),
            MissingApi { .. } => "it is another library".to_owned(),
            other => other.to_string(),
        };
        Error::unsupported(format!("ONNX Runtime from {}: {fault}", file.display())).remedy(INSTALL)
    })?;
    // Its own way of logging would write to standard error.
    let log = |level: LogLevel, _: &str, _: &str, _: &str, message: &str| match level {
        LogLevel::Verbose | LogLevel::Info => log::debug!("ONNX Runtime: {message}"),
        LogLevel::Warning => log::warn!("ONNX Runtime: {message}"),
        LogLevel::Error | LogLevel::Fatal => log::error!("ONNX Runtime: {message}"),
    };
    let environment = builder.with_name("emucell").with_telemetry(false).with_logger(Arc::new(log)).build();
    let environment = environment.map_err(|e| {
        Error::unsupported(format!("ONNX Runtime from {} does not start: {e}", file.display()))
            .remedy(INSTALL)
    })?;
    environment.set_log_level(LogLevel::Warning);
    log::info!("ONNX Runtime from {}", file.display());
    Ok(environment)
}
