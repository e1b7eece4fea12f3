"""The tables; each test module of this folder is parametrised from one."""

from faults import NOT_MET, Table, data, fine

ROOT = "no data set found. Looked for"
UNREAD = "cannot be decoded as an image"

DATA = Table(
    "data set",
    ("verify", "verify --deep", "train", "evaluate", "search", "prepare", "open_dataset", "scenes --photos"),  # fmt: skip
    {
        "nothing wrong": (fine("no fault"), fine("no fault"), fine("R@1"), fine("R@1"), fine("right place"), fine("images"), fine(), fine("wrote")),
        "drone view missing": (data("train holds satellite images only"), data("train holds satellite images only"), data("no train set of drone images"), data("no query set of drone images"), data("query: found no file"), fine(), data("no query set of drone"), NOT_MET),
        "satellite view missing in train": (data("train holds drone images only"), data("train holds drone images only"), data("no train set of satellite images"), fine("R@1"), fine("right place"), fine(), data("no train set of satellite"), NOT_MET),
        "drone view missing in test": (data("test holds no view to ask with"), data("test holds no view to ask with"), fine("test       none"), data("no query set of drone images"), data("query: found no file"), fine(), data("no query set of drone"), NOT_MET),
        "place folders empty": (data("no image for 1 place: 0007"), data("no image for 1 place: 0007"), fine("R@1"), fine("R@1"), data("query: found no file"), fine(), fine(), NOT_MET),
        "root empty": (data(ROOT), data(ROOT), data(ROOT), data(ROOT), data("query: found no file"), data(ROOT), data(ROOT), data("holds no image file")),
        "no place": (data("no place folder in"), data("no place folder in"), data("no images in its place folders"), data("no images in its place folders"), data("query: found no file"), data("nothing to copy"), data("no images in its place folders"), data("holds no image file")),
        "one place a half": (fine("no fault"), fine("no fault"), data("training needs 2 places or more"), fine("R@1"), fine("right place"), fine("images"), fine(), data("ask for fewer places")),
        "text named .jpg": (fine("--deep does so"), data(UNREAD), data(UNREAD), data(UNREAD), data(UNREAD), data(UNREAD), data(UNREAD), fine("1 unreadable")),
        "file of 0 bytes": (fine("--deep does so"), data(UNREAD), data(UNREAD), data(UNREAD), data(UNREAD), data(UNREAD), data(UNREAD), fine("1 unreadable")),
        "truncated image": (fine("--deep does so"), data(UNREAD), data(UNREAD), data(UNREAD), data(UNREAD), data(UNREAD), data(UNREAD), fine("1 unreadable")),
        "16-bit image": (fine("no fault"), fine("no fault"), fine("R@1"), fine("R@1"), fine("right place"), fine(), fine(), fine("left out: none")),
        "CMYK image": (fine("no fault"), fine("no fault"), fine("R@1"), fine("R@1"), fine("right place"), fine(), fine(), fine("left out: none")),
        "RGBA image": (fine("no fault"), fine("no fault"), fine("R@1"), fine("R@1"), fine("right place"), fine(), fine(), fine("left out: none")),
        "EXIF-rotated image": (fine("no fault"), fine("no fault"), fine("R@1"), fine("R@1"), fine("right place"), fine(), fine(), fine("left out: none")),
        "unicode and spaces in the path": (fine("no fault"), fine("no fault"), fine("R@1"), fine("R@1"), fine("right place"), fine(), fine(), fine("left out: none")),
        "links in circles": (fine("no fault"), fine("no fault"), fine("R@1"), fine("R@1"), fine("right place"), fine(), fine(), fine("left out: none")),
        "link to nothing": (fine("--deep does so"), data("no such file"), data("no such file"), data("no such file"), data("found no file"), data("no such file"), data("no such file"), fine("1 unreadable")),
    },
)  # fmt: skip

TABLES = (DATA,)
