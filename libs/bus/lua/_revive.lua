-- A retired conversation takes up its number, epoch and property again, so that none ever goes down.
-- Answers whether the conversation exists and belongs to the property.
local function present(conv, heads, id, property)
  local known = redis.call('HGET', conv, 'p')
  if known then return known == property end
  local head = redis.call('HGET', heads, id)
  if not head then return false end
  local n, epoch, owner = string.match(head, '^(%d+) (%d+) (%S+)$')
  if owner ~= property then return false end
  redis.call('HSET', conv, 'st', 'idle', 'n', n, 'ep', epoch, 'sv', 0, 'p', owner)
  redis.call('HDEL', heads, id)
  return true
end
