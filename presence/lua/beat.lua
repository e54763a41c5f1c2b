-- Beat: the holders were heard from. ARGV[4] ms that a presence key lasts, then pairs of room and fence.
-- Returns ok and, in such pairs, those whose lease somebody else holds by now.
local lasts = ARGV[4]

local replaced = {}
for i = 5, #ARGV, 2 do
  local room, fence = ARGV[i], ARGV[i + 1]
  local key = base .. 'lease:' .. room
  local state, held, uid = unpack(redis.call('HMGET', key, 'state', 'fence', 'uid'))
  if is_held({ state = state }) then
    if held == fence then
      redis.call('HSET', key, 'seen', int(now))
      redis.call('SET', base .. 'online:' .. room, uid, 'PX', lasts)
    else
      replaced[#replaced + 1] = room
      replaced[#replaced + 1] = fence
    end
  end
end
return { 'ok', replaced }
