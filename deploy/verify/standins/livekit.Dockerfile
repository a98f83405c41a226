# In the place of livekit/livekit-server: the same version, as `make livekit-server` builds it.
FROM localhost/standin/servers:12
COPY livekit-server /livekit-server
ENTRYPOINT ["/livekit-server"]
