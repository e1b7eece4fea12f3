"""Every kind of encoder by the name that encoder.json, `Settings.host` and recipes give it.

A host of your own joins by `HOSTS["name"] = Class`, where `Class.kind` is that name.
"""

from dphr_lab.models.encoder import Encoder
from dphr_lab.models.lpn import LPN
from dphr_lab.models.mccg import MCCG
from dphr_lab.models.sample4geo import Sample4Geo

HOSTS: dict[str, type[Encoder]] = {
    "plain": Encoder,
    "sample4geo": Sample4Geo,
    "lpn": LPN,
    "mccg": MCCG,
}
