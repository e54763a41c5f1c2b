-- Beat: the holders were heard from. ARGV[3] ms that a presence key lasts, then pairs of room and fence. Fences that are
-- not the holder's are passed over.
local lasts = ARGV[3]

for i = 4, #ARGV, 2 do
  local room, fence = ARGV[i], ARGV[i + 1]
  local lease = base .. 'lease:' .. room
  local state, held, uid = unpack(redis.call('HMGET', lease, 'state', 'fence', 'uid'))
  if held == fence and is_held({ state = state }) then
    redis.call('HSET', lease, 'seen', int(now))
    redis.call('SET', base .. 'online:' .. room, uid, 'PX', lasts)
  end
end
return { 'ok' }
