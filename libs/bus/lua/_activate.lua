-- Put a conversation on the turns stream, with its head turn and that turn's message, for a brain to claim.
local function activate(turns, conv, mail, log, id)
  local turn, n = string.match(redis.call('LINDEX', mail, 0), '^(%S+) (%d+)')
  local entry, body = redis.call('XRANGE', log, n .. '-0', n .. '-0')[1], ''
  if entry then body = entry[2][2] end
  return redis.call('XADD', turns, '*', 'c', id, 't', turn, 'b', body)
end
