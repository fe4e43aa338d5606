// From the caller's numbers to a thread's registers and back: what every kernel does around the network.

// One variable of all cells. Lowest bit of stride: the numbers are doubles; the other bits: elements from a cell to
// the next.
struct Column {
    u64 address, stride;
};

// Bits of a cell's status byte.
#define EMUCELL_OUTSIDE_DOMAIN 1u
#define EMUCELL_NOT_FINITE 2u

// Bits of a call's options.
#define EMUCELL_LOOK 1u      // cells are looked at: counted, and marked in status if there is one
#define EMUCELL_CLAMP 2u     // inputs are moved to the domain's border
#define EMUCELL_KEEP 4u      // cells outside the domain keep their numbers
#define EMUCELL_SINGLES 8u   // no column holds doubles

// What a kernel is called with, beside its columns.
struct Call {
    u64 n_cells;
    u64 n_rows;   // of an index
    u64 index;    // u32 a cell; 0 for none
    u64 status;   // a byte a cell; 0 for none
    u64 counters; // u64: outside the domain, not finite, rows that do not exist
    u64 numbers;  // weights and tables
    u32 options;
    u32 n_steps;
    float dt;
    u32 reserved;
};

template <int I, int O> struct Job {
    Call call;
    Column inputs[I], outputs[O];
};

// Where a warp keeps what its threads exchange, and the weights.
struct Warp {
    const float *numbers; // in the GPU's memory
    u8 *weights;          // in shared memory, a copy of the first numbers
    u8 *stage;            // in shared memory, this warp's
    u32 lane;
    const float *row;     // in shared memory, numbers of the time that is computed, where there are several
};

// Where an input of a step comes from.
enum Source { STATE, BY_POSITION, BY_ROW, TIME };

EMUCELL_DEVICE float load_single(const Column &column, u64 row) {
    return static_cast<const float *>(global(column.address))[row * (column.stride >> 1)];
}
EMUCELL_DEVICE double load_double(const Column &column, u64 row) {
    u64 place = row * (column.stride >> 1);
    if (column.stride & 1) return static_cast<const double *>(global(column.address))[place];
    return double(static_cast<const float *>(global(column.address))[place]);
}
EMUCELL_DEVICE float load(const Column &column, u64 row) {
    u64 place = row * (column.stride >> 1);
    if (column.stride & 1) return float(static_cast<const double *>(global(column.address))[place]);
    return static_cast<const float *>(global(column.address))[place];
}
EMUCELL_DEVICE void store(const Column &column, u64 row, double x) {
    u64 place = row * (column.stride >> 1);
    if (column.stride & 1) static_cast<double *>(global(column.address))[place] = x;
    else static_cast<float *>(global(column.address))[place] = float(x);
}

template <int O>
EMUCELL_DEVICE void store_all(const Column *columns, u64 row, const float (&y)[O], u32 options) {
    EMUCELL_UNROLL for (int j = 0; j < O; j++) {
        if (options & EMUCELL_SINGLES)
            static_cast<float *>(global(columns[j].address))[row * (columns[j].stride >> 1)] = y[j];
        else store(columns[j], row, double(y[j]));
    }
}

// Whether an input is outside its range, domain[2i] … domain[2i + 1]; moves inputs there if the call says so.
template <int I> EMUCELL_DEVICE u32 check(float (&x)[I], const float *domain, u32 options) {
    u32 flags = 0;
    EMUCELL_UNROLL for (int i = 0; i < I; i++) {
        float low = domain[2 * i], high = domain[2 * i + 1];
        if (!(x[i] >= low && x[i] <= high)) flags = EMUCELL_OUTSIDE_DOMAIN;
        if (options & EMUCELL_CLAMP) x[i] = limited(x[i], low, high);
    }
    return flags;
}

template <int O> EMUCELL_DEVICE u32 look(const float (&y)[O]) {
    bool finite = true;
    EMUCELL_UNROLL for (int j = 0; j < O; j++) finite = finite && is_finite(y[j]);
    return finite ? 0 : EMUCELL_NOT_FINITE;
}

// What a thread has seen.
struct Seen {
    u32 outside, not_finite, wrong_rows;

