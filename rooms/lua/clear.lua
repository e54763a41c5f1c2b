-- Clear: forgets the viewers of a node that is gone, and says so: one that was only frozen must say them again.
-- KEYS[1] viewers, as in viewers.lua. ARGV[1] channel, [2] node.
local channel, node = unpack(ARGV)
local gone = {}
local prefix = node .. ' '
for _, field in ipairs(redis.call('HKEYS', KEYS[1])) do
  if string.sub(field, 1, #prefix) == prefix then gone[#gone + 1] = field end
end
for i = 1, #gone, 1000 do redis.call('HDEL', KEYS[1], unpack(gone, i, math.min(i + 999, #gone))) end
if #gone > 0 then redis.call('SPUBLISH', channel, node) end
return 'ok'
