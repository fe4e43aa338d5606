//! Link settings that Cargo.toml cannot express, and the C++ half of the bridge.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    // The `emucell` program finds libtorch where the build found it, without LD_LIBRARY_PATH.
    if let Some(lib) = std::env::var_os("DEP_TCH_LIBTORCH_LIB") {
        println!("cargo:rustc-link-arg=-Wl,-rpath,{}", lib.to_string_lossy());
    }
    #[cfg(feature = "cxx")]
    {
        println!("cargo:rerun-if-changed=src/cxx_bridge.rs");
        cxx_build::bridge("src/cxx_bridge.rs").std("c++17").compile("emucell_cxx");
    }
}
