// A wave of excitation across a sheet of tissue (monodomain model), computed twice: with a solver
// of the cell model, and with a surrogate in its place. Compares the waves and the time.
//
//     03_tissue SURROGATE.onnx [options]; --help lists them
//
// Every step of dt, the surrogate's step, advances all cells on their own first, then diffusion.

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <stdexcept>
#include <string>
#include <vector>

#include "emucell.hpp"
#include "tissue/activation.hpp"
#include "tissue/fhn.hpp"
#include "tissue/npy.hpp"
#include "tissue/sheet.hpp"
#include "tissue/team.hpp"

namespace {

using namespace tissue;

constexpr const char* usage =
    "usage: 03_tissue SURROGATE.onnx [options]\n"
    "  --nx N, --ny N        cells along x and y (128, 128)\n"
    "  --t-end MS            simulated time (40)\n"
    "  --threads N           threads for cells and diffusion (1)\n"
    "  --diffusion NAME      explicit (default) or cg: implicit, by conjugate gradients\n"
    "  --dx MM               distance between cells (0.1)\n"
    "  --diffusivity D       in mm^2/ms (0.15)\n"
    "  --guard NAME          outside the surrogate's domain: ignore (default) or clamp\n"
    "  --s2 MS               a second stimulus at that time, in a quarter of the sheet\n"
    "                        (a spiral wave: --nx 200 --ny 200 --t-end 120 --s2 20)\n"
    "  --json FILE           results as JSON\n"
    "  --snapshots FILE      u as .npy, float [solver and surrogate][4 times][ny][nx]\n";

struct Options {
    std::string surrogate, json, snapshots;
    int nx = 128, ny = 128, threads = 1;
    double t_end = 40, dx = 0.1, diffusivity = 0.15, s2 = -1;
    bool implicit = false;
    std::uint32_t guard = EMUCELL_GUARD_IGNORE;
};

// The largest stimulus that surrogates of this model are trained for.
constexpr float stimulus_strength = 0.12f;
// Everywhere and always. With its threshold of 0.4 the model conducts no wave from s = 0: any dies
// out within a few front widths. From about 0.045 on it conducts, and above 0.079 it oscillates.
constexpr float background_stimulus = 0.06f;
constexpr double stimulus_duration = 2;  // ms
constexpr int n_snapshots = 4;

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
    return std::chrono::duration<double>(Clock::now() - start).count();
}

// ---------------------------------------------------------------------------------------------
// The two ways to advance cells

class SolverCells {
public:
    SolverCells(double dt, int n_substeps) : dt_(static_cast<float>(dt / n_substeps)), n_substeps_(n_substeps) {}

    void advance(Sheet& sheet, Team& team) {
        team.share(static_cast<int>(sheet.n_cells()), [&](int, int first, int last) {
            fhn::forward_euler(sheet.u() + first, sheet.w() + first, sheet.stimulus.data() + first, last - first,
                               dt_, n_substeps_);
        });
    }

    std::size_t n_outside_domain() const { return 0; }

private:
    float dt_;
    int n_substeps_;
};

// One session for each thread, all of one surrogate.
class SurrogateCells {
public:
    SurrogateCells(const emucell::Surrogate& surrogate, const Options& options, const Sheet& sheet)
        : dt_(surrogate.dt()), status_(sheet.n_cells()) {
        emucell::SessionOptions session_options;
        session_options.guard = options.guard;
        for (int i = 0; i < options.threads; ++i) sessions_.emplace_back(surrogate, session_options);
        results_.resize(options.threads);
    }

    void advance(Sheet& sheet, Team& team) {
        const std::size_t pitch = sheet.n_cells();
        team.share(static_cast<int>(pitch), [&](int thread, int first, int last) {
            const std::size_t n = last - first;
            emucell::Cells cells(emucell::arrays(sheet.u() + first, n, 2, pitch));
            cells.stimulus(emucell::structures(sheet.stimulus.data() + first, n, 1));
            cells.status(status_.data() + first);
            // Threads cannot throw: the status is looked at below.
            results_[thread] = sessions_[thread].try_step(cells, dt_);
        });
        for (auto result : results_)
            if (result != EMUCELL_OK) throw std::runtime_error(emucell_status_text(result));
    }

    // Cells that were outside the domain in the last step.
    std::size_t n_outside_domain() const {
        return std::count_if(status_.begin(), status_.end(), [](std::uint8_t s) { return s != 0; });
    }

private:
    double dt_;
    std::vector<emucell::Session> sessions_;
    std::vector<emucell_status> results_;
    std::vector<std::uint8_t> status_;
};

