-- accept: take in one turn. Dedup, limits, the guest's message to the log, mailbox, activation: all or nothing.
-- KEYS 1 seen:<conv>:<turn>  2 conv  3 mail  4 log  5 events  6 turns  7 subs  8 heads
-- ARGV 1 conversation  2 turn  3 property  4 encoded message.received  5 ms to the deadline (0: none)  6 mailbox limit
--      7 waiting limit  8 dedup seconds  9 gateway to subscribe ('' none)  10 subscription ms  11 body limit (bytes)
-- reply {ok, number, depth, {gateway ..}} | {dup, number} | {cancelled} a cancel came first
--       {unknown} | {busy, depth} | {overload, waiting} | {large, bytes}     (these four wrote nothing)
-- keeps: mailbox = accepted and uncommitted turns in order; idle means empty mailbox; log without a gap
--#include _time _revive _record _subscribers _activate _take_in
return take_in()
