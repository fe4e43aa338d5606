//! Cells through ONNX Runtime, batch by batch.

use std::ops::Range;

use super::batch::Side;
use super::network::Network;
use super::{OnnxRuntimeOptions, Provider};
use crate::backend::tile::{self, Border};
use crate::backend::{Advance, Backend, Evaluation, Guard, StepInput, Tally, check_threads};
use crate::error::Result;
use crate::kernels::{Kernels, Rows, TILE, TileColumn};
use crate::surrogate::Graph;

/// Cells that ONNX Runtime takes at a time on a processor: fewer make its own cost of a call felt,
/// and the results of more between two operations leave the cache.
const CPU_BATCH: usize = 1024;
/// Cells at a time on a GPU where the caller does not tell how many there are.
const GPU_BATCH: usize = 65_536;
/// Most cells at a time, whatever the caller tells: memory for so many is taken.
const MAX_BATCH: usize = 1 << 20;

/// See [`Backend`]; memory for a batch is allocated here and none later, except by ONNX Runtime
/// itself.
pub struct OnnxRuntimeBackend {
    name: String,
    border: Border,
    batch: usize,
    network: Network,
    inputs: Side,
    outputs: Side,
    /// One tile of inputs and one of results.
    input_tile: Vec<TileColumn>,
    result_tile: Vec<TileColumn>,
    /// Status bits of the batch's cells, tile by tile: in the last step, and in all of them.
    flags: Vec<[u8; TILE]>,
    all_flags: Vec<[u8; TILE]>,
}

impl OnnxRuntimeBackend {
    /// Prepares `graph`, and runs it once.
    ///
    /// # Errors
    /// No ONNX Runtime on this machine, or one that cannot do what the options ask for; a graph
    /// that it refuses.
    pub fn new(graph: &Graph, options: OnnxRuntimeOptions) -> Result<Self> {
        check_threads(options.n_threads)?;
        let batch = match (options.provider, options.capacity) {
            (Provider::Cpu, _) => CPU_BATCH,
            (_, 0) => GPU_BATCH,
            (_, capacity) => capacity.min(MAX_BATCH),
        };
        let network = Network::new(graph, &options, batch)?;
        let inputs = Side::new(&network, &graph.inputs, batch)?;
        let outputs = Side::new(&network, &graph.outputs, batch)?;
        let transfer = Kernels::select(None)?.transfer;
        let border = Border::new(options.check, transfer, inputs.n_columns(), outputs.n_columns());
        let tile = |side: &Side| vec![TileColumn([0.0; TILE]); side.n_columns()];
        let mut backend = Self {
            name: match options.provider {
                Provider::Cpu => format!("onnxruntime cpu, threads: {}", options.n_threads),
                Provider::Cuda(device) => format!("onnxruntime cuda:{device}"),
                Provider::TensorRt(device) => format!("onnxruntime tensorrt cuda:{device}"),
            },
            border,
            batch,
            network,
            input_tile: tile(&inputs),
            result_tile: tile(&outputs),
            inputs,
            outputs,
            flags: vec![[0; TILE]; batch.div_ceil(TILE)],
            all_flags: vec![[0; TILE]; batch.div_ceil(TILE)],
        };
        // What a graph cannot do shows now, and ONNX Runtime takes its memory now.
        for n_cells in [1, batch] {
            backend.run_own(n_cells).map_err(|e| e.at(format!("a first run with {n_cells} cells")))?;
        }
        Ok(backend)
    }

    /// Runs the network on the first `n_cells` of our own rows.
    fn run_own(&mut self, n_cells: usize) -> Result<()> {
        let (network, inputs) = (&mut self.network, &mut self.inputs);
        let inputs = inputs.own(network, n_cells)?;
        let outputs = self.outputs.own(network, n_cells)?;
        // SAFETY: the rows are there, and those of the outputs borrowed uniquely.
        unsafe { network.run(inputs, outputs) }
    }

