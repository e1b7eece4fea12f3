"""Settings of hosts: what goes together, and how they are stored."""

import json

import pytest

from dphr_lab.settings import HOSTS, OF_PARTS, Settings


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"host": "vit"}, "host is 'vit'; expected one of plain, sample4geo, lpn, mccg"),
        ({"loss": "none"}, "loss is 'none'; expected a loss, since the host 'plain' has none"),
        ({"host": "lpn", "embed_dim": 8}, "embed_dim is 8; expected None with the host 'lpn'"),
        ({"host": "mccg", "pool": "gem"}, "pool is 'gem'; expected 'avg' with the host"),
        ({"pair_on": "parts"}, "pair_on is 'parts'; expected 'whole' with the host 'plain'"),
        ({"pair_on": "some"}, "pair_on is 'some'"),
        ({"sampler": "unpaired"}, "sampler is 'unpaired'.*rows of 'unpaired' are no pairs"),
        ({"host": "lpn", "sampler": "unpaired"}, "the host 'lpn' and the loss 'none' only"),
        ({"host": "mccg", "loss": "none", "sampler": "unpaired"}, "are no pairs"),
        ({"pair_weight": 0.0, "host": "lpn"}, "pair_weight is 0.0; expected above 0"),
        ({"pair_weight": 2.0}, "pair_weight is 2.0; expected 1 with the host 'plain'"),
        ({"backbone_rate": -1.0}, "backbone_rate is -1.0"),
        ({"rate_drops": [0.5, 0.4]}, "rate_drops is .*; expected rising shares between"),
        ({"rate_drops": [1.0]}, "rising shares between 0 and 1"),
        ({"rate_drops": ["half"]}, "rate_drops is .*; expected finite numbers"),
        ({"rate_drops": 0.5}, "rate_drops is 0.5; expected finite numbers"),
    ],
)
def test_what_does_not_go_together_is_said_in_a_line(values, words):
    with pytest.raises(ValueError, match=words) as error:
        Settings(**values)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("host", HOSTS)
def test_a_hosts_settings_are_read_back_as_they_were_stored(host):
    settings = Settings(
        host=host,
        host_options={} if host == "plain" else {"dropout": 0.1},
        pair_on="parts" if host in OF_PARTS else "whole",
        rate_drops=(0.4, 0.6),
        backbone_rate=0.1,
    )
    stored = json.loads(json.dumps(settings.to_dict()))
    assert stored == settings.to_dict()  # no tuple: a resumed run compares them
    assert Settings.from_dict(stored) == settings
    assert Settings(host="lpn", loss="none", sampler="unpaired").sampler == "unpaired"
