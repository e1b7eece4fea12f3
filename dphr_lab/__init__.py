"""DPHR Lab: cross-view geo-localization with hardness-aware reweighting, tested.

From the ground up; a room imports only from rooms above it in this list:

settings, results     what is asked for; what is on record (standard library only)
losses                a batch's embeddings -> a number (torch only)
retrieval             embeddings -> ranks, measures, and how sure they are (torch, numpy)
models                images -> embeddings
plotting              figures
scenes                rendered towns and photographs whose twins are known
datasets              places seen from drone and satellite, on disk or rendered
localization          an encoder, a gallery, an answer
probe, teaching       what an encoder can tell apart; what chapters do
training              settings and data -> a run
studies               many runs, and what they say
cli                   the command `dphr`, a file a command
"""

__version__ = "0.1.0"
