// Many times of the same cells in one launch: what depends on the cell alone is computed once a cell, what depends on the
// time alone once a block.

// Times of a launch.
#define EMUCELL_TIMES 32

template <int I, int O> struct TimesJob {
    Call call;
    u64 n_times;
    float times[EMUCELL_TIMES];
    // The time's own is not read. Outputs of the first time, then of the second, …
    Column inputs[I], outputs[EMUCELL_TIMES * O];
};

// A network in parts: Cell's outputs and Time's side by side are Rest's inputs.
template <class Network, class Cell, class Time, class Rest, int TIME_INPUT> struct SplitAtTimes : Network {
    static constexpr int TIME = TIME_INPUT, KEPT = Cell::OUTPUTS, ROW = Time::OUTPUTS;

    EMUCELL_DEVICE static void tabulate(float t, float (&row)[ROW], const Warp &warp) {
        float x[1] = {t};
        Time::run(x, row, warp);
    }
    EMUCELL_DEVICE static void keep(const float (&x)[Network::INPUTS], float (&kept)[KEPT], const Warp &warp) {
        Cell::run(x, kept, warp);
    }
    EMUCELL_DEVICE static void run_at(const float (&kept)[KEPT], float (&y)[Network::OUTPUTS], const Warp &warp) {
        float x[KEPT + ROW];
        EMUCELL_UNROLL for (int i = 0; i < KEPT; i++) x[i] = kept[i];
        EMUCELL_UNROLL for (int i = 0; i < ROW; i++) x[KEPT + i] = warp.row[i];
        Rest::run(x, y, warp);
    }
};

// A network as a whole, where its parts would not stay in registers: the cell's inputs are kept.
template <class Network, int TIME_INPUT> struct WholeAtTimes : Network {
    static constexpr int TIME = TIME_INPUT, KEPT = Network::INPUTS, ROW = 1;

    EMUCELL_DEVICE static void tabulate(float t, float (&row)[1], const Warp &) { row[0] = t; }
    EMUCELL_DEVICE static void keep(const float (&x)[KEPT], float (&kept)[KEPT], const Warp &) {
        EMUCELL_UNROLL for (int i = 0; i < KEPT; i++) kept[i] = x[i];
    }
    EMUCELL_DEVICE static void run_at(const float (&kept)[KEPT], float (&y)[Network::OUTPUTS], const Warp &warp) {
        float x[KEPT];
        EMUCELL_UNROLL for (int i = 0; i < KEPT; i++) x[i] = i == TIME ? warp.row[0] : kept[i];
        Network::run(x, y, warp);
    }
};

template <class Parts>
EMUCELL_DEVICE void evaluate_cells_at_times(const TimesJob<Parts::INPUTS, Parts::OUTPUTS> &job, const float *domain) {
    const Call &call = job.call;
    Warp warp = begin<Parts>(call);
    u32 n_times = u32(job.n_times);
    float low = domain[2 * Parts::TIME], high = domain[2 * Parts::TIME + 1];
    float *table = reinterpret_cast<float *>(shared_memory() + Parts::SHARED_WEIGHTS + Parts::THREADS / 32 * Parts::STAGE);
    EMUCELL_ROLLED for (u32 first = 0; first < n_times; first += Parts::THREADS) {
        u32 k = first + thread_in_block();
        float t = job.times[k < n_times ? k : 0], row[Parts::ROW];
        if (call.options & EMUCELL_CLAMP) t = limited(t, low, high);
        Parts::tabulate(t, row, warp);
        if (k >= n_times) continue;
        EMUCELL_UNROLL for (int i = 0; i < Parts::ROW; i++) table[k * Parts::ROW + i] = row[i];
    }
    sync_block();
    Seen seen = {0, 0, 0};
    EMUCELL_ROLLED for (u64 first = u64(block_in_grid()) * Parts::THREADS; first < call.n_cells;
                        first += u64(blocks_in_grid()) * Parts::THREADS) {
        u64 cell = first + thread_in_block();
        bool is_there = cell < call.n_cells;
        u64 row = is_there ? cell : call.n_cells - 1;
        float x[Parts::INPUTS], kept[Parts::KEPT], y[Parts::OUTPUTS];
        EMUCELL_UNROLL for (int i = 0; i < Parts::INPUTS; i++) {
            // A time that is inside, so that the cell's own numbers decide.
            if (i == Parts::TIME) x[i] = low;
            else x[i] = call.options & EMUCELL_SINGLES ? load_single(job.inputs[i], row) : load(job.inputs[i], row);
        }
        u32 of_cell = call.options & EMUCELL_LOOK ? check(x, domain, call.options) : 0;
        x[Parts::TIME] = 0.0f;
        Parts::keep(x, kept, warp);
        EMUCELL_ROLLED for (u32 k = 0; k < n_times; k++) {
            warp.row = table + k * Parts::ROW;
            Parts::run_at(kept, y, warp);
            if (!is_there) continue;
            if (call.options & EMUCELL_LOOK) {
                float t = job.times[k];
                seen.add(of_cell | (t >= low && t <= high ? 0 : EMUCELL_OUTSIDE_DOMAIN) | look(y));
            }
            store_all(job.outputs + k * Parts::OUTPUTS, row, y, call.options);
        }
    }
    seen.report(call.counters);
}
