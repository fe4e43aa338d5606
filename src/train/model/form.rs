//! How a model's outputs come from its network's numbers.

/// How outputs come from the network's scaled numbers.
#[derive(Clone, Debug, PartialEq)]
pub enum Form {
    /// outputs = shift + scale·network
    Direct,
    /// x(t) = x0 + (1 − e^(−t/τ))·(shift + scale·network): exact at t = 0.
    Solution {
        /// Input column of the time since the initial state.
        time: usize,
        /// Input columns of the initial state, one an output.
        states: Vec<usize>,
        /// τ, in the unit of the time.
        relaxation: f64,
    },
    /// next x = x + shift + scale·network: the network gives scaled increments.
    Step {
        /// Input columns of the state, one an output.
        states: Vec<usize>,
    },
}
