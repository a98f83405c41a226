-- recount: a group's lag, counted. Redis derives it from a counter that a restart from the append-only file may lose or
-- get wrong; who connects anew sets it right. Reads and acks nothing.
-- KEYS 1 stream
-- ARGV 1 group  2 entries that are counted at most
-- reply unread entries | -1 no such group, or too many were read and not trimmed yet
-- keeps: lag equal to what is unread
local last, counted
for _, info in ipairs(redis.call('XINFO', 'GROUPS', KEYS[1])) do
  local group = {}
  for i = 1, #info, 2 do group[info[i]] = info[i + 1] end
  if group['name'] == ARGV[1] then last, counted = group['last-delivered-id'], group['entries-read'] end
end
if not last then return -1 end
local limit = tonumber(ARGV[2])
local read = #redis.call('XRANGE', KEYS[1], '-', last, 'COUNT', limit + 1)  -- few: what is read and acked is trimmed
if read > limit then return -1 end
local unread = redis.call('XLEN', KEYS[1]) - read
local stream, info = {}, redis.call('XINFO', 'STREAM', KEYS[1])
for i = 1, #info, 2 do stream[info[i]] = info[i + 1] end
local right = stream['entries-added'] - unread
if counted ~= right then redis.call('XGROUP', 'SETID', KEYS[1], ARGV[1], last, 'ENTRIESREAD', right) end
return unread
