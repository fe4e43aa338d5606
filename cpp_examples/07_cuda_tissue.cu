// The sheet of tissue of 03_tissue wholly on a GPU: cells by a solver or by a surrogate, diffusion between them. Nothing
// is copied between the memories while it runs; the surrogate works on the simulator's own arrays and stream.
//
//     07_cuda_tissue SURROGATE.onnx [cells along an edge, 1024] [ms, 40]
//
// For step maps of the cubic FitzHugh-Nagumo model with a stimulus s. The library is to be built with CUDA
// (`make build FEATURES=onnx,cuda`).

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <cuda_runtime.h>

#include "emucell.hpp"
#include "tissue/fhn.hpp"

namespace {

constexpr float dx = 0.1f;                // mm
constexpr float diffusivity = 0.15f;      // mm^2/ms
constexpr float stimulus_strength = 0.12f;
constexpr float background_stimulus = 0.06f;  // without it the model conducts no wave; see 03_tissue
constexpr float stimulus_duration = 2;    // ms

void check(cudaError_t error) {
    if (error != cudaSuccess) throw std::runtime_error(cudaGetErrorString(error));
}

// n_steps forward Euler steps of dt (ms), a thread a cell, states in registers.
__global__ void solver(float *u, float *w, const float *s, int n, float dt, int n_steps) {
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    float x = u[i], y = w[i];
    const float z = s[i], dt_u = 10.0f * dt;
    for (int step = 0; step < n_steps; ++step) {
        const float du = x * (x - 0.4f) * (1.0f - x) - y + z;
        const float dw = 0.04f * x - 0.16f * y;
        x += dt_u * du;
        y += dt * dw;
    }
    u[i] = x;
    w[i] = y;
}

// A step of explicit diffusion with no flux across the borders; number = D dt / dx^2.
__global__ void diffuse(const float *u, float *next, int edge, float number) {
    const int x = blockIdx.x * blockDim.x + threadIdx.x, y = blockIdx.y * blockDim.y + threadIdx.y;
    if (x >= edge || y >= edge) return;
    const int i = y * edge + x;
    const float left = u[x > 0 ? i - 1 : i], right = u[x + 1 < edge ? i + 1 : i];
    const float above = u[y > 0 ? i - edge : i], below = u[y + 1 < edge ? i + edge : i];
    next[i] = u[i] + number * (left + right + above + below - 4.0f * u[i]);
}

// Numbers in the GPU's memory.
class Numbers {
public:
    explicit Numbers(const std::vector<float> &values) {
        check(cudaMalloc(&address_, values.size() * sizeof(float)));
        check(cudaMemcpy(address_, values.data(), values.size() * sizeof(float), cudaMemcpyHostToDevice));
    }
    Numbers(const Numbers &) = delete;
    Numbers &operator=(const Numbers &) = delete;
    ~Numbers() { cudaFree(address_); }
    float *get() const { return address_; }

private:
    float *address_ = nullptr;
};

struct Result {
    double milliseconds;   // of computing, by the GPU's clock
    std::vector<float> u;  // at the end
};

// Runs the sheet; cells(u, w, s, stream) advances all cells by dt.
template <class Cells>
Result run(int edge, double t_end, double dt, cudaStream_t stream, const Cells &cells) {
    const int n = edge * edge;
    const auto rest = tissue::fhn::rest(background_stimulus);
    std::vector<float> state(2 * n, static_cast<float>(rest.u));
    std::vector<float> strip(n, background_stimulus), none(n, background_stimulus);
    for (int i = 0; i < n; ++i) {
        state[n + i] = static_cast<float>(rest.w);
        if (i % edge < edge / 8) strip[i] = stimulus_strength;
    }
    const Numbers cell_state(state), other(none), stimulated(strip), unstimulated(none);
    float *u = cell_state.get(), *w = u + n;

    // Stable up to 1/4; an even number of steps leaves u where it began.
    const float whole = diffusivity * static_cast<float>(dt) / (dx * dx);
    const int n_substeps = 2 * static_cast<int>(std::ceil(whole / 0.4f));
    const dim3 threads(32, 8), blocks((edge + 31) / 32, (edge + 7) / 8);
    cudaEvent_t begin, end;
    check(cudaEventCreate(&begin));
    check(cudaEventCreate(&end));
    check(cudaEventRecord(begin, stream));
    const int n_steps = static_cast<int>(std::lround(t_end / dt));
    for (int step = 0; step < n_steps; ++step) {
        cells(u, w, step * dt < stimulus_duration ? stimulated.get() : unstimulated.get(), stream);
        const float *from = u;
        float *to = other.get();
        for (int i = 0; i < n_substeps; ++i) {
            diffuse<<<blocks, threads, 0, stream>>>(from, to, edge, whole / n_substeps);
            from = to;
            to = to == u ? other.get() : u;
        }
    }
    check(cudaGetLastError());
    check(cudaEventRecord(end, stream));
    check(cudaEventSynchronize(end));
    float milliseconds = 0;
    check(cudaEventElapsedTime(&milliseconds, begin, end));
    Result result{milliseconds, std::vector<float>(n)};
    check(cudaMemcpy(result.u.data(), u, n * sizeof(float), cudaMemcpyDeviceToHost));
    cudaEventDestroy(begin);
    cudaEventDestroy(end);
    return result;
}

}  // namespace

