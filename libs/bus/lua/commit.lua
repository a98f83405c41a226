-- commit: end the running turn: its events, its last words, the mailbox and what comes next, in one step.
-- Repeatable for the same worker and epoch after a lost reply. Dead letters are made here and nowhere else.
-- KEYS 1 turns  2 conv  3 mail  4 log  5 events  6 draft  7 owned:<worker>  8 dead  9.. chunks:<gateway> of every subscriber
-- ARGV 1 worker  2 conversation  3 epoch  4 turn  5 status finished|cancelled|failed|expired|dead
--      6 turns that may still be taken in place  7 reason  8 chunk stream cap  9 offset (bytes)  10 last words  11 traceparent
--      12.. encoded events
-- reply {idle, number, sv} | {ready, number, sv} handed over | {next, number, sv, epoch, verdict, mailbox item} go on in place
--       {cancelled, number, sv} a cancel was first: commit again as cancelled
--       {gap, draft length} an emit sent before did not land, nothing was ended | {fenced}
-- keeps: commits in accepted order, each once; a cancelled turn never finishes; pending and unread entries of turns are
--        exactly the activations of ready and running conversations
--#include _time _record _activate
local worker, id, epoch, turn, status = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local function verdict(item)
  local head, deadline = string.match(item, '^(%S+) %d+ (%d+)')
  if redis.call('HEXISTS', KEYS[2], 'x:' .. head) == 1 then return 'cancelled' end
  if deadline ~= '0' and now > tonumber(deadline) and redis.call('STRLEN', KEYS[6]) == 0 then return 'expired' end
  return 'go'                                                               -- a reply begun is finished
end
local s = redis.call('HMGET', KEYS[2], 'st', 'own', 'ep', 'act', 'n', 'done', 'sv', 'tok', 'x:' .. turn, 'att', 'tr', 'p')
local n, sv, cancelled = tonumber(s[5]) or 0, tonumber(s[7]) or 0, s[9]
local done = worker .. ' ' .. epoch
if s[1] ~= 'running' or s[2] ~= worker or s[3] ~= epoch then
  if s[6] ~= done then return { 'fenced' } end                              -- else our own commit, its reply was lost
  if s[1] == 'running' and s[2] == worker and s[8] == 'after ' .. epoch then
    local item = redis.call('LINDEX', KEYS[3], 0)
    return { 'next', n, sv, tonumber(s[3]), verdict(item), item }
  end
  return { s[1] == 'idle' and 'idle' or 'ready', n, sv }
end
if cancelled and status ~= 'cancelled' and status ~= 'dead' then return { 'cancelled', n, sv } end
local length = redis.call('STRLEN', KEYS[6])
if not cancelled and tonumber(ARGV[9]) > length then return { 'gap', length } end
local last = cancelled and '' or ARGV[10]                                   -- a cancelled turn says no more
for i = 9, #KEYS do
  redis.call('XADD', KEYS[i], 'MAXLEN', '~', ARGV[8], '*',
    'c', id, 't', turn, 'e', epoch, 'o', ARGV[9], 'b', last, 's', status, 'tp', ARGV[11])
  redis.call('PEXPIRE', KEYS[i], 3600000, 'NX')                             -- its gateway may be gone; a feed renews it
end
for j = 12, #ARGV do
  n = n + 1
  record(KEYS[4], KEYS[5], id, n, ARGV[j])
  for i = 9, #KEYS do
    redis.call('XADD', KEYS[i], 'MAXLEN', '~', ARGV[8], '*', 'c', id, 'n', text(n), 'b', ARGV[j])
  end
end
local item = redis.call('LPOP', KEYS[3])
if status == 'dead' then
  local number = string.match(item or '', '^%S+ (%d+)') or '0'
  local message = redis.call('XRANGE', KEYS[4], number .. '-0', number .. '-0')[1]
  redis.call('XADD', KEYS[8], 'MAXLEN', '~', 10000, '*', 'k', 'turn', 'c', id, 'p', s[12] or '', 'm', item or '',
    'e', epoch, 'w', worker, 'a', tonumber(s[10] or 1) - 1, 'tr', s[11] or '', 'why', ARGV[7],
    'b', message and message[2][2] or '')                                   -- by itself: the log may be retired
end
redis.call('DEL', KEYS[6])
if s[11] then redis.call('HDEL', KEYS[2], 'tr') end
if cancelled then redis.call('HDEL', KEYS[2], 'x:' .. turn) end
local head = redis.call('LINDEX', KEYS[3], 0)
if head and tonumber(ARGV[6]) > 0 then
  redis.call('XCLAIM', KEYS[1], 'brain', worker, 0, s[4], 'JUSTID')         -- the entry's idle time starts anew
  local following = math.max(tonumber(epoch) + 1, now)
  redis.call('HSET', KEYS[2], 'n', text(n), 'ep', text(following), 'att', 1, 'tok', 'after ' .. epoch, 'done', done)
  return { 'next', n, sv, following, verdict(head), head }
end
redis.call('XACK', KEYS[1], 'brain', s[4])
local oldest = redis.call('XPENDING', KEYS[1], 'brain', '-', '+', 1)[1]     -- never XDEL: a tombstone turns the lag nil
redis.call('XTRIM', KEYS[1], 'MINID', oldest and oldest[1] or s[4])         -- what is read and acked, from the front only
redis.call('SREM', KEYS[7], id)
local state, entry = 'idle', ''
if head then state, entry = 'ready', activate(KEYS[1], KEYS[2], KEYS[3], KEYS[4], id) end
redis.call('HSET', KEYS[2], 'n', text(n), 'st', state, 'own', '', 'act', entry, 'att', 0, 'tok', '', 'done', done)
return { state, n, sv }
