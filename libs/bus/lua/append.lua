-- append: one event of somebody who does not own the turn (heard, call.*, card.*, command.*, context.updated). Once per id.
-- KEYS 1 conv  2 log  3 events  4 seen:<conv>:<event>  5 heads  6 subs  7 context
-- ARGV 1 conversation  2 property  3 encoded event  4 dedup seconds  5.. context field, value ('' removes the field)
-- reply {ok, number, {gateway ..}} | {dup, number} | {unknown}
-- keeps: log without a gap
--#include _time _revive _record _subscribers
if not present(KEYS[1], KEYS[5], ARGV[1], ARGV[2]) then return { 'unknown' } end
local seen = redis.call('GET', KEYS[4])
if seen then return { 'dup', tonumber(seen) } end
local n = redis.call('HINCRBY', KEYS[1], 'n', 1)
record(KEYS[2], KEYS[3], ARGV[1], n, ARGV[3])
redis.call('SET', KEYS[4], n, 'EX', ARGV[4])
for i = 5, #ARGV, 2 do
  if ARGV[i + 1] == '' then redis.call('HDEL', KEYS[7], ARGV[i])
  else redis.call('HSET', KEYS[7], ARGV[i], ARGV[i + 1]) end
end
return { 'ok', n, subscribers(KEYS[6]) }
