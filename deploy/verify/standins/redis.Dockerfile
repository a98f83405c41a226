# In the place of redis:*-alpine: user `redis`, who owns /data. Those images are built to take connections of others
# without a password; Debian's package is not, and is told.
FROM localhost/standin/servers:12
RUN install --directory --owner redis --group redis /data \
    && printf '#!/bin/sh\nexec "$@" --protected-mode no\n' >/usr/local/bin/docker-entrypoint.sh
WORKDIR /data
ENTRYPOINT ["sh", "/usr/local/bin/docker-entrypoint.sh"]
CMD ["redis-server"]
