//! The one error type of the crate: what went wrong, where, and what to do about it.

use std::fmt;
use std::path::{Path, PathBuf};

/// Result with the crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The class of a fault; the C ABI gives each its own status code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The caller passed something that cannot be meant: a shape, a range, a name, an option.
    InvalidArgument,
    /// The operating system refused to read or write.
    Io,
    /// A file's content is damaged, inconsistent or of another type.
    Format,
    /// Well formed, but beyond what this build or this machine can do.
    Unsupported,
    /// The Δt asked for is not the one that the step map was trained for.
    WrongStep,
    /// A computation ran into NaN or infinity, or did not converge.
    Numeric,
    /// The session is in use by another thread.
    Busy,
    /// The session stopped at an internal fault and must be destroyed.
    Poisoned,
    /// An operation was interrupted by the user.
    Interrupted,
    /// A function of the caller's, called by the library, reported a failure.
    Callback,
}

/// What went wrong, where, and what to do about it.
///
/// Printed as `what [in place]: remedy`, on one line.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct Error(Box<Details>);

/// Apart from [`Error`], so that results of checks that every call makes stay small.
#[derive(Debug, thiserror::Error)]
struct Details {
    kind: ErrorKind,
    what: String,
    places: Vec<String>,
    remedy: Option<String>,
    #[source]
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// A fault of `kind`, described by `what`.
    pub fn new(kind: ErrorKind, what: impl Into<String>) -> Self {
        Self(Box::new(Details { kind, what: what.into(), places: Vec::new(), remedy: None, source: None }))
    }

    /// The caller's fault; see [`ErrorKind::InvalidArgument`].
    pub fn invalid(what: impl Into<String>) -> Self {
        Self::new(ErrorKind::InvalidArgument, what)
    }

    /// A damaged or inconsistent file; see [`ErrorKind::Format`].
    pub fn format(what: impl Into<String>) -> Self {
        Self::new(ErrorKind::Format, what)
    }

    /// Beyond this build or machine; see [`ErrorKind::Unsupported`].
    pub fn unsupported(what: impl Into<String>) -> Self {
        Self::new(ErrorKind::Unsupported, what)
    }

    /// NaN, infinity or no convergence; see [`ErrorKind::Numeric`].
    pub fn numeric(what: impl Into<String>) -> Self {
        Self::new(ErrorKind::Numeric, what)
    }

    /// The operating system's refusal to `action` the file at `path`.
    pub fn io(action: &str, path: &Path, source: std::io::Error) -> Self {
        let remedy = match source.kind() {
            std::io::ErrorKind::NotFound => "check the path",
            std::io::ErrorKind::PermissionDenied => "check the permissions of the file and its folder",
            std::io::ErrorKind::StorageFull => "free some disk space and run again",
            _ => "check the disk and the path",
        };
        let what = format!("cannot {action} {}: {source}", path.display());
        let mut error = Self::new(ErrorKind::Io, what).remedy(remedy);
        error.0.source = Some(Box::new(source));
        error
    }

    /// Adds the place where it happened; call from the inside out (value, section, file).
    #[must_use]
    pub fn at(mut self, place: impl Into<String>) -> Self {
        self.0.places.push(place.into());
        self
    }

    /// Adds the file in which it happened.
    #[must_use]
    pub fn in_file(self, path: &Path) -> Self {
        let path: PathBuf = path.to_path_buf();
        self.at(path.display().to_string())
    }

    /// Adds what the user can do about it, as an imperative sentence without a full stop.
    #[must_use]
    pub fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.0.remedy = Some(remedy.into());
        self
    }

    /// What went wrong and where, without the remedy.
    pub fn fault(&self) -> String {
        self.0.fault()
    }

    /// The class of the fault.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }
}

impl Details {
    fn fault(&self) -> String {
        let places: String = self.places.iter().map(|place| format!(", in {place}")).collect();
        format!("{}{places}", self.what)
    }
}

impl fmt::Display for Details {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.fault())?;
        if let Some(remedy) = &self.remedy {
            write!(f, ": {remedy}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn message_names_what_where_and_remedy() {
        let error = Error::format("width 3 where 4 was expected")
            .at("layer 2")
            .in_file(Path::new("net.onnx"))
            .remedy("export the network again");
        assert_eq!(
            error.to_string(),
            "width 3 where 4 was expected, in layer 2, in net.onnx: export the network again"
        );
        assert_eq!(error.kind(), ErrorKind::Format);
    }
}
