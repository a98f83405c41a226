-- A call's record: h(older), ep(och), tk (ticket), at (first taken), u(ntil) and ms (lease), x ('1': ended), and of
-- whoever looks after it: ru (until), rm (ms), rt (token), n (dispatches), nt (token of the last that was counted).
-- A lease that ends later than its own length from now was given by a clock that has stepped back: it is none.
local function live(till, ms)
  local left = till and tonumber(till) - now
  return left and left > 0 and left <= tonumber(ms)
end
local function answered(call, calls, id, holder, epoch, ms, ticket)
  redis.call('HSET', call, 'h', holder, 'ep', text(epoch), 'tk', ticket, 'u', text(now + ms), 'ms', ms)
  redis.call('HSETNX', call, 'at', text(now))
  redis.call('HDEL', call, 'x', 'ru', 'rm', 'rt', 'n', 'nt')
  redis.call('PERSIST', call)
  redis.call('ZADD', calls, text(now + ms), id)
end
