//! Sets of states that interact.

use super::StateIndex;

/// The largest sets of `among` in which every two interact, each ascending. A function whose mixed differences vanish for all
/// other pairs is a sum of functions of one such set each.
pub fn cliques(
    among: &[StateIndex],
    interact: &impl Fn(StateIndex, StateIndex) -> bool,
) -> Vec<Vec<StateIndex>> {
    let mut found = Vec::new();
    extend(&mut Vec::new(), among.to_vec(), Vec::new(), interact, &mut found);
    found.iter_mut().for_each(|clique| clique.sort_unstable());
    found.sort();
    found
}

/// Bron and Kerbosch (1973): `clique` grows by `candidates`; those in `done` were tried before.
fn extend(
    clique: &mut Vec<StateIndex>,
    mut candidates: Vec<StateIndex>,
    mut done: Vec<StateIndex>,
    interact: &impl Fn(StateIndex, StateIndex) -> bool,
    found: &mut Vec<Vec<StateIndex>>,
) {
    if candidates.is_empty() && done.is_empty() && !clique.is_empty() {
        found.push(clique.clone());
    }
    // Neighbours of the pivot are reached from others.
    let degree = |p: StateIndex| candidates.iter().filter(|&&k| interact(p, k)).count();
    let pivot = candidates.iter().chain(&done).copied().max_by_key(|&p| degree(p));
    let tried: Vec<StateIndex> =
        candidates.iter().copied().filter(|&k| pivot.is_none_or(|p| k == p || !interact(p, k))).collect();
    for j in tried {
        let neighbours =
            |set: &[StateIndex]| set.iter().copied().filter(|&k| k != j && interact(j, k)).collect();
        clique.push(j);
        extend(clique, neighbours(&candidates), neighbours(&done), interact, found);
        clique.pop();
        candidates.retain(|&k| k != j);
        done.push(j);
    }
}

/// Sets of `among` that are connected by interactions, each ascending.
pub fn components(
    among: &[StateIndex],
    interact: &impl Fn(StateIndex, StateIndex) -> bool,
) -> Vec<Vec<StateIndex>> {
    let mut left = among.to_vec();
    let mut components = Vec::new();
    while !left.is_empty() {
        let mut component = vec![left.remove(0)];
        let mut reached = 0;
        while reached < component.len() {
            let j = component[reached];
            let (joining, rest): (Vec<_>, Vec<_>) = left.into_iter().partition(|&k| interact(j, k));
            component.extend(joining);
            left = rest;
            reached += 1;
        }
        component.sort_unstable();
        components.push(component);
    }
    components
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_has_its_edges_as_cliques_and_is_one_component() {
        let edge =
            |a: usize, b: usize| matches!((a.min(b), a.max(b)), (0, 1) | (1, 2) | (4, 5) | (4, 6) | (5, 6));
        let among = [0, 1, 2, 3, 4, 5, 6];
        assert_eq!(cliques(&among, &edge), [vec![0, 1], vec![1, 2], vec![3], vec![4, 5, 6]]);
        assert_eq!(components(&among, &edge), [vec![0, 1, 2], vec![3], vec![4, 5, 6]]);
        assert!(cliques(&[], &edge).is_empty());
    }
}
