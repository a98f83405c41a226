# What the stand-ins for foreign images have in common: Debian's packages of them, and wget as in those images.
FROM localhost/standin/debian:12
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends \
        busybox postgresql-15 prometheus prometheus-alertmanager redis-server \
    && rm -rf /var/lib/apt/lists/* && ln -s /bin/busybox /usr/bin/wget
