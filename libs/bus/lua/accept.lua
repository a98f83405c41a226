-- accept: take in one turn. Dedup, limits, the guest's message to the log, mailbox, activation: all or nothing.
-- KEYS 1 seen:<conv>:<turn>  2 conv  3 mail  4 log  5 events  6 turns  7 subs  8 heads
-- ARGV 1 conversation  2 turn  3 property  4 encoded message.received  5 ms to the deadline (0: none)  6 mailbox limit
--      7 waiting limit  8 dedup seconds  9 gateway to subscribe ('' none)  10 subscription ms  11 body limit (bytes)
-- reply {ok, number, depth, {gateway ..}} | {dup, number} | {cancelled} a cancel came first
--       {unknown} | {busy, depth} | {overload, waiting} | {large, bytes}     (these four wrote nothing)
-- keeps: mailbox = accepted and uncommitted turns in order; idle means empty mailbox; log without a gap
--#include _time _revive _record _subscribers _activate
local id, turn, body = ARGV[1], ARGV[2], ARGV[4]
if #body > tonumber(ARGV[11]) then return { 'large', #body } end
if not present(KEYS[2], KEYS[8], id, ARGV[3]) then return { 'unknown' } end
local seen = redis.call('GET', KEYS[1])
if seen == 'x' then return { 'cancelled' } end
if seen then
  if ARGV[9] ~= '' then subscribe(KEYS[2], KEYS[7], ARGV[9], ARGV[10]) end
  return { 'dup', tonumber(seen) }
end
local depth = redis.call('LLEN', KEYS[3])
if depth >= tonumber(ARGV[6]) then return { 'busy', depth } end
if depth == 0 and redis.call('XLEN', KEYS[6]) >= tonumber(ARGV[7]) then    -- XLEN >= waiting: a cheap first look
  local waiting = redis.call('XLEN', KEYS[6])
  local group = redis.call('XINFO', 'GROUPS', KEYS[6])[1] or {}            -- none: no brain was ever here
  for i = 1, #group, 2 do
    if group[i] == 'lag' then waiting = group[i + 1] or waiting end
  end
  if waiting >= tonumber(ARGV[7]) then return { 'overload', waiting } end
end
local n = redis.call('HINCRBY', KEYS[2], 'n', 1)
record(KEYS[4], KEYS[5], id, n, body)
redis.call('SET', KEYS[1], text(n), 'EX', ARGV[8])
local deadline = 0
if ARGV[5] ~= '0' then deadline = now + ARGV[5] end
redis.call('RPUSH', KEYS[3], table.concat({ turn, text(n), text(deadline), text(now) }, ' '))
if redis.call('HGET', KEYS[2], 'st') == 'idle' then
  local entry = activate(KEYS[6], KEYS[2], KEYS[3], KEYS[4], id)
  redis.call('HSET', KEYS[2], 'st', 'ready', 'act', entry, 'att', 0)
end
if ARGV[9] ~= '' then subscribe(KEYS[2], KEYS[7], ARGV[9], ARGV[10]) end
return { 'ok', n, depth, subscribers(KEYS[7]) }
