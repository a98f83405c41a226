"""The release that this source is, told in metrics. The same as in pyproject.toml, which a test holds it to."""

RELEASE = "0.1.0"
