# In the place of Astral's image: the same program, from the Python package index.
FROM scratch
COPY uv /uv
