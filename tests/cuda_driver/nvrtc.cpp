// A libnvrtc.so for machines without a GPU: kernels are compiled by g++ for the processor, as libraries of which a "cubin"
// is the name. driver.cpp loads them.

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>
#include <vector>

#define API extern "C" __attribute__((visibility("default")))

struct Program {
    std::string text, library, log;
};

static std::string read(const std::string &file) {
    std::ifstream stream(file);
    return std::string(std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>());
}

static std::string folder(const char *name) {
    const char *value = std::getenv(name);
    return value ? value : ".";
}

// Names of the kernels in a text.
static std::vector<std::string> kernels(const std::string &text) {
    std::vector<std::string> names;
    const std::string mark = "\nEMUCELL_KERNEL(";
    for (std::size_t at = text.find(mark); at != std::string::npos; at = text.find(mark, at + 1)) {
        std::size_t start = text.find(") emucell_", at) + 2, end = text.find('(', start);
        names.push_back(text.substr(start, end - start));
    }
    return names;
}

API int nvrtcVersion(int *major, int *minor) { return *major = 13, *minor = 0, 0; }
API const char *nvrtcGetErrorString(int code) { return code ? "an emulated fault" : "success"; }
API int nvrtcCreateProgram(Program **program, const char *text, const char *, int, const char *const *, const char *const *) {
    return *program = new Program{text, "", ""}, 0;
}
API int nvrtcDestroyProgram(Program **program) { return delete *program, 0; }

API int nvrtcCompileProgram(Program *program, int, const char *const *) {
    const std::string source = folder("FAKE_CUDA_SOURCE"), device = read(source + "/src/backend/cuda/cu/device.cuh");
    const std::string emulation = read(source + "/tests/cuda/emulation.hpp");
    if (program->text.compare(0, device.size(), device)) return program->log = "error: a text that does not begin with device.cuh", 6;
    std::string text = "#include <cstddef>\n" + emulation + program->text.substr(device.size());
    const auto names = kernels(text);
    const std::string visible = "extern \"C\" __attribute__((visibility(\"default\"))) ";
    text += visible + "int find(const char *name) {\n";
    for (std::size_t i = 0; i < names.size(); i++)
        text += "    if (!std::strcmp(name, \"" + names[i] + "\")) return " + std::to_string(i) + ";\n";
    text += "    return -1;\n}\n" + visible + "std::size_t constant_bytes() { return sizeof emucell_constants; }\n";
    std::string sizes, runs;
    for (std::size_t i = 0; i < names.size(); i++) {
        const std::string job = names[i].substr(std::strlen("emucell_")) + "_job", number = std::to_string(i);
        sizes += "    case " + number + ": return sizeof(" + job + ");\n";
        runs += "    case " + number + ": return emulation::launch(grid, threads, shared, [&] { " + names[i] +
                "(*static_cast<const " + job + " *>(job)); });\n";
    }
    text += visible + "std::size_t job_bytes(unsigned entry) {\n    switch (entry) {\n" + sizes + "    }\n    return 0;\n}\n";
    text += visible +
            "void run(unsigned entry, unsigned grid, unsigned threads, std::size_t shared, const void *job, const void *constants) {\n"
            "    std::memcpy(emucell_constants, constants, sizeof emucell_constants);\n    switch (entry) {\n" +
            runs + "    }\n}\n";

    // The same text is compiled once.
    std::size_t sum = 0xcbf29ce484222325;
    for (unsigned char c : text) sum = (sum ^ c) * 0x100000001b3;
    const std::string name = folder("FAKE_CUDA_FOLDER") + "/kernel_" + std::to_string(sum);
    program->library = name + ".so";
    if (!read(program->library).empty()) return 0;
    std::ofstream(name + ".cpp") << text;
    const std::string command = "g++ -std=c++17 -O1 -fno-strict-aliasing -fvisibility=hidden -fno-gnu-unique -shared -fPIC -o " + name +
                                ".tmp " + name + ".cpp 2> " + name + ".log && mv " + name + ".tmp " + name + ".so";
    if (std::system(command.c_str())) return program->log = read(name + ".log"), 6;
    return 0;
}

API int nvrtcGetProgramLogSize(Program *program, std::size_t *size) { return *size = program->log.size() + 1, 0; }
API int nvrtcGetProgramLog(Program *program, char *log) { return std::strcpy(log, program->log.c_str()), 0; }
API int nvrtcGetCUBINSize(Program *program, std::size_t *size) { return *size = program->library.size() + 1, 0; }
API int nvrtcGetCUBIN(Program *program, char *cubin) { return std::strcpy(cubin, program->library.c_str()), 0; }
