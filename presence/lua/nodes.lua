-- Refresh or leave: a node's lease among all nodes.
-- KEYS[1] nodes   sorted set: node -> when its lease ends, in ms of Redis' clock
-- ARGV[1] node, [2] ms that its lease lasts from now; 0 gives it up.
-- Returns the living nodes, those whose lease was found to have lapsed (each is handed to one caller), and 1 if the
-- node's own lease was there still.
local node, lasts = ARGV[1], tonumber(ARGV[2])
local time = redis.call('TIME')
local now = math.floor((time[1] * 1000000 + time[2]) / 1000)

local had = redis.call('ZSCORE', KEYS[1], node) and 1 or 0
if lasts > 0 then
  redis.call('ZADD', KEYS[1], string.format('%.0f', now + lasts), node)
else
  redis.call('ZREM', KEYS[1], node)
end
local lapsed = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', '(' .. string.format('%.0f', now))
if #lapsed > 0 then redis.call('ZREM', KEYS[1], unpack(lapsed)) end
return { redis.call('ZRANGE', KEYS[1], 0, -1), lapsed, had }
