// Forward Euler of a cell model, a thread a cell.

// Bits of a job's options.
#define EMUCELL_OWN_PARAMETERS 1u // each cell's lie in columns
#define EMUCELL_ADVANCE 2u        // the last states take the place of the first

template <class M> struct EulerJob {
    u64 n_cells, n_samples, steps_per_sample;
    u64 samples, pitch; // of M::State: state j of sample k of cell i is number (k · states + j) · pitch + i
    u64 options;
    double dt;
    Column stimulus, state[M::STATES], parameters[M::PARAMETERS];
    typename M::Number c[M::COEFFICIENTS];
};

template <class T> EMUCELL_DEVICE T load_as(const Column &column, u64 row) {
    if constexpr (sizeof(T) == sizeof(double)) return load_double(column, row);
    else return load(column, row);
}

// States stay in registers from sample to sample.
template <class M, int THREADS> EMUCELL_DEVICE void euler_samples(const EulerJob<M> &job) {
    typedef typename M::State State;
    State *samples = static_cast<State *>(global(job.samples));
    EMUCELL_ROLLED for (u64 cell = u64(block_in_grid()) * THREADS + thread_in_block(); cell < job.n_cells;
                        cell += u64(blocks_in_grid()) * THREADS) {
        State x[M::STATES], c[M::COEFFICIENTS], stimulus = load_as<State>(job.stimulus, cell);
        EMUCELL_UNROLL for (int j = 0; j < M::STATES; j++) x[j] = load_as<State>(job.state[j], cell);
        if (job.options & EMUCELL_OWN_PARAMETERS) {
            State p[M::PARAMETERS];
            EMUCELL_UNROLL for (int j = 0; j < M::PARAMETERS; j++) p[j] = load_as<State>(job.parameters[j], cell);
            M::coefficients(p, State(job.dt), c);
        } else {
            EMUCELL_UNROLL for (int j = 0; j < M::COEFFICIENTS; j++) c[j] = job.c[j];
        }
        EMUCELL_ROLLED for (u64 k = 0; k < job.n_samples; k++) {
            _Pragma("unroll 8") for (u32 step = 0; step < u32(job.steps_per_sample); step++) M::step(x, c, stimulus);
            if (job.samples) {
                EMUCELL_UNROLL for (int j = 0; j < M::STATES; j++) samples[(k * M::STATES + j) * job.pitch + cell] = x[j];
            }
        }
        if (job.options & EMUCELL_ADVANCE) {
            EMUCELL_UNROLL for (int j = 0; j < M::STATES; j++) store(job.state[j], cell, double(x[j]));
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
