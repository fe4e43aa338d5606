// Operators, activations and their derivatives, with the mathematical functions of CUDA or of C.

struct alignas(16) Four {
    float x, y, z, w;
};
struct alignas(16) Words {
    u32 x, y, z, w;
};
struct alignas(8) Two {
    float x, y;
};

EMUCELL_DEVICE bool is_finite(float x) { return (as_bits(x) & 0x7f800000u) != 0x7f800000u; }
// NaN if either is.
EMUCELL_DEVICE float minimum(float l, float r) { return l < r || l != l ? l : r; }
EMUCELL_DEVICE float maximum(float l, float r) { return l > r || l != l ? l : r; }
// x limited to low … high, NaN kept.
EMUCELL_DEVICE float limited(float x, float low, float high) { return x < low ? low : x > high ? high : x; }
EMUCELL_DEVICE double limited(double x, double low, double high) { return x < low ? low : x > high ? high : x; }
EMUCELL_DEVICE float sigmoid(float x) { return 1.0f / (1.0f + expf(-x)); }

struct Linear {
    EMUCELL_DEVICE float operator()(float x) const { return x; }
};
struct Relu {
    EMUCELL_DEVICE float operator()(float x) const { return relu(x); }
};
struct LeakyRelu {
    float slope;
    EMUCELL_DEVICE float operator()(float x) const { return x > 0.0f ? x : slope * x; }
};
// ELU, SELU and CELU
struct ExponentialUnit {
    float scale, alpha, width;
    EMUCELL_DEVICE float operator()(float x) const {
        return scale * (x > 0.0f ? x : alpha * expm1f(x / width));
    }
};
struct Tanh {
    EMUCELL_DEVICE float operator()(float x) const { return tanhf(x); }
};
struct Sigmoid {
    EMUCELL_DEVICE float operator()(float x) const { return sigmoid(x); }
};
struct Softplus {
    EMUCELL_DEVICE float operator()(float x) const {
        return (x > 0.0f ? x : 0.0f) + log1pf(expf(-fabsf(x)));
    }
};
struct Silu {
    EMUCELL_DEVICE float operator()(float x) const { return x * sigmoid(x); }
};
struct Gelu {
    EMUCELL_DEVICE float operator()(float x) const { return 0.5f * x * erfcf(-0.70710678f * x); }
};
struct GeluTanh {
    EMUCELL_DEVICE float operator()(float x) const {
        return x * sigmoid(1.5957691f * (x + 0.044715f * x * x * x));
    }
};

// The same with the GPU's approximate instructions, where the network's numbers are rounded to half precision anyway.
EMUCELL_DEVICE float sigmoid_approximate(float x) { return 0.5f + 0.5f * tanh_approximate(0.5f * x); }
struct ExponentialUnitApproximate {
    float scale, alpha, width;
    EMUCELL_DEVICE float operator()(float x) const {
        // 1/ln 2
        float below = exp2_approximate(1.442695f / width * (x > 0.0f ? 0.0f : x)) - 1.0f;
        return scale * (x > 0.0f ? x : alpha * below);
    }
};
struct TanhApproximate {
    EMUCELL_DEVICE float operator()(float x) const { return tanh_approximate(x); }
};
struct SigmoidApproximate {
    EMUCELL_DEVICE float operator()(float x) const { return sigmoid_approximate(x); }
};

// With instructions that are as exact as single precision, but for tails that are nearly 0.
struct SigmoidFast {
    EMUCELL_DEVICE float operator()(float x) const {
        return reciprocal_approximate(1.0f + exp2_approximate(-1.442695f * x));
    }
};
struct SiluFast {
    EMUCELL_DEVICE float operator()(float x) const {
        return x * reciprocal_approximate(1.0f + exp2_approximate(-1.442695f * x));
    }
};
struct GeluTanhFast {
    EMUCELL_DEVICE float operator()(float x) const {
        float inner = 1.5957691f * (x + 0.044715f * x * x * x);
        return x * reciprocal_approximate(1.0f + exp2_approximate(-1.442695f * inner));
    }
};

// Derivatives, from the activation's value where that is enough, else from its argument.

struct StepSlope {
    float below;
    EMUCELL_DEVICE float operator()(float y) const { return y != y ? y : y > 0.0f ? 1.0f : below; }
};
struct ExponentialUnitSlope {
    float scale, alpha, width;
    EMUCELL_DEVICE float operator()(float y) const { return y > 0.0f ? scale : (y + scale * alpha) / width; }
};
struct TanhSlope {
    EMUCELL_DEVICE float operator()(float y) const { return (1.0f - y) * (1.0f + y); }
};
struct SigmoidSlope {
    EMUCELL_DEVICE float operator()(float y) const { return y * (1.0f - y); }
};
struct SoftplusSlope {
    EMUCELL_DEVICE float operator()(float y) const { return -expm1f(-y); }
};
// s·(1 + x·(1 − s)·inner') with s = sigmoid(inner): the derivative of x·s.
EMUCELL_DEVICE float gated_slope(float x, float inner, float inner_slope) {
    return sigmoid(inner) * (1.0f + x * sigmoid(-inner) * inner_slope);
}
struct SiluSlope {
    EMUCELL_DEVICE float operator()(float x) const {
        x = limited(x, -88.0f, 88.0f);
        return gated_slope(x, x, 1.0f);
    }
};
struct GeluSlope {
    EMUCELL_DEVICE float operator()(float x) const {
        // Beyond, the derivative is 0 or 1 in single precision.
        x = limited(x, -13.0f, 13.0f);
        return 0.5f * erfcf(-0.70710678f * x) + x * 0.39894228f * expf(-0.5f * x * x);
    }
};
struct GeluTanhSlope {
    EMUCELL_DEVICE float operator()(float x) const {
        x = limited(x, -10.0f, 10.0f);
        return gated_slope(x, 1.5957691f * (x + 0.044715f * x * x * x),
                           1.5957691f * (1.0f + 3.0f * 0.044715f * x * x));
    }
};
