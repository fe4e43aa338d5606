//! A model library in a process of its own, seen from the program that asks.

use std::io::{BufReader, ErrorKind as IoKind, Read};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use super::conversation::{Answer, Memory, Question, hear, say};
use super::instance::{Opened, Source, Steps};
use super::options::Options;
use super::printed::Printed;
use super::shared_memory::SharedMemory;
use super::worker::SUBCOMMAND;
use crate::error::{Error, ErrorKind, Result};

/// The worker, and the library that it has open.
#[derive(Debug)]
pub struct Process {
    child: Child,
    stream: BufReader<UnixStream>,
    stderr: ChildStderr,
    memory: SharedMemory,
    printed: Printed,
    path: PathBuf,
    program: PathBuf,
    time_limit: Duration,
    /// Why there is no library any more.
    ended: Option<(String, &'static str)>,
}

/// How often the library's progress is looked at while it works.
const LOOK: Duration = Duration::from_millis(50);

impl Process {
    /// Starts a worker and has it open `source`.
    pub fn open(source: &Source, options: &Options) -> Result<(Self, Opened)> {
        let program = match &options.program {
            Some(program) => program.clone(),
            None => std::env::current_exe().map_err(|e| {
                Error::io("find", Path::new("this program"), e).remedy("give Options::program")
            })?,
        };
        let mut process = Self::start(program, &source.path, options.time_limit)?;
        match process.ask(&Question::Open(source.clone()))? {
            Answer::Opened(opened) => {
                process.printed.begin_steps();
                Ok((process, opened))
            }
            other => Err(process.unexpected(other)),
        }
    }

    fn start(program: PathBuf, path: &Path, time_limit: Duration) -> Result<Self> {
        let fault = |e| Error::io("start", &program, e);
        let memory = SharedMemory::new(0).map_err(fault)?;
        let (ours, theirs) = UnixStream::pair().map_err(fault)?;
        let mut child = Command::new(&program)
            .arg(SUBCOMMAND)
            // Libraries share cells between OpenMP threads, whose waiting costs more than the few cells of a question.
            .env("OMP_NUM_THREADS", "1")
            .stdin(Stdio::from(std::os::fd::OwnedFd::from(theirs)))
            .stdout(Stdio::from(memory.file().try_clone().map_err(fault)?))
            .stderr(Stdio::piped())
            .spawn()
            .map_err(fault)?;
        let stderr = child.stderr.take().expect("a pipe was asked for");
        // SAFETY: a descriptor that is open.
        unsafe { libc::fcntl(stderr.as_raw_fd(), libc::F_SETFL, libc::O_NONBLOCK) };
        Ok(Self {
            child,
            stream: BufReader::new(ours),
            stderr,
            memory,
            printed: Printed::default(),
            path: path.to_path_buf(),
            program,
            time_limit,
            ended: None,
        })
    }

    pub fn step(&mut self, states: &mut [f64], stimulus: &[f64], steps: Steps) -> Result<()> {
        let n = states.len() + stimulus.len();
        self.memory.reserve(n).map_err(|e| Error::io("make room for cells in", &self.path, e))?;
        let (shared_states, shared_stimulus) = self.memory.numbers(n).split_at_mut(states.len());
        shared_states.copy_from_slice(states);
        shared_stimulus.copy_from_slice(stimulus);
        match self.ask(&Question::Step { n_cells: stimulus.len(), steps })? {
            Answer::Stepped => {
                states.copy_from_slice(&self.memory.numbers(n)[..states.len()]);
                Ok(())
            }
            other => Err(self.unexpected(other)),
        }
    }

    /// What the worker has allocated.
    pub fn memory(&mut self) -> Result<Memory> {
        match self.ask(&Question::Memory)? {
            Answer::Memory(memory) => Ok(memory),
            other => Err(self.unexpected(other)),
        }
    }

    pub fn printed(&self) -> &Printed {
        &self.printed
    }

