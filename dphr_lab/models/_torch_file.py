"""A program of its own: the tensors of a PyTorch file, written as safetensors. Imports no package.

`peers.read_torch_file` runs this text in a child process, with the file and the one to write as
arguments. Exit code 3 and one line on standard error: what was found in place of named tensors.
"""

import sys

WRAPPERS = ("model_state_dict", "state_dict", "model", "net")  # known first; else the only one
DEEPEST = 16  # wrappers in one another; a dictionary may even hold itself
PREFIXES = ("module.", "_orig_mod.")  # before each name: of DataParallel, of torch.compile


def tensors_of(loaded):
    """{name: tensor} of what a file held; raises ValueError that says what it held instead."""
    import torch

    def named(value):
        return isinstance(value, dict) and all(isinstance(v, torch.Tensor) for v in value.values())

    for _ in range(DEEPEST):
        if not isinstance(loaded, dict) or named(loaded):
            break
        inner = [w for w in WRAPPERS if isinstance(loaded.get(w), dict)]
        others = [name for name, value in loaded.items() if value and named(value)]
        if not inner and len(others) != 1:
            break
        loaded = loaded[(inner or others)[0]]
    else:
        raise ValueError(f"found wrappers in one another, more than {DEEPEST}")
    if not isinstance(loaded, dict) or not loaded:
        raise ValueError(f"found {type(loaded).__name__}, expected names with tensors")
    strange = [name for name, value in loaded.items() if not isinstance(value, torch.Tensor)]
    if strange:
        raise ValueError(f"found {', '.join(map(str, strange[:3]))}, which are no tensors")
    prefixed = True
    while prefixed:
        prefixed = next((p for p in PREFIXES if all(n.startswith(p) for n in loaded)), None)
        if prefixed:
            loaded = {name.removeprefix(prefixed): value for name, value in loaded.items()}
    return {name: value.detach().clone().contiguous() for name, value in loaded.items()}


def main(path, out):
    import torch
    from safetensors.torch import load_file, save_file

    try:
        if path.endswith(".safetensors"):
            loaded = load_file(path)
        else:
            loaded = torch.load(path, map_location="cpu", weights_only=True)
        save_file(tensors_of(loaded), out)
    except ValueError as error:
        problem = f"cannot be read as a state dict: {error}"
    except Exception as error:  # torch's unpickler raises whatever a damaged file leads to
        problem = (
            "cannot be read as a state dict: it is damaged, or a pickle of more than tensors, "
            f"which is not run here ({type(error).__name__})"
        )
    else:
        return 0
    print(" ".join(problem.split()), file=sys.stderr)
    return 3


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
