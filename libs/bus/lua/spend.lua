-- spend: take a token out of a bucket that fills with time. Repeated after a lost reply it takes another one: it gives
-- less then, never more.
-- KEYS 1 rate:<caller>:<what>
-- ARGV 1 tokens that the bucket holds  2 ms in which one comes
-- reply {1, whole tokens left} | {0, ms until there is one}: nothing was taken
-- keeps: no more than a full bucket and what time has brought is given, whoever asks and wherever
--#include _time
local burst, each = tonumber(ARGV[1]), tonumber(ARGV[2])
local s = redis.call('HMGET', KEYS[1], 'left', 'at')
local left, at = tonumber(s[1] or burst), tonumber(s[2] or now)
left = math.min(burst, left + math.max(0, now - at) / each)                 -- a clock that steps back brings nothing
local reply
if left < 1 then
  reply = { 0, math.ceil((1 - left) * each) }
else
  left = left - 1
  reply = { 1, math.floor(left) }
end
redis.call('HSET', KEYS[1], 'left', left, 'at', text(now))
redis.call('PEXPIRE', KEYS[1], math.ceil(burst * each) + 1000)              -- full by then: nothing is to be remembered
return reply
