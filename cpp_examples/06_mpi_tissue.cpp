// A wave across a sheet of tissue that is divided between MPI ranks: each has some rows of cells, a session of its own
// for them, and exchanges the rows at its borders with its neighbours before every step of diffusion.
//
//     mpicxx -std=c++17 -O2 06_mpi_tissue.cpp $(pkg-config --cflags --libs emucell) -o 06_mpi_tissue
//     mpirun -n 2 ./06_mpi_tissue SURROGATE.onnx [--nx N] [--ny N] [--steps N] [--out FILE]
//
// A cell's result does not depend on which cells it is computed with, and diffusion adds neighbours in the same order
// everywhere: the sheet is the same to the last bit for any number of ranks. FILE gets u of all cells, as doubles.

// Open MPI's C++ interface is gone from the standard, and not needed.
#define OMPI_SKIP_MPICXX
#include <mpi.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <stdexcept>
#include <string>
#include <vector>

#include "emucell.hpp"

namespace {

struct Options {
    std::string surrogate, out;
    int nx = 128, ny = 128, steps = 400;
};

Options parse(int argc, char** argv) {
    Options options;
    if (argc < 2) throw std::runtime_error("usage: 06_mpi_tissue SURROGATE.onnx [--nx N] [--ny N] [--steps N] [--out FILE]");
    options.surrogate = argv[1];
    for (int i = 2; i + 1 < argc; i += 2) {
        const std::string name = argv[i];
        if (name == "--nx") options.nx = std::atoi(argv[i + 1]);
        else if (name == "--ny") options.ny = std::atoi(argv[i + 1]);
        else if (name == "--steps") options.steps = std::atoi(argv[i + 1]);
        else if (name == "--out") options.out = argv[i + 1];
        else throw std::runtime_error("unknown option " + name);
    }
    if (options.nx < 1 || options.ny < 1) throw std::runtime_error("a sheet needs cells");
    return options;
}

constexpr double background_stimulus = 0.06;

// The state in which a cell rests under the background stimulus: from the model's own initial state it fires once.
std::vector<double> resting_state(const emucell::Surrogate& surrogate, emucell::Session& session) {
    std::vector<double> state = surrogate.initial_state();
    if (state.size() != 2) throw std::runtime_error("this example is for models with two states");
    emucell::Cells cell(emucell::structures(state, 2));
    cell.stimulus(emucell::structures(&background_stimulus, 1, 1));
    session.step(cell, surrogate.dt(), static_cast<std::uint32_t>(300 / surrogate.dt()));
    return state;
}

// The rows of one rank. u has a row more at either end, for what the neighbours have there; w needs none.
class Strip {
public:
    Strip(const Options& options, int rank, int n_ranks)
        : nx_(options.nx), ny_(options.ny), first_(row_of(rank, n_ranks)), rows_(row_of(rank + 1, n_ranks) - first_),
          u_(static_cast<std::size_t>(rows_ + 2) * nx_), next_(u_.size()), w_(n_cells()), stimulus_(n_cells()) {
        // A neighbour is the next rank that has rows at all.
        above_ = first_ > 0 ? owner(first_ - 1, n_ranks) : MPI_PROC_NULL;
        below_ = first_ + rows_ < ny_ ? owner(first_ + rows_, n_ranks) : MPI_PROC_NULL;
    }

    std::size_t n_cells() const { return static_cast<std::size_t>(rows_) * nx_; }
    double* u() { return u_.data() + nx_; }
    double* w() { return w_.data(); }
    double* stimulus() { return stimulus_.data(); }

    // A constant stimulus makes the tissue excitable, a stronger one at the left edge starts the wave.
    void stimulate(double t) {
        for (std::size_t i = 0; i < n_cells(); ++i) {
            const int x = static_cast<int>(i % nx_);
            stimulus_[i] = t < 2.0 && x < 8 ? 0.12 : background_stimulus;
        }
    }

    // A step of diffusion in parts, as stability asks for; before each the rows at the borders go to the neighbours.
    void diffuse(double number) {
        constexpr int parts = 8;
        for (int part = 0; part < parts; ++part) {
            exchange();
            for (int y = 0; y < rows_; ++y) diffuse_row(y, number / parts);
            u_.swap(next_);
        }
    }

private:
    int row_of(int rank, int n_ranks) const {
        return static_cast<int>(static_cast<long long>(ny_) * rank / n_ranks);
    }

    int owner(int row, int n_ranks) const {
        int rank = 0;
        while (row_of(rank + 1, n_ranks) <= row) ++rank;
        return rank;
    }

