-- beat: the worker is alive in this shard. The count lets it notice a conversation it owns but does not run (a lost reply).
-- KEYS 1 leases  2 owned:<worker>
-- ARGV 1 worker  2 lease ms (0: it leaves, its turns are handed over at once)
-- reply owned conversations
--#include _time
redis.call('ZREM', KEYS[1], ARGV[1])      -- a script that began with freeing may write in a full Redis: leases outlive that
redis.call('ZADD', KEYS[1], text(now + ARGV[2]), ARGV[1])
return redis.call('SCARD', KEYS[2])
