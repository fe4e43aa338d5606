//! Recipes: parsed, checked, and turned into what is to be learned on which domain.

#![no_main]

use emucell::train::recipe::Recipe;
use emucell_fuzz::within;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    within(bytes, 4096, || {
        if let Err(error) = Recipe::parse(text).and_then(|recipe| recipe.validate()) {
            assert!(!error.to_string().contains('\n'), "{error:?}");
        }
    });
});
