// The cubic FitzHugh-Nagumo cell model and the solver that a surrogate has to beat.
//
//     du/dt = 10 [u (u - 0.4)(1 - u) - w + s]        dw/dt = 0.04 u - 0.16 w        (ms)

#ifndef TISSUE_FHN_HPP
#define TISSUE_FHN_HPP

#include <algorithm>
#include <cmath>
#include <cstddef>

namespace tissue::fhn {

constexpr double excitation_rate = 10.0;  // 1/ms
constexpr float threshold = 0.4f;
constexpr double solver_dt = 0.01;        // ms, the step of the reference data

// The resting state under a constant stimulus s: dw/dt = 0 makes w = u / 4, and Newton's method
// finds the smallest root of u (u - 0.4)(1 - u) - u / 4 + s. Stable for s < 0.079.
struct State {
    double u, w;
};
inline State rest(double s) {
    const double a = threshold;
    double u = 0;
    for (int i = 0; i < 50; ++i) {
        const double slope = -3 * u * u + 2 * (1 + a) * u - a - 0.25;
        u -= (u * (u - a) * (1 - u) - u / 4 + s) / slope;
    }
    return {u, u / 4};
}

// n_steps forward Euler steps of dt (ms) for n cells, in single precision like the surrogate.
//
// A block's state stays in registers or the first-level cache from the first step to the last,
// and its cells are independent, so that the compiler makes whole vectors of them.
inline void forward_euler(float* u, float* w, const float* s, std::size_t n, float dt, int n_steps) {
    constexpr std::size_t block = 64;
    const float dt_u = static_cast<float>(excitation_rate) * dt;
    for (std::size_t first = 0; first < n; first += block) {
        const std::size_t size = std::min(block, n - first);
        float x[block] = {}, y[block] = {}, z[block] = {};
        std::copy_n(u + first, size, x);
        std::copy_n(w + first, size, y);
        std::copy_n(s + first, size, z);
        for (int step = 0; step < n_steps; ++step) {
            for (std::size_t i = 0; i < block; ++i) {
                const float du = x[i] * (x[i] - threshold) * (1.0f - x[i]) - y[i] + z[i];
                const float dw = 0.04f * x[i] - 0.16f * y[i];
                x[i] += dt_u * du;
                y[i] += dt * dw;
            }
        }
        std::copy_n(x, size, u + first);
        std::copy_n(y, size, w + first);
    }
}

// 10-90 % width of the travelling front without recovery, u = 1 / (1 + exp(x / d)) with
// d = sqrt(2 D / rate): the classical solution of the bistable equation. D in mm^2/ms.
inline double front_width(double diffusivity) {
    return 2.0 * std::log(9.0) * std::sqrt(2.0 * diffusivity / excitation_rate);
}

}  // namespace tissue::fhn

#endif
