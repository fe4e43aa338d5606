//! What a GPU can do at most, what a kernel asks of it, and which of both limits the other.

use super::generate::Work;

/// What a GPU does in a second, all of it together.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rates {
    /// Multiply-adds in single precision.
    pub multiply_adds: f64,
    /// Multiply-adds of tensor cores in half precision with sums in single, and in TF32.
    pub tensor: [f64; 2],
    /// Special functions: exponentials, reciprocals, approximate hyperbolic tangents.
    pub special: f64,
    /// Bytes of its memory.
    pub bytes: f64,
}

/// What a driver says of a GPU.
#[derive(Clone, Copy, Debug)]
pub struct Attributes {
    /// Compute capability × 10.
    pub architecture: u32,
    /// Multiprocessors.
    pub multiprocessors: usize,
    /// Clock of the multiprocessors, Hz.
    pub clock: f64,
    /// Clock of the memory, Hz.
    pub memory_clock: f64,
    /// Width of its bus in bits.
    pub bus_width: f64,
}

impl Rates {
    /// From what a multiprocessor of each architecture does in a clock, as NVIDIA's documents have it for dense matrices.
    pub fn of(gpu: &Attributes) -> Self {
        let [multiply_adds, half, tf32] = match gpu.architecture {
            ..80 => [64.0, 512.0, 0.0],
            80 | 87 => [64.0, 1024.0, 512.0],
            81..=89 => [128.0, 256.0, 128.0],
            90 => [128.0, 2048.0, 1024.0],
            100 | 103 | 110 => [128.0, 4096.0, 2048.0],
            _ => [128.0, 256.0, 128.0],
        };
        let clocks = gpu.multiprocessors as f64 * gpu.clock;
        Self {
            multiply_adds: multiply_adds * clocks,
            tensor: [half * clocks, tf32 * clocks],
            special: 16.0 * clocks,
            // Two transfers a clock.
            bytes: 2.0 * gpu.memory_clock * gpu.bus_width / 8.0,
        }
    }
}

/// The shortest time for a cell, and what sets it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limit {
    /// Seconds.
    pub seconds: f64,
    /// `tensor cores`, `special functions`, `multiply-adds` or `memory`.
    pub by: &'static str,
}

impl Limit {
    /// Of a cell's `work`, with everything at once; `bytes` of the GPU's memory are moved for it.
    pub fn of(work: &Work, bytes: usize, rates: &Rates) -> Self {
        // What a GPU does not have at all is asked for by no kernel that is made for it.
        let tensor =
            [0, 1].iter().filter(|&&i| work.tensor[i] > 0.0).map(|&i| work.tensor[i] / rates.tensor[i]);
        let parts = [
            ("tensor cores", tensor.sum()),
            ("special functions", work.special / rates.special),
            ("multiply-adds", work.multiply_adds / rates.multiply_adds),
            ("memory", bytes as f64 / rates.bytes),
        ];
        let (by, seconds) = parts.into_iter().max_by(|a, b| a.1.total_cmp(&b.1)).expect("four parts");
        Self { seconds, by }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn h100() -> Rates {
        // SXM: 132 multiprocessors, 1.755 GHz under load, 5120 bits at 2.619 GHz.
        Rates::of(&Attributes {
            architecture: 90,
            multiprocessors: 132,
            clock: 1.755e9,
            memory_clock: 2.619e9,
            bus_width: 5120.0,
        })
    }

    #[test]
    fn rates_are_those_of_the_data_sheet() {
        let rates = h100();
        let close = |a: f64, b: f64| assert!((a / b - 1.0).abs() < 0.06, "{a:e} {b:e}");
        // An H100 SXM by its data sheet: 67 and 989 and 494 TFLOP/s, 3.35 TB/s.
        close(2.0 * rates.multiply_adds, 60e12);
        close(2.0 * rates.tensor[0], 989e12);
        close(2.0 * rates.tensor[1], 494e12);
        close(rates.bytes, 3.35e12);
    }

    #[test]
    fn the_dearest_part_is_the_limit() {
        let rates = h100();
        let work = |tensor, special, multiply_adds| Work { tensor, special, multiply_adds };
        let limit = Limit::of(&work([336.0, 0.0], 0.0, 0.0), 20, &rates);
        assert_eq!(limit.by, "memory");
        assert!((1.0 / limit.seconds / 1.68e11 - 1.0).abs() < 0.01, "{limit:?}");
        assert_eq!(Limit::of(&work([30_000.0, 0.0], 0.0, 0.0), 24, &rates).by, "tensor cores");
        assert_eq!(Limit::of(&work([8_000.0, 0.0], 192.0, 0.0), 24, &rates).by, "special functions");
        assert_eq!(Limit::of(&work([0.0, 0.0], 0.0, 9_000.0), 24, &rates).by, "multiply-adds");
    }
}
