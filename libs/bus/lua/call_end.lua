-- call_end: the call is over. Its epoch is remembered for as long as a zombie may live; a call that nobody ever answered
-- is not remembered. Repeatable.
-- KEYS 1 calls  2 call:<call>
-- ARGV 1 call  2 holder ('': nobody holds it, the guest is gone)  3 epoch (of a holder; else the one looked at, 0 any)
--      4 remember seconds
-- reply 1 over | 0 somebody else's, or alive
-- keeps: only its holder ends a call that is held; the epoch outlives the end
--#include _time _call
local s = redis.call('HMGET', KEYS[2], 'h', 'ep', 'u', 'ms', 'x')
local epoch, known = tonumber(ARGV[3]), tonumber(s[2] or 0)
if ARGV[2] == '' then
  if s[5] or not s[2] then
    redis.call('ZREM', KEYS[1], ARGV[1])
    return 1
  end
  if live(s[3], s[4]) or epoch > 0 and known ~= epoch then return 0 end
  epoch = known
elseif known > epoch or known == epoch and s[1] ~= ARGV[2] then
  return 0
end
redis.call('ZREM', KEYS[1], ARGV[1])
redis.call('DEL', KEYS[2])
if epoch == 0 then return 1 end           -- nobody ever held it: there is no zombie, and its guest may yet come in
redis.call('HSET', KEYS[2], 'h', ARGV[2] == '' and s[1] or ARGV[2], 'ep', text(epoch), 'x', 1)
redis.call('EXPIRE', KEYS[2], ARGV[4])
return 1
