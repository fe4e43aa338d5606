// When the wave reached each cell and left it, and how fast it travelled.

#ifndef TISSUE_ACTIVATION_HPP
#define TISSUE_ACTIVATION_HPP

#include <cmath>
#include <cstddef>
#include <limits>
#include <vector>

namespace tissue {

// First activation (u rises through 1/2) and first recovery (u falls through 1/10) of every cell,
// in ms; NaN if there is none. u goes from 0 to about 1, so that their difference is the APD90.
struct Activation {
    static constexpr float rise = 0.5f, fall = 0.1f;

    std::vector<double> activated, recovered;

    explicit Activation(std::size_t n_cells)
        : activated(n_cells, std::numeric_limits<double>::quiet_NaN()), recovered(activated), before_(n_cells) {}

    // Takes note of u at time t, dt after the last call; times are interpolated in between.
    void record(const float* u, double t, double dt) {
        for (std::size_t i = 0; i < before_.size(); ++i) {
            const float a = before_[i], b = u[i];
            if (std::isnan(activated[i])) {
                if (a < rise && b >= rise) activated[i] = t - dt * (b - rise) / (b - a);
            } else if (std::isnan(recovered[i]) && a > fall && b <= fall) {
                recovered[i] = t - dt * (fall - b) / (a - b);
            }
            before_[i] = b;
        }
    }

private:
    std::vector<float> before_;
};

// Mean of the cells that have one; NaN if none has.
inline double mean_apd(const Activation& a) {
    double sum = 0;
    std::size_t n = 0;
    for (std::size_t i = 0; i < a.activated.size(); ++i) {
        const double apd = a.recovered[i] - a.activated[i];
        if (std::isnan(apd)) continue;
        sum += apd;
        ++n;
    }
    return sum / n;
}

// Speed along x in the middle row (mm/ms), by a linear fit of activation times away from the
// stimulated strip and the border; NaN if the wave did not come through.
inline double conduction_velocity(const Activation& a, int nx, int ny, double dx) {
    const int first = nx * 3 / 10, last = nx * 9 / 10;
    double n = 0, x_sum = 0, t_sum = 0, xx_sum = 0, xt_sum = 0;
    for (int i = first; i < last; ++i, ++n) {
        const double x = i * dx, t = a.activated[static_cast<std::size_t>(ny / 2) * nx + i];
        x_sum += x;
        t_sum += t;
        xx_sum += x * x;
        xt_sum += x * t;
    }
    return (n * xx_sum - x_sum * x_sum) / (n * xt_sum - x_sum * t_sum);
}

// How two runs differ in their activation times.
struct ActivationDifference {
    double rms = 0, max = 0;                   // ms, of the cells that both activate
    std::size_t n_both = 0, n_only_one = 0;  // cells

    ActivationDifference(const Activation& a, const Activation& b) {
        for (std::size_t i = 0; i < a.activated.size(); ++i) {
            const double d = std::fabs(a.activated[i] - b.activated[i]);
            if (std::isnan(d)) {
                n_only_one += std::isnan(a.activated[i]) != std::isnan(b.activated[i]);
                continue;
            }
            ++n_both;
            rms += d * d;
            max = std::fmax(max, d);
        }
        rms = n_both ? std::sqrt(rms / n_both) : 0;
    }
};

}  // namespace tissue

#endif
