//! Whether a recipe balances its losses.

use serde::{Deserialize, Serialize};

use super::Recipe;
use crate::error::Result;
use crate::train::Balance;

/// Losses are balanced by the lengths of their gradients; see [`Balance`](crate::train::Balance).
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct BalanceSection {
    /// Iterations between measurements; 100 if not given.
    pub every: Option<u64>,
    /// Part of a factor that a measurement leaves; 0.9 if not given.
    pub memory: Option<f64>,
}

impl Recipe {
    /// The balance of the losses, if there is any.
    pub(super) fn balancing(&self) -> Result<Option<Balance>> {
        let Some(section) = self.balance else { return Ok(None) };
        let defaults = Balance::default();
        let balance = Balance {
            every: section.every.unwrap_or(defaults.every),
            memory: section.memory.unwrap_or(defaults.memory),
        };
        balance.check(self.loss.len()).map_err(|e| self.place(e, "balance"))?;
        let method = self.method()?;
        if method.finds_its_steps() {
            let what = format!("weights that change with {}, which compares iterations", method.name());
            return Err(self.fault(what, "balance", "remove it, or use Adam, AdamW or SOAP"));
        }
        Ok(Some(balance))
    }
}
