//! Recipes that are damaged rather than mistaken: one error each, on one line, never a panic.
//! `tests/train_recipe.rs` has the mistakes that people make.
#![cfg(feature = "train")]

use emucell::train::recipe::Recipe;

const GOOD: &str = r#"
seed = 3
[surrogate]
kind = "step_map"
problem = "d"
dt = "0.1 ms"
[data]
pairs = 100
[network]
hidden = [["tanh", 16]]
[[loss]]
kind = "data"
[stop]
iterations = 10
[evaluation]
cells = 5
"#;

fn message(text: &str) -> String {
    let result = Recipe::parse(text).and_then(|recipe| recipe.validate());
    let message = result.unwrap_err().to_string();
    assert!(!message.contains('\n'), "{message}");
    message
}

#[test]
fn the_recipe_of_this_test_is_good() {
    Recipe::parse(GOOD).unwrap().validate().unwrap();
}

#[test]
fn cut_recipes_are_errors_or_recipes() {
    for end in 0..GOOD.len() {
        if let Err(error) = Recipe::parse(&GOOD[..end]).and_then(|recipe| recipe.validate()) {
            assert!(!error.to_string().contains('\n'), "{error}");
        }
    }
}

#[test]
fn text_that_is_no_recipe() {
    let deep = format!("x = {}", "[".repeat(100_000));
    let nested = format!("[{}a]", "a.".repeat(100_000));
    for (text, expected) in [
        ("", "missing field"),
        ("\u{feff}\u{feff}", "line 1"),
        ("µ = 1", "µ"),
        ("seed = 3 µ", "line 1"),
        ("seed = \"µµµµ", "line 1"),
        ("\0", "line 1"),
        ("seed = 99999999999999999999", "line 1"),
        ("seed = -1", "line 1"),
        (&deep, "line 1"),
        (&nested, "error"),
    ] {
        let message = message(text);
        assert!(message.contains(expected) || expected == "error", "{:.40}: {message}", text);
    }
}

#[test]
fn quantities_and_numbers_at_their_limits() {
    for (from, to, expected) in [
        ("\"0.1 ms\"", "\"\"", "wrong unit"),
        ("\"0.1 ms\"", "\"ms\"", "not a positive quantity"),
        ("\"0.1 ms\"", "\"1\u{a0}µs\"", "wrong unit"),
        ("\"0.1 ms\"", "\"1e999 ms\"", "not a positive quantity"),
        ("\"0.1 ms\"", "\"1e308 s\"", "not a positive quantity"),
        ("\"0.1 ms\"", "\"nan ms\"", "not a positive quantity"),
        ("\"0.1 ms\"", "\"1e-320 ms\"", "evaluation.every"),
        ("\"0.1 ms\"", "[[\"0.1 ms\"]]", "not two steps"),
        ("pairs = 100", "pairs = 4611686018427387904", "data.pairs"),
        ("pairs = 100", "cells = 1000000\ntimes = 1000000", "data.cells"),
        ("cells = 5", "cells = 9223372036854775807", "evaluation.cells"),
        ("cells = 5", "domain = { u = [nan, 1.0] }", "evaluation.domain"),
        ("cells = 5", "domain = { u = [1.0, 0.0] }", "evaluation.domain"),
        ("[data]", "[domain]\nu = [nan, 1.0]\n[data]", "domain.u"),
        ("[data]", "[domain]\nk = [-inf, inf]\n[data]", "domain.k"),
        ("[stop]", "[schedule]\nkind = \"cosine\"\nwarm_up = nan\n[stop]", "schedule"),
        ("kind = \"data\"", "kind = \"data\"\ncriterion = \"linf\"", "loss.criterion"),
        ("kind = \"data\"", "kind = \"data\"\ncriterion = \"lµ\"", "loss.criterion"),
    ] {
        assert!(GOOD.contains(from), "{from}");
        let message = message(&GOOD.replacen(from, to, 1));
        assert!(message.contains(expected), "{to}: \"{expected}\" is missing in: {message}");
    }
}
