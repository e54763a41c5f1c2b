-- Clear: forgets the viewers of a node that is gone, and says so: one that was only frozen must say them again.
-- KEYS[1] viewers, as in viewers.lua. ARGV[1] base, [2] node.
-- Whoever watched on the node is taken to have watched until now. That is some seconds too long, as nobody knows earlier
-- that the node is gone; and if it was only frozen, they may be watching still: it tells itself then.
local base, node = unpack(ARGV)
local time = redis.call('TIME')
local now = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))

-- close writes down until when the viewers count that the node had last reported of a broadcast.
local function close(broadcast)
  local audience = base .. 'audience:' .. broadcast
  local account = redis.call('HGET', audience, node)
  if account then redis.call('HSET', audience, node, (string.gsub(account, ' 0 (%d+)$', ' ' .. now .. ' %1'))) end
end

local gone = {}
local prefix = node .. ' '
local fields = redis.call('HGETALL', KEYS[1])
for i = 1, #fields, 2 do
  if string.sub(fields[i], 1, #prefix) == prefix then
    gone[#gone + 1] = fields[i]
    local broadcast = string.match(fields[i + 1], ' (.+)$')
    if broadcast then close(broadcast) end
  end
end
for i = 1, #gone, 1000 do redis.call('HDEL', KEYS[1], unpack(gone, i, math.min(i + 999, #gone))) end
if #gone > 0 then redis.call('SPUBLISH', base .. 'counts', node) end
return 'ok'
