# In the place of prom/alertmanager: user `nobody`, who owns /alertmanager.
FROM localhost/standin/servers:12
RUN install --directory --owner nobody --group nogroup /alertmanager
USER nobody
WORKDIR /alertmanager
ENTRYPOINT ["/usr/bin/prometheus-alertmanager"]
