// Operations of a program on the columns of one cell, which are a thread's registers.

template <int N> EMUCELL_DEVICE void constant(float (&y)[N], const float *values) {
    EMUCELL_UNROLL for (int i = 0; i < N; i++) y[i] = values[i];
}

// weights: for each output its bias and one number an input
template <int K, int N, class F>
EMUCELL_DEVICE void dense(const float (&x)[K], float (&y)[N], const float *weights, F activation) {
    EMUCELL_UNROLL for (int n = 0; n < N; n++) {
        float sum = weights[n * (K + 1)];
        EMUCELL_UNROLL for (int k = 0; k < K; k++) sum = fmaf(weights[n * (K + 1) + 1 + k], x[k], sum);
        y[n] = activation(sum);
    }
}

template <int N, class F> EMUCELL_DEVICE void map(const float (&x)[N], float (&y)[N], F function) {
    EMUCELL_UNROLL for (int i = 0; i < N; i++) y[i] = function(x[i]);
}

struct Exp {
    EMUCELL_DEVICE float operator()(float x) const { return expf(x); }
};

struct Add {
    EMUCELL_DEVICE float operator()(float l, float r) const { return l + r; }
};
struct Subtract {
    EMUCELL_DEVICE float operator()(float l, float r) const { return l - r; }
};
struct Multiply {
    EMUCELL_DEVICE float operator()(float l, float r) const { return l * r; }
};
struct Divide {
    EMUCELL_DEVICE float operator()(float l, float r) const { return l / r; }
};
struct Minimum {
    EMUCELL_DEVICE float operator()(float l, float r) const { return minimum(l, r); }
};
struct Maximum {
    EMUCELL_DEVICE float operator()(float l, float r) const { return maximum(l, r); }
};

// A single column is applied to all columns of the other.
template <int L, int R, int N, class F>
EMUCELL_DEVICE void binary(const float (&l)[L], const float (&r)[R], float (&y)[N], F operation) {
    EMUCELL_UNROLL for (int i = 0; i < N; i++) y[i] = operation(l[L == 1 ? 0 : i], r[R == 1 ? 0 : i]);
}

// Columns start … start + N of x to columns to … of y: slices and parts of concatenations
template <int N, int K, int M>
EMUCELL_DEVICE void copy(const float (&x)[K], int start, float (&y)[M], int to) {
    EMUCELL_UNROLL for (int i = 0; i < N; i++) y[to + i] = x[start + i];
}

template <int N>
EMUCELL_DEVICE void relax(const float (&state)[N], const float (&rate)[N], const float (&drive)[N], float (&y)[N]) {
    EMUCELL_UNROLL for (int i = 0; i < N; i++) y[i] = state[i] + (drive[i] - rate[i] * state[i]);
}

// values: rows of N
template <int N>
EMUCELL_DEVICE void table(const float (&x)[1], float (&y)[N], const float *values, int n_rows, float first,
                          float rows_per_unit) {
    float position = limited((x[0] - first) * rows_per_unit, 0.0f, float(n_rows - 1));
    // NaN goes to row 0 and stays NaN in the fraction.
    int row = position == position ? int(position) : 0;
    row = row < n_rows - 2 ? row : n_rows - 2;
    float fraction = position - float(row);
    const float *lower = values + u64(row) * N;
    EMUCELL_UNROLL for (int i = 0; i < N; i++) y[i] = fmaf(lower[N + i] - lower[i], fraction, lower[i]);
}

template <int N>
EMUCELL_DEVICE void table_slope(const float (&x)[1], float (&y)[N], const float *values, int n_rows, float first,
                                float rows_per_unit) {
    float position = (x[0] - first) * rows_per_unit, last = float(n_rows - 1);
    float inside = limited(position, 0.0f, last);
    int row = inside == inside ? int(inside) : 0;
    row = row < n_rows - 2 ? row : n_rows - 2;
    bool beyond = position < 0.0f || position > last;
    const float *lower = values + u64(row) * N;
    EMUCELL_UNROLL for (int i = 0; i < N; i++) {
        float slope = (lower[N + i] - lower[i]) * rows_per_unit;
        y[i] = position != position ? position : beyond ? 0.0f : slope;
    }
}
