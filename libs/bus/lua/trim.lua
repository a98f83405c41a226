-- trim: drop events that every declared group has read and acknowledged; never into unread entries.
-- KEYS 1 events
-- ARGV declared groups
-- reply {trimmed, count} | {absent, group} nothing was trimmed: an operator drops a group, nobody else
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
  if not found[name] then return { 'absent', name } end
  local oldest = redis.call('XPENDING', KEYS[1], name, '-', '+', 1)[1]
  local limit = oldest and oldest[1] or found[name]
  if not floor or before(limit, floor) then floor = limit end
end
return { 'trimmed', redis.call('XTRIM', KEYS[1], 'MINID', '~', floor) }
