-- Take in one turn: what accept and replay share, and their first keys and arguments (accept.lua names them).
local function take_in()
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
  if depth == 0 and redis.call('XLEN', KEYS[6]) >= tonumber(ARGV[7]) then  -- XLEN >= waiting: a cheap first look
    local waiting, group = redis.call('XLEN', KEYS[6]), {}
    local info = redis.call('XINFO', 'GROUPS', KEYS[6])[1] or {}           -- none: no brain was ever here
    for i = 1, #info, 2 do group[info[i]] = info[i + 1] end
    if group['name'] then                                                  -- counted: Redis may be wrong about the lag
      local read = #redis.call('XRANGE', KEYS[6], '-', group['last-delivered-id'], 'COUNT', 200)
      waiting = read < 200 and waiting - read or group['lag'] or waiting   -- unless too much is read and not trimmed
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
end