    void exchange() {
        if (rows_ == 0) return;
        double *top = u(), *bottom = u() + (n_cells() - nx_);
        MPI_Sendrecv(top, nx_, MPI_DOUBLE, above_, 0, bottom + nx_, nx_, MPI_DOUBLE, below_, 0, MPI_COMM_WORLD,
                     MPI_STATUS_IGNORE);
        MPI_Sendrecv(bottom, nx_, MPI_DOUBLE, below_, 1, top - nx_, nx_, MPI_DOUBLE, above_, 1, MPI_COMM_WORLD,
                     MPI_STATUS_IGNORE);
        // No flux across the border of the sheet: the cell beyond it is like the one at it.
        if (above_ == MPI_PROC_NULL) std::copy(top, top + nx_, top - nx_);
        if (below_ == MPI_PROC_NULL) std::copy(bottom, bottom + nx_, bottom + nx_);
    }

    void diffuse_row(int y, double number) {
        const double* row = u() + static_cast<std::ptrdiff_t>(y) * nx_;
        double* result = next_.data() + nx_ + static_cast<std::ptrdiff_t>(y) * nx_;
        for (int x = 0; x < nx_; ++x) {
            const double left = row[x > 0 ? x - 1 : x], right = row[x + 1 < nx_ ? x + 1 : x];
            result[x] = row[x] + number * (left + right + row[x - nx_] + row[x + nx_] - 4.0 * row[x]);
        }
    }

    int nx_, ny_, first_, rows_, above_, below_;
    std::vector<double> u_, next_, w_, stimulus_;
};

// u of all cells on rank 0, in order.
std::vector<double> gather(Strip& strip, int rank, int n_ranks, std::size_t n_all) {
    int own = static_cast<int>(strip.n_cells());
    std::vector<int> counts(n_ranks), places(n_ranks);
    MPI_Gather(&own, 1, MPI_INT, counts.data(), 1, MPI_INT, 0, MPI_COMM_WORLD);
    for (int i = 1; i < n_ranks; ++i) places[i] = places[i - 1] + counts[i - 1];
    std::vector<double> all(rank == 0 ? n_all : 0);
    MPI_Gatherv(strip.u(), own, MPI_DOUBLE, all.data(), counts.data(), places.data(), MPI_DOUBLE, 0, MPI_COMM_WORLD);
    return all;
}

void run(const Options& options, int rank, int n_ranks) {
    const emucell::Surrogate surrogate(options.surrogate);
    emucell::Session session(surrogate);
    const double dt = surrogate.dt();
    const double number = 0.15 * dt / (0.1 * 0.1); // D = 0.15 mm^2/ms, 0.1 mm between cells

    Strip strip(options, rank, n_ranks);
    const std::vector<double> start = resting_state(surrogate, session);
    std::fill_n(strip.u(), strip.n_cells(), start[0]);
    std::fill_n(strip.w(), strip.n_cells(), start[1]);

    double in_cells = 0;
    for (int step = 0; step < options.steps; ++step) {
        strip.stimulate(step * dt);
        const auto begin = std::chrono::steady_clock::now();
        // The two states lie in arrays of their own: two views side by side. u moves at every step of diffusion.
        emucell::Cells cells({emucell::structures(strip.u(), strip.n_cells(), 1),
                              emucell::structures(strip.w(), strip.n_cells(), 1)});
        cells.stimulus(emucell::structures(strip.stimulus(), strip.n_cells(), 1));
        if (strip.n_cells() > 0) session.step(cells, dt);
        in_cells += std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
        strip.diffuse(number);
    }

    double slowest = 0;
    MPI_Reduce(&in_cells, &slowest, 1, MPI_DOUBLE, MPI_MAX, 0, MPI_COMM_WORLD);
    const std::vector<double> u = gather(strip, rank, n_ranks, static_cast<std::size_t>(options.nx) * options.ny);
    if (rank != 0) return;
    const auto active = std::count_if(u.begin(), u.end(), [](double x) { return x > 0.5; });
    std::printf("%d ranks, %d x %d cells, %g ms: %td cells active, %.3f s in cells on the slowest rank\n", n_ranks,
                options.nx, options.ny, options.steps * dt, static_cast<std::ptrdiff_t>(active), slowest);
    if (options.out.empty()) return;
    std::FILE* file = std::fopen(options.out.c_str(), "wb");
    const bool written = file && std::fwrite(u.data(), sizeof(double), u.size(), file) == u.size();
    if (!file || std::fclose(file) != 0 || !written) throw std::runtime_error("cannot write " + options.out);
}

}  // namespace

int main(int argc, char** argv) {
    MPI_Init(&argc, &argv);
    int rank = 0, n_ranks = 1;
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &n_ranks);
    try {
        run(parse(argc, argv), rank, n_ranks);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "rank %d: %s\n", rank, error.what());
        // The other ranks would wait for this one for ever.
        MPI_Abort(MPI_COMM_WORLD, 1);
    }
    MPI_Finalize();
}
