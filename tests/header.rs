//! `include/emucell.h` is what cbindgen makes of `src/capi`.

use std::path::Path;

fn fresh_header(root: &Path) -> Vec<u8> {
    let mut config = cbindgen::Config::from_file(root.join("cbindgen.toml")).unwrap();
    let [major, minor, patch] =
        [env!("CARGO_PKG_VERSION_MAJOR"), env!("CARGO_PKG_VERSION_MINOR"), env!("CARGO_PKG_VERSION_PATCH")];
    let macros = config.after_includes.unwrap_or_default();
    config.after_includes = Some(format!(
        "\n#define EMUCELL_VERSION_MAJOR {major}\n#define EMUCELL_VERSION_MINOR {minor}\n\
         #define EMUCELL_VERSION_PATCH {patch}\n#define EMUCELL_VERSION \"{major}.{minor}.{patch}\"\n{macros}"
    ));
    // cbindgen follows the `mod` lines from there.
    let builder = cbindgen::Builder::new().with_config(config).with_src(root.join("src/capi/mod.rs"));
    let mut header = Vec::new();
    builder.generate().unwrap().write(&mut header);
    header
}

#[test]
fn header_is_up_to_date() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let fresh = fresh_header(root);
    let path = root.join("include/emucell.h");
    if std::env::var_os("EMUCELL_UPDATE_HEADER").is_some() {
        std::fs::write(&path, &fresh).unwrap();
    }
    let committed = std::fs::read(&path).unwrap_or_default();
    assert!(committed == fresh, "include/emucell.h is not what src/capi says: run `make header`");
}
