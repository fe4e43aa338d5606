//! The `[search]` section of a recipe, and the trials that it stands for.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::{Table, Value};

use super::distribution::{Distribution, Random};
use super::document::{leaves, set};
use super::trial::{Trial, described};
use crate::error::{Error, Result};

/// More trials than anybody means.
const MAX_TRIALS: usize = 100_000;
/// Seed of the held-out cells, the same for all trials, where the recipe names none.
const CELLS_SEED: i64 = 0x7365_6172_6368;

/// A search: the trials of one file.
#[derive(Clone, Debug)]
pub struct Search {
    /// The file.
    pub source: PathBuf,
    /// Keys that are varied, in the order of columns.
    pub keys: Vec<String>,
    /// The trainings, each one different.
    pub trials: Vec<Trial>,
}

/// What is varied; the trials are those of all three ways together, each with each seed.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Section {
    /// Seeds of each variant; the recipe's own if there are none.
    #[serde(default)]
    seeds: Vec<u32>,
    /// Variants one by one.
    #[serde(default)]
    list: Vec<Table>,
    /// A list of values a key; every combination is a variant.
    #[serde(default)]
    grid: Table,
    /// Variants drawn at random.
    random: Option<RandomSection>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RandomSection {
    /// Variants to draw.
    draws: usize,
    #[serde(default)]
    seed: u64,
    /// A distribution a key.
    keys: Table,
}

/// Values that one variant puts at keys.
type Variant = Vec<(String, Value)>;

impl Search {
    /// The search in the file at `path`, with every trial's recipe checked.
    ///
    /// # Errors
    /// A file that cannot be read, a section `[search]` that makes no sense, a trial whose recipe makes none.
    pub fn load(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(|e| Error::io("read", path, e))?;
        let document: Table = toml::from_str(&text).map_err(|e: toml::de::Error| {
            let line =
                e.span().map_or(1, |span| text[..span.start.min(text.len())].matches('\n').count() + 1);
            let what = e.message().trim().replace('\n', " ");
            Error::format(what).at(format!("line {line}")).in_file(path).remedy("correct the TOML")
        })?;
        Self::expand(document, path)
    }

    /// The search written in `document`, which lies at `source`.
    ///
    /// # Errors
    /// As [`Self::load`], but for the file.
    pub fn expand(mut document: Table, source: &Path) -> Result<Self> {
        let section = document.remove("search").ok_or_else(|| {
            let remedy = "add [search.grid] with a list of values a key, or train it with `emucell train`";
            Error::invalid("a recipe without a section [search]").in_file(source).remedy(remedy)
        })?;
        let section: Section = section.try_into().map_err(|e: toml::de::Error| {
            let what = e.message().trim().replace('\n', " ");
            let remedy = "use seeds, list, grid and random as experiments/search_fhn_c.toml shows";
            Error::format(what).at("section [search]").in_file(source).remedy(remedy)
        })?;
        let place = |e: Error| e.at("section [search]").in_file(source);
        let variants = section.variants().map_err(place)?;
        let n = variants.len().saturating_mul(section.seeds.len().max(1));
        if n > MAX_TRIALS {
            let remedy = format!("vary less: {MAX_TRIALS} at most");
            return Err(place(Error::invalid(format!("{n} trials")).remedy(remedy)));
        }
        hold_out(&mut document);
        let mut keys: Vec<String> = Vec::new();
        let mut names = BTreeSet::new();
        let mut trials = Vec::with_capacity(n);
        for variant in &variants {
            for (key, _) in variant {
                if !keys.contains(key) {
                    keys.push(key.clone());
                }
            }
            let mut document = document.clone();
            for (key, value) in variant {
                set(&mut document, key, value.clone()).map_err(place)?;
            }
            let seeds: Vec<Option<u32>> = match section.seeds.as_slice() {
                [] => vec![None],
                seeds => seeds.iter().copied().map(Some).collect(),
            };
            for seed in seeds {
                if let Some(seed) = seed {
                    document.insert("seed".to_owned(), Value::Integer(i64::from(seed)));
                }
                let trial = Trial::new(&document, source, described(variant))?;
                // Lists may repeat what a grid holds, and draws each other.
                if names.insert(trial.name.clone()) {
                    trials.push(trial);
                }
            }
        }
        Ok(Self { source: source.to_owned(), keys, trials })
    }
}

