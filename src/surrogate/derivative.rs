//! Derivatives of a surrogate as surrogates.

use super::{Kind, Role, Surrogate, Variable};
use crate::error::Result;
use crate::program::Derivative;

impl Surrogate {
    /// The surrogate that computes the outputs y and a derivative of them with respect to the inputs x,
    /// all of them: time, states, stimulus, parameters.
    ///
    /// It is evaluated like any other, with the same threads, guard and views, but never stepped:
    ///
    /// | derivative | inputs | outputs |
    /// |---|---|---|
    /// | [`Derivative::Jacobian`] | x | y, then ∂yᵢ/∂xⱼ at column m + i·n + j |
    /// | [`Derivative::JacobianVector`] | x, v | y, then J·v |
    /// | [`Derivative::VectorJacobian`] | x, w | y, then wᵀ·J |
    ///
    /// for n inputs and m outputs. x keeps its domain; v and w have none. Under a guard that moves
    /// inputs to the domain's border, it is the surrogate's derivative at the point they are moved to.
    ///
    /// A step map's values are the next state, after its own Δt. The derivative of several steps is
    /// the product of theirs: along a trajectory, J·v of one step is the v of the next in the
    /// columns of the state (with the stimulus' and parameters' part of v as it was), and
    /// backwards the state's part of wᵀ·J is the w of the step before.
    ///
    /// # Errors
    /// As [`crate::program::Program::derivative`]; a network that is no program.
    pub fn derivative(&self, derivative: Derivative) -> Result<Self> {
        let program = self.program()?.derivative(derivative)?;
        let mut inputs = self.inputs.clone();
        let mut outputs = self.outputs.clone();
        match derivative {
            Derivative::Jacobian => {
                outputs.extend(self.outputs.iter().flat_map(|y| self.inputs.iter().map(|x| quotient(y, x))))
            }
            Derivative::JacobianVector => {
                inputs.extend(self.inputs.iter().map(tangent));
                outputs.extend(self.outputs.iter().map(tangent));
            }
            Derivative::VectorJacobian => {
                inputs.extend(self.outputs.iter().map(adjoint));
                outputs.extend(self.inputs.iter().map(|x| Variable { role: Role::State, ..adjoint(x) }));
            }
        }
        let mut provenance = self.provenance.clone();
        provenance.insert("derivative".to_owned(), derivative.name().into());
        Ok(Self::new(Kind::Derivative, inputs, outputs, program)?.with_provenance(provenance))
    }
}

fn quotient(y: &Variable, x: &Variable) -> Variable {
    Variable::new(&format!("d {}/d {}", y.name, x.name), &unit_of_quotient(&y.unit, &x.unit), Role::State)
}

fn tangent(x: &Variable) -> Variable {
    Variable::new(&format!("d {}", x.name), &x.unit, x.role)
}

/// The derivative of a number without a unit with respect to `x`.
fn adjoint(x: &Variable) -> Variable {
    Variable::new(&format!("adjoint {}", x.name), &unit_of_quotient("1", &x.unit), x.role)
}

fn unit_of_quotient(above: &str, below: &str) -> String {
    let factor =
        |unit: &str| if unit.contains(['/', '*', ' ']) { format!("({unit})") } else { unit.to_owned() };
    match (above, below) {
        ("", _) | (_, "") => String::new(),
        (above, below) if above == below => "1".to_owned(),
        (above, "1") => above.to_owned(),
        (above, below) => format!("{}/{}", factor(above), factor(below)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program::{BinaryOperator, BlockId, ProgramBuilder};

    fn product() -> Surrogate {
        let mut b = ProgramBuilder::new(2).unwrap();
        let (t, v) = (b.slice(BlockId::INPUT, 0, 1).unwrap(), b.slice(BlockId::INPUT, 1, 1).unwrap());
        let y = b.binary(BinaryOperator::Multiply, t, v).unwrap();
        let inputs = vec![
            Variable::new("t", "ms", Role::Time).with_range(0.0, 5.0),
            Variable::new("V0", "mV", Role::State),
        ];
        let output = Variable::new("V", "mV", Role::State);
        Surrogate::new(Kind::SolutionMap, inputs, vec![output], b.finish(y)).unwrap()
    }

    #[test]
    fn columns_have_names_and_units() {
        let described = |variables: &[Variable]| {
            let texts: Vec<String> = variables.iter().map(|v| format!("{} [{}]", v.name, v.unit)).collect();
            texts.join(", ")
        };
        let jacobian = product().derivative(Derivative::Jacobian).unwrap();
        assert_eq!(described(jacobian.inputs()), "t [ms], V0 [mV]");
        assert_eq!(described(jacobian.outputs()), "V [mV], d V/d t [mV/ms], d V/d V0 [1]");
        assert_eq!(jacobian.kind(), Kind::Derivative);
        let forward = product().derivative(Derivative::JacobianVector).unwrap();
        assert_eq!(described(forward.inputs()), "t [ms], V0 [mV], d t [ms], d V0 [mV]");
        assert_eq!(described(forward.outputs()), "V [mV], d V [mV]");
        assert_eq!(forward.inputs()[0].range, Some([0.0, 5.0]));
        assert_eq!(forward.inputs()[2].range, None);
        let reverse = product().derivative(Derivative::VectorJacobian).unwrap();
        assert_eq!(described(reverse.inputs()), "t [ms], V0 [mV], adjoint V [1/mV]");
        assert_eq!(described(reverse.outputs()), "V [mV], adjoint t [1/ms], adjoint V0 [1/mV]");
        assert_eq!(unit_of_quotient("1/ms", "uA/cm2"), "(1/ms)/(uA/cm2)");
    }

    #[test]
    fn a_derivative_has_no_derivative() {
        let mut b = ProgramBuilder::new(1).unwrap();
        let y = b.activation(BlockId::INPUT, crate::activation::Activation::Tanh).unwrap();
        let once = Surrogate::anonymous(b.finish(y)).derivative(Derivative::Jacobian).unwrap();
        let message = once.derivative(Derivative::Jacobian).unwrap_err().to_string();
        assert!(message.contains("derivative of a derivative"), "{message}");
    }
}
