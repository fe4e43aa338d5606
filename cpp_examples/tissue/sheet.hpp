// A rectangular sheet of cells that are coupled by diffusion of u, with no flux across its borders.

#ifndef TISSUE_SHEET_HPP
#define TISSUE_SHEET_HPP

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <stdexcept>
#include <utility>
#include <vector>

#include "team.hpp"

namespace tissue {

// Cells row by row; u of all cells, then w of all cells.
struct Sheet {
    int nx, ny;
    double dx;           // mm between cells, in both directions
    double diffusivity;  // mm^2/ms
    std::vector<float> state, stimulus;

    Sheet(int nx_, int ny_, double dx_, double diffusivity_)
        : nx(nx_), ny(ny_), dx(dx_), diffusivity(diffusivity_), state(2 * n_cells()), stimulus(n_cells()) {}

    std::size_t n_cells() const { return static_cast<std::size_t>(nx) * ny; }
    float* u() { return state.data(); }
    float* w() { return state.data() + n_cells(); }
};

// The sum of the differences from the four neighbours, cell by cell of row y, goes to
// result(x, value); a cell at the border has no neighbour beyond it.
template <class Result>
void laplacian_of_row(const float* values, int nx, int ny, int y, const Result& result) {
    const float* row = values + static_cast<std::size_t>(y) * nx;
    const float* above = y > 0 ? row - nx : row;
    const float* below = y + 1 < ny ? row + nx : row;
    auto at = [&](int x, int left, int right) {
        return row[left] + row[right] + above[x] + below[x] - 4.0f * row[x];
    };
    result(0, at(0, 0, std::min(1, nx - 1)));
    for (int x = 1; x < nx - 1; ++x) result(x, at(x, x - 1, x + 1));
    if (nx > 1) result(nx - 1, at(nx - 1, nx - 2, nx - 1));
}

// du/dt = D (d2u/dx2 + d2u/dy2) by forward Euler in as many substeps as stability asks for.
class ExplicitDiffusion {
public:
    ExplicitDiffusion(const Sheet& sheet, double dt) : other_(sheet.n_cells()) {
        // Stable up to D dt / dx^2 = 1/4 in two dimensions; accurate somewhat below.
        const double number = sheet.diffusivity * dt / (sheet.dx * sheet.dx);
        // An even number, so that the result lies where u began.
        n_substeps_ = 2 * std::max(1, static_cast<int>(std::ceil(number / 0.2 / 2)));
        coefficient_ = static_cast<float>(number / n_substeps_);
        if (!(coefficient_ > 0 && coefficient_ <= 0.25f)) throw std::runtime_error("diffusion would be unstable");
    }

    void advance(Sheet& sheet, Team& team) {
        float* from = sheet.u();
        float* to = other_.data();
        for (int k = 0; k < n_substeps_; ++k, std::swap(from, to)) {
            team.share(sheet.ny, [&](int, int first, int last) {
                for (int y = first; y < last; ++y) substep(from, to, sheet.nx, sheet.ny, y);
            });
        }
    }

    double mean_iterations() const { return n_substeps_; }

private:
    void substep(const float* from, float* to, int nx, int ny, int y) const {
        const std::size_t start = static_cast<std::size_t>(y) * nx;
        const float* u = from + start;
        float* next = to + start;
        const float c = coefficient_;
        laplacian_of_row(from, nx, ny, y, [=](int x, float sum) { next[x] = u[x] + c * sum; });
    }

    int n_substeps_;
    float coefficient_;
    std::vector<float> other_;
};

// The same by backward Euler in one step: (1 - dt D laplacian) u = u_old by conjugate gradients.
class ImplicitDiffusion {
public:
    ImplicitDiffusion(const Sheet& sheet, double dt)
        : coefficient_(static_cast<float>(sheet.diffusivity * dt / (sheet.dx * sheet.dx))),
          residual_(sheet.n_cells()), direction_(sheet.n_cells()), image_(sheet.n_cells()) {}

    void advance(Sheet& sheet, Team& team) {
        const int nx = sheet.nx, ny = sheet.ny;
        float *u = sheet.u(), *r = residual_.data(), *p = direction_.data(), *q = image_.data();
        // u_old is the first guess, so that the residual is dt D laplacian u_old.
        const double norm = team.sum(ny, [&](int first, int last) {
            for (int y = first; y < last; ++y) {
                const std::size_t start = static_cast<std::size_t>(y) * nx;
                float *r_row = r + start, *p_row = p + start;
                const float c = coefficient_;
                laplacian_of_row(u, nx, ny, y, [=](int x, float sum) { r_row[x] = p_row[x] = c * sum; });
            }
            return dot(u, u, nx, first, last);
        });
        double rr = team.sum(ny, [&](int first, int last) { return dot(r, r, nx, first, last); });
        for (int iteration = 0; rr > tolerance * tolerance * norm; ++iteration) {
            if (iteration == max_iterations) throw std::runtime_error("conjugate gradients do not converge");
            const double pq = team.sum(ny, [&](int first, int last) {
                for (int y = first; y < last; ++y) apply(p, q, nx, ny, y);
                return dot(p, q, nx, first, last);
            });
            const float alpha = static_cast<float>(rr / pq);
            const double new_rr = team.sum(ny, [&](int first, int last) {
                for (std::size_t i = begin(nx, first); i < begin(nx, last); ++i) {
                    u[i] += alpha * p[i];
                    r[i] -= alpha * q[i];
                }
                return dot(r, r, nx, first, last);
            });
            const float beta = static_cast<float>(new_rr / rr);
            team.share(ny, [&](int, int first, int last) {
                for (std::size_t i = begin(nx, first); i < begin(nx, last); ++i) p[i] = r[i] + beta * p[i];
            });
            rr = new_rr;
            ++n_iterations_;
        }
        ++n_steps_;
    }

    double mean_iterations() const { return n_steps_ ? static_cast<double>(n_iterations_) / n_steps_ : 0; }

private:
    static constexpr double tolerance = 1e-6;  // of the residual, relative to u
    static constexpr int max_iterations = 1000;

    static std::size_t begin(int nx, int row) { return static_cast<std::size_t>(row) * nx; }

    static double dot(const float* a, const float* b, int nx, int first, int last) {
        double total = 0;
        for (int y = first; y < last; ++y) {
            float sum = 0;
            for (std::size_t i = begin(nx, y); i < begin(nx, y + 1); ++i) sum += a[i] * b[i];
            total += sum;
        }
        return total;
    }

    // q = (1 - dt D laplacian) p
    void apply(const float* p, float* q, int nx, int ny, int y) const {
        const std::size_t start = begin(nx, y);
        const float* p_row = p + start;
        float* q_row = q + start;
        const float c = coefficient_;
        laplacian_of_row(p, nx, ny, y, [=](int x, float sum) { q_row[x] = p_row[x] - c * sum; });
    }

    float coefficient_;
    long n_iterations_ = 0, n_steps_ = 0;
    std::vector<float> residual_, direction_, image_;
};

}  // namespace tissue

#endif