// ---------------------------------------------------------------------------------------------
// One simulation

struct Run {
    explicit Run(std::size_t n_cells) : activation(n_cells) {}

    Activation activation;
    double cells_s = 0, diffusion_s = 0;
    double diffusion_iterations = 0;  // mean of the steps
    std::size_t n_outside_domain = 0;  // cells times steps
    std::vector<float> snapshots;
    std::vector<double> snapshot_times;
};

// A strip at the left for the first milliseconds; later, if asked for, a quarter of the sheet in
// the wave's tail, where only one end of the new wave can travel on and curls up.
void stimulate(Sheet& sheet, const Options& options, double t) {
    const bool s1 = t < stimulus_duration;
    const bool s2 = options.s2 >= 0 && t >= options.s2 && t < options.s2 + stimulus_duration;
    const int strip = std::max(1, sheet.nx / 8);
    for (int y = 0; y < sheet.ny; ++y)
        for (int x = 0; x < sheet.nx; ++x) {
            const bool on = (s1 && x < strip) || (s2 && x < sheet.nx / 2 && y < sheet.ny / 2);
            sheet.stimulus[static_cast<std::size_t>(y) * sheet.nx + x] = on ? stimulus_strength : background_stimulus;
        }
}

template <class Cells, class Diffusion>
Run simulate(const Options& options, double dt, Sheet sheet, Cells& cells, Diffusion diffusion) {
    Team team(options.threads);
    Run run(sheet.n_cells());
    const long n_steps = std::lround(options.t_end / dt);
    for (long step = 1; step <= n_steps; ++step) {
        stimulate(sheet, options, (step - 1) * dt + dt / 2);
        auto start = Clock::now();
        cells.advance(sheet, team);
        run.cells_s += seconds_since(start);
        start = Clock::now();
        diffusion.advance(sheet, team);
        run.diffusion_s += seconds_since(start);

        run.n_outside_domain += cells.n_outside_domain();
        run.activation.record(sheet.u(), step * dt, dt);
        if (step * n_snapshots / n_steps > (step - 1) * n_snapshots / n_steps) {
            run.snapshots.insert(run.snapshots.end(), sheet.u(), sheet.w());
            run.snapshot_times.push_back(step * dt);
        }
    }
    run.diffusion_iterations = diffusion.mean_iterations();
    return run;
}

template <class Cells>
Run simulate(const Options& options, double dt, const Sheet& sheet, Cells&& cells) {
    if (options.implicit) return simulate(options, dt, sheet, cells, ImplicitDiffusion(sheet, dt));
    return simulate(options, dt, sheet, cells, ExplicitDiffusion(sheet, dt));
}

// ---------------------------------------------------------------------------------------------
// What comes before and after

[[noreturn]] void stop(const std::string& message) {
    std::cerr << "03_tissue: " << message << '\n';
    std::exit(1);
}

// The surrogate must stand for the same cells as the solver; gives the number of solver steps
// in one of its steps.
int check_surrogate(const emucell::Surrogate& surrogate) {
    std::string found;
    int n_stimuli = 0;
    for (const auto& v : surrogate.inputs()) {
        n_stimuli += v.role == emucell::Role::stimulus;
        found += " " + v.name;
    }
    const auto outputs = surrogate.outputs();
    const bool states = outputs.size() == 2 && outputs[0].name == "u" && outputs[1].name == "w";
    if (surrogate.kind() != emucell::Kind::step_map || !states || n_stimuli != 1 || surrogate.n_inputs() != 3)
        stop("this example needs a step map of the states u, w and one stimulus; the file holds a "
             + std::string(surrogate.kind() == emucell::Kind::step_map ? "step map" : "solution map")
             + " of the inputs" + found);
    const long n_substeps = std::lround(surrogate.dt() / fhn::solver_dt);
    if (n_substeps < 1 || std::fabs(n_substeps * fhn::solver_dt - surrogate.dt()) > 1e-9)
        stop("the surrogate's step of " + std::to_string(surrogate.dt()) + " ms is no multiple of the solver's 0.01 ms");
    return static_cast<int>(n_substeps);
}

struct Report {
    const Options& options;
    double dt;
    int n_substeps;
    const Run &solver, &surrogate;

