-- Append one encoded event to the log (gapless ids n-0) and to the shard's events stream.
local function record(log, events, conv, n, body)
  local number = string.format('%.0f', n)
  redis.call('XADD', log, number .. '-0', 'b', body)
  redis.call('XADD', events, '*', 'c', conv, 'n', number, 'b', body)
end
