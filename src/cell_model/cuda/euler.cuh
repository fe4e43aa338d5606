// Forward Euler of a cell model, a thread a cell.

template <class M> struct EulerJob {
    u64 n_cells, n_samples, steps_per_sample;
    u64 samples, pitch; // float: state j of sample k of cell i is number (k · states + j) · pitch + i
    Column stimulus, state[M::STATES];
    typename M::Coefficient c[M::COEFFICIENTS];
};

// States stay in registers from sample to sample.
template <class M, int THREADS> EMUCELL_DEVICE void euler_samples(const EulerJob<M> &job) {
    float *samples = static_cast<float *>(global(job.samples));
    EMUCELL_ROLLED for (u64 cell = u64(block_in_grid()) * THREADS + thread_in_block(); cell < job.n_cells;
                        cell += u64(blocks_in_grid()) * THREADS) {
        float x[M::STATES], stimulus = load(job.stimulus, cell);
        EMUCELL_UNROLL for (int j = 0; j < M::STATES; j++) x[j] = load(job.state[j], cell);
        EMUCELL_ROLLED for (u64 k = 0; k < job.n_samples; k++) {
            _Pragma("unroll 8") for (u32 step = 0; step < u32(job.steps_per_sample); step++) M::step(x, job.c, stimulus);
            EMUCELL_UNROLL for (int j = 0; j < M::STATES; j++) samples[(k * M::STATES + j) * job.pitch + cell] = x[j];
        }
    }
}

// As solvers of published comparisons do it: states are in memory before and after every step, and constants are
// doubles.
template <class M, int THREADS> EMUCELL_DEVICE void euler_in_memory(const EulerJob<M> &job) {
    EMUCELL_ROLLED for (u64 cell = u64(block_in_grid()) * THREADS + thread_in_block(); cell < job.n_cells;
                        cell += u64(blocks_in_grid()) * THREADS) {
        float stimulus = load(job.stimulus, cell);
        EMUCELL_ROLLED for (u64 step = 0; step < job.n_samples * job.steps_per_sample; step++) {
            float x[M::STATES];
            EMUCELL_UNROLL for (int j = 0; j < M::STATES; j++)
                x[j] = static_cast<const volatile float *>(global(job.state[j].address))[cell * (job.state[j].stride >> 1)];
            M::step(x, job.c, stimulus);
            EMUCELL_UNROLL for (int j = 0; j < M::STATES; j++)
                static_cast<volatile float *>(global(job.state[j].address))[cell * (job.state[j].stride >> 1)] = x[j];
        }
    }
}
