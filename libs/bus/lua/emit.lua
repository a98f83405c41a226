-- emit: fence, write the text ahead to the draft at its byte offset, and hand it to every subscriber: one step, so that
-- nothing passes a fence or a cancel. Repeatable: the same bytes at the same offset; gateways skip what they have.
-- Empty text asks "may I go on?" and sends nothing.
-- KEYS 1 conv  2 draft  3.. chunks:<gateway> of every subscriber
-- ARGV 1 worker  2 epoch  3 turn  4 offset (bytes)  5 text  6 draft limit (bytes)  7 conversation  8 chunk stream cap  9 traceparent
-- reply {ok, draft length, subscriber version} | {cancelled, length} | {gap, length} | {full, length} | {fenced}
-- keeps: draft = chunks sent; a cancelled turn emits nothing after its acknowledgement
local s = redis.call('HMGET', KEYS[1], 'st', 'own', 'ep', 'sv', 'x:' .. ARGV[3])
if s[1] ~= 'running' or s[2] ~= ARGV[1] or s[3] ~= ARGV[2] then return { 'fenced' } end
local length = redis.call('STRLEN', KEYS[2])
if s[5] then return { 'cancelled', length } end
local offset, words = tonumber(ARGV[4]), ARGV[5]
if offset > length then return { 'gap', length } end
if offset + #words > tonumber(ARGV[6]) then return { 'full', length } end
if words ~= '' then
  length = redis.call('SETRANGE', KEYS[2], offset, words)
  for i = 3, #KEYS do
    redis.call('XADD', KEYS[i], 'MAXLEN', '~', ARGV[8], '*',
      'c', ARGV[7], 't', ARGV[3], 'e', ARGV[2], 'o', ARGV[4], 'b', words, 'tp', ARGV[9])
  end
end
return { 'ok', length, tonumber(s[4]) }
