//! The process in which a model library runs, so that nothing it does harms the program that asks.
//!
//! Its standard input is the conversation, its standard output the shared memory, and its standard error takes whatever the
//! library prints.

use std::io::BufReader;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;

use super::allocation;
use super::conversation::{Answer, Memory, Question, hear, say};
use super::instance::Instance;
use super::shared_memory::SharedMemory;
use super::stage::Stage;
use crate::error::{Error, Result};

/// Name of the subcommand of the `emucell` program that calls [`main`].
pub const SUBCOMMAND: &str = "model-worker";

/// Answers questions about one library until the program that asks has gone.
///
/// # Errors
/// No such program at the other end.
pub fn main() -> Result<()> {
    serve().map_err(|e| {
        Error::invalid(format!("{SUBCOMMAND} is for emucell itself ({e})")).remedy("use the other commands")
    })
}

fn serve() -> std::io::Result<()> {
    let (stream, memory) = take_descriptors()?;
    prepare_process();
    let mut memory = SharedMemory::open(memory)?;
    memory.sign();
    end_with(stream.try_clone()?);
    let mut answers = stream.try_clone()?;
    let mut questions = BufReader::new(stream);
    let mut instance = None;
    while let Some(question) = hear(&mut questions)? {
        let answer = match question {
            Question::Open(source) => match Instance::open(&source, memory.progress()) {
                Ok(opened) => {
                    allocation::watch(&source.path);
                    let answer = Answer::Opened(opened.opened().clone());
                    instance = Some(opened);
                    answer
                }
                Err(error) => Answer::Failed(error.into()),
            },
            Question::Step { n_cells, steps } => {
                let instance: &mut Instance =
                    instance.as_mut().ok_or_else(|| std::io::Error::other("no library is open"))?;
                let n_states = instance.opened().initial_state.len();
                memory.reserve(n_cells * (n_states + 1))?;
                let (numbers, progress) = memory.numbers_and_progress(n_cells * (n_states + 1));
                let (states, stimulus) = numbers.split_at_mut(n_cells * n_states);
                instance.step(states, stimulus, steps, progress);
                Answer::Stepped
            }
            Question::Memory => Answer::Memory(memory_in_use()),
        };
        memory.progress().enter(Stage::Outside);
        // SAFETY: flushing all streams of the C library.
        unsafe { libc::fflush(std::ptr::null_mut()) };
        say(&mut answers, &answer)?;
    }
    Ok(())
}

/// Moves conversation and memory away from the standard streams, which the library may use: it reads nothing, and what it
/// prints goes to standard error.
fn take_descriptors() -> std::io::Result<(UnixStream, OwnedFd)> {
    let stream = UnixStream::from(std::io::stdin().as_fd().try_clone_to_owned()?);
    let memory = std::io::stdout().as_fd().try_clone_to_owned()?;
    let nothing = std::fs::File::open("/dev/null")?;
    // SAFETY: descriptors that are open; the standard streams of Rust own none.
    unsafe {
        libc::dup2(nothing.as_raw_fd(), libc::STDIN_FILENO);
        libc::dup2(libc::STDERR_FILENO, libc::STDOUT_FILENO);
    }
    Ok((stream, memory))
}

fn prepare_process() {
    unsafe extern "C" {
        static stdout: *mut libc::FILE;
    }
    // SAFETY: before the library is loaded nothing else uses these settings.
    unsafe {
        // What a library printed before it crashed says why.
        libc::setvbuf(stdout, std::ptr::null_mut(), libc::_IONBF, 0);
        // Ctrl-C is for the program that asks; it ends this one.
        libc::signal(libc::SIGINT, libc::SIG_IGN);
        // Rust's own handlers look for overflows of its stacks; what the library meets should end it as it would elsewhere.
        libc::signal(libc::SIGSEGV, libc::SIG_DFL);
        libc::signal(libc::SIGBUS, libc::SIG_DFL);
        let none = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        libc::setrlimit(libc::RLIMIT_CORE, &none);
    }
}

/// Ends this process when the other end of the conversation has gone, even while the library is at work.
fn end_with(stream: UnixStream) {
    std::thread::spawn(move || {
        let mut wait = libc::pollfd { fd: stream.as_raw_fd(), events: 0, revents: 0 };
        // SAFETY: one descriptor that is open; without events poll returns when the other end hangs up.
        while unsafe { libc::poll(&mut wait, 1, -1) } <= 0 {}
        // SAFETY: nothing of this process is worth keeping.
        unsafe { libc::_exit(0) };
    });
}

fn memory_in_use() -> Memory {
    // SAFETY: a question to the C library.
    let heap = unsafe { libc::mallinfo2() };
    Memory { bytes: (heap.uordblks + heap.hblkhd) as u64, allocations: allocation::allocations() }
}
