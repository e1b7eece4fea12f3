"""Tests, in folders as the package is; pages/ is about the book and the repository's own files."""

import pytest

# What tests share says what it found when an assertion in it fails, as the tests themselves do.
pytest.register_assert_rewrite("tests.helpers")
