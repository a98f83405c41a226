# In the place of prom/prometheus: user `nobody`, who owns /prometheus.
FROM localhost/standin/servers:12
RUN install --directory --owner nobody --group nogroup /prometheus
USER nobody
WORKDIR /prometheus
ENTRYPOINT ["/usr/bin/prometheus"]
