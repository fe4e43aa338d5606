//! Solution maps with a network for each window of time.
//!
//! x(t) = x0 + Σᵢ (1 − e^(−τᵢ/τ))·(shift + scale·networkᵢ) with τᵢ, the time spent in window i: 0 before it and its
//! whole length after it. Each window so starts where the one before ended, without masks or jumps.

use ndarray::{Array2, ArrayView2, s};
use tch::Tensor;

use super::{Form, Model, Prepared};
use crate::error::{Error, Result};
use crate::train::network::{FullyConnected, Network};
use crate::train::scaling::Scaling;

/// Where windows begin and end, and which of them are in use.
#[derive(Debug)]
pub(in crate::train) struct Windows {
    /// Times in ascending order: window i lies between the i-th and the next.
    edges: Vec<f64>,
    /// The window that is being trained, where they are trained one after another.
    trained: Option<usize>,
}

impl Windows {
    pub fn edges(&self) -> &[f64] {
        &self.edges
    }

    fn count(&self) -> usize {
        self.edges.len() - 1
    }

    /// Time spent in window `i` at time `t`.
    fn elapsed(&self, i: usize, t: f64) -> f64 {
        t.clamp(self.edges[i], self.edges[i + 1]) - self.edges[i]
    }

    fn length(&self, i: usize) -> f64 {
        self.edges[i + 1] - self.edges[i]
    }
}

impl Model {
    /// A solution map of one network a window of time. `form` is [`Form::Solution`], whose relaxation holds in every
    /// window; the windows lie between `edges`, the first of which is the initial time. Networks read the time since
    /// their window began, scaled to −1 … 1, instead of the time.
    ///
    /// # Errors
    /// As [`Self::new`]; another form, another number of edges than networks and one, or edges that do not ascend.
    pub fn in_windows(
        networks: Vec<FullyConnected>,
        inputs: Scaling,
        outputs: Scaling,
        form: Form,
        edges: &[f64],
    ) -> Result<Self> {
        if !matches!(form, Form::Solution { .. }) {
            return Err(Error::invalid("windows of time of a form that has no initial state")
                .remedy("use the residual form of a solution map"));
        }
        if networks.is_empty() || edges.len() != networks.len() + 1 {
            return Err(Error::invalid(format!("{} networks between {} edges", networks.len(), edges.len()))
                .remedy("give one edge more than networks"));
        }
        let ascend = edges.windows(2).all(|pair| pair[0] < pair[1]);
        if !ascend || edges.iter().any(|t| !t.is_finite()) {
            return Err(
                Error::invalid(format!("windows between {edges:?}")).remedy("give times in ascending order")
            );
        }
        let shape = |n: &FullyConnected| (n.n_inputs(), n.n_outputs());
        if networks.iter().any(|n| shape(n) != (inputs.n_columns(), outputs.n_columns())) {
            return Err(Error::invalid("networks of windows with unlike inputs or outputs"));
        }
        let network = Network::of_parts(networks)?;
        let like = &network.parts()[0];
        let like = FullyConnected::on(like.n_inputs(), like.n_outputs(), &[], like.kind(), like.device())?;
        let mut model = Self::new(like, inputs, outputs, form)?;
        model.network = network;
        model.windows = Some(Windows { edges: edges.to_vec(), trained: None });
        Ok(model)
    }

    /// Number of windows of time, each with a network of its own; 1 for a model without windows.
    pub fn n_windows(&self) -> usize {
        self.windows.as_ref().map_or(1, Windows::count)
    }

    /// Lets training change one window's network only, and look at that window's time only; all of them for none.
    pub(in crate::train) fn train_window(&mut self, window: Option<usize>) {
        if let Some(windows) = &mut self.windows {
            windows.trained = window;
            self.network.train_parts(window.map_or(0..windows.count(), |i| i..i + 1));
        }
    }

    /// Column of the time, and the range of times that is trained on, where that is not all of it.
    pub(in crate::train) fn trained_times(&self) -> Option<(usize, [f64; 2])> {
        let windows = self.windows.as_ref()?;
        let i = windows.trained?;
        Some((self.solution().0, [windows.edges[i], windows.edges[i + 1]]))
    }

    /// Time column and relaxation of the form.
    pub(in crate::train) fn solution(&self) -> (usize, f64) {
        match &self.form {
            Form::Solution { time, relaxation, .. } => (*time, *relaxation),
            Form::Direct | Form::Step { .. } => unreachable!("windows are of solution maps"),
        }
    }

