-- Claim: ARGV[4] room, [5] user id, [6] user as JSON, [7] connection, [8] node, [9] its life, [10] ms that the presence
-- key lasts. Returns conflict; dead if the life is over; fenced if the claim was undone before it came; or ok, the
-- connection that was replaced, its node, the lease, and 1 if nobody held it or was waited for.
local room, uid, user, connection, node, life, lasts = unpack(ARGV, 4, 10)

if life == '' then life = nil end -- a node that no registry knows
if life and is_dead(life) then return { 'dead' } end
if redis.call('EXISTS', void_key(connection)) == 1 then return { 'fenced' } end
local l = read_lease(room)
if l.state ~= 'offline' and l.uid ~= uid then return { 'conflict' } end

-- A fence is above all earlier ones of the partition, and follows the clock so that it grows over a wipe as well.
local function hold()
  local last = tonumber(redis.call('HGET', KEYS[1], 'fence') or 0)
  l.fence = int(math.max(last + 1, micros))
  redis.call('HSET', KEYS[1], 'fence', l.fence)
  l.uid, l.user, l.connection, l.node, l.life, l.handed, l.hearsay = uid, user, connection, node, life, nil, nil
end

local replaced, replaced_node, began = '', '', 0
if is_held(l) then
  if l.connection ~= connection or l.node ~= node then
    replaced, replaced_node = l.connection, l.node
    note_replaced(l)
    hold()
    tell(l, 'lease.moved')
  else
    l.life, l.hearsay = life, nil
  end
elseif l.state == 'reconnecting' then
  hold()
  l.state, l.ends, l.reason = 'live', nil, nil
  tell_on_air(l, 'live.resumed')
else
  hold()
  l.state, began = 'online', 1
  tell(l, 'streamer.online')
end
l.seen = int(now)
write_lease(l)
redis.call('SET', base .. 'online:' .. room, uid, 'PX', lasts)
return done(replaced, replaced_node, flatten(l), began)
