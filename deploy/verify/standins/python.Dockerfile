# In the place of python:3.11-slim: the interpreter at the same path, and nothing else.
FROM localhost/standin/debian:12
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends python3.11 \
    && rm -rf /var/lib/apt/lists/* && ln -s /usr/bin/python3.11 /usr/local/bin/python
