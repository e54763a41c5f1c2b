-- Claim: ARGV[3] room, [4] user id, [5] user as JSON, [6] connection, [7] node, [8] ms that the presence key lasts.
-- Returns conflict, or ok, the connection that was replaced, its node, and the lease.
local room, uid, user, connection, node, lasts = unpack(ARGV, 3, 8)

local l = read_lease(room)
if l.state ~= 'offline' and l.uid ~= uid then return { 'conflict' } end

-- A fence is above all earlier ones of the partition, and follows the clock so that it grows over a wipe as well.
local function hold()
  local last = tonumber(redis.call('HGET', KEYS[1], 'fence') or 0)
  l.fence = int(math.max(last + 1, micros))
  redis.call('HSET', KEYS[1], 'fence', l.fence)
  l.uid, l.user, l.connection, l.node = uid, user, connection, node
end

local replaced, replaced_node = '', ''
if is_held(l) then
  if l.connection ~= connection or l.node ~= node then
    replaced, replaced_node = l.connection, l.node
    hold()
  end
elseif l.state == 'reconnecting' then
  hold()
  l.state, l.ends, l.reason = 'live', nil, nil
  tell_on_air(l, 'live.resumed')
else
  hold()
  l.state = 'online'
  tell(l, 'streamer.online')
end
l.seen = int(now)
write_lease(l)
redis.call('SET', base .. 'online:' .. room, uid, 'PX', lasts)
return done(replaced, replaced_node, flatten(l))
