"""Which encoder this is, so that a map is asked by the encoder that made it and by no other."""

import hashlib
import json

import torch


def fingerprint(encoder: torch.nn.Module) -> dict[str, str]:
    """Name and SHA-256 of an encoder: its settings, its weights and their order.

    One that was exported in full precision has the fingerprint of the encoder it was made from.
    """
    if given := getattr(encoder, "fingerprint", None):
        return given
    digest = hashlib.sha256()
    settings = encoder.settings() if hasattr(encoder, "settings") else {}
    digest.update(json.dumps(settings, sort_keys=True).encode())
    for name, value in sorted(encoder.state_dict().items()):
        digest.update(name.encode())
        digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    name = settings.get("backbone", type(encoder).__name__)
    return {"name": str(name), "sha256": digest.hexdigest()}