    /// Evaluates the batch of `cells`; the caller's own numbers are used where they lie if their
    /// layout allows and nothing is done to them.
    ///
    /// # Safety
    /// As [`Backend::evaluate`].
    unsafe fn evaluate_batch(&mut self, job: &Evaluation<'_>, cells: Range<usize>) -> Result<Tally> {
        let looks = self.border.check.looks(job.status);
        let direct_inputs = self.border.check.guard != Guard::Clamp && self.inputs.takes(job.inputs);
        let direct_outputs = self.border.check.guard != Guard::Fallback && self.outputs.takes(job.outputs);
        if looks || !direct_inputs {
            for (tile, flags) in tiles(cells.len()).zip(&mut self.flags) {
                let rows = Rows::From(cells.start + tile.start);
                // SAFETY: passed on.
                unsafe {
                    tile::load(&self.border.inputs, job.inputs, rows, tile.len(), &mut self.input_tile)
                };
                if looks {
                    self.border.check_inputs(&mut self.input_tile, flags);
                }
                if !direct_inputs {
                    self.inputs.store(tile.start, tile.len(), &self.input_tile);
                }
            }
        }
        // SAFETY: passed on; rows of our own are there.
        unsafe {
            let (network, n_cells) = (&mut self.network, cells.len());
            let inputs = match direct_inputs {
                true => self.inputs.bind(network, job.inputs, cells.start, n_cells)?,
                false => self.inputs.own(network, n_cells)?,
            };
            let outputs = match direct_outputs {
                true => self.outputs.bind(network, job.outputs, cells.start, n_cells)?,
                false => self.outputs.own(network, n_cells)?,
            };
            network.run(inputs, outputs)?;
        }
        let mut tally = Tally::default();
        if !looks && direct_outputs {
            return Ok(tally);
        }
        for (tile, flags) in tiles(cells.len()).zip(&mut self.flags) {
            let (own, rows) = (shifted(&tile, cells.start), Rows::From(cells.start + tile.start));
            // SAFETY: passed on.
            unsafe {
                if direct_outputs {
                    tile::load(&self.border.outputs, job.outputs, rows, tile.len(), &mut self.result_tile);
                } else {
                    self.outputs.load(tile.start, tile.len(), &mut self.result_tile);
                }
                if looks {
                    tally += self.border.look_at_results(&self.result_tile, flags, tile.len());
                }
                if !direct_outputs {
                    self.border.store(&self.result_tile, job.outputs, rows, tile.len(), flags);
                }
                job.status.store(own, flags);
            }
        }
        Ok(tally)
    }

    /// Advances the batch of `cells`, in rows of our own: the network may write results before it
    /// has read all inputs.
    ///
    /// # Safety
    /// As [`Backend::step`].
    unsafe fn step_batch(&mut self, job: &Advance<'_>, cells: Range<usize>) -> Result<Tally> {
        let looks = self.border.check.looks(job.status);
        let mut tally = Tally::default();
        self.all_flags.fill([0; TILE]);
        for step in 0..job.n_steps {
            for (tile, flags) in tiles(cells.len()).zip(&mut self.flags) {
                if step == 0 {
                    // SAFETY: passed on.
                    unsafe { self.border.load_step(job, shifted(&tile, cells.start), &mut self.input_tile) };
                } else {
                    self.inputs.load(tile.start, tile.len(), &mut self.input_tile);
                    self.outputs.load(tile.start, tile.len(), &mut self.result_tile);
                    for (input, column) in job.inputs.iter().zip(&mut self.input_tile) {
                        if let StepInput::State(j) = input {
                            *column = self.result_tile[*j];
                        }
                    }
                }
                if looks {
                    self.border.check_inputs(&mut self.input_tile, flags);
                }
                self.inputs.store(tile.start, tile.len(), &self.input_tile);
            }
            self.run_own(cells.len())?;
            let flags = self.flags.iter_mut().zip(&mut self.all_flags);
            for (tile, (flags, all)) in tiles(cells.len()).zip(flags).filter(|_| looks) {
                self.outputs.load(tile.start, tile.len(), &mut self.result_tile);
                tally += self.border.look_at_results(&self.result_tile, flags, tile.len());
                all.iter_mut().zip(flags).for_each(|(all, now)| *all |= *now);
            }
        }
        for (tile, (flags, all)) in tiles(cells.len()).zip(self.flags.iter().zip(&self.all_flags)) {
            let own = shifted(&tile, cells.start);
            self.outputs.load(tile.start, tile.len(), &mut self.result_tile);
            // SAFETY: passed on.
            unsafe {
                if job.n_steps > 0 {
                    let rows = tile::rows_of(job, &own);
                    self.border.store(&self.result_tile, job.state, rows, tile.len(), flags);
                }
                job.status.store(own, all);
            }
        }
        Ok(tally)
    }

    /// Batches of `n_cells` cells.
    fn batches(&self, n_cells: usize) -> impl Iterator<Item = Range<usize>> + use<> {
        let batch = self.batch;
        (0..n_cells).step_by(batch).map(move |first| first..n_cells.min(first + batch))
    }
}

impl Backend for OnnxRuntimeBackend {
    fn name(&self) -> &str {
        &self.name
    }

    unsafe fn evaluate(&mut self, job: &Evaluation<'_>) -> Result<Tally> {
        self.border.lay_out_evaluation(job);
        let mut tally = Tally::default();
        for cells in self.batches(job.n_cells) {
            // SAFETY: passed on.
            tally += unsafe { self.evaluate_batch(job, cells)? };
        }
        Ok(tally)
    }

    unsafe fn step(&mut self, job: &Advance<'_>) -> Result<Tally> {
        self.border.lay_out_step(job, |_| true);
        let mut tally = Tally::default();
        for cells in self.batches(job.n_cells) {
            // SAFETY: passed on.
            tally += unsafe { self.step_batch(job, cells)? };
        }
        Ok(tally)
    }
}

/// Tiles of a batch of `n_cells` cells.
fn tiles(n_cells: usize) -> impl Iterator<Item = Range<usize>> {
    (0..n_cells).step_by(TILE).map(move |first| first..n_cells.min(first + TILE))
}

fn shifted(tile: &Range<usize>, by: usize) -> Range<usize> {
    tile.start + by..tile.end + by
}
