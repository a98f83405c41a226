-- trim: drop events that every declared group has read and acknowledged; never into unread entries.
-- KEYS 1 events  2 dropped
-- ARGV declared groups
-- reply {trimmed, count} | {absent, group} nothing was trimmed: an operator drops a group, nobody else
-- keeps: what a declared group needs stays, also of one that is absent, unless an operator has dropped it
local floor
local found = {}
for _, info in ipairs(redis.call('XINFO', 'GROUPS', KEYS[1])) do
  local group = {}
  for i = 1, #info, 2 do group[info[i]] = info[i + 1] end
  found[group['name']] = group['last-delivered-id']
end
local function before(a, b)
  local a1, a2 = string.match(a, '(%d+)-(%d+)')
  local b1, b2 = string.match(b, '(%d+)-(%d+)')
  if a1 ~= b1 then return tonumber(a1) < tonumber(b1) end
  return tonumber(a2) < tonumber(b2)
end
for _, name in ipairs(ARGV) do
  if found[name] then
    redis.call('SREM', KEYS[2], name)                                       -- it is back, and counts again
    local oldest = redis.call('XPENDING', KEYS[1], name, '-', '+', 1)[1]
    local limit = oldest and oldest[1] or found[name]
    if not floor or before(limit, floor) then floor = limit end
  elseif redis.call('SISMEMBER', KEYS[2], name) == 0 then
    return { 'absent', name }
  end
end
if not floor then return { 'trimmed', 0 } end                               -- nobody reads: nobody has said what may go
return { 'trimmed', redis.call('XTRIM', KEYS[1], 'MINID', '~', floor) }
