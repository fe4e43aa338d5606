// A libcuda.so.1 for machines without a GPU: two GPUs that are the processor.
//
// As far as a program can see it does what the real one does, as unhelpfully as the real one may: what is queued on a
// stream is done only when somebody waits for it; a GPU's memory cannot be touched by the processor, is full of rubbish
// when it is reserved, and has an edge that is looked at when it is given back; handles and contexts are checked. Beside that
// it keeps a list of the calls of each thread, fails the call that a test names, and counts what was never given back.
// Kernels are those of nvrtc.cpp.

#include "gpus.hpp"

#define API extern "C" __attribute__((visibility("default")))

// --- for the tests ----------------------------------------------------------------------------------------------------------

// The calls of this thread since it last asked, a line each.
API void fake_calls(char *text, std::size_t size) {
    std::snprintf(text, size, "%s", calls.c_str());
    calls.clear();
}
// Fails the call of this thread that comes after `n` others with `code`; -1 for none.
API void fake_fault(int n, int code) { calls_to_fault = n, code_of_fault = code; }
// What came off: pieces of memory, contexts, streams, events, modules, graphs, holders of primary contexts.
API void fake_counts(std::size_t *counts) {
    std::lock_guard<std::recursive_mutex> one(everything);
    std::size_t holders = 0;
    for (Gpu &gpu : gpus) holders += std::size_t(gpu.holders);
    std::size_t all[] = {pieces.size(), contexts.size(), streams.size(), events.size(), modules.size(), graphs.size(), holders};
    std::memcpy(counts, all, sizeof all);
}
// Bytes that each GPU has.
API void fake_memory(std::size_t bytes) {
    for (Gpu &gpu : gpus) gpu.limit = bytes < MEMORY ? bytes : MEMORY;
}
// Forgets a fault of what ran on a GPU, as only a new process can.
API void fake_forget_fault() { fault = SUCCESS; }

// --- the driver -------------------------------------------------------------------------------------------------------------

