-- reject: a stream entry that cannot be read becomes a dead letter, once, whoever meets it and however often.
-- KEYS 1 stream  2 dead
-- ARGV 1 group  2 entry  3 kind entry|event  4 what it held, cut  5 reason  6 reader
-- reply 1 | 0 somebody has done it, or the entry is not pending
-- keeps: pending entries of turns are activations; nothing unreadable is dropped without a letter
if redis.call('XACK', KEYS[1], ARGV[1], ARGV[2]) == 0 then return 0 end
redis.call('XADD', KEYS[2], 'MAXLEN', '~', 10000, '*',
  'k', ARGV[3], 'b', ARGV[4], 'why', ARGV[5], 'w', ARGV[6], 'of', ARGV[2])
return 1
