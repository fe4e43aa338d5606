//! Options of the execution providers.

use std::path::Path;

use ort::ep::{CUDA, ExecutionProvider, ExecutionProviderDispatch, TensorRT};

use super::{OnnxRuntimeOptions, Provider};
use crate::backend::device::Precision;
use crate::error::{Error, Result};
use crate::surrogate::{Graph, Port};

/// The providers to register, the preferred first; none for the CPU, which is always there.
///
/// # Errors
/// A provider that the loaded library was built without, and a precision that it has not.
pub fn providers(
    options: &OnnxRuntimeOptions,
    graph: &Graph,
    batch: usize,
) -> Result<Vec<ExecutionProviderDispatch>> {
    let precision = options.precision;
    // Asked for without being registered, a provider that fails would silently be the CPU.
    match (options.provider, precision) {
        (Provider::Cpu, Precision::Auto | Precision::F32) => Ok(vec![]),
        (Provider::Cpu, _) => Err(Error::unsupported(format!("precision {precision:?} on the CPU"))
            .remedy("use F32, in which the CPU is fastest")),
        (Provider::Cuda(device), Precision::Auto | Precision::F32 | Precision::Tf32) => {
            available::<CUDA>("CUDA", "the wheel `onnxruntime-gpu`")?;
            Ok(vec![cuda(options, device).build().error_on_failure()])
        }
        (Provider::Cuda(_), _) => Err(Error::unsupported(format!(
            "precision {precision:?} with ONNX Runtime's CUDA provider, which computes in the graph's own"
        ))
        .remedy("use F32 or Tf32, or the backend TensorRT")),
        (Provider::TensorRt(_), Precision::Tf32) => {
            Err(Error::unsupported("precision Tf32 with TensorRT").remedy("use F32, F16 or Bf16"))
        }
        (Provider::TensorRt(device), _) => {
            available::<TensorRT>(
                "TensorRT",
                "the wheel `onnxruntime-gpu`, and NVIDIA's TensorRT 10 and cuDNN 9",
            )?;
            let tensorrt = tensorrt(options, device, graph, batch)?;
            // What TensorRT does not take goes to CUDA, never to the CPU.
            Ok(vec![tensorrt.build().error_on_failure(), cuda(options, device).build().error_on_failure()])
        }
    }
}

fn available<T: ExecutionProvider>(name: &str, needed: &str) -> Result<()> {
    if T::is_available().unwrap_or(false) {
        return Ok(());
    }
    Err(Error::unsupported(format!("this ONNX Runtime was built without its {name} provider"))
        .remedy(format!("install {needed}, or use the CPU")))
}

fn cuda(options: &OnnxRuntimeOptions, device: usize) -> CUDA {
    let cuda = CUDA::default().with_device_id(device as i32).with_tf32(options.precision == Precision::Tf32);
    match options.stream {
        // SAFETY: whoever made the `Stream` vouched for it.
        Some(stream) => unsafe { cuda.with_compute_stream(stream.as_raw().cast()) },
        None => cuda,
    }
}

fn tensorrt(options: &OnnxRuntimeOptions, device: usize, graph: &Graph, batch: usize) -> Result<TensorRT> {
    let shapes = |cells: usize| {
        let shape = |port: &Port| match port.is_vector {
            true => format!("{}:{cells}", port.name),
            false => format!("{}:{cells}x{}", port.name, port.width),
        };
        graph.inputs.iter().map(shape).collect::<Vec<_>>().join(",")
    };
    let mut tensorrt = TensorRT::default()
        .with_device_id(device as i32)
        .with_fp16(options.precision == Precision::F16)
        .with_bf16(options.precision == Precision::Bf16)
        .with_profile_min_shapes(shapes(1))
        .with_profile_opt_shapes(shapes(batch))
        .with_profile_max_shapes(shapes(batch));
    if let Some(folder) = &options.engine_cache {
        let folder = cache_folder(folder)?;
        tensorrt = tensorrt
            .with_engine_cache(true)
            .with_engine_cache_path(folder)
            .with_engine_cache_prefix("emucell")
            .with_timing_cache(true)
            .with_timing_cache_path(folder);
    }
    Ok(match options.stream {
        // SAFETY: as in `cuda`.
        Some(stream) => unsafe { tensorrt.with_compute_stream(stream.as_raw().cast()) },
        None => tensorrt,
    })
}

fn cache_folder(folder: &Path) -> Result<&str> {
    std::fs::create_dir_all(folder).map_err(|e| Error::io("make the folder", folder, e))?;
    folder.to_str().filter(|name| !name.contains('\0')).ok_or_else(|| {
        Error::invalid(format!("engine folder {} is not UTF-8", folder.display())).remedy("name another")
    })
}
