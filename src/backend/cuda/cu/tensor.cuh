// Dense layers on tensor cores. The 32 cells of a warp are two tiles of 16; from layer to layer a tile stays in the
// registers of the warp, because what a multiplication leaves in a thread is what the next one wants there:
//
//   c of m16n8 (thread: g = lane / 4, q = lane % 4): rows g and g + 8, columns 2q and 2q + 1
//   a of m16n8k16 in half precision:                 rows g and g + 8, columns 2q, 2q + 1, 2q + 8, 2q + 9
//   a of m16n8k8 in TF32:                            rows g and g + 8, columns q and q + 4
//
// For TF32 the weights' columns are in such an order that column 2q stands in the place of q and 2q + 1 in that of
// q + 4. Weights lie as the threads want them, 16 bytes a thread.

// --- half precision and bfloat16 --------------------------------------------------------------------------------------------

// Words of a cell's row in the stage: K numbers in pairs, and 4 more against bank conflicts
#define EMUCELL_HALF_ROW(k) ((k) / 2 + 4)

// Numbers of the cells into the stage. PARTS 3: each as its rounded value, what that leaves, and its rounded value
// again, which the weights' rounded values, the same, and what those leave are to be multiplied with.
template <class Type, int PARTS, int K, int PADDED>
EMUCELL_DEVICE void half_put(const float (&x)[K], u32 *stage, u32 lane) {
    float row[PADDED];
    EMUCELL_UNROLL for (int i = 0; i < PADDED; i++) row[i] = 0.0f;
    EMUCELL_UNROLL for (int k = 0; k < K; k++) {
        row[k] = x[k];
        if (PARTS == 3) row[(K + k) % PADDED] = x[k] - Type::round(x[k]), row[(2 * K + k) % PADDED] = x[k];
    }
    sync_warp();
    EMUCELL_UNROLL for (int i = 0; i < PADDED / 2; i++) {
        stage[lane * EMUCELL_HALF_ROW(PADDED) + i] = Type::pack(row[2 * i], row[2 * i + 1]);
    }
    sync_warp();
}

template <int TILES, int KT>
EMUCELL_DEVICE void half_get(u32 (&a)[TILES][KT][4], const u32 *stage, u32 lane, int first_tile) {
    u32 g = lane / 4, q = lane % 4;
    EMUCELL_UNROLL for (int t = 0; t < TILES; t++) {
        const u32 *upper = stage + ((first_tile + t) * 16 + g) * EMUCELL_HALF_ROW(KT * 16);
        const u32 *lower = upper + 8 * EMUCELL_HALF_ROW(KT * 16);
        EMUCELL_UNROLL for (int k = 0; k < KT; k++) {
            a[t][k][0] = upper[k * 8 + q], a[t][k][1] = lower[k * 8 + q];
            a[t][k][2] = upper[k * 8 + 4 + q], a[t][k][3] = lower[k * 8 + 4 + q];
        }
    }
}

// Outputs 16·pair … of a layer: sums, from their biases on. The second half is absent if EIGHTS says so.
template <class Type, int TILES, int KT, int EIGHTS>
EMUCELL_DEVICE void half_sums(float (&c)[TILES][2][4], const u32 (&a)[TILES][KT][4], const u8 *layer, int pair, u32 lane) {
    constexpr int PAIRS = (EIGHTS + 1) / 2;
    const float *bias = reinterpret_cast<const float *>(layer);
    const Words *weights = reinterpret_cast<const Words *>(layer + PAIRS * 64) + pair * KT * 32 + lane;
    EMUCELL_UNROLL for (int s = 0; s < 2; s++) {
        Two b = *reinterpret_cast<const Two *>(bias + pair * 16 + s * 8 + lane % 4 * 2);
        EMUCELL_UNROLL for (int t = 0; t < TILES; t++) {
            c[t][s][0] = b.x, c[t][s][1] = b.y, c[t][s][2] = b.x, c[t][s][3] = b.y;
        }
    }
    EMUCELL_UNROLL for (int k = 0; k < KT; k++) {
        Words w = weights[k * 32];
        EMUCELL_UNROLL for (int t = 0; t < TILES; t++) {
            Type::multiply_add(c[t][0], a[t][k], w.x, w.y);
            if (2 * pair + 1 < EIGHTS) Type::multiply_add(c[t][1], a[t][k], w.z, w.w);
        }
    }
}

