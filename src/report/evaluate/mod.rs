//! What is measured: errors against the cell model's solution, and speed. Nothing is drawn here.

mod accuracy;
mod long;
mod plane;
mod samples;
mod speed;
mod traces;

pub use accuracy::{
    Accuracy, Comparison, Draw, EULER_DT, Errors, InputRange, OverTime, StateErrors, compare, domain,
};
pub use long::{LongRollout, long_rollout};
pub use plane::{Plane, planes};
pub use speed::{AgainstEuler, Speed, measure};
pub use traces::{Trace, traces};
