//! What was found about a cell model, as it is stored.

use serde::{Deserialize, Serialize};

/// Position of a state in a cell; 0 is the transmembrane potential V.
pub type StateIndex = usize;

/// What was found about a cell model at one Δt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Structure {
    /// Version of this description.
    pub format: u32,
    /// File name of the library.
    pub library: String,
    /// Length of the step that was taken apart, ms.
    pub dt: f64,
    /// One entry a state, in order.
    pub states: Vec<State>,
    /// What each state that is neither constant nor memoryless nor a gate of V gains in a step; V comes first.
    pub increments: Vec<Increment>,
    /// How the stimulus enters: states that it does not touch are not listed.
    pub stimulus: Vec<StimulusEffect>,
    /// What could not be decided, in sentences.
    pub undecided: Vec<String>,
    /// What the findings rest on.
    pub evidence: Evidence,
}

/// How a cell model was asked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evidence {
    /// States at which every input was varied.
    pub probes: usize,
    /// Probes left out because an answer was not finite.
    pub dropped: usize,
    /// Cells advanced by one step in total.
    pub questions: u64,
    /// Whether the model computes in single precision.
    pub single_precision: bool,
}

/// One state and how its next value comes about.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct State {
    /// `V`, then `x1`, `x2`, … where nobody knows a name.
    pub name: String,
    /// Value at the start.
    pub initial: f64,
    /// Smallest and largest value seen.
    pub visited: [f64; 2],
    /// How the next value comes about.
    pub role: Role,
    /// The other states that the next value depends on, ascending.
    pub parents: Vec<StateIndex>,
    /// Largest violation of the role that was found, relative to the largest increment; below the tolerance. Of `Voltage` and
    /// `Nonlinear`, which nothing violates: 0.
    pub residual: f64,
    /// What counted as equal, relative to the largest increment: the rounding of the step.
    pub tolerance: f64,
    /// Effect of the weakest parent, in tolerances: far above 1 if the parents are certain. Absent without parents.
    pub margin: Option<f64>,
    /// How a memoryless state, a gate or an affine state depends on the length of the step.
    pub update: Option<Update>,
}

/// How the step of a state that is affine in itself depends on Δt, other states being equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Update {
    /// a and k are proportional to Δt.
    Euler,
    /// 1 − k = exp(−Δt/τ), a = k·y∞: exact while the other states rest.
    RushLarsen,
    /// The step does not depend on Δt.
    Instantaneous,
}

/// How the next value of a state comes about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The transmembrane potential.
    Voltage,
    /// Never changes.
    Constant,
    /// A function of V alone; the old value has no effect.
    Memoryless,
    /// y' = a(V) + (1 − k(V))·y.
    Gate,
    /// Affine in itself, with coefficients that depend on other states than V, or on more.
    Affine,
    /// Nothing simpler was found.
    Nonlinear,
}

/// The increment of a state in one step, taken apart:
/// Δx = remainder(parents) + Σ over groups, Σ over monomials: coefficient(parents)·∏ y^exponent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Increment {
    /// Whose increment.
    pub state: StateIndex,
    /// States that enter with their values after the step, because the model updates them first; all others enter with their
    /// values before it.
    pub after: Vec<StateIndex>,
    /// Factors that add to each other: states of different groups never multiply each other.
    pub groups: Vec<Group>,
    /// States (V among them, if so) that the part without any of the groups' members depends on.
    pub remainder_parents: Vec<StateIndex>,
    /// The remainder as a product of sums; a constant has none.
    pub remainder: Vec<Sum>,
}

/// A factor of a coefficient or of a remainder, which is the product of these; the sums of a product have no state in common.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sum {
    /// What it is the sum of.
    pub parts: Vec<Part>,
}

/// A summand. States of different parts never act together: each part can be tabulated or learned on its own. A state may be in
/// several parts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// The states that it is a function of.
    pub parents: Vec<StateIndex>,
    /// Of a part of two states a and b = u(a) + w(b) + Σ uᵣ(a)·wᵣ(b): the largest error that is left after 1, 2, … of these
    /// products, relative to the largest increment. Ends with 0 if that many products are exact to rounding, so that tables of one
    /// state each are enough; empty for parts of one state or of more than two.
    pub products: Vec<f64>,
}

/// States in which the increment is polynomial and that multiply each other.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// Members and the degree of the increment in each.
    pub members: Vec<(StateIndex, u32)>,
    /// The products that occur.
    pub monomials: Vec<Monomial>,
    /// States (V among them, if so) that the coefficients depend on. `[0]`: tabulating them is exact.
    pub coefficient_parents: Vec<StateIndex>,
}

/// One product ∏ y^exponent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Monomial {
    /// States with their exponents, ascending, exponents ≥ 1.
    pub exponents: Vec<(StateIndex, u32)>,
    /// Largest contribution found, at the outer ends of the factors' ranges, relative to the largest increment.
    pub weight: f64,
    /// States (V among them, if so) that the coefficient depends on.
    pub parents: Vec<StateIndex>,
    /// The coefficient as a product of sums; a constant has none.
    pub coefficient: Vec<Sum>,
}

/// What one unit of stimulus adds to a state in a step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StimulusEffect {
    /// The state.
    pub state: StateIndex,
    /// Change of the state in one step for one unit of stimulus.
    pub per_unit: f64,
    /// Largest departure from that proportionality, relative.
    pub residual: f64,
}
