//! What is trained: a network between raw inputs and raw outputs, with scaling and a form.

mod body;
mod bounds;
mod form;
mod modes;
mod prepared;
mod shapes;
mod states;
mod windows;
mod windows_program;

use ndarray::{Array2, ArrayView2};
use tch::{Device, Kind, Tensor};

pub(crate) use body::{Body, Product, Stage};
pub use form::Form;
pub(crate) use prepared::Prepared;
pub use shapes::StageNetwork;

use states::States;

use super::network::{FullyConnected, Network};
use super::scaling::Scaling;
use crate::error::{Error, Result};
use crate::train::task::Initial;

/// A network with everything between raw inputs and raw outputs.
///
/// The network reads the scaled inputs and after them one feature 1 − 2·e^(−t/τᵢ) for each time
/// constant; these resolve fast beginnings that a single scaled time does not.
#[derive(Debug)]
pub struct Model {
    network: Network,
    body: Body,
    inputs: Scaling,
    outputs: Scaling,
    form: Form,
    time: usize,
    time_constants: Vec<f64>,
    tensors: Constants,
    bounds: Option<bounds::Bounds>,
    windows: Option<windows::Windows>,
}

/// The model's constants as tensors, so that a forward pass makes none.
#[derive(Debug)]
pub(crate) struct Constants {
    input_factor: Tensor,
    input_offset: Tensor,
    output_shift: Tensor,
    output_scale: Tensor,
    decay_rates: Option<Tensor>,
    states: Option<States>,
}

impl Constants {
    fn new(
        inputs: &Scaling,
        outputs: &Scaling,
        time_constants: &[f64],
        states: Option<&[Initial]>,
        network: &Network,
    ) -> Self {
        let row = |values: &[f64]| {
            Tensor::from_slice(values).to_kind(network.kind()).to_device(network.device()).unsqueeze(0)
        };
        let factors: Vec<f64> = inputs.scale().iter().map(|s| 1.0 / s).collect();
        let offsets: Vec<f64> = inputs.shift().iter().zip(&factors).map(|(s, f)| -s * f).collect();
        let rates: Vec<f64> = time_constants.iter().map(|t| -1.0 / t).collect();
        Self {
            input_factor: row(&factors),
            input_offset: row(&offsets),
            output_shift: row(outputs.shift()),
            output_scale: row(outputs.scale()),
            decay_rates: (!rates.is_empty()).then(|| row(&rates)),
            states: states.map(|s| States::new(s, network.kind(), network.device())),
        }
    }

    fn scaled(&self, inputs: &Tensor) -> Tensor {
        self.input_offset.addcmul(inputs, &self.input_factor)
    }
}

impl From<FullyConnected> for Model {
    fn from(network: FullyConnected) -> Self {
        let (n_inputs, n_outputs) = (network.n_inputs(), network.n_outputs());
        Self::assemble(
            network,
            Scaling::identity(n_inputs),
            Scaling::identity(n_outputs),
            Form::Direct,
            0,
            Vec::new(),
        )
    }
}

impl Model {
    /// A model of `network` with scaled inputs and outputs.
    ///
    /// # Errors
    /// Scalings or columns that do not fit the network, or time constants that are not positive.
    pub fn new(network: FullyConnected, inputs: Scaling, outputs: Scaling, form: Form) -> Result<Self> {
        Self::with_time_features(network, inputs, outputs, form, 0, &[])
    }

