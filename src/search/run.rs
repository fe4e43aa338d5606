//! Runs trials, each in a process of its own, so that one that crashes is a row of the table and not the end.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::process::{Process, describe};
use super::share::{Next, Share};
use super::trial::{Ending, Trial};
use crate::error::{Error, ErrorKind, Result};

/// Time between looks at the running trials.
const PAUSE: Duration = Duration::from_millis(20);

/// How to run trials.
#[derive(Debug)]
pub struct Settings<'a> {
    /// The program whose command `search-trial` trains; usually this one.
    pub program: &'a Path,
    /// Folder of the search.
    pub folder: &'a Path,
    /// The file that the trials come from, beside which their data files lie.
    pub source: &'a Path,
    /// Trials at once, in this process.
    pub jobs: usize,
    /// Devices that the trials of this process take in turn.
    pub devices: &'a [String],
    /// Ends cleanly, with checkpoints, once set.
    pub interrupt: &'a AtomicBool,
}

/// What happened to a trial.
#[derive(Debug)]
pub enum Event<'a> {
    /// An earlier run left it finished.
    Kept(usize, &'a Ending),
    /// It begins, or goes on.
    Started(usize),
    /// It ended.
    Ended(usize, &'a Ending),
}

/// Runs those of `trials` that fall to this process and have not ended in an earlier run, and waits until those of all
/// other ranks have ended, too.
///
/// # Errors
/// A trial that cannot be started, and an interruption.
pub fn run(
    trials: &[Trial],
    settings: &Settings,
    share: &mut Share,
    on_event: &mut dyn FnMut(Event),
) -> Result<()> {
    let mut slots: Vec<Option<(usize, Process)>> = (0..settings.jobs).map(|_| None).collect();
    let mut told = false;
    loop {
        let interrupted = settings.interrupt.load(Ordering::Relaxed);
        if interrupted && !told {
            slots.iter().flatten().for_each(|(_, process)| process.interrupt());
            told = true;
        }
        let mut exhausted = interrupted;
        for (number, slot) in slots.iter_mut().enumerate() {
            if let Some((i, process)) = slot {
                let Some(status) = process.ended()? else { continue };
                let trial = &trials[*i];
                let ending = match trial.ending(settings.folder) {
                    Some(ending) => Some(ending),
                    None if interrupted => None,
                    None => Some(crashed(trial, settings, &describe(status), process.last_words())?),
                };
                if let Some(ending) = ending {
                    on_event(Event::Ended(*i, &ending));
                }
                *slot = None;
            }
            while slot.is_none() && !exhausted {
                match share.next(trials.len()) {
                    Next::Trial(i) => {
                        *slot = start(&trials[i], i, number, settings, on_event)?.map(|process| (i, process));
                    }
                    Next::Later => break,
                    Next::None => exhausted = true,
                }
            }
        }
        if exhausted && slots.iter().all(Option::is_none) {
            break;
        }
        share.attend(trials.len());
        std::thread::sleep(PAUSE);
    }
    share.finish(PAUSE);
    match settings.interrupt.load(Ordering::Relaxed) {
        true => Err(Error::new(ErrorKind::Interrupted, "the search was interrupted")
            .remedy("run the same command again to go on")),
        false => Ok(()),
    }
}

/// Starts a trial, unless it has ended for good.
fn start(
    trial: &Trial,
    i: usize,
    slot: usize,
    settings: &Settings,
    on_event: &mut dyn FnMut(Event),
) -> Result<Option<Process>> {
    let folder = trial.folder(settings.folder);
    if let Some(ending) = trial.ending(settings.folder) {
        if ending.is_final() {
            on_event(Event::Kept(i, &ending));
            return Ok(None);
        }
        // What it leaves must be seen to be new.
        Ending::remove(&folder)?;
    }
    on_event(Event::Started(i));
    let device = &settings.devices[slot % settings.devices.len()];
    Process::start(settings.program, trial, &folder, settings.source, device).map(Some)
}

/// Writes down that a trial's process died.
fn crashed(trial: &Trial, settings: &Settings, how: &str, last_words: Option<String>) -> Result<Ending> {
    let reason = last_words.map_or(how.to_owned(), |words| format!("{words} ({how})"));
    let ending = Ending::Crashed { reason };
    ending.write(&trial.folder(settings.folder))?;
    Ok(ending)
}
