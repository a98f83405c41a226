-- claim: take over the conversation that an activation names. The entry stays pending until its commit.
-- Repeatable after a lost reply: the same token answers the same.
-- KEYS 1 turns  2 conv  3 mail  4 draft  5 leases  6 owned:<worker>  7 subs
-- ARGV 1 worker  2 entry  3 conversation  4 token (new for every delivery)  5 attempts limit
-- reply {run, epoch, attempt, verdict, mailbox item, draft, last number, subscriber version, {gateway ..}}
--         verdict go | cancelled | expired | exhausted: anything but go is committed at once without running
--       {stale} superseded, the entry is acked | {running} another run holds it | {lapsed} no live lease: beat first
-- keeps: one run at the current epoch; epochs rise at every grant; a claim never takes a running conversation
--#include _time _subscribers
local worker, entry = ARGV[1], ARGV[2]
local s = redis.call('HMGET', KEYS[2], 'st', 'act', 'own', 'tok', 'ep', 'att', 'sv', 'n')
if s[2] ~= entry then
  redis.call('XACK', KEYS[1], 'brain', entry)
  return { 'stale' }
end
local epoch, attempt = tonumber(s[5]), tonumber(s[6])
if s[1] == 'running' then
  if s[3] ~= worker or s[4] ~= ARGV[4] then return { 'running' } end        -- else our own claim, its reply was lost
else
  local lease = redis.call('ZSCORE', KEYS[5], worker)
  if not lease or tonumber(lease) <= now then return { 'lapsed' } end
  epoch, attempt = math.max(epoch + 1, now), attempt + 1                    -- past anything that a failover lost
  redis.call('HSET', KEYS[2], 'st', 'running', 'own', worker, 'tok', ARGV[4], 'ep', text(epoch), 'att', attempt)
  redis.call('SADD', KEYS[6], ARGV[3])
end
local item = redis.call('LINDEX', KEYS[3], 0)
local turn, deadline = string.match(item, '^(%S+) %d+ (%d+)')
local draft = redis.call('GET', KEYS[4]) or ''
local verdict = 'go'
if redis.call('HEXISTS', KEYS[2], 'x:' .. turn) == 1 then verdict = 'cancelled'
elseif attempt > tonumber(ARGV[5]) then verdict = 'exhausted'
elseif deadline ~= '0' and now > tonumber(deadline) and draft == '' then verdict = 'expired' end  -- a reply begun is finished
return { 'run', epoch, attempt, verdict, item, draft, tonumber(s[8]), tonumber(s[7]), subscribers(KEYS[7]) }
