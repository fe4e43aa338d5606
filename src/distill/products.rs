//! Products of columns, with as few multiplications as are easily found.

use std::collections::BTreeMap;

use crate::error::Result;
use crate::program::{BinaryOperator, BlockId, ProgramBuilder};

/// A column of a block.
pub type Place = (BlockId, usize);

/// Columns of blocks side by side.
pub fn gather(builder: &mut ProgramBuilder, places: &[Place]) -> Result<BlockId> {
    let mut runs: Vec<(BlockId, usize, usize)> = Vec::new();
    for &(block, column) in places {
        match runs.last_mut() {
            Some((b, start, width)) if *b == block && *start + *width == column => *width += 1,
            _ => runs.push((block, column, 1)),
        }
    }
    let mut pieces = Vec::new();
    for (block, start, width) in runs {
        pieces.push(match width == builder.width(block) {
            true => block,
            false => builder.slice(block, start, width)?,
        });
    }
    match pieces[..] {
        [one] => Ok(one),
        _ => builder.concat(&pieces),
    }
}

/// A column or the product of two earlier factors, by their numbers.
enum Factor {
    Given(Place),
    Product { left: usize, right: usize, depth: usize },
}

/// Factors, each once.
#[derive(Default)]
struct Factors {
    all: Vec<Factor>,
    products: BTreeMap<(usize, usize), usize>,
}

impl Factors {
    fn given(&mut self, place: Place) -> usize {
        let known = self.all.iter().position(|f| matches!(f, Factor::Given(other) if *other == place));
        known.unwrap_or_else(|| {
            self.all.push(Factor::Given(place));
            self.all.len() - 1
        })
    }

    fn product(&mut self, a: usize, b: usize) -> usize {
        let (left, right) = (a.min(b), a.max(b));
        *self.products.entry((left, right)).or_insert_with(|| {
            let depth = 1 + self.all[left].depth().max(self.all[right].depth());
            self.all.push(Factor::Product { left, right, depth });
            self.all.len() - 1
        })
    }
}

impl Factor {
    fn depth(&self) -> usize {
        match self {
            Self::Given(_) => 0,
            Self::Product { depth, .. } => *depth,
        }
    }
}

/// The products of lists of factors, in their order; nothing multiplied is 1.
///
/// As long as two factors meet in more than one list, those that do so most often are multiplied once for all. What remains
/// is multiplied in pairs; products that need no other are computed together.
pub fn multiply(builder: &mut ProgramBuilder, lists: &[Vec<Place>]) -> Result<Vec<Place>> {
    let mut factors = Factors::default();
    let mut lists: Vec<Vec<usize>> =
        lists.iter().map(|list| list.iter().map(|&place| factors.given(place)).collect()).collect();
    while let Some(pair) = most_frequent_pair(&lists) {
        let product = factors.product(pair.0, pair.1);
        lists.iter_mut().for_each(|list| replace(list, pair, product));
    }
    for list in &mut lists {
        while list.len() > 1 {
            list.sort_by_key(|&f| std::cmp::Reverse(factors.all[f].depth()));
            if let (Some(a), Some(b)) = (list.pop(), list.pop()) {
                list.push(factors.product(a, b));
            }
        }
    }

    let deepest = factors.all.iter().map(Factor::depth).max().unwrap_or(0);
    let given = |f: &Factor| if let Factor::Given(place) = f { Some(*place) } else { None };
    let mut places: Vec<Option<Place>> = factors.all.iter().map(given).collect();
    for level in 1..=deepest {
        let (mut left, mut right, mut made) = (Vec::new(), Vec::new(), Vec::new());
        for (i, factor) in factors.all.iter().enumerate() {
            if let Factor::Product { left: l, right: r, depth } = *factor
                && depth == level
            {
                left.push(places[l].expect("less deep"));
                right.push(places[r].expect("less deep"));
                made.push(i);
            }
        }
        let (left, right) = (gather(builder, &left)?, gather(builder, &right)?);
        let block = builder.binary(BinaryOperator::Multiply, left, right)?;
        made.into_iter().enumerate().for_each(|(column, i)| places[i] = Some((block, column)));
    }
    let one = match lists.iter().any(Vec::is_empty) {
        true => Some((builder.constant([1.0])?, 0)),
        false => None,
    };
    let product = |list: Vec<usize>| list.first().map_or(one, |&f| places[f]).expect("a factor or one");
    Ok(lists.into_iter().map(product).collect())
}

/// The two factors that are in most lists together, if there is more than one list.
fn most_frequent_pair(lists: &[Vec<usize>]) -> Option<(usize, usize)> {
    let mut counts: BTreeMap<(usize, usize), usize> = BTreeMap::new();
    for list in lists {
        let mut pairs = Vec::new();
        for (i, &a) in list.iter().enumerate() {
            pairs.extend(list[i + 1..].iter().map(|&b| (a.min(b), a.max(b))));
        }
        pairs.sort_unstable();
        pairs.dedup();
        pairs.into_iter().for_each(|pair| *counts.entry(pair).or_default() += 1);
    }
    let most = counts.values().copied().max().filter(|&n| n > 1)?;
    counts.into_iter().find(|(_, n)| *n == most).map(|(pair, _)| pair)
}

/// Puts `product` in the place of the two factors of `pair`, as often as both are there.
fn replace(list: &mut Vec<usize>, (a, b): (usize, usize), product: usize) {
    let find = |list: &[usize], from: usize, wanted: usize| (from..list.len()).find(|&i| list[i] == wanted);
    while let Some(i) = find(list, 0, a)
        && let Some(j) = find(list, if a == b { i + 1 } else { 0 }, b)
    {
        list.swap_remove(i.max(j));
        list.swap_remove(i.min(j));
        list.push(product);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Products of the columns 0 to 3 of an input, and the multiplications that they took.
    fn products(lists: &[&[usize]]) -> (Vec<f64>, usize) {
        let mut b = ProgramBuilder::new(4).unwrap();
        let places = |list: &&[usize]| list.iter().map(|&c| (BlockId::INPUT, c)).collect();
        let lists: Vec<Vec<Place>> = lists.iter().map(places).collect();
        let all = multiply(&mut b, &lists).unwrap();
        let all = gather(&mut b, &all).unwrap();
        let program = b.finish(all);
        let is_product =
            |block| matches!(program.operations()[block], crate::program::Operation::Binary { .. });
        let width = |block: usize| program.steps().nth(block).map_or(0, |(id, _)| program.width(id));
        let n = (0..program.operations().len()).filter(|&i| is_product(i)).map(width).sum();
        (program.evaluate_reference(&[2.0, 3.0, 5.0, 7.0]), n)
    }

    #[test]
    fn products_share_what_they_have_in_common() {
        assert_eq!(products(&[&[0], &[], &[3]]), (vec![2.0, 1.0, 7.0], 0));
        assert_eq!(products(&[&[0, 1, 2], &[1, 0, 3], &[0, 1]]), (vec![30.0, 42.0, 6.0], 3));
        // x⁴·y and x²: a square serves both.
        assert_eq!(products(&[&[0, 0, 1, 0, 0], &[0, 0]]), (vec![48.0, 4.0], 3));
        assert_eq!(products(&[&[0, 1, 2, 3]]), (vec![210.0], 3));
        assert_eq!(products(&[&[2, 3], &[3, 2]]), (vec![35.0, 35.0], 1));
    }
}
