"""Many runs, and what they say: arms x worlds x seeds, compared with intervals."""
