-- reap: look at one conversation and mend it if its worker is gone. Safe for anyone, at any time, on anything.
-- Candidates come from plain reads: owned:<dead worker>, and XPENDING turns brain.
-- KEYS 1 turns  2 leases  3 conv  4 owned:<owner>  5 mail  6 log
-- ARGV 1 conversation  2 worker under which the candidate was found  3 entry ('' if found in owned)  4 unclaimed ms
--      5 run ms (0: no cap)  6 epoch: the owner itself gives this run back ('' no)
--      7 '1': giving back costs no attempt, the turn is not to blame  8 why the run ended, for a dead letter ('' unknown)
-- reply revived | unclaimed | orphan | live | waiting | other
-- keeps: running means a live owner, or one that is reaped soon; no activation is lost or doubled
--#include _time _activate
local id, worker, entry = ARGV[1], ARGV[2], ARGV[3]
local s = redis.call('HMGET', KEYS[3], 'st', 'own', 'act', 'ep', 'att', 'tr')
local function dead(name)
  local lease = redis.call('ZSCORE', KEYS[2], name)
  return not lease or tonumber(lease) <= now
end
local function revive(word)
  redis.call('XACK', KEYS[1], 'brain', s[3])
  local fresh = activate(KEYS[1], KEYS[3], KEYS[5], KEYS[6], id)
  redis.call('HSET', KEYS[3], 'st', 'ready', 'own', '', 'tok', '', 'act', fresh)
  return word
end
local function tried(why)                                                   -- for whoever reads the dead letter
  local line = worker .. ' ' .. why
  redis.call('HSET', KEYS[3], 'tr', string.sub(s[6] and s[6] .. '; ' .. line or line, 1, 500))
end
local function conversation_of(fields)
  for i = 1, #fields, 2 do
    if fields[i] == 'c' then return fields[i + 1] end
  end
end
if entry ~= '' and entry ~= s[3] then                                       -- damage made by hand
  local found = redis.call('XRANGE', KEYS[1], entry, entry)[1]
  if found and conversation_of(found[2]) ~= id then return 'other' end
  if #redis.call('XPENDING', KEYS[1], 'brain', entry, entry, 1) == 0 then return 'other' end
  redis.call('XACK', KEYS[1], 'brain', entry)
  return 'orphan'
end
if s[1] == 'running' then
  if s[2] ~= worker then return 'other' end
  if ARGV[6] ~= '' then
    if s[4] ~= ARGV[6] then return 'other' end
    if ARGV[7] == '1' then redis.call('HSET', KEYS[3], 'att', s[5] - 1)
    else tried(ARGV[8] ~= '' and ARGV[8] or 'gave it back') end
  elseif not dead(worker) then                                              -- only a run past every cap is taken from the living
    local pending = redis.call('XPENDING', KEYS[1], 'brain', s[3], s[3], 1)[1]
    if ARGV[5] == '0' or not pending or pending[3] < tonumber(ARGV[5]) then return 'live' end
    tried('ran past the cap')
  else
    tried('lost its lease')
  end
  redis.call('SREM', KEYS[4], id)
  return revive('revived')
end
if ARGV[6] ~= '' then return 'other' end
redis.call('SREM', KEYS[4], id)                                             -- listed under an owner that does not run it
if s[1] ~= 'ready' then return 'other' end
local pending = redis.call('XPENDING', KEYS[1], 'brain', s[3], s[3], 1)[1]
if not pending then
  if #redis.call('XRANGE', KEYS[1], s[3], s[3]) == 0 then return revive('unclaimed') end
  return 'waiting'                                                          -- nobody has read it yet
end
if pending[3] >= tonumber(ARGV[4]) or dead(pending[2]) then return revive('unclaimed') end
return 'waiting'
