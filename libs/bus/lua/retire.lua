-- retire: the archive holds everything up to a number: give the memory back. Number, epoch and property stay in one field.
-- KEYS 1 conv  2 mail  3 log  4 draft  5 subs  6 heads
-- ARGV 1 conversation  2 archived number
-- reply retired | busy | behind (something is not archived yet) | none
-- keeps: neither number nor epoch ever goes down
local s = redis.call('HMGET', KEYS[1], 'st', 'n', 'ep', 'p')
if not s[4] then return 'none' end
if s[1] ~= 'idle' or redis.call('LLEN', KEYS[2]) > 0 then return 'busy' end
if tonumber(s[2]) > tonumber(ARGV[2]) then return 'behind' end
redis.call('DEL', KEYS[1], KEYS[3], KEYS[4], KEYS[5])                        -- first: a full Redis lets it write then
redis.call('HSET', KEYS[6], ARGV[1], table.concat({ s[2], s[3], s[4] }, ' '))
return 'retired'
