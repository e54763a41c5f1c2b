-- Release: ARGV[3] room, [4] fence, [5] reason, [6] ms that the window lasts if the broadcast named none; 0: the reason
-- is final, whatever the broadcast named. Returns fenced, or ok.
local room, fence, reason, default = unpack(ARGV, 3, 6)

local l = read_lease(room)
if not holds(l, fence) then return { 'fenced' } end
local window = 0
if default ~= '0' then window = tonumber(l.window or default) end
if l.state == 'live' and window > 0 then
  l.state, l.connection, l.node, l.reason = 'reconnecting', nil, nil, reason
  l.seen, l.ends = int(now), int(now + window)
  redis.call('ZADD', KEYS[4], int(read_clock() + window), room)
  tell_on_air(l, 'live.reconnecting')
else
  go_offline(l, reason)
end
write_lease(l)
return done()