API Result cuInit(unsigned) {
    std::lock_guard<std::recursive_mutex> one(everything);
    calls += "cuInit\n";
    for (int i = 0; !is_started && i < GPUS; i++) {
        gpus[i].number = i;
        void *memory = mmap(nullptr, MEMORY, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (memory == MAP_FAILED) die("no memory for an emulated GPU");
        gpus[i].memory = static_cast<char *>(memory);
        contexts.insert(&gpus[i].primary);
    }
    is_started = true;
    return SUCCESS;
}
API Result cuGetErrorName(Result code, const char **name) {
    static const std::map<int, const char *> names = {
        {SUCCESS, "CUDA_SUCCESS"}, {INVALID_VALUE, "CUDA_ERROR_INVALID_VALUE"}, {OUT_OF_MEMORY, "CUDA_ERROR_OUT_OF_MEMORY"},
        {INVALID_CONTEXT, "CUDA_ERROR_INVALID_CONTEXT"}, {INVALID_HANDLE, "CUDA_ERROR_INVALID_HANDLE"},
        {ILLEGAL_ADDRESS, "CUDA_ERROR_ILLEGAL_ADDRESS"}, {INVALID_IMAGE, "CUDA_ERROR_INVALID_IMAGE"}};
    auto found = names.find(code);
    *name = found == names.end() ? nullptr : found->second;
    return *name ? SUCCESS : INVALID_VALUE;
}
API Result cuGetErrorString(Result code, const char **text) {
    *text = "an emulated fault";
    return code >= 0 ? SUCCESS : INVALID_VALUE;
}
API Result cuDeviceGetCount(int *count) {
    CALL(cuDeviceGetCount)
    return *count = GPUS, SUCCESS;
}
API Result cuDeviceGet(int *device, int number) {
    CALL(cuDeviceGet)
    if (number < 0 || number >= GPUS) return INVALID_DEVICE;
    return *device = number, SUCCESS;
}
API Result cuDeviceGetName(char *name, int length, int device) {
    CALL(cuDeviceGetName)
    std::snprintf(name, std::size_t(length), "emulated GPU %d", device);
    return SUCCESS;
}
API Result cuDeviceGetAttribute(int *value, int attribute, int) {
    CALL(cuDeviceGetAttribute)
    switch (attribute) {
    case 75: return *value = 9, SUCCESS;                // compute capability, major
    case 76: return *value = 0, SUCCESS;                // and minor
    case 97: return *value = 227 * 1024, SUCCESS;       // shared memory of a block, if asked for
    case 16: return *value = MULTIPROCESSORS, SUCCESS;
    case 13: return *value = 1000000, SUCCESS;          // kHz
    case 36: return *value = 1000000, SUCCESS;          // kHz of the memory
    case 37: return *value = 512, SUCCESS;              // and the bits of its bus
    default: return INVALID_VALUE;
    }
}
API Result cuDevicePrimaryCtxRetain(Context **context, int device) {
    CALL(cuDevicePrimaryCtxRetain)
    gpus[device].holders++;
    return *context = &gpus[device].primary, SUCCESS;
}
API Result cuDevicePrimaryCtxRelease_v2(int device) {
    CALL(cuDevicePrimaryCtxRelease_v2)
    if (gpus[device].holders-- == 0) die("a primary context released more often than retained");
    return SUCCESS;
}
API Result cuCtxCreate_v4(Context **context, void *, unsigned, int device) {
    CALL(cuCtxCreate_v4)
    *context = new Context{&gpus[device], {}};
    contexts.insert(*context);
    stack.push_back(*context);
    return SUCCESS;
}
API Result cuCtxDestroy_v2(Context *context) {
    CALL(cuCtxDestroy_v2)
    if (!contexts.erase(context)) return INVALID_CONTEXT;
    for (Stream *stream : context->streams) streams.erase(stream), delete stream;
    for (auto piece = pieces.begin(); piece != pieces.end();)
        piece = piece->second.context == context ? pieces.erase(piece) : std::next(piece);
    if (current() == context) stack.pop_back();
    delete context;
    return SUCCESS;
}
API Result cuCtxGetCurrent(Context **context) {
    CALL(cuCtxGetCurrent)
    return *context = current(), SUCCESS;
}
API Result cuCtxPushCurrent_v2(Context *context) {
    CALL(cuCtxPushCurrent_v2)
    if (!contexts.count(context)) return INVALID_CONTEXT;
    return stack.push_back(context), SUCCESS;
}
API Result cuCtxPopCurrent_v2(Context **context) {
    CALL(cuCtxPopCurrent_v2)
    if (!current()) return INVALID_CONTEXT;
    *context = current();
    return stack.pop_back(), SUCCESS;
}
API Result cuCtxGetDevice(int *device) {
    CALL_IN_CONTEXT(cuCtxGetDevice)
    return *device = current()->gpu->number, SUCCESS;
}
API Result cuCtxSynchronize() {
    CALL_IN_CONTEXT(cuCtxSynchronize)
    NOT_WHILE_RECORDING
    return finish(current());
}

API Result cuStreamCreate(Stream **stream, unsigned) {
    CALL_IN_CONTEXT(cuStreamCreate)
    *stream = new Stream{current(), {}};
    streams.insert(*stream);
    current()->streams.insert(*stream);
    return SUCCESS;
}
API Result cuStreamDestroy_v2(Stream *stream) {
    CALL(cuStreamDestroy_v2)
    if (!streams.erase(stream)) return INVALID_HANDLE;
    finish(stream);
    stream->context->streams.erase(stream);
    delete stream;
    return SUCCESS;
}
API Result cuStreamGetCtx(Stream *stream, Context **context) {
    CALL(cuStreamGetCtx)
    if (!streams.count(stream)) return INVALID_HANDLE;
    return *context = stream->context, SUCCESS;
}
API Result cuStreamSynchronize(Stream *stream) {
    CALL_IN_CONTEXT(cuStreamSynchronize)
    if (!streams.count(stream)) return INVALID_HANDLE;
    NOT_WHILE_RECORDING
    return finish(stream);
}
API Result cuStreamIsCapturing(Stream *stream, int *status) {
    CALL_IN_CONTEXT(cuStreamIsCapturing)
    if (!streams.count(stream)) return INVALID_HANDLE;
    return *status = stream->recording ? 1 : 0, SUCCESS;
}
API Result cuStreamBeginCapture_v2(Stream *stream, int) {
    CALL_IN_CONTEXT(cuStreamBeginCapture_v2)
    if (!streams.count(stream) || stream->recording) return INVALID_HANDLE;
    stream->is_spoilt = false;
    return graphs.insert(stream->recording = new Work).second ? SUCCESS : INVALID_VALUE;
}
API Result cuStreamEndCapture(Stream *stream, Work **graph) {
    CALL_IN_CONTEXT(cuStreamEndCapture)
    if (!streams.count(stream) || !stream->recording) return INVALID_HANDLE;
    *graph = stream->recording;
    stream->recording = nullptr;
    if (!stream->is_spoilt) return SUCCESS;
    graphs.erase(*graph);
    delete *graph;
    return *graph = nullptr, CAPTURE_INVALIDATED;
}
API Result cuGraphInstantiateWithFlags(Work **executable, Work *graph, unsigned long long) {
    CALL_IN_CONTEXT(cuGraphInstantiateWithFlags)
    if (!graphs.count(graph)) return INVALID_HANDLE;
    return graphs.insert(*executable = new Work(*graph)).second ? SUCCESS : INVALID_VALUE;
}
API Result cuGraphLaunch(Work *executable, Stream *stream) {
    CALL_IN_CONTEXT(cuGraphLaunch)
    if (!graphs.count(executable)) return INVALID_HANDLE;
    for (auto &run : *executable)
        if (Result result = queue(stream, run)) return result;
    return SUCCESS;
}
API Result cuGraphDestroy(Work *graph) {
    CALL(cuGraphDestroy)
    if (!graphs.erase(graph)) return INVALID_HANDLE;
    return delete graph, SUCCESS;
}
API Result cuGraphExecDestroy(Work *graph) {
    CALL(cuGraphExecDestroy)
    if (!graphs.erase(graph)) return INVALID_HANDLE;
    return delete graph, SUCCESS;
}

API Result cuEventCreate(Event **event, unsigned) {
    CALL_IN_CONTEXT(cuEventCreate)
    return events.insert(*event = new Event{current()}).second ? SUCCESS : INVALID_VALUE;
}
API Result cuEventDestroy_v2(Event *event) {
    CALL(cuEventDestroy_v2)
    if (!events.erase(event)) return INVALID_HANDLE;
    if (event->stream) finish(event->stream, event);
    return delete event, SUCCESS;
}
API Result cuEventRecord(Event *event, Stream *stream) {
    CALL_IN_CONTEXT(cuEventRecord)
    if (!events.count(event) || !streams.count(stream)) return INVALID_HANDLE;
    if (event->context != stream->context) return INVALID_HANDLE;
    if (stream->recording) return stream->recording->push_back([] { return SUCCESS; }), SUCCESS;
    if (event->stream) finish(event->stream, event);
    event->stream = stream;
    return stream->queued.push_back({nullptr, event}), SUCCESS;
}
API Result cuEventSynchronize(Event *event) {
    CALL_IN_CONTEXT(cuEventSynchronize)
    if (!events.count(event)) return INVALID_HANDLE;
    NOT_WHILE_RECORDING
    return event->stream ? finish(event->stream, event) : fault;
}
API Result cuEventElapsedTime_v2(float *milliseconds, Event *, Event *) {
    CALL_IN_CONTEXT(cuEventElapsedTime_v2)
    return *milliseconds = 1, SUCCESS;
}

API Result cuMemAlloc_v2(Address *address, std::size_t size) {
    CALL_IN_CONTEXT(cuMemAlloc_v2)
    NOT_WHILE_RECORDING
    return reserve(address, size);
}
// Out of a pool: such memory belongs to a GPU, and to no context.
API Result cuMemAllocAsync(Address *address, std::size_t size, Stream *stream) {
    CALL_IN_CONTEXT(cuMemAllocAsync)
    if (!streams.count(stream)) return INVALID_HANDLE;
    if (Result result = reserve(address, size)) return result;
    return pieces[*address].context = nullptr, SUCCESS;
}
API Result cuMemFree_v2(Address address) {
    CALL_IN_CONTEXT(cuMemFree_v2)
    return address ? give_back(address) : SUCCESS;
}
API Result cuMemHostAlloc(void **address, std::size_t size, unsigned) {
    CALL_IN_CONTEXT(cuMemHostAlloc)
    NOT_WHILE_RECORDING
    std::unique_ptr<char[]> own(new char[size + 64]);
    Address at = (Address(own.get()) + 63) / 64 * 64;
    std::memset(reinterpret_cast<void *>(at), 0xff, size);
    pieces[at] = Piece{size, 1, false, current()->gpu, current(), std::move(own)};
    return *address = reinterpret_cast<void *>(at), SUCCESS;
}
API Result cuMemFreeHost(void *address) {
    CALL_IN_CONTEXT(cuMemFreeHost)
    auto found = pieces.find(Address(address));
    if (found == pieces.end() || found->second.kind != 1) return INVALID_VALUE;
    finish(found->second.context);
    return pieces.erase(found), SUCCESS;
}
API Result cuMemAllocManaged(Address *address, std::size_t size, unsigned) {
    CALL_IN_CONTEXT(cuMemAllocManaged)
    std::unique_ptr<char[]> own(new char[size + 64]);
    *address = (Address(own.get()) + 63) / 64 * 64;
    pieces[*address] = Piece{size, 2, true, current()->gpu, nullptr, std::move(own)};
    return SUCCESS;
}
API Result cuPointerGetAttributes(unsigned n, const int *wanted, void **found, Address address) {
    CALL_IN_CONTEXT(cuPointerGetAttributes)
    Address start = 0;
    Piece *piece = piece_at(address, &start);
    for (unsigned i = 0; i < n; i++) {
        switch (wanted[i]) {
        case 1: *static_cast<Context **>(found[i]) = piece ? piece->context : nullptr; break;
        case 2: *static_cast<unsigned *>(found[i]) = piece ? unsigned(piece->kind) : 0; break;
        case 8: *static_cast<unsigned *>(found[i]) = piece && piece->is_managed; break;
        case 9: *static_cast<int *>(found[i]) = piece ? piece->gpu->number : -2; break;
        case 11: *static_cast<Address *>(found[i]) = start; break;
        case 12: *static_cast<std::size_t *>(found[i]) = piece ? piece->size : 0; break;
        default: return INVALID_VALUE;
        }
    }
    return SUCCESS;
}
API Result cuMemcpyHtoD_v2(Address to, const void *from, std::size_t size) {
    CALL_IN_CONTEXT(cuMemcpyHtoD_v2)
    NOT_WHILE_RECORDING
    if (Result result = finish(current())) return result;
    return on_gpu([&] { return copy(to, Address(from), size, current()->gpu, to); });
}
API Result cuMemcpyDtoH_v2(void *to, Address from, std::size_t size) {
    CALL_IN_CONTEXT(cuMemcpyDtoH_v2)
    NOT_WHILE_RECORDING
    if (Result result = finish(current())) return result;
    return on_gpu([&] { return copy(Address(to), from, size, current()->gpu, from); });
}
API Result cuMemcpyHtoDAsync_v2(Address to, const void *from, std::size_t size, Stream *stream) {
    CALL_IN_CONTEXT(cuMemcpyHtoDAsync_v2)
    Gpu *gpu = current()->gpu;
    return queue(stream, [=] { return copy(to, Address(from), size, gpu, to); });
}
API Result cuMemcpyDtoHAsync_v2(void *to, Address from, std::size_t size, Stream *stream) {
    CALL_IN_CONTEXT(cuMemcpyDtoHAsync_v2)
    Gpu *gpu = current()->gpu;
    return queue(stream, [=] { return copy(Address(to), from, size, gpu, from); });
}
API Result cuMemsetD8_v2(Address to, unsigned char value, std::size_t size) {
    CALL_IN_CONTEXT(cuMemsetD8_v2)
    NOT_WHILE_RECORDING
    Gpu *gpu = current()->gpu;
    if (Result result = finish(current())) return result;
    return on_gpu([=] {
        if (!is_there(gpu, to, size)) return Result(ILLEGAL_ADDRESS);
        return std::memset(reinterpret_cast<void *>(to), value, size), Result(SUCCESS);
    });
}
API Result cuMemsetD8Async(Address to, unsigned char value, std::size_t size, Stream *stream) {
    CALL_IN_CONTEXT(cuMemsetD8Async)
    Gpu *gpu = current()->gpu;
    return queue(stream, [=] {
        if (!is_there(gpu, to, size)) return Result(ILLEGAL_ADDRESS);
        return std::memset(reinterpret_cast<void *>(to), value, size), Result(SUCCESS);
    });
}

API Result cuModuleLoadData(Module **module, const void *image) {
    CALL_IN_CONTEXT(cuModuleLoadData)
    NOT_WHILE_RECORDING
    std::string file = static_cast<const char *>(image);
    // Of PTX for this GPU a test has said what it does.
    if (!file.compare(0, 8, ".version") && file.find("\n.target sm_80\n") != std::string::npos) {
        std::size_t sum = 0xcbf29ce484222325;
        for (unsigned char c : file) sum = (sum ^ c) * 0x100000001b3;
        file = std::string(std::getenv("FAKE_CUDA_FOLDER")) + "/ptx_" + std::to_string(sum) + ".so";
    }
    if (file.compare(0, 1, "/")) return INVALID_IMAGE;
    void *library = dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (!library) die("%s", dlerror());
    Module *made = new Module{current(), library, {}};
    typedef std::size_t Size();
    std::size_t bytes = reinterpret_cast<Size *>(dlsym(library, "constant_bytes"))();
    if (Result result = reserve(&made->constants, bytes)) return delete made, dlclose(library), result;
    modules.insert(*module = made);
    return SUCCESS;
}
API Result cuModuleUnload(Module *module) {
    CALL(cuModuleUnload)
    if (!modules.erase(module)) return INVALID_HANDLE;
    give_back(module->constants);
    dlclose(module->library);
    return delete module, SUCCESS;
}
API Result cuModuleGetFunction(Function **function, Module *module, const char *name) {
    CALL_IN_CONTEXT(cuModuleGetFunction)
    if (!modules.count(module)) return INVALID_HANDLE;
    typedef int Find(const char *);
    int entry = reinterpret_cast<Find *>(dlsym(module->library, "find"))(name);
    if (entry < 0) return NOT_FOUND;
    module->functions.emplace_back(new Function{module, unsigned(entry), 48 * 1024});
    return *function = module->functions.back().get(), SUCCESS;
}
API Result cuModuleGetGlobal_v2(Address *address, std::size_t *size, Module *module, const char *name) {
    CALL_IN_CONTEXT(cuModuleGetGlobal_v2)
    if (!modules.count(module) || std::strcmp(name, "emucell_constants")) return NOT_FOUND;
    return *address = module->constants, *size = pieces[module->constants].size, SUCCESS;
}
API Result cuFuncSetAttribute(Function *function, int attribute, int value) {
    CALL_IN_CONTEXT(cuFuncSetAttribute)
    if (attribute != 8 || value > 227 * 1024) return INVALID_VALUE;
    return function->shared_limit = std::size_t(value), SUCCESS;
}
API Result cuOccupancyMaxActiveBlocksPerMultiprocessor(int *blocks, Function *, int, std::size_t) {
    CALL_IN_CONTEXT(cuOccupancyMaxActiveBlocksPerMultiprocessor)
    return *blocks = 2, SUCCESS;
}
API Result cuLaunchKernel(Function *function, unsigned x, unsigned y, unsigned z, unsigned threads, unsigned ty, unsigned tz,
                          unsigned shared, Stream *stream, void **arguments, void **) {
    CALL_IN_CONTEXT(cuLaunchKernel)
    Module *module = function->module;
    if (!modules.count(module) || module->context != current()) return INVALID_HANDLE;
    if (x == 0 || y * z * ty * tz != 1 || threads == 0 || threads > 1024 || shared > function->shared_limit) return INVALID_VALUE;
    typedef std::size_t Size(unsigned);
    typedef void Run(unsigned, unsigned, unsigned, std::size_t, const void *, const void *);
    auto size = reinterpret_cast<Size *>(dlsym(module->library, "job_bytes"))(function->entry);
    auto run = reinterpret_cast<Run *>(dlsym(module->library, "run"));
    // 16 bytes aligned, as arguments are.
    std::vector<max_align_t> job((size + sizeof(max_align_t) - 1) / sizeof(max_align_t));
    std::copy_n(static_cast<const char *>(arguments[0]), size, reinterpret_cast<char *>(job.data()));
    unsigned entry = function->entry;
    return queue(stream, [=] {
        run(entry, x, threads, shared, job.data(), reinterpret_cast<const void *>(module->constants));
        return Result(SUCCESS);
    });
}
