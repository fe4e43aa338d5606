//! Gates in tables and the current's network, as a program.

use super::gates::Gates;
use crate::activation::Activation;
use crate::distill::network::{Layer, increments};
use crate::error::Result;
use crate::program::{BinaryOperator, BlockId, Operation, Program, ProgramBuilder, Table};

/// Intervals of the tables.
const INTERVALS: usize = 1024;

/// A step of `dt` of potential, gates and stimulus. The last of `layers` gives what the change of the potential is scale · sinh of.
pub fn program(
    gates: &Gates,
    layers: &[Layer],
    scale: f64,
    range: [f64; 2],
    effect: f64,
    dt: f64,
) -> Result<Program> {
    let n = gates.n;
    let mut b = ProgramBuilder::new(n + 2)?;
    let v = b.slice(BlockId::INPUT, 0, 1)?;
    let z = b.slice(BlockId::INPUT, 1, n)?;
    let stimulus = b.slice(BlockId::INPUT, 1 + n, 1)?;

    let spacing = (range[1] - range[0]) / INTERVALS as f64;
    let mut values = Vec::with_capacity((INTERVALS + 1) * 2 * n);
    for row in 0..=INTERVALS {
        let at = gates.at(range[0] + row as f64 * spacing);
        let (steady, times) = at.split_at(n);
        let rates: Vec<f64> = times.iter().map(|ln| -(-dt / ln.exp()).exp_m1()).collect();
        values.extend(rates.iter().map(|&k| k as f32));
        values.extend(rates.iter().zip(steady).map(|(k, z)| (k * z) as f32));
    }
    let table = Table { first: range[0] as f32, rows_per_unit: (1.0 / spacing) as f32, width: 2 * n, values };
    let table = b.push(Operation::Table { input: v, table })?;
    let (rate, drive) = (b.slice(table, 0, n)?, b.slice(table, n, n)?);
    let relaxed = b.push(Operation::Relax { state: z, rate, drive })?;

    let features = b.slice(BlockId::INPUT, 0, 1 + n)?;
    let current = increments(&mut b, features, layers, &[scale])?;
    let stimulated = b.dense(stimulus, vec![effect as f32], vec![0.0], Activation::Linear)?;
    let change = b.binary(BinaryOperator::Add, current, stimulated)?;
    let sum = b.binary(BinaryOperator::Add, v, change)?;
    let (low, high) = (b.constant([range[0] as f32])?, b.constant([range[1] as f32])?);
    let above = b.binary(BinaryOperator::Maximum, sum, low)?;
    let inside = b.binary(BinaryOperator::Minimum, above, high)?;
    let output = b.concat(&[inside, relaxed])?;
    Ok(b.finish(output))
}
