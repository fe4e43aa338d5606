// Dense layers in single precision by the 32 threads of a warp together, for networks too wide for one thread's
// registers. The warp's 32 cells lie in shared memory, a row a column of the network.
//
// A thread computes 8 cells (group lane % 4) × R outputs (r·8 + lane / 4) at a time, so that numbers are used 8 and R
// times once they are in registers. Rows are 4 numbers longer than they need be: threads that write different rows then
// meet different banks.

#define EMUCELL_TILE_ROW 36

EMUCELL_DEVICE Four load_four(const float *from) { return *reinterpret_cast<const Four *>(from); }
EMUCELL_DEVICE void store_four(float *to, Four four) { *reinterpret_cast<Four *>(to) = four; }

// R numbers that lie side by side.
template <int R> EMUCELL_DEVICE void load_weights(float (&w)[R], const float *from) {
    if (R % 4 == 0) {
        EMUCELL_UNROLL for (int i = 0; i < R / 4; i++) {
            Four four = load_four(from + 4 * i);
            w[4 * i] = four.x, w[(4 * i + 1) % R] = four.y, w[(4 * i + 2) % R] = four.z, w[(4 * i + 3) % R] = four.w;
        }
    } else {
        EMUCELL_UNROLL for (int i = 0; i < R; i++) w[i] = from[i];
    }
}

// 8·R outputs of a layer with K inputs; weights: for each thread group its R biases, then the same for each input
template <int K, int R, class F>
EMUCELL_DEVICE void tile_outputs(const float *in, float *out, const float *weights, F activation, u32 lane) {
    u32 cells = lane % 4 * 8, group = lane / 4;
    const float *own = weights + group * R;
    float sum[R][8], w[R];
    load_weights(w, own);
    EMUCELL_UNROLL for (int r = 0; r < R; r++) {
        EMUCELL_UNROLL for (int c = 0; c < 8; c++) sum[r][c] = w[r];
    }
    _Pragma("unroll 2") for (int k = 0; k < K; k++) {
        Four a = load_four(in + k * EMUCELL_TILE_ROW + cells), b = load_four(in + k * EMUCELL_TILE_ROW + cells + 4);
        float x[8] = {a.x, a.y, a.z, a.w, b.x, b.y, b.z, b.w};
        load_weights(w, own + (k + 1) * 8 * R);
        EMUCELL_UNROLL for (int r = 0; r < R; r++) {
            EMUCELL_UNROLL for (int c = 0; c < 8; c++) sum[r][c] = fmaf(w[r], x[c], sum[r][c]);
        }
    }
    EMUCELL_UNROLL for (int r = 0; r < R; r++) {
        float *to = out + (r * 8 + group) * EMUCELL_TILE_ROW + cells;
        float y[8];
        EMUCELL_UNROLL for (int c = 0; c < 8; c++) y[c] = activation(sum[r][c]);
        store_four(to, Four{y[0], y[1], y[2], y[3]});
        store_four(to + 4, Four{y[4], y[5], y[6], y[7]});
    }
}

// The remaining `EIGHTS` groups of 8 outputs, as many at a time as registers allow.
template <int K, int EIGHTS, class F>
EMUCELL_DEVICE void tile_layer(const float *in, float *out, const float *weights, F activation, u32 lane) {
    if constexpr (EIGHTS > 0) {
        constexpr int R = EIGHTS >= 8 ? 8 : EIGHTS >= 4 ? 4 : EIGHTS >= 2 ? 2 : 1;
        tile_outputs<K, R>(in, out, weights, activation, lane);
        tile_layer<K, EIGHTS - R>(in, out + 8 * R * EMUCELL_TILE_ROW, weights + (K + 1) * 8 * R, activation, lane);
    }
}

template <int K> EMUCELL_DEVICE void tile_put(const float (&x)[K], float *rows, u32 lane) {
    // What was read of an earlier exchange is read.
    sync_warp();
    EMUCELL_UNROLL for (int k = 0; k < K; k++) rows[k * EMUCELL_TILE_ROW + lane] = x[k];
    sync_warp();
}

template <int N> EMUCELL_DEVICE void tile_get(float (&y)[N], const float *rows, u32 lane) {
    EMUCELL_UNROLL for (int n = 0; n < N; n++) y[n] = rows[n * EMUCELL_TILE_ROW + lane];
}
