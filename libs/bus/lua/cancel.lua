-- cancel: durable flag first, then the fast stream. Valid before accept, while queued, while running, after, and twice.
-- KEYS 1 conv  2 mail  3 cancels  4 seen:<conv>:<turn>  5 heads
-- ARGV 1 conversation  2 turn  3 property  4 dedup seconds
-- reply {running, owner} | {queued} | {done} already committed | {early} not accepted yet: a later accept is refused | {unknown}
-- keeps: cancel flags = cancelled turns that are still in the mailbox
--#include _revive
local id, turn = ARGV[1], ARGV[2]
if not present(KEYS[1], KEYS[5], id, ARGV[3]) then return { 'unknown' } end
local position
for i, item in ipairs(redis.call('LRANGE', KEYS[2], 0, -1)) do
  if string.sub(item, 1, #turn + 1) == turn .. ' ' then position = i; break end
end
if not position then
  local seen = redis.call('GET', KEYS[4])
  if seen and seen ~= 'x' then return { 'done' } end
  redis.call('SET', KEYS[4], 'x', 'EX', ARGV[4])
  return { 'early' }
end
redis.call('HSET', KEYS[1], 'x:' .. turn, 1)
local s = redis.call('HMGET', KEYS[1], 'st', 'own', 'ep')
if position > 1 or s[1] ~= 'running' then return { 'queued' } end           -- claim or next will see the flag
redis.call('XADD', KEYS[3], 'MAXLEN', '~', 1000, '*', 'c', id, 't', turn, 'w', s[2], 'e', s[3])
return { 'running', s[2] }
