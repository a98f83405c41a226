-- call_renew: the holder is alive, also after its lease ran out, as long as nobody took over. A record that Redis lost, or
-- an older one that a failover brought back, is made again.
-- KEYS 1 calls  2 call:<call>
-- ARGV 1 call  2 holder  3 epoch  4 lease ms  5 ticket
-- reply 1 | 0 taken over, or ended
-- keeps: one holder at an epoch; an ended call stays ended; epochs never go down
--#include _time _call
local s = redis.call('HMGET', KEYS[2], 'h', 'ep', 'x')
local epoch, known = tonumber(ARGV[3]), tonumber(s[2] or 0)
if known > epoch or known == epoch and (s[3] or s[1] ~= ARGV[2]) then return 0 end
redis.call('ZREM', KEYS[1], ARGV[1])      -- a script that began with freeing may write in a full Redis: leases outlive that
answered(KEYS[2], KEYS[1], ARGV[1], ARGV[2], epoch, ARGV[4], ARGV[5])
return 1
