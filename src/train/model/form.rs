//! How a model's outputs come from its network's numbers.

use crate::train::task::Initial;

/// How outputs come from the network's scaled numbers.
#[derive(Clone, Debug, PartialEq)]
pub enum Form {
    /// outputs = shift + scale·network
    Direct,
    /// x(t) = x0 + (1 − e^(−t/τ))·(shift + scale·network): exact at t = 0.
    Solution {
        /// Input column of the time since the initial state.
        time: usize,
        /// Where the initial state comes from, one an output.
        states: Vec<Initial>,
        /// τ, in the unit of the time.
        relaxation: f64,
    },
    /// next x = x + shift + scale·network: the network gives scaled increments, of a step map or since the
    /// initial state of a map that gives the states at several times at once.
    Step {
        /// Input columns of the state, one an output; at several times the same ones again for each.
        states: Vec<usize>,
    },
}

impl Form {
    /// Where the state comes from that is added to what the network gives, one an output; none for [`Self::Direct`].
    pub(crate) fn states(&self) -> Option<Vec<Initial>> {
        match self {
            Self::Direct => None,
            Self::Solution { states, .. } => Some(states.clone()),
            Self::Step { states } => Some(states.iter().copied().map(Initial::Column).collect()),
        }
    }
}