int main(int argc, char **argv) {
    try {
        if (argc < 2) throw std::runtime_error("usage: 07_cuda_tissue SURROGATE.onnx [cells along an edge] [ms]");
        const int edge = argc > 2 ? std::atoi(argv[2]) : 1024;
        const double t_end = argc > 3 ? std::atof(argv[3]) : 40;
        if (edge < 8 || edge > 20000 || !(t_end > 0)) throw std::runtime_error("an edge of 8 to 20000 cells, and a positive time");
        const std::size_t n = static_cast<std::size_t>(edge) * edge;
        cudaStream_t stream;
        check(cudaStreamCreate(&stream));
        {
            const emucell::Surrogate surrogate(std::string{argv[1]});
            const double dt = surrogate.dt();
            emucell::SessionOptions options;
            options.device = "cuda";
            options.stream = stream;
            emucell::Session session(surrogate, options);
            std::printf("%s\n", session.name().c_str());

            const int n_substeps = static_cast<int>(std::lround(dt / tissue::fhn::solver_dt));
            const auto by_solver = [&](float *u, float *w, const float *s, cudaStream_t on) {
                const int blocks = static_cast<int>((n + 127) / 128);
                solver<<<blocks, 128, 0, on>>>(u, w, s, static_cast<int>(n), static_cast<float>(dt / n_substeps), n_substeps);
            };
            const auto by_surrogate = [&](float *u, float *, const float *s, cudaStream_t) {
                emucell::Cells cells(emucell::arrays(u, n, 2, n));
                cells.stimulus(emucell::structures(s, n, 1));
                session.step(cells, dt);
            };
            const Result expected = run(edge, t_end, dt, stream, by_solver);
            const Result got = run(edge, t_end, dt, stream, by_surrogate);
            double sum = 0, worst = 0;
            for (std::size_t i = 0; i < n; ++i) {
                const double difference = std::fabs(double(got.u[i]) - expected.u[i]);
                sum += difference;
                worst = std::fmax(worst, difference);
            }
            std::printf("%d x %d cells, %g ms\nsolver    %10.3f ms\nsurrogate %10.3f ms\n", edge, edge, t_end,
                        expected.milliseconds, got.milliseconds);
            std::printf("difference of u at the end: mean %.2e, largest %.2e\n", sum / n, worst);
        }
        cudaStreamDestroy(stream);
        return 0;
    } catch (const std::exception &fault) {
        std::fprintf(stderr, "07_cuda_tissue: %s\n", fault.what());
        return 1;
    }
}
