//! Derivatives of a program's outputs with respect to its inputs, as programs: whatever runs a
//! program runs its derivatives too.
//!
//! The rules are those of forward and reverse automatic differentiation, applied once when the
//! program is made instead of in every evaluation. Where a function has a kink, the derivative is
//! one of its sides': ReLU and its kin take the slope of x < 0 at 0, minima and maxima of equal
//! operands that of the left one, tables at a grid point that of the segment above it (at the last
//! point, below it) and 0 beyond their ends.

mod forward;
mod primal;
mod reverse;
mod terms;

use self::primal::Primal;
use self::terms::{Term, Terms};
use super::{BlockId, Program};
use crate::error::Result;

/// Which derivative, of a program of n inputs x and m outputs y.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Derivative {
    /// x → y, then ∂yᵢ/∂xⱼ row by row: m + m·n outputs.
    Jacobian,
    /// x, v → y, then J·v: 2n inputs, 2m outputs.
    JacobianVector,
    /// x, w → y, then wᵀ·J: n + m inputs, m + n outputs.
    VectorJacobian,
}

impl Derivative {
    /// The name used in messages and provenance.
    pub fn name(self) -> &'static str {
        match self {
            Self::Jacobian => "jacobian",
            Self::JacobianVector => "jacobian_vector",
            Self::VectorJacobian => "vector_jacobian",
        }
    }
}

impl Program {
    /// The program that computes the outputs and the derivative of `kind`.
    ///
    /// Derivatives that are zero or constant whatever the inputs are stay so where an input is NaN.
    ///
    /// # Errors
    /// A program that is a derivative itself or has an ELU or CELU with negative alpha, and
    /// derivatives beyond the limits on widths and numbers of operations.
    pub fn derivative(&self, kind: Derivative) -> Result<Self> {
        let program = self.fused();
        let (n, m) = (program.n_inputs(), program.n_outputs());
        let more_inputs = match kind {
            Derivative::Jacobian => 0,
            Derivative::JacobianVector => n,
            Derivative::VectorJacobian => m,
        };
        let mut terms = Terms::new(n + more_inputs)?;
        let all = Term::Block(BlockId::INPUT);
        let x = terms.slice(&all, 0, n)?;
        let direction = (more_inputs > 0).then(|| terms.slice(&all, n, more_inputs)).transpose()?;
        let mut primal = Primal::new(&program, terms, x);
        let derivatives = match (kind, direction) {
            (Derivative::JacobianVector, Some(v)) => forward::tangents(&mut primal, vec![v])?,
            (Derivative::VectorJacobian, Some(w)) => reverse::adjoints(&mut primal, vec![w])?,
            // As many passes as directions: the fewer the better.
            _ if n <= m => {
                let tangents = forward::tangents(&mut primal, unit_vectors(n))?;
                let elements = (0..m).flat_map(|i| tangents.iter().map(move |tangent| (tangent, i)));
                elements.map(|(tangent, i)| primal.terms.slice(tangent, i, 1)).collect::<Result<_>>()?
            }
            _ => reverse::adjoints(&mut primal, unit_vectors(m))?,
        };
        let outputs = primal.value(program.output()).clone();
        let output = primal.terms.concat(&[vec![outputs], derivatives].concat())?;
        Ok(primal.terms.finish(&output)?.without_unread())
    }
}

fn unit_vectors(n: usize) -> Vec<Term> {
    let unit = |i| Term::Constant((0..n).map(|j| if i == j { 1.0 } else { 0.0 }).collect());
    (0..n).map(unit).collect()
}
