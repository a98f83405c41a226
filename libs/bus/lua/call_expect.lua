-- call_expect: a call is about to be answered. If nobody takes it in time, a watchdog is to look after it. Repeatable.
-- KEYS 1 calls  2 call:<call>
-- ARGV 1 call  2 wait ms  3 ticket
-- reply 1 | 0 known already, answered or over
-- keeps: who answers, or has answered, is not touched
--#include _time
if redis.call('HEXISTS', KEYS[2], 'ep') == 1 then return 0 end
redis.call('HSET', KEYS[2], 'ep', 0, 'tk', ARGV[3], 'u', text(now), 'ms', 0)   -- no lease: anybody may take it
redis.call('ZADD', KEYS[1], text(now + ARGV[2]), ARGV[1])
return 1
