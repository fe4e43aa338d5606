// Advances many cells in place with a step map, wherever a simulator keeps its numbers:
// array-of-structures, structure-of-arrays or pitched rows, float or double, all cells or some.
//
//     02_step SURROGATE.onnx

#include <array>
#include <cstdio>
#include <exception>
#include <stdexcept>
#include <string>
#include <vector>

#include "emucell.hpp"

namespace {

constexpr std::size_t n_cells = 10000;
constexpr std::size_t pitch = 10240;  // elements from a row of pitched memory to the next
constexpr int n_steps = 50;

// What the cells of this program have in common.
struct Problem {
    const emucell::Surrogate& surrogate;
    std::uint32_t n_states, n_stimuli;
    std::vector<double> initial_state;
    std::vector<float> stimulus;  // the same for all cells: one number for each stimulus variable
};

Problem make_problem(const emucell::Surrogate& surrogate) {
    Problem problem{surrogate, 0, 0, {}, {}};
    for (const auto& v : surrogate.inputs()) {
        const auto [low, high] = v.range.value_or(std::array<double, 2>{0.0, 0.0});
        if (v.role == emucell::Role::stimulus) problem.stimulus.push_back(static_cast<float>(low + 0.25 * (high - low)));
        if (v.role == emucell::Role::parameter) throw std::runtime_error("this example gives no parameters");
        std::printf("%-8s [%s]  %g ... %g\n", v.name.c_str(), v.unit.c_str(), low, high);
    }
    problem.n_stimuli = static_cast<std::uint32_t>(problem.stimulus.size());
    problem.n_states = static_cast<std::uint32_t>(surrogate.n_outputs());
    problem.initial_state = surrogate.initial_state();
    return problem;
}

// Fills a state through a function that finds variable j of cell i; cells start a little apart.
template <class At>
void start(const Problem& problem, At at) {
    for (std::size_t i = 0; i < n_cells; ++i)
        for (std::size_t j = 0; j < problem.n_states; ++j)
            at(i, j) = problem.initial_state[j] + (j == 0 ? 1e-6 * i : 0.0);
}

template <class T>
emucell::Cells cells_of(const Problem& problem, emucell::View<T> state) {
    emucell::Cells cells(state);
    if (problem.n_stimuli) cells.stimulus(emucell::one_for_all(problem.stimulus.data(), problem.n_stimuli));
    return cells;
}

// Mean of the first state after n_steps, for printing.
template <class At>
void report(const char* what, const std::vector<std::uint8_t>& status, At at) {
    double sum = 0;
    for (std::size_t i = 0; i < n_cells; ++i) sum += at(i, 0);
    std::size_t outside = 0, not_finite = 0;
    for (std::uint8_t s : status) {
        outside += (s & EMUCELL_CELL_OUTSIDE_DOMAIN) != 0;
        not_finite += (s & EMUCELL_CELL_NOT_FINITE) != 0;
    }
    std::printf("%-34s mean %.6f, %zu outside the domain, %zu not finite\n", what, sum / n_cells, outside, not_finite);
}

template <class T>
void run(const Problem& problem, emucell::Session& session, const char* number) {
    const double dt = problem.surrogate.dt();
    const std::uint32_t n_states = problem.n_states;
    std::vector<std::uint8_t> status(n_cells);

    std::vector<T> structures(n_cells * n_states);
    auto in_structures = [&](std::size_t i, std::size_t j) -> T& { return structures[i * n_states + j]; };
    start(problem, in_structures);
    session.step(cells_of(problem, emucell::structures(structures, n_states)).status(status.data()), dt, n_steps);
    report((std::string("array of structures of ") + number).c_str(), status, in_structures);

    std::vector<T> arrays(n_cells * n_states);
    auto in_arrays = [&](std::size_t i, std::size_t j) -> T& { return arrays[j * n_cells + i]; };
    start(problem, in_arrays);
    session.step(cells_of(problem, emucell::arrays(arrays, n_states)).status(status.data()), dt, n_steps);
    report((std::string("structure of arrays of ") + number).c_str(), status, in_arrays);

    std::vector<T> rows(pitch * n_states);
    auto in_rows = [&](std::size_t i, std::size_t j) -> T& { return rows[j * pitch + i]; };
    start(problem, in_rows);
    session.step(cells_of(problem, emucell::arrays(rows.data(), n_cells, n_states, pitch)).status(status.data()), dt,
                 n_steps);
    report((std::string("pitched rows of ") + number).c_str(), status, in_rows);

    // Every third cell only, as adaptive meshes do; the others stay as they are. Stimulus and
    // status then have one row for each cell of the list.
    std::vector<std::uint32_t> index;
    for (std::uint32_t i = 0; i < n_cells; i += 3) index.push_back(i);
    std::vector<T> stimulus(index.size() * problem.n_stimuli);
    for (std::size_t i = 0; i < stimulus.size(); ++i) stimulus[i] = problem.stimulus[i % problem.n_stimuli];
    start(problem, in_structures);
    emucell::Cells some(emucell::structures(structures, n_states));
    if (problem.n_stimuli) some.stimulus(emucell::structures(stimulus, problem.n_stimuli));
    status.resize(index.size());
    session.step(some.index(index).status(status.data()), dt, n_steps);
    report((std::string("every third structure of ") + number).c_str(), status, in_structures);
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 2) {
        std::fprintf(stderr, "usage: 02_step SURROGATE.onnx\n");
        return 2;
    }
    try {
        const emucell::Surrogate surrogate(argv[1]);
        if (surrogate.kind() != emucell::Kind::step_map) {
            std::fprintf(stderr, "%s is a solution map: see 01_evaluate\n", argv[1]);
            return 1;
        }
        const Problem problem = make_problem(surrogate);
        std::printf("%zu cells, %d steps of %g ms\n\n", n_cells, n_steps, surrogate.dt());
        emucell::Session session(surrogate);
        run<float>(problem, session, "float");
        run<double>(problem, session, "double");
    } catch (const std::exception& error) {
        std::fprintf(stderr, "02_step: %s\n", error.what());
        return 1;
    }
}