    fn ask(&mut self, question: &Question) -> Result<Answer> {
        if let Some((what, remedy)) = &self.ended {
            return Err(Error::new(ErrorKind::Callback, what.clone()).in_file(&self.path).remedy(*remedy));
        }
        match say(self.stream.get_mut(), question).and_then(|()| self.wait()) {
            Ok(Some(Answer::Failed(failure))) => Err(failure.into_error()),
            Ok(Some(answer)) => Ok(answer),
            Ok(None) => {
                let status = self.end();
                Err(self.why(status, None))
            }
            Err(error) => {
                let hung = error.kind() == IoKind::TimedOut;
                let status = self.end();
                Err(self.why(status, Some(if hung { Trouble::Hung } else { Trouble::Talk(error) })))
            }
        }
    }

    /// The worker's answer; none if it ended, a time-out if the library makes no progress.
    fn wait(&mut self) -> std::io::Result<Option<Answer>> {
        let (mut beats, mut since) = (self.memory.progress().beats(), Instant::now());
        loop {
            let wait_for = |fd| libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
            let mut descriptors =
                [wait_for(self.stream.get_ref().as_raw_fd()), wait_for(self.stderr.as_raw_fd())];
            // A closed standard error would be ready at once, for ever.
            let n = if self.printed.is_closed() { 1 } else { 2 };
            // SAFETY: two descriptors that are open.
            unsafe { libc::poll(descriptors.as_mut_ptr(), n, LOOK.as_millis() as i32) };
            self.listen();
            if descriptors[0].revents != 0 {
                let answer = hear(&mut self.stream);
                self.listen();
                return answer;
            }
            let now = self.memory.progress().beats();
            if now != beats {
                (beats, since) = (now, Instant::now());
            } else if since.elapsed() > self.time_limit {
                return Err(IoKind::TimedOut.into());
            }
        }
    }

    /// Takes what the library has printed so far.
    fn listen(&mut self) {
        let mut buffer = [0; 4096];
        loop {
            match self.stderr.read(&mut buffer) {
                Ok(0) => return self.printed.close(),
                Ok(n) => self.printed.add(&buffer[..n]),
                Err(error) if error.kind() == IoKind::Interrupted => {}
                Err(_) => return,
            }
        }
    }

    /// Ends the worker, if it has not ended by itself.
    fn end(&mut self) -> Option<ExitStatus> {
        // One that closed the conversation is about to end.
        let patience = Instant::now() + Duration::from_millis(500);
        let status = loop {
            match self.child.try_wait() {
                Ok(Some(status)) => break Some(status),
                Ok(None) if Instant::now() < patience => std::thread::sleep(Duration::from_millis(2)),
                _ => break None,
            }
        };
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.listen();
        status
    }

    fn why(&mut self, status: Option<ExitStatus>, trouble: Option<Trouble>) -> Error {
        if !self.memory.is_signed() {
            return Error::unsupported(format!(
                "{} does not run model libraries{}",
                self.program.display(),
                self.printed.quoted()
            ))
            .remedy("give the emucell program (Options::program), or do without isolation");
        }
        let place = self.memory.progress().stage().place();
        let printed = self.printed.quoted();
        let (what, remedy) = match (trouble, status) {
            (Some(Trouble::Hung), _) => (
                format!("the library did not come back within {} s {place}", self.time_limit.as_secs_f64()),
                "check the library, or allow it more time (--time-limit)",
            ),
            (_, Some(status)) if status.signal().is_some() => (
                format!("the library crashed ({status}) {place}{printed}"),
                "check its number of states, its precision (--real) and what it is given (--mask, --extra-data), and run it in a debugger",
            ),
            (_, Some(status)) => (
                format!("the library ended its program ({status}) {place}{printed}"),
                "give it what it asks for (--mask, --extra-data), or use a library that does not need it",
            ),
            (Some(Trouble::Talk(error)), None) => (
                format!("the library disturbed its program ({error}) {place}{printed}"),
                "check whether it closes files that it did not open",
            ),
            (None, None) => (
                format!("the library closed its program's files {place}{printed}"),
                "check whether it closes files that it did not open",
            ),
        };
        self.ended = Some((what.clone(), remedy));
        Error::new(ErrorKind::Callback, what).in_file(&self.path).remedy(remedy)
    }

    fn unexpected(&self, answer: Answer) -> Error {
        Error::unsupported(format!("{} answers {answer:?}", self.program.display()))
            .remedy("give the emucell program of this version (Options::program)")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

enum Trouble {
    Hung,
    Talk(std::io::Error),
}
