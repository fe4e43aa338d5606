//! What turns a network into a surrogate: the file's metadata, or a side file where it has none.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::error::{Error, Result};
use crate::surrogate::{CellModelDescription, Kind, Network, Surrogate, Variable};

/// Longest side file: variables of the widest network, with room for provenance.
const MAX_SIZE: u64 = 16 << 20;

/// Kind, variables and the rest of a surrogate but its network.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Description {
    pub kind: KindName,
    /// Of a step map only.
    #[serde(default)]
    pub dt: Option<f64>,
    pub inputs: Vec<Variable>,
    pub outputs: Vec<Variable>,
    /// Of a solution map that gives the states at several times at once.
    #[serde(default)]
    pub times: Vec<f64>,
    #[serde(default)]
    pub initial_state: Option<Vec<f64>>,
    #[serde(default)]
    pub cell_model: Option<CellModelDescription>,
    #[serde(default)]
    pub provenance: serde_json::Map<String, serde_json::Value>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KindName {
    SolutionMap,
    StepMap,
}

impl Description {
    /// The description of the network at `path` in the side file next to it, if there is one.
    pub fn beside(path: &Path) -> Result<Option<Self>> {
        let side = side_file(path);
        match std::fs::metadata(&side) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(Error::io("read", &side, e)),
            Ok(file) if file.len() > MAX_SIZE => {
                return Err(
                    Error::unsupported(format!("a description of {} bytes", file.len())).in_file(&side)
                );
            }
            Ok(_) => {}
        }
        let text = std::fs::read(&side).map_err(|e| Error::io("read", &side, e))?;
        serde_json::from_slice(&text).map(Some).map_err(|e| {
            Error::format(format!("not a description of a surrogate ({e})"))
                .in_file(&side)
                .remedy("give kind, dt (step maps), inputs and outputs as in `emucell inspect --json`")
        })
    }

    /// The surrogate around `network`.
    pub fn surrogate(self, network: Network) -> Result<Surrogate> {
        let kind = match (self.kind, self.dt) {
            (KindName::SolutionMap, None) => Kind::SolutionMap,
            (KindName::StepMap, Some(dt)) => Kind::StepMap { dt },
            (KindName::SolutionMap, Some(dt)) => {
                return Err(Error::format(format!("a solution map with dt = {dt}")));
            }
            (KindName::StepMap, None) => return Err(Error::format("a step map without dt")),
        };
        let mut surrogate = Surrogate::new(kind, self.inputs, self.outputs, network)?;
        if !self.times.is_empty() {
            surrogate = surrogate.with_times(self.times)?;
        }
        if let Some(state) = self.initial_state {
            surrogate = surrogate.with_initial_state(state)?;
        }
        if let Some(model) = self.cell_model {
            surrogate = surrogate.with_cell_model(model);
        }
        Ok(surrogate.with_provenance(self.provenance))
    }
}

/// `network.onnx.json` for `network.onnx`.
fn side_file(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".json");
    PathBuf::from(name)
}
