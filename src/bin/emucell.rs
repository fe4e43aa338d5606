//! The `emucell` program; everything is in the library's `cli`.

use std::process::ExitCode;

<<<<<<< HEAD
use clap::{Parser, Subcommand};

#[path = "../cli/mod.rs"]
mod cli;

/// Neural surrogates of cardiac cell models.
#[derive(Parser, Debug)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    #[cfg(feature = "train")]
    Train(cli::train::Train),
}

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        #[cfg(feature = "train")]
        Command::Train(args) => cli::train::run(args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            match error.kind() {
                // As shells report a program that Ctrl-C ended.
                emucell::ErrorKind::Interrupted => ExitCode::from(130),
                _ => ExitCode::FAILURE,
            }
        }
    }
=======
fn main() -> ExitCode {
    emucell::cli::main()
>>>>>>> main
}
