//! A graph in ONNX Runtime, run on buffers where they lie.
//!
//! ort's own tensors of borrowed memory are copied when they are bound; here ONNX Runtime's C
//! functions get the addresses themselves.

use std::ffi::{CString, c_char};
use std::ptr::NonNull;

use ort::AsPointer;
use ort::memory::MemoryInfo;
use ort::session::Session;
use ort::session::builder::{GraphOptimizationLevel, SessionBuilder};
use ort::sys::{ONNXTensorElementDataType, OrtStatusPtr, OrtValue};

use super::{OnnxRuntimeOptions, Provider, library, providers};
use crate::error::{Error, Result};
use crate::surrogate::{Graph, Port};

/// A graph prepared by ONNX Runtime.
pub struct Network {
    session: Session,
    /// Where the caller's buffers are: in the processor's memory, also when a GPU computes.
    memory: MemoryInfo<'static>,
    input_names: Names,
    output_names: Names,
}

/// Names as C wants them.
struct Names {
    pointers: Vec<*const c_char>,
    /// What they lead to.
    _texts: Vec<CString>,
}

// SAFETY: the pointers lead to texts on the heap that move with them and never change.
unsafe impl Send for Names {}

impl Names {
    fn new(ports: &[Port]) -> Result<Self> {
        let text = |port: &Port| {
            CString::new(port.name.as_str())
                .map_err(|_| Error::format(format!("tensor name {:?}", port.name)))
        };
        let texts: Vec<CString> = ports.iter().map(text).collect::<Result<_>>()?;
        Ok(Self { pointers: texts.iter().map(|t| t.as_ptr()).collect(), _texts: texts })
    }
}

impl Network {
    /// Prepares `graph` for calls of up to `batch` cells.
    pub fn new(graph: &Graph, options: &OnnxRuntimeOptions, batch: usize) -> Result<Self> {
        let environment = library::start(options.library.as_deref())?;
        let builder = Session::builder(&environment).map_err(refused)?;
        let builder = configure(builder, options, graph, batch)?;
        let session = { builder }.commit_from_memory(&graph.file).map_err(refused)?;
        let same = |seen: &mut dyn Iterator<Item = &str>, told: &[Port]| {
            seen.eq(told.iter().map(|port| port.name.as_str()))
        };
        if !same(&mut session.inputs().iter().map(|i| i.name()), &graph.inputs)
            || !same(&mut session.outputs().iter().map(|o| o.name()), &graph.outputs)
        {
            return Err(Error::format("ONNX Runtime sees other inputs and outputs than the file tells")
                .remedy("export the network again"));
        }
        Ok(Self {
            session,
            memory: MemoryInfo::default(),
            input_names: Names::new(&graph.inputs)?,
            output_names: Names::new(&graph.outputs)?,
        })
    }

    /// A tensor of `n_cells` rows of `port` at `pointer`.
    ///
    /// # Safety
    /// `pointer` leads to the rows as long as the tensor is in use, and they may be written if it
    /// is an output.
    pub unsafe fn tensor(&self, port: &Port, pointer: *mut f32, n_cells: usize) -> Result<Tensor> {
        let shape = [n_cells as i64, port.width as i64];
        let rank = if port.is_vector { 1 } else { 2 };
        let mut value = std::ptr::null_mut();
        // SAFETY: the shape is that of the memory, for which the caller vouches; ONNX Runtime
        // borrows it.
        let status = unsafe {
            (ort::api().CreateTensorWithDataAsOrtValue)(
                self.memory.ptr(),
                pointer.cast(),
                n_cells * port.width * size_of::<f32>(),
                shape.as_ptr(),
                rank,
                ONNXTensorElementDataType::ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT,
                &mut value,
            )
        };
        check(status)?;
        NonNull::new(value).map(Tensor).ok_or_else(|| Error::unsupported("ONNX Runtime made no tensor"))
    }

    /// Fills the tensors `outputs` from `inputs`.
    ///
    /// # Safety
    /// What the tensors lead to is there; nobody else accesses what outputs lead to.
    pub unsafe fn run(&mut self, inputs: &[Tensor], outputs: &mut [Tensor]) -> Result<()> {
        assert!(inputs.len() == self.input_names.pointers.len());
        assert!(outputs.len() == self.output_names.pointers.len());
        // SAFETY: as many names as tensors; a `Tensor` is a pointer to an OrtValue that lives.
        let status = unsafe {
            (ort::api().Run)(
                self.session.ptr().cast_mut(),
                std::ptr::null(),
                self.input_names.pointers.as_ptr(),
                inputs.as_ptr().cast::<*const OrtValue>(),
                inputs.len(),
                self.output_names.pointers.as_ptr(),
                outputs.len(),
                outputs.as_mut_ptr().cast::<*mut OrtValue>(),
            )
        };
        check(status)
    }
}

fn configure(
    builder: SessionBuilder,
    options: &OnnxRuntimeOptions,
    graph: &Graph,
    batch: usize,
) -> Result<SessionBuilder> {
    let providers = providers::providers(options, graph, batch)?;
    let builder = builder.with_optimization_level(GraphOptimizationLevel::All).map_err(refused)?;
    let builder = builder.with_intra_threads(options.n_threads).map_err(refused)?;
    let builder = builder.with_inter_threads(1).map_err(refused)?;
    let builder = builder.with_parallel_execution(false).map_err(refused)?;
    // The host's own threads want the cores between two calls.
    let builder = builder.with_intra_op_spinning(false).map_err(refused)?;
    let builder = builder.with_inter_op_spinning(false).map_err(refused)?;
    let builder = builder.with_execution_providers(providers).map_err(refused)?;
    match options.provider {
        Provider::Cpu => Ok(builder),
        // Nodes that the GPU's providers do not take must not go to the processor unseen.
        Provider::Cuda(_) | Provider::TensorRt(_) => builder.with_disable_cpu_fallback().map_err(refused),
    }
}

fn refused<R>(fault: ort::Error<R>) -> Error {
    unsupported(&fault.to_string())
}

/// The fault that `status` holds, if any.
fn check(status: OrtStatusPtr) -> Result<()> {
    // SAFETY: it comes from ONNX Runtime and is given away here.
    unsafe { ort::Error::result_from_status(status) }.map_err(refused)
}

/// ONNX Runtime's messages may have several lines.
fn unsupported(message: &str) -> Error {
    let message = message.split_whitespace().collect::<Vec<_>>().join(" ");
    Error::unsupported(format!("ONNX Runtime: {message}"))
}

/// A tensor of borrowed memory.
#[repr(transparent)]
pub struct Tensor(NonNull<OrtValue>);

// SAFETY: it is used through `Network::run` only, by one thread at a time.
unsafe impl Send for Tensor {}

impl Drop for Tensor {
    fn drop(&mut self) {
        // SAFETY: it was made by ONNX Runtime and is freed once.
        unsafe { (ort::api().ReleaseValue)(self.0.as_ptr()) }
    }
}