// A layer whose outputs are the next one's inputs.
template <class Type, int TILES, int KT, int EIGHTS, class F>
EMUCELL_DEVICE void half_layer(const u32 (&a)[TILES][KT][4], u32 (&o)[TILES][(EIGHTS + 1) / 2][4], const u8 *layer,
                               F activation, u32 lane) {
    EMUCELL_UNROLL for (int pair = 0; pair < (EIGHTS + 1) / 2; pair++) {
        float c[TILES][2][4];
        half_sums<Type, TILES, KT, EIGHTS>(c, a, layer, pair, lane);
        EMUCELL_UNROLL for (int t = 0; t < TILES; t++) {
            EMUCELL_UNROLL for (int s = 0; s < 2; s++) {
                o[t][pair][2 * s] = Type::pack(activation(c[t][s][0]), activation(c[t][s][1]));
                o[t][pair][2 * s + 1] = Type::pack(activation(c[t][s][2]), activation(c[t][s][3]));
            }
        }
    }
}

// Where the sums of the first layer's cell part are kept for many times, a thread holds its fragments of both tiles in the
// place of its own cell's sums, which are as many.
#define EMUCELL_KEPT(eights, tile, eight, i) (((tile) * (eights) + (eight)) * 4 + (i))

// The last layer's sums, to be kept.
template <class Type, int KT, int EIGHTS>
EMUCELL_DEVICE void half_keep(const u32 (&a)[2][KT][4], float (&kept)[EIGHTS * 8], const u8 *layer, u32 lane) {
    EMUCELL_UNROLL for (int pair = 0; pair < (EIGHTS + 1) / 2; pair++) {
        float c[2][2][4];
        half_sums<Type, 2, KT, EIGHTS>(c, a, layer, pair, lane);
        EMUCELL_UNROLL for (int t = 0; t < 2; t++) {
            EMUCELL_UNROLL for (int i = 0; i < 8; i++) {
                if (2 * pair + i / 4 < EIGHTS) kept[EMUCELL_KEPT(EIGHTS, t, 2 * pair + i / 4, i % 4)] = c[t][i / 4][i % 4];
            }
        }
    }
}

// A kept sum with what the time adds to it.
template <int EIGHTS, int N>
EMUCELL_DEVICE float at_time(const float (&kept)[N], int first, const float *row, int tile, int eight, int i, u32 lane) {
    return kept[first + EMUCELL_KEPT(EIGHTS, tile, eight, i)] + row[eight * 8 + lane % 4 * 2 + i % 2];
}

// The first layer's outputs from kept sums, from kept[first] on, as the next one's inputs.
template <class Type, int EIGHTS, int N, class F>
EMUCELL_DEVICE void half_enter(const float (&kept)[N], int first, const float *row, u32 (&o)[2][(EIGHTS + 1) / 2][4],
                               F activation, u32 lane) {
    EMUCELL_UNROLL for (int t = 0; t < 2; t++) {
        EMUCELL_UNROLL for (int n = 0; n < (EIGHTS + 1) / 2 * 2; n++) {
            float y[4] = {0.0f, 0.0f, 0.0f, 0.0f};
            if (n < EIGHTS) {
                EMUCELL_UNROLL for (int i = 0; i < 4; i++)
                    y[i] = activation(at_time<EIGHTS>(kept, first, row, t, n, i, lane));
            }
            o[t][n / 2][n % 2 * 2] = Type::pack(y[0], y[1]);
            o[t][n / 2][n % 2 * 2 + 1] = Type::pack(y[2], y[3]);
        }
    }
}

