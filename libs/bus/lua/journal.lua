-- journal: record a tool call of the running turn, once per event id. tool.requested goes before a side effect,
-- tool.completed after it and before the model sees the result; command.requested is the side effect itself.
-- KEYS 1 conv  2 log  3 events  4 draft  5 seen:<conv>:<event>  6.. chunks:<gateway> of every subscriber
-- ARGV 1 worker  2 epoch  3 turn  4 conversation  5 encoded event  6 dedup seconds  7 draft offset at the call
--      8 begins a side effect ('1' or '')  9 chunk stream cap
-- reply {ok, number} | {dup, number} journalled already, by us (the reply was lost) or by the brain before us
--       {cancelled, number} kept all the same: the effect has happened; number 0: refused, it must not begin
--       {gap, draft length} words before the call have not landed | {fenced}
-- keeps: log without a gap; nothing of a stale run is recorded; no side effect begins in a cancelled turn
--#include _record
local s = redis.call('HMGET', KEYS[1], 'st', 'own', 'ep', 'x:' .. ARGV[3])
if s[1] ~= 'running' or s[2] ~= ARGV[1] or s[3] ~= ARGV[2] then return { 'fenced' } end
if s[4] and ARGV[8] == '1' then return { 'cancelled', 0 } end               -- recorded or not: who asks has not begun it
local seen = redis.call('GET', KEYS[5])
if seen then return { 'dup', tonumber(seen) } end
local length = redis.call('STRLEN', KEYS[4])
if not s[4] and tonumber(ARGV[7]) > length then return { 'gap', length } end
local n = redis.call('HINCRBY', KEYS[1], 'n', 1)
record(KEYS[2], KEYS[3], ARGV[4], n, ARGV[5])
redis.call('SET', KEYS[5], n, 'EX', ARGV[6])
for i = 6, #KEYS do
  redis.call('XADD', KEYS[i], 'MAXLEN', '~', ARGV[9], '*', 'c', ARGV[4], 'n', n, 'b', ARGV[5])
end
if s[4] then return { 'cancelled', n } end
return { 'ok', n }
