"""A program of its own: whether faiss reads and searches an index. Imports no package.

`faiss_index` runs this text in a child process before it opens a file, since faiss crashes on some
damaged ones and waits for ever on others. Arguments: the file, its rows, dim and probes, and "1"
where a query is to be tried. Exit code 3 and one line on standard error: what is wrong with it.
"""

import sys


def main(path, rows, dim, probes, tried):
    import faiss
    import numpy as np

    rows, dim, problem = int(rows), int(dim), None
    try:
        index = faiss.read_index(path, faiss.IO_FLAG_MMAP_IFC)
        if (index.ntotal, index.d) != (rows, dim):
            problem = f"holds {index.ntotal} rows of {index.d}, its record says {rows} of {dim}"
        elif index.metric_type != faiss.METRIC_INNER_PRODUCT:
            problem = "compares by another measure than the inner product"
        elif tried == "1":
            if int(probes):
                index.nprobe = min(int(probes), index.nlist)
            query = np.full((1, dim), dim**-0.5, np.float32)
            _, found = index.search(query, min(10, rows))
            if found.min() < -1 or found.max() >= rows:
                problem = f"answers with row {found.max()} of {rows}"
    except (RuntimeError, AttributeError, MemoryError) as error:
        line = (str(error).strip().splitlines() or [type(error).__name__])[-1][:200]
        problem = f"not an index that faiss {faiss.__version__} can read ({line})"
    if problem is None:
        return 0
    print(" ".join(problem.split()), file=sys.stderr)
    return 3


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
