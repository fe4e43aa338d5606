//! Link settings that Cargo.toml cannot express.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    // The `emucell` program finds libtorch where the build found it, without LD_LIBRARY_PATH.
    if let Some(lib) = std::env::var_os("DEP_TCH_LIBTORCH_LIB") {
        println!("cargo:rustc-link-arg=-Wl,-rpath,{}", lib.to_string_lossy());
    }
}
