-- bury: forget a dead worker once nothing is left of it. DELCONSUMER drops pending entries, so only with none.
-- KEYS 1 turns  2 leases  3 owned:<worker>
-- ARGV 1 worker
-- reply 1 gone | 0 still alive, or it still holds something
--#include _time
local lease = redis.call('ZSCORE', KEYS[2], ARGV[1])
if lease and tonumber(lease) > now then return 0 end
if redis.call('SCARD', KEYS[3]) > 0 then return 0 end
if #redis.call('XPENDING', KEYS[1], 'brain', '-', '+', 1, ARGV[1]) > 0 then return 0 end
redis.call('XGROUP', 'DELCONSUMER', KEYS[1], 'brain', ARGV[1])
redis.call('ZREM', KEYS[2], ARGV[1])
return 1
