"""A program of its own: some arrays of a MATLAB file, written as .npz. Imports no package.

`feature_files` runs this text in a child process, since SciPy's reader crashes on some damaged
files. Arguments: the file, the one to write, and the names of the arrays. Exit code 3 and one line
on standard error: what is wrong with the file.
"""

import sys


def main(path, out, *names):
    import numpy as np
    from scipy.io.matlab import loadmat

    try:
        found = loadmat(path, variable_names=names)
    except NotImplementedError:
        problem = "a MATLAB 7.3 file (HDF5), which is not read; save it with -v7 or as .npz"
    except Exception as error:  # the format has no checksum, so any kind
        problem = f"not a whole .mat file ({type(error).__name__}: {error})"
    else:
        found = {name: found[name] for name in names if name in found}
        strange = [n for n, v in found.items() if type(v) is not np.ndarray or v.dtype.hasobject]
        if not strange:
            np.savez(out, **found)
            return 0
        kind = type(found[strange[0]]).__name__
        problem = f"{strange[0]}: found {kind}, expected a full array of numbers or names"
        if kind != "ndarray":
            problem += "; a sparse one becomes full by full(…) in MATLAB"
    print(" ".join(problem.split()), file=sys.stderr)
    return 3


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
