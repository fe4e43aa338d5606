//! What the process of a trial does.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::trial::Ending;
use crate::error::{Error, ErrorKind, Result};
use crate::train::recipe::{self, Options, Recipe};

/// A trial to train in this process.
#[derive(Debug)]
pub struct Work {
    /// Its folder, which holds `recipe.toml`.
    pub folder: PathBuf,
    /// The file that it comes from, beside which its data files lie.
    pub source: PathBuf,
    /// Where to compute.
    pub device: tch::Device,
    /// Ends cleanly, with a checkpoint, once set.
    pub interrupt: Arc<AtomicBool>,
}

/// Trains a trial, going on from its checkpoint, and writes down how that ended.
///
/// # Errors
/// Those of [`recipe::run`].
pub fn work(work: Work) -> Result<()> {
    let Work { folder, source, device, interrupt } = work;
    let path = folder.join("recipe.toml");
    let text = std::fs::read_to_string(&path).map_err(|e| Error::io("read", &path, e))?;
    let mut recipe = Recipe::parse(&text).map_err(|e| e.in_file(&path))?;
    recipe.path = source;
    let options = Options {
        folder: folder.clone(),
        device,
        n_threads: 1,
        force: false,
        interrupt: Some(interrupt),
        on_progress: None,
    };
    match recipe::run(&recipe, options) {
        Ok(trained) => Ending::Trained((&trained).into()).write(&folder),
        Err(error) => {
            // These follow from the recipe; anything else may be different next time.
            if matches!(error.kind(), ErrorKind::Numeric | ErrorKind::InvalidArgument) {
                Ending::Failed { reason: error.to_string() }.write(&folder)?;
            }
            Err(error)
        }
    }
}
