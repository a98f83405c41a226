-- open: the conversation of an identity, made if there is none. Repeatable: the same proposed id answers the same.
-- KEYS 1 open:<identity> (the conv key again when there is no identity)  2 conv  3 log  4 events  5 context  6 heads
-- ARGV 1 has identity ('1' or '')  2 proposed conversation  3 property  4 encoded conversation.opened  5.. context field, value
-- reply {opened, conversation} | {found, conversation}
-- keeps: one conversation per identity; log numbers begin at 1, once
--#include _record
local id = ARGV[2]
if ARGV[1] == '1' then
  local existing = redis.call('GET', KEYS[1])
  if existing then return { 'found', existing } end
end
if redis.call('HEXISTS', KEYS[2], 'p') == 1 or redis.call('HEXISTS', KEYS[6], id) == 1 then return { 'found', id } end
redis.call('HSET', KEYS[2], 'st', 'idle', 'n', 1, 'ep', 0, 'sv', 0, 'p', ARGV[3])
record(KEYS[3], KEYS[4], id, 1, ARGV[4])
for i = 5, #ARGV, 2 do redis.call('HSET', KEYS[5], ARGV[i], ARGV[i + 1]) end
if ARGV[1] == '1' then redis.call('SET', KEYS[1], id) end
return { 'opened', id }