    EMUCELL_DEVICE void add(u32 flags) {
        outside += flags & EMUCELL_OUTSIDE_DOMAIN ? 1 : 0;
        not_finite += flags & EMUCELL_NOT_FINITE ? 1 : 0;
    }
    EMUCELL_DEVICE void report(u64 counters) const {
        u64 *to = static_cast<u64 *>(global(counters));
        if (outside) count(to, outside);
        if (not_finite) count(to + 1, not_finite);
        if (wrong_rows) count(to + 2, wrong_rows);
    }
};

template <class Network> EMUCELL_DEVICE Warp begin(const Call &call) {
    const Words *from = static_cast<const Words *>(global(call.numbers));
    Words *to = reinterpret_cast<Words *>(shared_memory());
    EMUCELL_ROLLED for (u32 i = thread_in_block(); i < Network::SHARED_WEIGHTS / 16; i += Network::THREADS) to[i] = from[i];
    if (Network::SHARED_WEIGHTS > 0) sync_block();
    u32 warp = thread_in_block() / 32;
    u8 *stage = shared_memory() + Network::SHARED_WEIGHTS + warp * Network::STAGE;
    return Warp{static_cast<const float *>(global(call.numbers)), shared_memory(), stage, thread_in_block() % 32, nullptr};
}

// The loops over cells are the same for all threads of a block: warps compute together, and a thread without a cell
// computes the last one once more and writes nothing.

template <class Network>
EMUCELL_DEVICE void evaluate_cells(const Job<Network::INPUTS, Network::OUTPUTS> &job, const float *domain) {
    const Call &call = job.call;
    Warp warp = begin<Network>(call);
    Seen seen = {0, 0, 0};
    EMUCELL_ROLLED for (u64 first = u64(block_in_grid()) * Network::THREADS; first < call.n_cells;
                        first += u64(blocks_in_grid()) * Network::THREADS) {
        u64 cell = first + thread_in_block();
        bool is_there = cell < call.n_cells;
        u64 row = is_there ? cell : call.n_cells - 1;
        float x[Network::INPUTS], y[Network::OUTPUTS];
        EMUCELL_UNROLL for (int i = 0; i < Network::INPUTS; i++) {
            x[i] = call.options & EMUCELL_SINGLES ? load_single(job.inputs[i], row) : load(job.inputs[i], row);
        }
        u32 flags = call.options & EMUCELL_LOOK ? check(x, domain, call.options) : 0;
        Network::run(x, y, warp);
        if (call.options & EMUCELL_LOOK) flags |= look(y);
        if (!is_there) continue;
        seen.add(flags);
        if (!(call.options & EMUCELL_KEEP && flags & EMUCELL_OUTSIDE_DOMAIN)) store_all(job.outputs, row, y, call.options);
        if (call.status) static_cast<u8 *>(global(call.status))[row] = u8(flags);
    }
    seen.report(call.counters);
}

// Row of the cell's state and parameters; a row that does not exist is counted and never touched.
EMUCELL_DEVICE u64 row_of(const Call &call, u64 position, bool &is_there, Seen &seen) {
    if (!call.index) return position;
    u64 row = static_cast<const u32 *>(global(call.index))[position];
    if (row < call.n_rows) return row;
    seen.wrong_rows += is_there ? 1 : 0;
    is_there = false;
    return 0;
}

template <class Network>
EMUCELL_DEVICE void load_inputs(const Job<Network::INPUTS, Network::OUTPUTS> &job, float (&x)[Network::INPUTS], u64 row,
                                u64 position) {
    EMUCELL_UNROLL for (int i = 0; i < Network::INPUTS; i++) {
        u64 place = Network::source(i) == BY_POSITION ? position : row;
        if (Network::source(i) == TIME) x[i] = job.call.dt;
        else if (job.call.options & EMUCELL_SINGLES) x[i] = load_single(job.inputs[i], place);
        else x[i] = load(job.inputs[i], place);
    }
}