    /// [`Self::unbounded`] of a model in windows.
    pub(super) fn sum_of_windows(&self, windows: &Windows, inputs: &Tensor) -> Tensor {
        let start = self.tensors.states.as_ref().expect("a form with states").of(inputs);
        let add = |x: Tensor, i: usize| x + self.change_in_window(windows, i, inputs);
        match windows.trained {
            None => (0..windows.count()).fold(start, add),
            // Windows behind the trained one have not begun; those before it are done.
            Some(trained) => add(tch::no_grad(|| (0..trained).fold(start, add)), trained),
        }
    }

    fn change_in_window(&self, windows: &Windows, i: usize, inputs: &Tensor) -> Tensor {
        let c = &self.tensors;
        let (time, relaxation) = self.solution();
        let (first, last) = (windows.edges[i], windows.edges[i + 1]);
        let elapsed = inputs.narrow(1, time as i64, 1).clamp(first, last) - first;
        let scaled = c.input_offset.addcmul(inputs, &c.input_factor);
        let (column, n) = (time as i64, self.n_inputs() as i64);
        let features = Tensor::cat(
            &[
                &scaled.narrow(1, 0, column),
                &(&elapsed * (2.0 / windows.length(i)) - 1.0),
                &scaled.narrow(1, column + 1, n - column - 1),
            ],
            1,
        );
        let change = c.output_shift.addcmul(&self.network.parts()[i].forward(&features), &c.output_scale);
        -(elapsed / -relaxation).expm1() * change
    }

    /// [`Self::prepare`] of a model in windows, for rows of the trained times only.
    pub(super) fn prepare_windows(
        &self,
        windows: &Windows,
        inputs: ArrayView2<f64>,
        targets: ArrayView2<f64>,
    ) -> Prepared {
        let (time, relaxation) = self.solution();
        let used = windows.trained.map_or(0..windows.count(), |i| i..i + 1);
        let (n, n_inputs) = inputs.dim();
        let mut features = Array2::zeros((n, used.len() * n_inputs));
        let mut gains = Array2::zeros((n, used.len()));
        for (k, i) in used.clone().enumerate() {
            for (row, x) in inputs.rows().into_iter().enumerate() {
                let elapsed = windows.elapsed(i, x[time]);
                gains[[row, k]] = -(-elapsed / relaxation).exp_m1();
                for j in 0..n_inputs {
                    features[[row, k * n_inputs + j]] = match j == time {
                        true => 2.0 * elapsed / windows.length(i) - 1.0,
                        false => (x[j] - self.inputs.shift()[j]) / self.inputs.scale()[j],
                    };
                }
            }
        }
        // Where the trained windows start: what earlier windows have learnt does not change any more.
        let x = self.tensor(inputs);
        let start = tch::no_grad(|| {
            let start = self.tensors.states.as_ref().expect("a form with states").of(&x);
            (0..used.start).fold(start, |start, i| start + self.change_in_window(windows, i, &x))
        });
        let start = crate::train::network::numbers(&start);
        let mut scaled = targets.to_owned();
        for ((row, j), target) in scaled.indexed_iter_mut() {
            let gain = gains.slice(s![row, ..]).sum();
            let change = *target - start[row * targets.ncols() + j] - gain * self.outputs.shift()[j];
            *target = change / self.outputs.scale()[j];
        }
        Prepared {
            features: self.tensor(features.view()),
            gains: Some(self.tensor(gains.view())),
            targets: self.tensor(scaled.view()),
            raw_targets: None,
        }
    }

    /// [`Self::predict_prepared`] of a model in windows.
    pub(super) fn predict_windows(&self, windows: &Windows, prepared: &Prepared) -> Tensor {
        let gains = prepared.gains.as_ref().expect("windows have gains");
        let used = windows.trained.map_or(0..windows.count(), |i| i..i + 1);
        let n = self.n_inputs() as i64;
        let terms = used.zip(0..).map(|(i, k)| {
            let features = prepared.features.narrow(1, k * n, n);
            self.network.parts()[i].forward(&features) * gains.narrow(1, k, 1)
        });
        terms.reduce(|sum, term| sum + term).expect("at least one window")
    }

    pub(in crate::train) fn windows(&self) -> Option<&Windows> {
        self.windows.as_ref()
    }
}
