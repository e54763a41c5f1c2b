-- Report viewers: how many a node has in a room.
-- KEYS[1] viewers, hash: <node> <room> -> number. ARGV[1] channel, [2] node, [3] room, [4] number.
local channel, node, room, number = unpack(ARGV)

local field = node .. ' ' .. room
if number == '0' then
  redis.call('HDEL', KEYS[1], field)
else
  redis.call('HSET', KEYS[1], field, number)
end
redis.call('SPUBLISH', channel, field .. ' ' .. number)
return 'ok'
