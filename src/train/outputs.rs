//! The files that a training leaves in its folder.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use tch::{Kind, Tensor};

use super::model::Model;
use crate::error::{Error, Result};
use crate::format::{atomic, pth};

/// A row of `losses.csv`: losses since the row before, and validation.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Row {
    pub iteration: u64,
    /// Mean of each loss, without its weight; NaN in the first row, before any iteration.
    pub losses: Vec<f64>,
    /// The losses' weights where they are balanced, else none.
    pub weights: Vec<f64>,
    /// Weighted sum of the losses.
    pub total: f64,
    /// What decides: the rolled-out error, if there is one, else what the losses held out.
    pub validation: f64,
    /// The weighted sum of what the losses held out.
    pub held_out: f64,
    pub rate: f64,
    pub seconds: f64,
}

impl Row {
    /// As numbers, for a checkpoint.
    pub fn numbers(&self) -> Vec<f64> {
        let ends = [self.total, self.validation, self.held_out, self.rate, self.seconds];
        let middle = self.losses.iter().chain(&self.weights).copied();
        std::iter::once(self.iteration as f64).chain(middle).chain(ends).collect()
    }

    /// How many numbers a row of `n_losses` losses is.
    pub fn width(n_losses: usize, is_balanced: bool) -> usize {
        n_losses * if is_balanced { 2 } else { 1 } + 6
    }

    /// From [`Self::numbers`].
    pub fn from_numbers(numbers: &[f64], n_losses: usize) -> Option<Self> {
        let (first, rest) = numbers.split_first()?;
        let (losses, rest) = rest.split_at_checked(n_losses)?;
        let (weights, ends) = rest.split_at_checked(rest.len().checked_sub(5)?)?;
        Some(Self {
            iteration: *first as u64,
            losses: losses.to_vec(),
            weights: weights.to_vec(),
            total: ends[0],
            validation: ends[1],
            held_out: ends[2],
            rate: ends[3],
            seconds: ends[4],
        })
    }
}

/// A training's folder.
#[derive(Clone, Debug)]
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub fn new(path: &Path) -> Self {
        Self(path.to_owned())
    }

    /// Makes the folder, with those above it.
    pub fn create(&self) -> Result<()> {
        std::fs::create_dir_all(&self.0).map_err(|e| Error::io("create the folder", &self.0, e))
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    pub fn checkpoint(&self) -> PathBuf {
        self.0.join("checkpoint")
    }

    /// Whether everything is there that a training leaves at its end.
    pub fn is_complete(&self) -> bool {
        ["best_model.pth", "losses.csv", "model_stats.txt"].iter().all(|name| self.0.join(name).exists())
    }

    pub fn write_weights(&self, model: &Model) -> Result<()> {
        pth::save(&self.0.join("best_model.pth"), &model.state_dict())
    }

    /// `rolled_out` tells whether validation was by rollout; what the losses held out then has a column of its own.
    pub fn write_losses(&self, names: &[String], rows: &[Row], rolled_out: bool) -> Result<()> {
        let quoted =
            |end: &str| names.iter().map(|n| format!("\"{}{end}\"", n.replace('"', "'"))).collect::<Vec<_>>();
        let mut text = format!(
            "iteration,{},total,validation,{}rate,seconds",
            quoted("").join(","),
            if rolled_out { "held_out," } else { "" }
        );
        if rows.iter().any(|row| !row.weights.is_empty()) {
            let _ = write!(text, ",{}", quoted(" weight").join(","));
        }
        text.push('\n');
        for row in rows {
            let _ = write!(text, "{}", row.iteration);
            for value in row.losses.iter().chain([&row.total]) {
                // Nothing is known yet at iteration 0.
                let _ = if value.is_nan() { write!(text, ",") } else { write!(text, ",{value:.9e}") };
            }
            let _ = write!(text, ",{:.9e}", row.validation);
            if rolled_out {
                let _ = write!(text, ",{:.9e}", row.held_out);
            }
            let _ = write!(text, ",{:.6e},{:.3}", row.rate, row.seconds);
            row.weights.iter().for_each(|weight| _ = write!(text, ",{weight:.6e}"));
            text.push('\n');
        }
        atomic::write(&self.0.join("losses.csv"), text.as_bytes())
    }

    /// Mean, standard deviation, smallest and largest of every layer's parameters and gradients.
    pub fn write_statistics(&self, model: &Model, gradients: &[Tensor]) -> Result<()> {
        let mut text =
            String::from("tensor            shape        mean         std          min          max\n");
        let network = model.network();
        let n_before = network.layers_before_trained();
        for (i, layer) in network.layers().enumerate() {
            for (j, (what, tensor)) in
                [("weight", &layer.weight), ("bias", &layer.bias)].into_iter().enumerate()
            {
                let name = format!("layers.{}.{what}", 2 * i);
                write_statistics(&mut text, &name, tensor);
                let gradient = i.checked_sub(n_before).and_then(|i| gradients.get(2 * i + j));
                if let Some(gradient) = gradient {
                    write_statistics(&mut text, "  its gradient", gradient);
                }
            }
        }
        atomic::write(&self.0.join("model_stats.txt"), text.as_bytes())
    }
}

fn write_statistics(text: &mut String, name: &str, tensor: &Tensor) {
    let tensor = tensor.detach().to_kind(Kind::Double);
    let number = |t: Tensor| t.double_value(&[]);
    let shape: Vec<String> = tensor.size().iter().map(ToString::to_string).collect();
    let _ = writeln!(
        text,
        "{name:17} {:9} {:12.4e} {:12.4e} {:12.4e} {:12.4e}",
        shape.join("×"),
        number(tensor.mean(Kind::Double)),
        number(tensor.std(false)),
        number(tensor.min()),
        number(tensor.max()),
    );
}
