"""Writes one table of training data in every layout that a recipe reads, from a file of doubles."""

import pathlib
import sys

import numpy
import torch

folder = pathlib.Path(sys.argv[1])
names = ["t", "u0", "w0", "k", "u", "w"]
table = numpy.fromfile(folder / "table", dtype="<f8").reshape(-1, 6).astype(numpy.float32)
columns = {name: table[:, i] for i, name in enumerate(names)}

numpy.savez(folder / "plain.npz", **columns)
numpy.savez_compressed(folder / "packed.npz", **columns)
numpy.save(folder / "matrix.npy", table)
torch.save({name: torch.from_numpy(column.reshape(-1, 1).copy()) for name, column in columns.items()}, folder / "dictionary.pt")
torch.save(torch.from_numpy(table), folder / "tensor.pt")
order = ["w", "k", "t", "u", "w0", "u0"]
numpy.savetxt(
    folder / "table.csv",
    numpy.stack([columns[name] for name in order], axis=1),
    delimiter=",", header=",".join(order), comments="", fmt="%.17g",
)
papers = folder / "papers"
papers.mkdir()
for file, name in zip(["T", "U", "V", "K", "SOLs", "SOLw"], names):
    # One of them in double precision and as a matrix, as some of the published sets are.
    array = columns[name].astype(numpy.float64).reshape(-1, 1) if file == "K" else columns[name]
    numpy.save(papers / f"{file}.npy", array)

short = folder / "short"
short.mkdir()
for file in ["T", "U", "V", "K", "SOLs", "SOLw"]:
    numpy.save(short / f"{file}.npy", table[: 7 if file == "V" else 9, 0])
numpy.save(folder / "narrow.npy", table[:, :5])
numpy.savez(folder / "other_names.npz", time=table[:, 0], u=table[:, 4])