    double n_cell_steps() const {
        return std::lround(options.t_end / dt) * static_cast<double>(options.nx) * options.ny;
    }
    double ns(const Run& run) const { return 1e9 * run.cells_s / n_cell_steps(); }
    double velocity(const Run& run) const {
        return conduction_velocity(run.activation, options.nx, options.ny, options.dx);
    }
    // Solver steps that take as long as one evaluation of the surrogate.
    double break_even() const { return ns(surrogate) / (ns(solver) / n_substeps); }

    void print() const;
    void write_json() const;
};

void Report::print() const {
    const ActivationDifference difference(solver.activation, surrogate.activation);
    std::printf("sheet       %d x %d cells, dx %g mm, D %g mm^2/ms, dt %g ms, %g ms\n", options.nx, options.ny,
                options.dx, options.diffusivity, dt, options.t_end);
    std::printf("            dx is %.3f of the front's width (%.2f mm from 10 to 90 %%)\n",
                options.dx / fhn::front_width(options.diffusivity), fhn::front_width(options.diffusivity));
    std::printf("solver      forward Euler, %d steps of %g ms, single precision\n", n_substeps, dt / n_substeps);
    std::printf("diffusion   %s, %.1f %s a step\n\n", options.implicit ? "conjugate gradients" : "explicit",
                solver.diffusion_iterations, options.implicit ? "iterations" : "substeps");

    std::printf("%-36s %12s %12s\n", "", "solver", "surrogate");
    auto row = [](const char* name, double a, double b) { std::printf("%-36s %12.5g %12.5g\n", name, a, b); };
    row("conduction velocity (mm/ms)", velocity(solver), velocity(surrogate));
    row("APD90, mean (ms)", mean_apd(solver.activation), mean_apd(surrogate.activation));
    row("time in cells (s)", solver.cells_s, surrogate.cells_s);
    row("time in diffusion (s)", solver.diffusion_s, surrogate.diffusion_s);
    row("cells (ns per cell and step)", ns(solver), ns(surrogate));

    std::printf("\nconduction velocity differs by %+.3g %%\n", 100 * (velocity(surrogate) / velocity(solver) - 1));
    std::printf("activation times differ by %.3g ms (RMS) and %.3g ms at most, in %zu cells", difference.rms,
                difference.max, difference.n_both);
    std::printf("; %zu cells fire in one run only\n", difference.n_only_one);
    std::printf("outside the surrogate's domain: %.3g %% of cells and steps\n",
                100 * surrogate.n_outside_domain / n_cell_steps());

    const double ratio = ns(surrogate) / ns(solver);
    if (ratio > 1)
        std::printf("\nThe surrogate loses: it takes %.1f times as long as the solver of this small cell model. One\n"
                    "evaluation replaces %d solver steps here; it would have to replace %.0f to break even.\n",
                    ratio, n_substeps, std::ceil(break_even()));
    else
        std::printf("\nThe surrogate wins: the solver takes %.1f times as long. One evaluation replaces %d solver\n"
                    "steps here; it would break even at %.0f.\n",
                    1 / ratio, n_substeps, std::ceil(break_even()));
}

// JSON has no NaN.
std::string json_number(double x) {
    char text[32];
    std::snprintf(text, sizeof text, "%.9g", x);
    return std::isfinite(x) ? text : "null";
}

void Report::write_json() const {
    const ActivationDifference difference(solver.activation, surrogate.activation);
    std::ofstream file(options.json);
    auto field = [&](const char* name, double x) { file << "  \"" << name << "\": " << json_number(x) << ",\n"; };
    auto run = [&](const char* name, const Run& r) {
        file << "  \"" << name << "\": {\"conduction_velocity_mm_per_ms\": " << json_number(velocity(r))
             << ", \"apd90_ms\": " << json_number(mean_apd(r.activation)) << ", \"cells_s\": " << json_number(r.cells_s)
             << ", \"diffusion_s\": " << json_number(r.diffusion_s)
             << ", \"ns_per_cell_and_step\": " << json_number(ns(r)) << "},\n";
    };
    file << "{\n";
    field("nx", options.nx);
    field("ny", options.ny);
    field("dx_mm", options.dx);
    field("diffusivity_mm2_per_ms", options.diffusivity);
    field("dt_ms", dt);
    field("t_end_ms", options.t_end);
    field("threads", options.threads);
    file << "  \"diffusion\": \"" << (options.implicit ? "cg" : "explicit") << "\",\n";
    field("dx_per_front_width", options.dx / fhn::front_width(options.diffusivity));
    field("solver_substeps", n_substeps);
    run("solver", solver);
    run("surrogate", surrogate);
    field("conduction_velocity_relative_difference", velocity(surrogate) / velocity(solver) - 1);
    field("activation_rms_difference_ms", difference.rms);
    field("activation_max_difference_ms", difference.max);
    field("cells_activated_in_one_run_only", difference.n_only_one);
    field("fraction_outside_domain", surrogate.n_outside_domain / n_cell_steps());
    field("cells_time_ratio", ns(surrogate) / ns(solver));
    field("break_even_solver_substeps", break_even());
    file << "  \"snapshot_times_ms\": [";
    for (std::size_t i = 0; i < solver.snapshot_times.size(); ++i)
        file << (i ? ", " : "") << json_number(solver.snapshot_times[i]);
    file << "]\n}\n";
    if (!file.flush()) stop("cannot write " + options.json);
}

