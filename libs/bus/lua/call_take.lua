-- call_take: answer a call, or one whose holder's lease has run out. Repeatable: the same holder keeps its epoch.
-- KEYS 1 calls  2 call:<call>
-- ARGV 1 call  2 holder (new for every job)  3 lease ms  4 ticket  5 takeovers that the ticket knows of
-- reply {taken, epoch} | {held, epoch} | {over, epoch}
-- keeps: one holder at an epoch; an ended call stays ended; epochs rise with every holder, past what a lost record knew
--#include _time _call
local s = redis.call('HMGET', KEYS[2], 'h', 'ep', 'u', 'ms', 'x')
local epoch = tonumber(s[2] or 0)
if s[5] then return { 'over', epoch } end
if s[1] ~= ARGV[2] then                                                     -- else our own, its reply was lost
  if live(s[3], s[4]) then return { 'held', epoch } end
  epoch = math.max(epoch, tonumber(ARGV[5])) + 1
end
answered(KEYS[2], KEYS[1], ARGV[1], ARGV[2], epoch, ARGV[3], ARGV[4])
return { 'taken', epoch }
