-- call_reserve: look after a call whose lease has run out, alone for a while. Candidates come from a plain read of calls.
-- Repeatable: the same token answers the same.
-- KEYS 1 calls  2 call:<call>
-- ARGV 1 call  2 token (new for every look)  3 reservation ms  4 '1': an agent is about to be dispatched, count it
-- reply {overdue, ticket, epoch, ms without a lease, ms that it was answered, dispatches, 1: no lease had run out, it was
--        left or never answered} | {held} | {reserved} | {gone}
-- keeps: a call is reserved for one at a time, and only while nobody holds it; a dispatch is counted once per token
--#include _time _call
local s = redis.call('HMGET', KEYS[2], 'tk', 'ep', 'u', 'ms', 'at', 'ru', 'rm', 'rt', 'n', 'nt')
if not s[1] then                                                          -- ended, or damage made by hand
  redis.call('ZREM', KEYS[1], ARGV[1])
  return { 'gone' }
end
if live(s[3], s[4]) then
  redis.call('ZADD', KEYS[1], s[3], ARGV[1])
  return { 'held' }
end
if s[8] ~= ARGV[2] and (ARGV[4] == '1' or live(s[6], s[7])) then return { 'reserved' } end
local dispatches = tonumber(s[9] or 0)
if ARGV[4] == '1' and s[10] ~= ARGV[2] then
  dispatches = dispatches + 1
  redis.call('HSET', KEYS[2], 'n', dispatches, 'nt', ARGV[2])
end
redis.call('HSET', KEYS[2], 'ru', text(now + ARGV[3]), 'rm', ARGV[3], 'rt', ARGV[2])
redis.call('ZADD', KEYS[1], text(now + ARGV[3]), ARGV[1])
local since, last = math.max(0, now - s[3]), s[3] - s[4]
return { 'overdue', s[1], tonumber(s[2]), since, math.max(0, last - (s[5] or last)), dispatches,
  tonumber(s[4]) == 0 and 1 or 0 }
