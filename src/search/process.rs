//! The process of a trial, as its parent sees it.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use super::trial::Trial;
use crate::error::{Error, Result};
use crate::format::atomic;

/// A running trial.
#[derive(Debug)]
pub struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `program` on `trial`, whose files go into `folder`.
    pub fn start(program: &Path, trial: &Trial, folder: &Path, source: &Path, device: &str) -> Result<Self> {
        std::fs::create_dir_all(folder).map_err(|e| Error::io("make the folder", folder, e))?;
        atomic::write(&folder.join("recipe.toml"), trial.recipe.as_bytes())?;
        let log = folder.join("log.txt");
        let errors = File::create(&log).map_err(|e| Error::io("write", &log, e))?;
        let mut command = Command::new(program);
        command.arg("search-trial").arg(folder).arg("--source").arg(source).args(["--device", device]);
        // Threads that wait for each other on shared cores are slower than one.
        command.env("OMP_NUM_THREADS", "1").env("MKL_NUM_THREADS", "1");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(errors);
        detach(&mut command);
        let child = command.spawn().map_err(|e| Error::io("start", program, e))?;
        Ok(Self { child, log })
    }

    /// Asks the trial to write a checkpoint and end.
    pub fn interrupt(&self) {
        #[cfg(unix)]
        // SAFETY: kill only sends a signal, to a child that is not waited for yet and so still has its number.
        unsafe {
            libc::kill(self.child.id() as libc::pid_t, libc::SIGINT);
        }
    }

    /// How it ended, if it did.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        self.child.try_wait().map_err(|e| Error::io("wait for the trial of", &self.log, e))
    }

    /// The last line that it printed.
    pub fn last_words(&self) -> Option<String> {
        let bytes = std::fs::read(&self.log).ok()?;
        let text = String::from_utf8_lossy(&bytes);
        let line = text.lines().rev().find(|line| !line.trim().is_empty())?;
        Some(line.strip_prefix("error: ").unwrap_or(line).to_owned())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Harmless for one that has ended, which is all that a search that ends well leaves.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A terminal's Ctrl-C reaches the parent alone, which passes it on once; a parent that is killed takes its trials along,
/// because the next search would start them again in the same folders.
fn detach(command: &mut Command) {
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(command, 0);
    #[cfg(target_os = "linux")]
    // SAFETY: between fork and exec nothing is called but prctl, which is a bare system call.
    unsafe {
        std::os::unix::process::CommandExt::pre_exec(command, || {
            libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
            Ok(())
        });
    }
}

/// An exit status in words.
pub fn describe(status: ExitStatus) -> String {
    #[cfg(unix)]
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
        return format!("its process was ended by signal {signal}");
    }
    format!(
        "its process ended with {}",
        status.code().map_or("no code".to_owned(), |code| format!("code {code}"))
    )
}
