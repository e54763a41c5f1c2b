-- Refresh or leave: the lease of one node's life among all nodes.
-- KEYS[1] leases  sorted set: life -> when its lease ends, in ms of Redis' clock
-- KEYS[2] dead    sorted set: life that was declared dead -> when, Unix ms
-- KEYS[3] state   hash: refreshed, when any node last did, Unix ms; run, the run_id of the server; since, when that or
--                 the data changed
-- ARGV[1] life, [2] leave or refresh, [3] ms that a lease lasts from now, [4] ms: if nobody refreshed for longer, it was
-- not the nodes who were away, [5] ms for which the dead are remembered. To leave is a death as well. [6] how many lives
-- follow that the caller knows to be dead, and then those that it knows to be living: a registry that lost its data is
-- taught them, and misses them if they do not refresh.
-- Returns the living; those declared dead just now (each is handed to one caller); all that are dead; and for how long,
-- in ms, the leases are known.
local life, action, lasts, away, remembered = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local time = redis.call('TIME')
local now = math.floor((time[1] * 1000000 + time[2]) / 1000)
local function int(n) return string.format('%.0f', n) end

local run = string.match(redis.call('INFO', 'server'), 'run_id:(%w+)')
local refreshed, of_run, since = unpack(redis.call('HMGET', KEYS[3], 'refreshed', 'run', 'since'))
if of_run ~= run then since = int(now) end
local gap = now - tonumber(refreshed or now)
redis.call('HSET', KEYS[3], 'refreshed', int(now), 'run', run, 'since', since)

-- Redis was away, or its clock was set: nobody could refresh, and everybody gets a whole lease.
if gap > away or gap < 0 then
  for _, other in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do redis.call('ZADD', KEYS[1], int(now + lasts), other) end
end

local died = {}
local function declare_dead(other)
  redis.call('ZREM', KEYS[1], other)
  redis.call('ZADD', KEYS[2], int(now), other)
end
local dead = tonumber(ARGV[6])
for i = 7, 6 + dead do
  if not redis.call('ZSCORE', KEYS[2], ARGV[i]) then declare_dead(ARGV[i]) end
end
for i = 7 + dead, #ARGV do
  if not redis.call('ZSCORE', KEYS[2], ARGV[i]) then redis.call('ZADD', KEYS[1], 'NX', int(now + lasts), ARGV[i]) end
end
if not redis.call('ZSCORE', KEYS[2], life) then
  if action == 'refresh' then
    redis.call('ZADD', KEYS[1], int(now + lasts), life)
  else
    declare_dead(life)
  end
end
for _, other in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', '(' .. int(now))) do
  declare_dead(other)
  died[#died + 1] = other
end
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', int(now - remembered))
return { redis.call('ZRANGE', KEYS[1], 0, -1), died, redis.call('ZRANGE', KEYS[2], 0, -1), now - tonumber(since) }