template <int EIGHTS> EMUCELL_DEVICE void tf32_keep(const float (&c)[2][EIGHTS][4], float (&kept)[EIGHTS * 8]) {
    EMUCELL_UNROLL for (int j = 0; j < EIGHTS * 8; j++) kept[j] = c[j / 4 / EIGHTS][j / 4 % EIGHTS][j % 4];
}

template <int EIGHTS, int N, class F>
EMUCELL_DEVICE void tf32_enter(const float (&kept)[N], int first, const float *row, float (&o)[2][EIGHTS][4], F activation,
                               u32 lane) {
    EMUCELL_UNROLL for (int t = 0; t < 2; t++) {
        EMUCELL_UNROLL for (int n = 0; n < EIGHTS; n++) {
            EMUCELL_UNROLL for (int i = 0; i < 4; i++)
                o[t][n][i] = activation(at_time<EIGHTS>(kept, first, row, t, n, i, lane));
        }
    }
}

// --- outputs ----------------------------------------------------------------------------------------------------------------

// Numbers of a cell's row of outputs in the stage
#define EMUCELL_OUTPUT_ROW(eights) ((eights) * 8 + 2)

EMUCELL_DEVICE void put_tile(const float (&c)[4], float *out, int tile, int eight, int row_length, u32 lane) {
    float *upper = out + (tile * 16 + lane / 4) * row_length + eight * 8 + lane % 4 * 2;
    *reinterpret_cast<Two *>(upper) = Two{c[0], c[1]};
    *reinterpret_cast<Two *>(upper + 8 * row_length) = Two{c[2], c[3]};
}

// The last layer, into the stage.
template <class Type, int TILES, int KT, int EIGHTS>
EMUCELL_DEVICE void half_last(const u32 (&a)[TILES][KT][4], float *out, const u8 *layer, u32 lane, int first_tile) {
    EMUCELL_UNROLL for (int pair = 0; pair < (EIGHTS + 1) / 2; pair++) {
        float c[TILES][2][4];
        half_sums<Type, TILES, KT, EIGHTS>(c, a, layer, pair, lane);
        EMUCELL_UNROLL for (int t = 0; t < TILES; t++) {
            EMUCELL_UNROLL for (int s = 0; s < 2; s++) {
                if (2 * pair + s < EIGHTS)
                    put_tile(c[t][s], out, first_tile + t, 2 * pair + s, EMUCELL_OUTPUT_ROW(EIGHTS), lane);
            }
        }
    }
}

// The cell's outputs out of the stage, with the last layer's activation.
template <int N, class F> EMUCELL_DEVICE void get_outputs(float (&y)[N], const float *out, F activation, u32 lane) {
    sync_warp();
    EMUCELL_UNROLL for (int n = 0; n < N; n++) {
        y[n] = activation(out[lane * EMUCELL_OUTPUT_ROW((N + 7) / 8) + n]);
    }
}

// --- TensorFloat-32 ---------------------------------------------------------------------------------------------------------

template <int K, int EIGHTS> EMUCELL_DEVICE void tf32_put(const float (&x)[K], float *stage, u32 lane) {
    sync_warp();
    EMUCELL_UNROLL for (int k = 0; k < EIGHTS * 8; k++) {
        stage[lane * EMUCELL_OUTPUT_ROW(EIGHTS) + k] = k < K ? x[k < K ? k : 0] : 0.0f;
    }
    sync_warp();
}

// In the places where a multiplication would leave them.
template <int TILES, int EIGHTS>
EMUCELL_DEVICE void tf32_get(float (&a)[TILES][EIGHTS][4], const float *stage, u32 lane, int first_tile) {
    EMUCELL_UNROLL for (int t = 0; t < TILES; t++) {
        const float *upper = stage + ((first_tile + t) * 16 + lane / 4) * EMUCELL_OUTPUT_ROW(EIGHTS) + lane % 4 * 2;
        EMUCELL_UNROLL for (int k = 0; k < EIGHTS; k++) {
            Two high = *reinterpret_cast<const Two *>(upper + k * 8);
            Two low = *reinterpret_cast<const Two *>(upper + k * 8 + 8 * EMUCELL_OUTPUT_ROW(EIGHTS));
            a[t][k][0] = high.x, a[t][k][1] = high.y, a[t][k][2] = low.x, a[t][k][3] = low.y;
        }
    }
}

