//! Keys of a TOML document by their dotted paths.

use toml::{Table, Value};

use crate::error::{Error, Result};

/// Puts `value` at `path`, as in `optimizer.rate` or `loss.0.weight`, over whatever is there. Tables on the way are
/// made where they are missing; elements of arrays must exist.
///
/// # Errors
/// A path through something that is neither a table nor an array, or to an element that does not exist.
pub fn set(document: &mut Table, path: &str, value: Value) -> Result<()> {
    let fault = |what: String| Error::invalid(what).at(format!("key \"{path}\""));
    if path.split('.').any(str::is_empty) {
        return Err(fault("an empty name".to_owned()).remedy("write section.key, as in optimizer.rate"));
    }
    let (first, rest) = path.split_once('.').map_or((path, None), |(first, rest)| (first, Some(rest)));
    let Some(rest) = rest else {
        document.insert(first.to_owned(), value);
        return Ok(());
    };
    let mut place = document.entry(first).or_insert_with(|| Value::Table(Table::new()));
    let mut names = rest.split('.').peekable();
    while let Some(name) = names.next() {
        let last = names.peek().is_none();
        place = match place {
            Value::Table(table) if last => {
                table.insert(name.to_owned(), value);
                return Ok(());
            }
            Value::Table(table) => table.entry(name).or_insert_with(|| Value::Table(Table::new())),
            Value::Array(array) => {
                let n = array.len();
                let element = name.parse().ok().and_then(|i: usize| array.get_mut(i));
                element.ok_or_else(|| {
                    fault(format!("no element {name} of {n}"))
                        .remedy("count elements from 0, as in loss.0.weight")
                })?
            }
            other => {
                let what = format!("{} is no section that could have the key {name}", compact(other));
                return Err(fault(what).remedy("correct the path"));
            }
        };
    }
    // The path ended at an element of an array.
    *place = value;
    Ok(())
}

/// The paths of all values in `table` that `is_leaf` does not look into, with these values: tables become dotted paths.
pub(super) fn leaves(table: &Table, is_leaf: &dyn Fn(&Value) -> bool) -> Result<Vec<(String, Value)>> {
    let mut found = Vec::new();
    collect("", table, is_leaf, &mut found);
    found.sort_by(|a, b| a.0.cmp(&b.0));
    match found.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        Some(pair) => Err(Error::invalid("a key that is written twice")
            .at(format!("key \"{}\"", pair[0].0))
            .remedy("remove one")),
        None => Ok(found),
    }
}

fn collect(prefix: &str, table: &Table, is_leaf: &dyn Fn(&Value) -> bool, found: &mut Vec<(String, Value)>) {
    for (key, value) in table {
        let path = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
        match value {
            Value::Table(inner) if !is_leaf(value) => collect(&path, inner, is_leaf, found),
            _ => found.push((path, value.clone())),
        }
    }
}

/// A value as short text: `tanh:16,tanh:16` for layers, what TOML writes for everything else.
pub fn compact(value: &Value) -> String {
    let layer = |layer: &Value| match layer.as_array().map(Vec::as_slice) {
        Some([Value::String(activation), Value::Integer(width)]) => Some(format!("{activation}:{width}")),
        _ => None,
    };
    match value {
        Value::String(text) => text.clone(),
        Value::Array(array) if !array.is_empty() => {
            let layers: Option<Vec<String>> = array.iter().map(layer).collect();
            layers.map_or_else(|| value.to_string(), |layers| layers.join(","))
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_put_at_dotted_paths() {
        let mut document: Table = toml::from_str("a = 1\n[[loss]]\nweight = 1.0\n[[loss]]\n").unwrap();
        set(&mut document, "seed", Value::Integer(3)).unwrap();
        set(&mut document, "loss.1.weight", Value::Float(2.0)).unwrap();
        set(&mut document, "new.section.key", Value::Boolean(true)).unwrap();
        let text = toml::to_string(&document).unwrap();
        let again: Table = toml::from_str(&text).unwrap();
        assert_eq!(again["seed"].as_integer(), Some(3));
        assert_eq!(again["loss"][0]["weight"].as_float(), Some(1.0));
        assert_eq!(again["loss"][1]["weight"].as_float(), Some(2.0));
        assert_eq!(again["new"]["section"]["key"].as_bool(), Some(true));

        let mut fails = |path: &str| set(&mut document, path, Value::Integer(0)).unwrap_err().to_string();
        assert!(fails("loss.2.weight").contains("no element 2 of 2"));
        assert!(fails("a.b").contains("1 is no section"));
        assert!(fails("a..b").contains("empty name"));
    }

    #[test]
    fn layers_are_written_as_convert_reads_them() {
        let table: Table = toml::from_str("x = [['tanh', 16], ['SiLU', 8]]\ny = [1, 2]\nz = '1 ms'").unwrap();
        assert_eq!(compact(&table["x"]), "tanh:16,SiLU:8");
        assert_eq!(compact(&table["y"]), "[1, 2]");
        assert_eq!(compact(&table["z"]), "1 ms");
    }
}
