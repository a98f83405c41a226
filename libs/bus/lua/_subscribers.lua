-- Gateways whose subscription has not run out.
local function subscribers(subs) return redis.call('ZRANGEBYSCORE', subs, text(now), '+inf') end
local function subscribe(conv, subs, gateway, ttl)
  redis.call('ZREMRANGEBYSCORE', subs, '-inf', '(' .. text(now))             -- first: one that ran out counts as new
  if redis.call('ZADD', subs, text(now + ttl), gateway) == 1 then redis.call('HINCRBY', conv, 'sv', 1) end
  redis.call('PEXPIRE', subs, ttl, 'GT')
  redis.call('PEXPIRE', subs, ttl, 'NX')
end
