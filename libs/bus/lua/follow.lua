-- follow: a gateway follows a conversation, and renews before it runs out. A running brain sees the subscriber version
-- change at its next emit.
-- KEYS 1 conv  2 subs  3 draft  4 mail  5 heads
-- ARGV 1 conversation  2 property  3 gateway  4 subscription ms
-- reply {ok, last number, epoch, state, running turn or '', draft} | {unknown}
--#include _time _revive _subscribers
if not present(KEYS[1], KEYS[5], ARGV[1], ARGV[2]) then return { 'unknown' } end
subscribe(KEYS[1], KEYS[2], ARGV[3], ARGV[4])
local s = redis.call('HMGET', KEYS[1], 'n', 'ep', 'st')
local turn = ''
if s[3] == 'running' then turn = string.match(redis.call('LINDEX', KEYS[4], 0), '^(%S+)') end
return { 'ok', tonumber(s[1]), tonumber(s[2]), s[3], turn, redis.call('GET', KEYS[3]) or '' }
