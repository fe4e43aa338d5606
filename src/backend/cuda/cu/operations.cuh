// Operations of a program on the columns of one cell, which are a thread's registers.

// weights: for each output its bias and one number an input
template <int K, int N, class F>
EMUCELL_DEVICE void dense(const float (&x)[K], float (&y)[N], const float *weights, F activation) {
    EMUCELL_UNROLL for (int n = 0; n < N; n++) {
        float sum = weights[n * (K + 1)];
        EMUCELL_UNROLL for (int k = 0; k < K; k++) sum = fmaf(weights[n * (K + 1) + 1 + k], x[k], sum);
        y[n] = activation(sum);
    }
}

// Where an argument lies in a table: between two rows, of functions side by side.
struct Row {
    const float *lower, *upper;
    float fraction;
};

// values: rows of STRIDE numbers
template <int STRIDE>
EMUCELL_DEVICE Row row_of_table(float x, const float *values, int n_rows, float first, float rows_per_unit) {
    float position = limited((x - first) * rows_per_unit, 0.0f, float(n_rows - 1));
    // NaN goes to row 0 and stays NaN in the fraction.
    int row = position == position ? int(position) : 0;
    row = row < n_rows - 2 ? row : n_rows - 2;
    const float *lower = values + u64(row) * STRIDE;
    return Row{lower, lower + STRIDE, position - float(row)};
}

// N functions from the first one on, which begins at a multiple of their size.
template <int N> EMUCELL_DEVICE void look_up(const Row &row, int first, float (&y)[N]) {
    float upper[N];
    read_only(row.lower + first, y);
    read_only(row.upper + first, upper);
    EMUCELL_UNROLL for (int i = 0; i < N; i++) y[i] = fmaf(upper[i] - y[i], row.fraction, y[i]);
}

template <int STRIDE, int N>
EMUCELL_DEVICE void table_slope(float x, float (&y)[N], const float *values, int n_rows, float first,
                                float rows_per_unit) {
    float position = (x - first) * rows_per_unit, last = float(n_rows - 1);
    float inside = limited(position, 0.0f, last);
    int row = inside == inside ? int(inside) : 0;
    row = row < n_rows - 2 ? row : n_rows - 2;
    bool beyond = position < 0.0f || position > last;
    const float *lower = values + u64(row) * STRIDE;
    EMUCELL_UNROLL for (int i = 0; i < N; i++) {
        float slope = (lower[STRIDE + i] - lower[i]) * rows_per_unit;
        y[i] = position != position ? position : beyond ? 0.0f : slope;
    }
}