// A layer. SPLIT: numbers and weights are sums of two of 11 bits, of whose products the three largest are formed; then
// the result is about as exact as in single precision.
template <int TILES, int KE, int EIGHTS, bool SPLIT, class F>
EMUCELL_DEVICE void tf32_layer(const float (&x)[TILES][KE][4], float (&c)[TILES][EIGHTS][4], const u8 *layer, F activation,
                               u32 lane) {
    constexpr int PAIRS = (EIGHTS + 1) / 2;
    const float *bias = reinterpret_cast<const float *>(layer);
    const Words *weights = reinterpret_cast<const Words *>(layer + PAIRS * 64) + lane;
    EMUCELL_UNROLL for (int n = 0; n < EIGHTS; n++) {
        Two b = *reinterpret_cast<const Two *>(bias + n * 8 + lane % 4 * 2);
        EMUCELL_UNROLL for (int t = 0; t < TILES; t++) c[t][n][0] = b.x, c[t][n][1] = b.y, c[t][n][2] = b.x, c[t][n][3] = b.y;
    }
    EMUCELL_UNROLL for (int k = 0; k < KE; k++) {
        u32 a[TILES][4], rest[TILES][4];
        EMUCELL_UNROLL for (int t = 0; t < TILES; t++) {
            // Columns 2q and 2q + 1 in the places of q and q + 4.
            float slots[4] = {x[t][k][0], x[t][k][2], x[t][k][1], x[t][k][3]};
            EMUCELL_UNROLL for (int i = 0; i < 4; i++) {
                a[t][i] = tf32_round(slots[i]);
                rest[t][i] = SPLIT ? tf32_round(slots[i] - as_float(a[t][i])) : 0;
            }
        }
        if (SPLIT) {
            EMUCELL_UNROLL for (int n = 0; n < EIGHTS; n++) {
                Words w = weights[(k * EIGHTS + n) * 32];
                EMUCELL_UNROLL for (int t = 0; t < TILES; t++) {
                    tf32_multiply_add(c[t][n], rest[t], w.x, w.y);
                    tf32_multiply_add(c[t][n], a[t], w.z, w.w);
                    tf32_multiply_add(c[t][n], a[t], w.x, w.y);
                }
            }
        } else {
            EMUCELL_UNROLL for (int pair = 0; pair < PAIRS; pair++) {
                Words w = weights[(k * PAIRS + pair) * 32];
                EMUCELL_UNROLL for (int t = 0; t < TILES; t++) {
                    tf32_multiply_add(c[t][2 * pair], a[t], w.x, w.y);
                    if (2 * pair + 1 < EIGHTS) tf32_multiply_add(c[t][(2 * pair + 1) % EIGHTS], a[t], w.z, w.w);
                }
            }
        }
    }
    EMUCELL_UNROLL for (int t = 0; t < TILES; t++) {
        EMUCELL_UNROLL for (int n = 0; n < EIGHTS; n++) {
            EMUCELL_UNROLL for (int i = 0; i < 4; i++) c[t][n][i] = activation(c[t][n][i]);
        }
    }
}

template <int TILES, int EIGHTS>
EMUCELL_DEVICE void tf32_put_outputs(const float (&c)[TILES][EIGHTS][4], float *out, u32 lane, int first_tile) {
    EMUCELL_UNROLL for (int t = 0; t < TILES; t++) {
        EMUCELL_UNROLL for (int n = 0; n < EIGHTS; n++) {
            put_tile(c[t][n], out, first_tile + t, n, EMUCELL_OUTPUT_ROW(EIGHTS), lane);
        }
    }
}
