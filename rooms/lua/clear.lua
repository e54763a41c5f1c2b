-- Clear: forgets the viewers of a node that is gone. KEYS[1] viewers, as in viewers.lua. ARGV[1] node.
local gone = {}
local prefix = ARGV[1] .. ' '
for _, field in ipairs(redis.call('HKEYS', KEYS[1])) do
  if string.sub(field, 1, #prefix) == prefix then gone[#gone + 1] = field end
end
for i = 1, #gone, 1000 do redis.call('HDEL', KEYS[1], unpack(gone, i, math.min(i + 999, #gone))) end
return 'ok'