template <class Network>
EMUCELL_DEVICE void step_cells(const Job<Network::INPUTS, Network::OUTPUTS> &job, const float *domain) {
    const Call &call = job.call;
    Warp warp = begin<Network>(call);
    Seen seen = {0, 0, 0};
    EMUCELL_ROLLED for (u64 first = u64(block_in_grid()) * Network::THREADS; first < call.n_cells;
                        first += u64(blocks_in_grid()) * Network::THREADS) {
        u64 cell = first + thread_in_block();
        bool is_there = cell < call.n_cells;
        u64 position = is_there ? cell : call.n_cells - 1;
        u64 row = row_of(call, position, is_there, seen);
        float x[Network::INPUTS], y[Network::OUTPUTS];
        load_inputs<Network>(job, x, row, position);
        u32 all = 0, now = 0;
        EMUCELL_ROLLED for (u32 step = 0; step < call.n_steps; step++) {
            now = call.options & EMUCELL_LOOK ? check(x, domain, call.options) : 0;
            Network::run(x, y, warp);
            if (call.options & EMUCELL_LOOK) {
                now |= look(y);
                all |= now;
                if (is_there) seen.add(now);
            }
            EMUCELL_UNROLL for (int i = 0; i < Network::INPUTS; i++) {
                if (Network::source(i) == STATE) x[i] = y[Network::state(i)];
            }
        }
        if (!is_there) continue;
        bool keep = call.options & EMUCELL_KEEP && now & EMUCELL_OUTSIDE_DOMAIN;
        if (call.n_steps > 0 && !keep) store_all(job.outputs, row, y, call.options);
        if (call.status) static_cast<u8 *>(global(call.status))[position] = u8(all);
    }
    seen.report(call.counters);
}

// As step_cells for a network whose outputs are what is added to the states, which are summed in double precision.
// limits[2j] … limits[2j + 1] is the range of state j after a step.
template <class Network>
EMUCELL_DEVICE void step_cells_by_increments(const Job<Network::INPUTS, Network::OUTPUTS> &job, const float *domain,
                                             const float *limits) {
    const Call &call = job.call;
    Warp warp = begin<Network>(call);
    Seen seen = {0, 0, 0};
    EMUCELL_ROLLED for (u64 first = u64(block_in_grid()) * Network::THREADS; first < call.n_cells;
                        first += u64(blocks_in_grid()) * Network::THREADS) {
        u64 cell = first + thread_in_block();
        bool is_there = cell < call.n_cells;
        u64 position = is_there ? cell : call.n_cells - 1;
        u64 row = row_of(call, position, is_there, seen);
        float x[Network::INPUTS], y[Network::OUTPUTS];
        double state[Network::OUTPUTS];
        load_inputs<Network>(job, x, row, position);
        EMUCELL_UNROLL for (int j = 0; j < Network::OUTPUTS; j++) state[j] = load_double(job.outputs[j], row);
        u32 all = 0, now = 0;
        EMUCELL_ROLLED for (u32 step = 0; step < call.n_steps; step++) {
            now = call.options & EMUCELL_LOOK ? check(x, domain, call.options) : 0;
            Network::run(x, y, warp);
            if (!(call.options & EMUCELL_KEEP && now & EMUCELL_OUTSIDE_DOMAIN)) {
                EMUCELL_UNROLL for (int j = 0; j < Network::OUTPUTS; j++) {
                    double next = double(y[j]);
                    if (Network::is_increment(j)) {
                        int i = Network::input_of_state(j);
                        double before = state[j];
                        if (call.options & EMUCELL_CLAMP)
                            before = limited(before, double(domain[2 * i]), double(domain[2 * i + 1]));
                        next = limited(before + next, double(limits[2 * j]), double(limits[2 * j + 1]));
                    }
                    // A state in single precision is rounded in every step, as in the caller's memory.
                    state[j] = job.outputs[j].stride & 1 ? next : double(float(next));
                    y[j] = float(next);
                }
            }
            if (call.options & EMUCELL_LOOK) {
                now |= look(y);
                all |= now;
                if (is_there) seen.add(now);
            }
            EMUCELL_UNROLL for (int i = 0; i < Network::INPUTS; i++) {
                if (Network::source(i) == STATE) x[i] = y[Network::state(i)];
            }
        }
        if (!is_there) continue;
        bool keep = call.options & EMUCELL_KEEP && now & EMUCELL_OUTSIDE_DOMAIN;
        if (call.n_steps > 0 && !keep) {
            EMUCELL_UNROLL for (int j = 0; j < Network::OUTPUTS; j++) store(job.outputs[j], row, state[j]);
        }
        if (call.status) static_cast<u8 *>(global(call.status))[position] = u8(all);
    }
    seen.report(call.counters);
}
