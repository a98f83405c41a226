-- replay: an operator has the message of a dead letter answered again, as a new turn, and the letter goes: in one step.
-- The new turn's id follows from the letter's, so that two operators make one turn.
-- KEYS 1 seen:<conv>:<new turn>  2 conv  3 mail  4 log  5 events  6 turns  7 subs  8 heads  9 dead
-- ARGV 1..11 as in accept  12 letter
-- reply as accept's; the letter is gone after ok and dup, and stays after any other
--       {gone} it was discarded, or trimmed
-- keeps: what accept keeps; a letter that is gone by this has its turn in the log
--#include _time _revive _record _subscribers _activate _take_in
if #redis.call('XRANGE', KEYS[9], ARGV[12], ARGV[12]) == 0 then
  local number = tonumber(redis.call('GET', KEYS[1]) or '')
  if number then return { 'dup', number } end
  return { 'gone' }
end
local reply = take_in()
if reply[1] == 'ok' or reply[1] == 'dup' then redis.call('XDEL', KEYS[9], ARGV[12]) end
return reply
