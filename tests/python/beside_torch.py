"""emucell in a process in which PyTorch, with its own libtorch and OpenMP, computes at the same time.

    beside_torch.py libemucell.so step_map.onnx

The step map has two states, a stimulus and a step of 0.1. Fails unless the library gives the same bits
before PyTorch is loaded, after, and while it computes in other threads.
"""

import ctypes
import os
import sys
import threading

N = 5000


class View(ctypes.Structure):
    _fields_ = [
        ("data", ctypes.c_void_p),
        ("length", ctypes.c_size_t),
        ("cell_stride", ctypes.c_size_t),
        ("variable_stride", ctypes.c_size_t),
        ("n_variables", ctypes.c_uint32),
        ("element_type", ctypes.c_uint32),
    ]


class Cells(ctypes.Structure):
    # As version 0.1 knew it.
    _fields_ = [
        ("struct_size", ctypes.c_uint32),
        ("reserved", ctypes.c_uint32),
        ("n_cells", ctypes.c_size_t),
        ("n_rows", ctypes.c_size_t),
        ("state", View),
        ("stimulus", View),
        ("parameters", View),
        ("index", ctypes.c_void_p),
        ("status", ctypes.c_void_p),
    ]


def check(library, status):
    if status != 0:
        library.emucell_last_error_message.restype = ctypes.c_char_p
        sys.exit(library.emucell_last_error_message().decode())


def run(library, path):
    """Bytes of the state after 20 calls of 5 steps."""
    surrogate, session = ctypes.c_void_p(), ctypes.c_void_p()
    check(library, library.emucell_surrogate_load(os.fsencode(path), ctypes.byref(surrogate)))
    check(library, library.emucell_session_create(surrogate, None, ctypes.byref(session)))
    state = (ctypes.c_float * (2 * N))(*[i / (2 * N) for i in range(2 * N)])
    stimulus = ctypes.c_float(0.05)
    cells = Cells(struct_size=ctypes.sizeof(Cells), n_cells=N)
    cells.state = View(ctypes.addressof(state), 2 * N, 1, N, 2, 1)
    cells.stimulus = View(ctypes.addressof(stimulus), 1, 0, 1, 1, 1)
    for _ in range(20):
        check(library, library.emucell_step(session, ctypes.byref(cells), ctypes.c_double(0.1), 5))
    library.emucell_session_destroy(ctypes.byref(session))
    library.emucell_surrogate_destroy(ctypes.byref(surrogate))
    return bytes(state)


def main():
    library_path, surrogate = sys.argv[1:]
    # Symbols of either are visible to the other.
    sys.setdlopenflags(os.RTLD_NOW | os.RTLD_GLOBAL)
    library = ctypes.CDLL(library_path, mode=os.RTLD_NOW | os.RTLD_GLOBAL)
    expected = run(library, surrogate)

    import torch

    torch.set_num_threads(2)
    x = torch.linspace(-1, 1, 512 * 512).reshape(512, 512)
    product = x @ x
    if run(library, surrogate) != expected:
        sys.exit("another result once PyTorch is loaded")

    found = []
    threads = [threading.Thread(target=lambda: found.append(run(library, surrogate))) for _ in range(3)]
    for thread in threads:
        thread.start()
    same = all(torch.equal(x @ x, product) for _ in range(20))
    for thread in threads:
        thread.join()
    if not same:
        sys.exit("PyTorch gives another result beside emucell")
    if found != [expected] * 3:
        sys.exit("another result while PyTorch computes")


main()