    /// As [`Self::new`], for a network that also reads one feature for each of `time_constants`
    /// of input column `time`: its width is the number of raw inputs and time constants.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn with_time_features(
        network: FullyConnected,
        inputs: Scaling,
        outputs: Scaling,
        form: Form,
        time: usize,
        time_constants: &[f64],
    ) -> Result<Self> {
        let n_features = inputs.n_columns() + time_constants.len();
        if network.n_inputs() != n_features || network.n_outputs() != outputs.n_columns() {
            return Err(Error::invalid(format!(
                "a network of {} inputs and {} outputs for {n_features} features and {} outputs",
                network.n_inputs(),
                network.n_outputs(),
                outputs.n_columns()
            )));
        }
        check_columns(&inputs, &outputs, &form, time, time_constants)?;
        Ok(Self::assemble(network, inputs, outputs, form, time, time_constants.to_vec()))
    }

    fn assemble(
        network: impl Into<Network>,
        inputs: Scaling,
        outputs: Scaling,
        form: Form,
        time: usize,
        time_constants: Vec<f64>,
    ) -> Self {
        let network = network.into();
        let states = form.states();
        let tensors = Constants::new(&inputs, &outputs, &time_constants, states.as_deref(), &network);
        let body = Body::Single;
        let windows = None;
        Self { network, body, inputs, outputs, form, time, time_constants, tensors, bounds: None, windows }
    }

    /// Number of raw input columns.
    pub fn n_inputs(&self) -> usize {
        self.inputs.n_columns()
    }

    /// Number of output columns.
    pub fn n_outputs(&self) -> usize {
        self.outputs.n_columns()
    }

    /// True where a network reads something else than one row a row of the inputs.
    pub(crate) fn mixes_rows(&self) -> bool {
        matches!(&self.body, Body::Product(product) if product.at.is_some())
    }

    /// The network.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// The network, for changing its parameters.
    pub fn network_mut(&mut self) -> &mut Network {
        &mut self.network
    }

    /// The scaling of the raw inputs.
    pub fn input_scaling(&self) -> &Scaling {
        &self.inputs
    }

    /// The scaling of what the form adds up.
    pub fn output_scaling(&self) -> &Scaling {
        &self.outputs
    }

    /// How outputs come from the network's scaled numbers.
    pub fn form(&self) -> &Form {
        &self.form
    }

    /// True when one network goes from each time to the next, and learns from single such steps.
    pub(crate) fn repeats_a_stage(&self) -> bool {
        self.body.repeated(&self.network).is_some()
    }

    /// What stands between the features and the network's numbers.
    pub(crate) fn body(&self) -> &Body {
        &self.body
    }

    /// Input column and time constants of the time features.
    pub fn time_features(&self) -> (usize, &[f64]) {
        (self.time, &self.time_constants)
    }

    /// Raw outputs `[n, n_outputs]` for raw inputs `[n, n_inputs]`; differentiable in both the
    /// parameters and the inputs.
    pub fn forward(&self, inputs: &Tensor) -> Tensor {
        self.within_bounds(self.unbounded(inputs))
    }

    /// As [`Self::forward`], without the bounds: where they hold, nothing could be learnt.
    pub(crate) fn unbounded(&self, inputs: &Tensor) -> Tensor {
        if let Some(windows) = &self.windows {
            return self.sum_of_windows(windows, inputs);
        }
        let c = &self.tensors;
        let scaled = c.scaled(inputs);
        let features = match &c.decay_rates {
            None => scaled,
            Some(rates) => {
                let decays = (inputs.narrow(1, self.time as i64, 1) * rates).exp();
                Tensor::cat(&[scaled, decays * -2.0 + 1.0], 1)
            }
        };
        let change = c.output_shift.addcmul(&self.numbers(&features), &c.output_scale);
        let state = || c.states.as_ref().expect("a form with states").of(inputs);
        match &self.form {
            Form::Direct => change,
            Form::Step { .. } => state() + change,
            Form::Solution { time, relaxation, .. } => {
                let gain = -(inputs.narrow(1, *time as i64, 1) / -*relaxation).expm1();
                state().addcmul(&gain, &change)
            }
        }
    }

    /// The network's numbers for scaled features.
    fn numbers(&self, features: &Tensor) -> Tensor {
        self.body.forward(&self.network, &self.tensors, features)
    }

    /// Raw outputs for raw inputs as arrays, without a graph; in blocks, so that large tables fit.
    ///
    /// # Panics
    /// If `inputs` has not [`Self::n_inputs`] columns.
    pub fn predict(&self, inputs: ArrayView2<f64>) -> Array2<f64> {
        assert_eq!(inputs.ncols(), self.n_inputs());
        let mut outputs = Vec::with_capacity(inputs.nrows() * self.n_outputs());
        for block in inputs.axis_chunks_iter(ndarray::Axis(0), 16384) {
            let x = self.tensor(block);
            outputs.extend(super::network::numbers(&tch::no_grad(|| self.forward(&x))));
        }
        Array2::from_shape_vec((inputs.nrows(), self.n_outputs()), outputs).expect("one row a row of inputs")
    }

    /// The gradient of `loss`, a tensor of one number, in all parameters, in the order of
    /// [`Network::parameters`].
    pub fn gradient(&self, loss: &Tensor) -> Tensor {
        let parts = Tensor::run_backward(&[loss], &self.network.leaves(), false, false);
        let parts: Vec<Tensor> = parts.iter().map(|g| g.reshape([-1])).collect();
        Tensor::cat(&parts, 0)
    }

    /// An array as a tensor of the network's element type and device.
    pub(crate) fn tensor(&self, array: ArrayView2<f64>) -> Tensor {
        tensor_of(array, self.network.kind(), self.network.device())
    }
}

/// Rejects scalings, columns and time constants that do not fit each other.
fn check_columns(
    inputs: &Scaling,
    outputs: &Scaling,
    form: &Form,
    time: usize,
    time_constants: &[f64],
) -> Result<()> {
    let mut columns = vec![time];
    let mut constants = time_constants.to_vec();
    match form {
        Form::Direct | Form::Step { .. } => {}
        Form::Solution { time, relaxation, .. } => {
            columns.push(*time);
            constants.push(*relaxation);
        }
    }
    if let Some(states) = form.states() {
        states::check(&states, outputs.n_columns())?;
        columns.extend(states.iter().filter_map(|s| s.column()));
    }
    if let Some(column) = columns.iter().find(|&&c| c >= inputs.n_columns()) {
        return Err(Error::invalid(format!("column {column} of {} inputs", inputs.n_columns())));
    }
    if let Some(tau) = constants.iter().find(|t| !(t.is_finite() && **t > 0.0)) {
        return Err(Error::invalid(format!("a time constant of {tau}")).remedy("use positive numbers"));
    }
    Ok(())
}

fn tensor_of(array: ArrayView2<f64>, kind: Kind, device: Device) -> Tensor {
    let rows = array.as_standard_layout();
    let values = rows.as_slice().expect("standard layout is contiguous");
    let size = [array.nrows() as i64, array.ncols() as i64];
    Tensor::from_slice(values).view(size).to_kind(kind).to_device(device)
}
