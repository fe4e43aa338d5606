//! Which trials a `[search]` section stands for, and which sections are refused.

use super::*;

const RECIPE: &str = r#"
[surrogate]
kind = "solution_map"
problem = "c"
[data]
cells = 10
times = 5
[network]
hidden = [["tanh", 8]]
[[loss]]
kind = "data"
[stop]
iterations = 10
"#;

fn expand(section: &str) -> Result<Search> {
    let document = toml::from_str(&format!("{RECIPE}{section}")).expect("TOML");
    Search::expand(document, Path::new("x.toml"))
}

#[test]
fn a_grid_is_every_combination_with_every_seed() {
    let search = expand(
        r#"
[search]
seeds = [1, 2]
[search.grid]
"network.hidden" = [[["tanh", 8]], [["silu", 16], ["silu", 16]]]
optimizer.rate = [1e-3, 3e-3, 1e-2]
"#,
    )
    .unwrap();
    assert_eq!(search.keys, ["network.hidden", "optimizer.rate"]);
    assert_eq!(search.trials.len(), 12);
    let names: BTreeSet<&str> = search.trials.iter().map(|t| t.name.as_str()).collect();
    assert_eq!(names.len(), 12);
    let (first, last) = (&search.trials[0], &search.trials[11]);
    assert_eq!((first.architecture.as_str(), first.seed), ("tanh:8", 1));
    assert_eq!((last.architecture.as_str(), last.seed), ("silu:16,silu:16", 2));
    assert_eq!(last.settings[1], ("optimizer.rate".to_owned(), "0.01".to_owned()));
    // What is trained is what the trial says, on the same held-out cells for all.
    for trial in &search.trials {
        let recipe: Table = toml::from_str(&trial.recipe).unwrap();
        assert_eq!(recipe["seed"].as_integer(), Some(i64::from(trial.seed as u32)));
        assert_eq!(recipe["evaluation"]["seed"].as_integer(), Some(CELLS_SEED));
        assert!(!recipe.contains_key("search"));
    }
    // The same file gives the same folders, and more seeds leave the earlier ones where they are.
    let more = expand("[search]\nseeds = [2, 3, 1]\n[search.grid]\noptimizer.rate = [3e-3]\n").unwrap();
    let again = expand("[search]\nseeds = [1]\n[search.grid]\n\"optimizer.rate\" = [3e-3]\n").unwrap();
    assert_eq!(more.trials[2].name, again.trials[0].name);
}

#[test]
fn lists_and_draws_come_together() {
    let section = |draws: usize| {
        format!(
            r#"
[[search.list]]
network.hidden = [["tanh", 4]]
"loss.0.batch" = 7
[[search.list]]
network.hidden = [["tanh", 4]]
loss.0.batch = 7
[search.random]
draws = {draws}
seed = 5
[search.random.keys]
"network.hidden" = {{ layers = {{ depth = [1, 2], width = [4, 32], activation = ["tanh", "silu"] }} }}
optimizer.rate = {{ log_uniform = [1e-4, 1e-2] }}
schedule = {{ choice = [{{ kind = "constant" }}, {{ kind = "cosine" }}] }}
"#
        )
    };
    let search = expand(&section(4)).unwrap();
    // The second entry repeats the first.
    assert_eq!(search.trials.len(), 5);
    assert!(search.trials[0].recipe.contains("batch = 7"));
    let longer = expand(&section(6)).unwrap();
    assert_eq!(longer.trials[..5], search.trials[..]);
    assert!(search.trials[1..].iter().all(|t| t.recipe.contains("[schedule]")));
}

#[test]
fn faults_are_found_before_anything_is_trained() {
    for (section, what) in [
        ("", "without a section [search]"),
        ("[search]\n", "nothing to vary"),
        ("[search]\nseed = [1]\n", "unknown field `seed`"),
        ("[search]\nseeds = [-1]\n", "invalid value"),
        ("[search.grid]\noptimizer.rate = 1e-3\n", "no list of values, in key \"optimizer.rate\""),
        ("[search.grid]\noptimizer.rate = []\n", "no list of values"),
        ("[search.grid]\noptimizer.rte = [1e-3]\n", "unknown field `rte`"),
        ("[search.grid]\noptimizer.rate = [1e-3, -1.0]\n", "the number -1"),
        ("[search.grid]\noptimizer.rate = [1e-3, -1.0]\n", "the trial with optimizer.rate = -1.0"),
        ("[search.grid]\n\"loss.3.weight\" = [1.0]\n", "no element 3 of 1"),
        ("[search.grid]\n\"network.hidden\" = [[[\"tanh\", 0]]]\n", "width 0"),
        ("[search]\nseeds = [1]\n[search.grid]\nseed = [1, 2]\n", "seeds given twice"),
        ("[search.grid]\n\"optimizer.rate\" = [1.0]\noptimizer.rate = [2.0]\n", "written twice"),
        ("[search.random]\ndraws = 0\n[search.random.keys]\nseed = { integer = [1, 9] }\n", "0 draws"),
        ("[search.random]\ndraws = 2\n[search.random.keys]\n", "nothing to draw"),
        (
            "[search.random]\ndraws = 2\n[search.random.keys]\nseed = { uniform = [2, 1] }\n",
            "the range 2 to 1",
        ),
    ] {
        let message = expand(section).unwrap_err().to_string();
        assert!(message.contains(what) && message.contains("x.toml"), "{section}: {message}");
        assert!(message.contains(": "), "a remedy: {message}");
    }
    let mut big = String::from("[search.grid]\n");
    for key in ["a", "b", "c", "d"] {
        big += &format!("{key} = {:?}\n", (0..100).collect::<Vec<_>>());
    }
    assert!(expand(&big).unwrap_err().to_string().contains("more than 100000"));
}
