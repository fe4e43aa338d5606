//! The picture of who drives whom.

use super::{Role, State, StateIndex, Structure};
use crate::error::Result;
use crate::report::draw::{Action, Column, Drivers, Figure, Kind, Row, drivers};

/// Draws which states drive V and the states that are more than functions or gates of V, and how.
///
/// # Errors
/// A fault of the drawing library.
pub fn picture(structure: &Structure) -> Result<Figure> {
    let order = order(structure);
    let place =
        |j: StateIndex| order.iter().position(|&k| k == j).expect("every state that changes has a column");
    let column =
        |&j: &StateIndex| Column { name: structure.states[j].name.clone(), kind: kind(&structure.states[j]) };
    let rows = structure.increments.iter().map(|increment| {
        let mut cells = vec![None; order.len()];
        let coefficients = increment.groups.iter().flat_map(|group| &group.coefficient_parents);
        for &j in increment.remainder_parents.iter().chain(coefficients) {
            cells[place(j)] = Some(Action::Argument);
        }
        let mut groups = Vec::new();
        for group in &increment.groups {
            for &(j, degree) in &group.members {
                cells[place(j)] = Some(Action::Factor(degree));
            }
            let mut columns: Vec<usize> = group.members.iter().map(|&(j, _)| place(j)).collect();
            columns.sort_unstable();
            groups.push(columns);
        }
        let state = &structure.states[increment.state];
        Row { name: state.name.clone(), kind: kind(state), cells, groups }
    });
    drivers(&Drivers {
        title: format!("{}: what drives each state in a step of {} ms", structure.library, structure.dt),
        columns: order.iter().map(column).collect(),
        rows: rows.collect(),
    })
}

/// V, the factors of its current group by group, the other gates, then all other states.
fn order(structure: &Structure) -> Vec<StateIndex> {
    let mut order = vec![0];
    let add = |order: &mut Vec<StateIndex>, j: StateIndex| {
        if !order.contains(&j) && structure.states[j].role != Role::Constant {
            order.push(j);
        }
    };
    let is_gate = |j: StateIndex| matches!(structure.states[j].role, Role::Gate | Role::Memoryless);
    let is_factor = |j: StateIndex| is_gate(j) || structure.states[j].role == Role::Affine;
    for group in structure.increments.iter().take(1).flat_map(|increment| &increment.groups) {
        for &(j, _) in group.members.iter().filter(|(j, _)| is_factor(*j)) {
            add(&mut order, j);
        }
    }
    let all = 0..structure.states.len();
    all.clone().filter(|&j| is_gate(j)).for_each(|j| add(&mut order, j));
    all.for_each(|j| add(&mut order, j));
    order
}

fn kind(state: &State) -> Kind {
    match state.role {
        Role::Voltage => Kind::Voltage,
        Role::Gate => Kind::Gate,
        Role::Memoryless => Kind::Memoryless,
        Role::Affine => Kind::Affine,
        Role::Nonlinear | Role::Constant => Kind::Nonlinear,
    }
}