Options parse(int argc, char** argv) {
    Options options;
    auto number = [](const std::string& text) {
        char* end = nullptr;
        const double value = std::strtod(text.c_str(), &end);
        if (text.empty() || *end || !std::isfinite(value)) stop("\"" + text + "\" is not a number");
        return value;
    };
    auto choice = [](const std::string& text, const char* no, const char* yes) {
        if (text != no && text != yes) stop("\"" + text + "\" is neither " + no + " nor " + yes);
        return text == yes;
    };
    for (int i = 1; i < argc; ++i) {
        const std::string name = argv[i];
        if (name == "--help") {
            std::cout << usage;
            std::exit(0);
        }
        if (name.rfind("--", 0) != 0) {
            options.surrogate = name;
            continue;
        }
        if (i + 1 == argc) stop("no value for " + name);
        const std::string value = argv[++i];
        if (name == "--nx") options.nx = static_cast<int>(number(value));
        else if (name == "--ny") options.ny = static_cast<int>(number(value));
        else if (name == "--t-end") options.t_end = number(value);
        else if (name == "--threads") options.threads = static_cast<int>(number(value));
        else if (name == "--diffusion") options.implicit = choice(value, "explicit", "cg");
        else if (name == "--dx") options.dx = number(value);
        else if (name == "--diffusivity") options.diffusivity = number(value);
        else if (name == "--guard") options.guard = choice(value, "ignore", "clamp") ? EMUCELL_GUARD_CLAMP : EMUCELL_GUARD_IGNORE;
        else if (name == "--s2") options.s2 = number(value);
        else if (name == "--json") options.json = value;
        else if (name == "--snapshots") options.snapshots = value;
        else stop("unknown option " + name);
    }
    if (options.surrogate.empty()) stop(std::string("no surrogate file\n") + usage);
    if (options.nx < 10 || options.ny < 1 || options.nx > 20000 || options.ny > 20000)
        stop("sheets of 10 x 1 to 20000 x 20000 cells are simulated");
    if (options.threads < 1 || options.threads > 1024) stop("1 to 1024 threads, please");
    if (!(options.t_end > 0 && options.dx > 0 && options.diffusivity > 0))
        stop("time, distance and diffusivity must be positive");
    return options;
}

}  // namespace

int main(int argc, char** argv) {
    const Options options = parse(argc, argv);
    try {
        const emucell::Surrogate surrogate(options.surrogate);
        const int n_substeps = check_surrogate(surrogate);
        const double dt = surrogate.dt();
        Sheet rest(options.nx, options.ny, options.dx, options.diffusivity);
        std::fill_n(rest.u(), rest.n_cells(), static_cast<float>(fhn::rest(background_stimulus).u));
        std::fill_n(rest.w(), rest.n_cells(), static_cast<float>(fhn::rest(background_stimulus).w));
        const Run solver_run = simulate(options, dt, rest, SolverCells(dt, n_substeps));
        const Run surrogate_run = simulate(options, dt, rest, SurrogateCells(surrogate, options, rest));

        const Report report{options, dt, n_substeps, solver_run, surrogate_run};
        report.print();
        if (!options.json.empty()) report.write_json();
        if (!options.snapshots.empty()) {
            std::vector<float> both = solver_run.snapshots;
            both.insert(both.end(), surrogate_run.snapshots.begin(), surrogate_run.snapshots.end());
            const int n_times = static_cast<int>(solver_run.snapshot_times.size());
            write_npy(options.snapshots, both, {2, n_times, options.ny, options.nx});
        }
    } catch (const std::exception& error) {
        stop(error.what());
    }
}
