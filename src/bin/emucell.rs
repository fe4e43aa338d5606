//! The `emucell` program: trains, inspects, evaluates and reports surrogates.

fn main() {}
