//! `emucell structure`: what a compiled cell model is made of.

use std::path::PathBuf;

use super::model::Model;
use crate::error::{Error, Result};
use crate::format::atomic;
use crate::harvest;
use crate::structure::{self, Increment, Role, State, Structure, Update};

/// Find out what a compiled cell model is made of by asking it: gates, currents, who drives whom.
///
/// The model is paced first, and then asked near the states that it visited.
#[derive(clap::Args, Clone, Debug)]
pub struct StructureCommand {
    #[command(flatten)]
    model: Model,

    /// Length of the pacing that visits states, ms.
    #[arg(long, value_name = "MS", default_value_t = 1000.0)]
    time: f64,

    /// Cells that are paced side by side.
    #[arg(long, value_name = "N", default_value_t = 32)]
    cells: usize,

    /// States at which every input is varied.
    #[arg(long, value_name = "N", default_value_t = 96)]
    probes: usize,

    /// Seed of everything random.
    #[arg(long, default_value_t = 0)]
    seed: u64,

    /// Write the structure as JSON.
    #[arg(long, short, value_name = "FILE.json")]
    output: Option<PathBuf>,

    /// Draw who drives whom: an .svg or a .png file.
    #[arg(long, value_name = "FILE")]
    picture: Option<PathBuf>,

    /// Print as JSON.
    #[arg(long)]
    json: bool,
}

impl StructureCommand {
    pub fn run(&self) -> Result<()> {
        let ending = |path: &PathBuf| path.extension().and_then(|e| e.to_str()).map(str::to_lowercase);
        let format = self.picture.as_ref().map(ending);
        if !matches!(format.as_ref().map(Option::as_deref), None | Some(Some("svg" | "png"))) {
            return Err(Error::unsupported("a picture that is neither .svg nor .png")
                .remedy("give a file that ends in .svg or .png"));
        }
        let structure = self.detect()?;
        let text = serde_json::to_string_pretty(&structure).expect("numbers and texts");
        if let Some(path) = &self.output {
            atomic::write(path, text.as_bytes())?;
        }
        if let Some(path) = &self.picture {
            let figure = structure::picture(&structure)?;
            let is_png = ending(path).as_deref() == Some("png");
            atomic::write(path, if is_png { &figure.png } else { figure.svg.as_bytes() })?;
        }
        if self.json {
            println!("{text}");
        } else {
            print!("{}", table(&structure));
        }
        Ok(())
    }

    fn detect(&self) -> Result<Structure> {
        let mut model = self.model.open()?;
        let stimulus = self.model.stimulus(&mut model)?;
        let visited = harvest::harvest(
            &mut model,
            &harvest::Options {
                dt: self.model.dt,
                strength: stimulus.strength,
                duration: stimulus.duration,
                time: self.time,
                n_cells: self.cells,
                seed: self.seed,
                ..harvest::Options::default()
            },
        )?;
        let name = self.model.library.file_name();
        let name = name.ok_or_else(|| Error::invalid("a path without a file name"))?;
        let options = structure::Options {
            library: name.to_string_lossy().into_owned(),
            dt: self.model.dt,
            probes: self.probes,
            seed: self.seed,
        };
        structure::detect(&mut model, &visited, &options)
    }
}

/// The structure as lines for people.
fn table(structure: &Structure) -> String {
    let mut lines = vec![
        format!(
            "{}: {} states, step of {} ms, {} precision",
            structure.library,
            structure.states.len(),
            structure.dt,
            if structure.evidence.single_precision { "single" } else { "double" }
        ),
        format!("asked {} times around {} probes", structure.evidence.questions, structure.evidence.probes),
        String::new(),
        format!(
            "{:<6} {:<12} {:<14} {:>11} {:>11}  {:>8} {:>9} {:>8}  driven by",
            "state", "role", "update", "lowest", "highest", "residual", "tolerance", "margin"
        ),
    ];
    lines.extend(structure.states.iter().map(|state| row(structure, state)));
    for increment in &structure.increments {
        lines.push(String::new());
        lines.extend(terms(structure, increment));
    }
    lines.push(String::new());
    for effect in &structure.stimulus {
        lines.push(format!(
            "stimulus: Δ{} = {:.6e} a unit (departures {:.0e})",
            structure.states[effect.state].name, effect.per_unit, effect.residual
        ));
    }
    if !structure.undecided.is_empty() {
        lines.push("undecided:".to_owned());
        lines.extend(structure.undecided.iter().map(|sentence| format!("  {sentence}")));
    }
    lines.push(String::new());
    lines.join("\n")
}

fn row(structure: &Structure, state: &State) -> String {
    let role = match state.role {
        Role::Voltage => "voltage",
        Role::Constant => "constant",
        Role::Memoryless => "memoryless",
        Role::Gate => "gate of V",
        Role::Affine => "affine",
        Role::Nonlinear => "nonlinear",
    };
    let update = match state.update {
        None => "",
        Some(Update::Euler) => "Euler",
        Some(Update::RushLarsen) => "Rush–Larsen",
        Some(Update::Instantaneous) => "instantaneous",
    };
    let parents: Vec<&str> = state.parents.iter().map(|&j| structure.states[j].name.as_str()).collect();
    let margin = state.margin.map_or(String::new(), |margin| format!("{margin:.0e}"));
    format!(
        "{:<6} {role:<12} {update:<14} {:>11.4} {:>11.4}  {:>8.0e} {:>9.0e} {margin:>8}  {}",
        state.name,
        state.visited[0],
        state.visited[1],
        state.residual,
        state.tolerance,
        parents.join(", ")
    )
}

fn terms(structure: &Structure, increment: &Increment) -> Vec<String> {
    let monomials = increment.groups.iter().flat_map(|group| &group.monomials);
    let mut lines = vec![format!(
        "Δ{} = {}",
        structure.states[increment.state].name,
        product(structure, increment, &increment.remainder)
    )];
    lines.extend(monomials.map(|monomial| {
        let factor = |&(j, e): &(usize, u32)| {
            format!("{}{}", name(structure, increment, j), ["", "", "²", "³", "⁴"][e as usize])
        };
        let factors: Vec<String> = monomial.exponents.iter().map(factor).collect();
        let coefficient = product(structure, increment, &monomial.coefficient);
        format!("     + {coefficient}·{}   {:.1e}", factors.join("·"), monomial.weight)
    }));
    lines
}

/// A product of sums of functions, `(f(V) + f(x3))·f(x4, x5: 2 products)`.
fn product(structure: &Structure, increment: &Increment, sums: &[structure::Sum]) -> String {
    let part = |part: &structure::Part| {
        let products = match part.products[..] {
            [] => String::new(),
            [0.0] => ": a product".to_owned(),
            [.., 0.0] => format!(": {} products", part.products.len()),
            [.., left] => format!(": {} products leave {left:.0e}", part.products.len()),
        };
        let parents: Vec<String> = part.parents.iter().map(|&j| name(structure, increment, j)).collect();
        format!("f({}{products})", parents.join(", "))
    };
    let sum = |sum: &structure::Sum| {
        let parts: Vec<String> = sum.parts.iter().map(part).collect();
        match parts.len() {
            1 => parts.concat(),
            _ => format!("({})", parts.join(" + ")),
        }
    };
    match sums {
        [] => "c".to_owned(),
        sums => sums.iter().map(sum).collect::<Vec<_>>().join("·"),
    }
}

/// A state's name, with a prime where its value after the step is meant.
fn name(structure: &Structure, increment: &Increment, j: usize) -> String {
    let prime = if increment.after.contains(&j) { "′" } else { "" };
    format!("{}{prime}", structure.states[j].name)
}
