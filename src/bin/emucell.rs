//! The `emucell` program; everything is in the library's `cli`.

use std::process::ExitCode;

fn main() -> ExitCode {
    emucell::cli::main()
}