/// All trials are compared on the same cells, whatever their seeds.
fn hold_out(document: &mut Table) {
    let evaluation = document.entry("evaluation").or_insert_with(|| Value::Table(Table::new()));
    // Anything but a table is refused with the rest of the recipe.
    if let Some(evaluation) = evaluation.as_table_mut() {
        evaluation.entry("seed").or_insert(Value::Integer(CELLS_SEED));
    }
}

impl Section {
    fn variants(&self) -> Result<Vec<Variant>> {
        let mut variants = Vec::new();
        for entry in &self.list {
            variants.push(leaves(entry, &|_| false)?);
        }
        variants.extend(self.grid()?);
        if let Some(random) = &self.random {
            variants.extend(random.variants()?);
        }
        if variants.is_empty() && !self.seeds.is_empty() {
            variants.push(Vec::new());
        }
        let seeded = variants.iter().flatten().any(|(key, _)| key == "seed");
        if seeded && !self.seeds.is_empty() {
            return Err(Error::invalid("seeds given twice").remedy("remove seeds, or the key \"seed\""));
        }
        match variants.is_empty() {
            true => Err(Error::invalid("nothing to vary").remedy("give seeds, list, grid or random")),
            false => Ok(variants),
        }
    }

    /// Every combination of the grid's values; the last key changes fastest.
    fn grid(&self) -> Result<Vec<Variant>> {
        let axes = leaves(&self.grid, &|_| false)?;
        if axes.is_empty() {
            return Ok(Vec::new());
        }
        let mut variants: Vec<Variant> = vec![Vec::new()];
        for (key, values) in axes {
            let values = values.as_array().filter(|values| !values.is_empty()).ok_or_else(|| {
                let what = "no list of values";
                Error::invalid(what)
                    .at(format!("key \"{key}\""))
                    .at("grid")
                    .remedy("write key = [value, value]")
            })?;
            if variants.len().saturating_mul(values.len()) > MAX_TRIALS {
                let what = format!("a grid of more than {MAX_TRIALS} combinations");
                return Err(Error::invalid(what).at("grid").remedy("vary less, or draw at random"));
            }
            let with = |variant: &Variant, value: &Value| {
                variant.iter().cloned().chain([(key.clone(), value.clone())]).collect()
            };
            variants = variants.iter().flat_map(|v| values.iter().map(move |value| with(v, value))).collect();
        }
        Ok(variants)
    }
}

impl RandomSection {
    fn variants(&self) -> Result<Vec<Variant>> {
        if self.draws == 0 || self.draws > MAX_TRIALS {
            let remedy = format!("give a number from 1 to {MAX_TRIALS}");
            return Err(Error::invalid(format!("{} draws", self.draws)).at("random").remedy(remedy));
        }
        let keys = leaves(&self.keys, &Distribution::is_written_as)?;
        if keys.is_empty() {
            let remedy = "give a distribution for at least one key";
            return Err(Error::invalid("nothing to draw").at("random.keys").remedy(remedy));
        }
        let mut variants = vec![Vec::new(); self.draws];
        for (key, value) in keys {
            let distribution = Distribution::read(&key, value).map_err(|e| e.at("random.keys"))?;
            let mut random = Random::new(self.seed, &key);
            for variant in &mut variants {
                variant.push((key.clone(), distribution.draw(&mut random)));
            }
        }
        Ok(variants)
    }
}

#[cfg(test)]
#[path = "section_tests.rs"]
mod tests;
